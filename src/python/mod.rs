//! The Python module `kubegrader._core`: the only folder that names pyo3.

mod before_attempt;
mod cluster;
mod convert;
mod embedded;
mod ending;
mod errors;
mod faults;
mod green;
mod kept_log;
mod log;
mod outcome;
mod pickled;
mod pod_run;
mod reap;
mod request;
mod runtime;
mod stages;
mod testing;

use pyo3::prelude::*;

/// kubegrader's Rust core.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::before_attempt::PyPrepared;
    #[pymodule_export]
    use super::cluster::PyCluster;
    #[pymodule_export]
    use super::embedded::PyEmbeddedCluster;
    #[pymodule_export]
    use super::ending::PyBell;
    #[pymodule_export]
    use super::faults::PyFaults;
    #[pymodule_export]
    use super::kept_log::kept_log;
    #[pymodule_export]
    use super::log::PyLogLines;
    #[pymodule_export]
    use super::outcome::{PyOutcome, PyTimings, PyVerdict};
    #[pymodule_export]
    use super::pickled::unpickled;
    #[pymodule_export]
    use super::pod_run::PyPodRun;
    #[pymodule_export]
    use super::reap::PyReaped;
    #[pymodule_export]
    use super::request::{
        autograde_pod_name, build_pod, check_images, check_mounts, check_pod, check_request,
        completed, configured_image, default_image, no_notebook, no_results,
    };
    #[pymodule_export]
    use super::runtime::farewell;
    #[pymodule_export]
    use super::testing::{api_request, kubeconfig_with_namespace, pod_verdict};

    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

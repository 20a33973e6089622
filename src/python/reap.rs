//! `Cluster.reap`: pods whose owner is gone.

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::errors;
use super::pod_run::{SIGNALS, is_main_thread};
use super::runtime::current;
use crate::cluster::Cluster;
use crate::reap::{ReapOptions, Reaped, reap, reap_soon};
use crate::step::Steps;

/// What was done about a pod, and why.
#[pyclass(frozen, name = "Reaped", module = "kubegrader")]
pub(super) struct PyReaped(Reaped);

#[pymethods]
impl PyReaped {
    #[getter]
    fn namespace(&self) -> &str {
        &self.0.namespace
    }

    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    #[getter]
    fn uid(&self) -> &str {
        &self.0.uid
    }

    #[getter]
    fn submission(&self) -> Option<&str> {
        self.0.submission.as_deref()
    }

    #[getter]
    fn attempt(&self) -> Option<u32> {
        self.0.attempt
    }

    #[getter]
    fn action(&self) -> &'static str {
        self.0.action.as_str()
    }

    #[getter]
    fn reason(&self) -> &str {
        &self.0.reason
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("namespace", self.namespace())?;
        dict.set_item("name", self.name())?;
        dict.set_item("uid", self.uid())?;
        dict.set_item("submission", self.submission())?;
        dict.set_item("attempt", self.attempt())?;
        dict.set_item("action", self.action())?;
        dict.set_item("reason", self.reason())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let Reaped {
            namespace,
            name,
            action,
            reason,
            ..
        } = &self.0;
        format!("Reaped(pod='{namespace}/{name}', action='{action}', reason={reason:?})")
    }
}

/// Reaps, without the GIL; what a signal handler raises ends it between two requests.
pub(super) fn blocking(
    py: Python<'_>,
    cluster: Arc<Cluster>,
    options: ReapOptions,
    steps: Steps,
) -> PyResult<Vec<PyReaped>> {
    let (runtime, life) = current(py)?;
    let is_main = is_main_thread(py)?;
    let mut task = runtime.spawn(async move { reap(&cluster, &options, &steps).await });
    let ended = loop {
        let ended = py.detach(|| {
            runtime.block_on(async {
                tokio::select! {
                    ended = &mut task => Some(ended),
                    () = life.ends.cancelled() => Some(Ok(Ok(Vec::new()))),
                    () = tokio::time::sleep(SIGNALS), if is_main => None,
                }
            })
        });
        if !is_main {
            py.detach(|| life.keep_from_exiting_python());
        }
        if let Some(ended) = ended {
            break ended;
        }
        if let Err(interrupt) = py.check_signals() {
            task.abort();
            return Err(interrupt);
        }
    };
    let report = ended
        .map_err(|error| PyRuntimeError::new_err(format!("reaping pods: {error}")))?
        .map_err(|error| errors::from(py, error))?;
    Ok(report.into_iter().map(PyReaped).collect())
}

/// Begins to look for pods whose owner is gone; it blocks nobody, and a failure is a line of the log.
pub(super) fn in_background(
    py: Python<'_>,
    cluster: Arc<Cluster>,
    namespace: Option<String>,
    instance: String,
    steps: Steps,
) -> PyResult<()> {
    let (runtime, _) = current(py)?;
    runtime.spawn(async move {
        let begun = reap_soon(&cluster, namespace.as_deref(), &instance, &steps).await;
        if let Err(error) = begun {
            steps.warn(&format!(
                "pods that a killed process left behind could not be looked for: {error}"
            ));
        }
    });
    Ok(())
}

//! `kubegrader.Cluster`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::before_attempt;
use super::convert;
use super::errors;
use super::log;
use super::outcome::PyOutcome;
use super::pod_run::PyPodRun;
use super::reap::{self, PyReaped};
use crate::cluster::{Cluster, MaxPods, Options, locked};
use crate::lifecycle::RunOptions;
use crate::manifest::Manifest;
use crate::reap::ReapOptions;

/// A cluster that pods are run on.
#[pyclass(frozen, subclass, name = "Cluster", module = "kubegrader._core")]
pub(super) struct PyCluster {
    options: Options,
    /// The cluster of this process; a forked child makes its own.
    cluster: Mutex<(u32, Arc<Cluster>)>,
}

impl PyCluster {
    pub(super) fn cluster(&self) -> Arc<Cluster> {
        let mut cluster = locked(&self.cluster);
        let pid = std::process::id();
        if cluster.0 != pid {
            let own = (pid, Arc::new(Cluster::new(self.options.clone())));
            // The parent's connections and tasks are not ours to end.
            std::mem::forget(std::mem::replace(&mut *cluster, own));
        }
        Arc::clone(&cluster.1)
    }
}

#[pymethods]
impl PyCluster {
    #[new]
    #[pyo3(signature = (context = None, kubeconfig = None, namespace = None, *, max_pods = None, max_pods_in_namespace = None))]
    fn new(
        context: Option<String>,
        kubeconfig: Option<PathBuf>,
        namespace: Option<String>,
        max_pods: Option<i64>,
        max_pods_in_namespace: Option<i64>,
    ) -> PyResult<Self> {
        let options = Options {
            kubeconfig,
            context,
            namespace,
            max_pods: MaxPods {
                in_process: convert::limit("max_pods", max_pods)?,
                in_namespace: convert::limit("max_pods_in_namespace", max_pods_in_namespace)?,
            },
        };
        let cluster = Arc::new(Cluster::new(options.clone()));
        Ok(Self {
            options,
            cluster: Mutex::new((std::process::id(), cluster)),
        })
    }

    #[getter]
    fn context(&self) -> Option<&str> {
        self.options.context.as_deref()
    }

    #[getter]
    fn kubeconfig(&self) -> Option<String> {
        let path = self.options.kubeconfig.as_ref()?;
        Some(path.display().to_string())
    }

    #[getter]
    fn namespace(&self) -> Option<&str> {
        self.options.namespace.as_deref()
    }

    #[getter]
    fn max_pods(&self) -> Option<usize> {
        self.options.max_pods.in_process
    }

    #[getter]
    fn max_pods_in_namespace(&self) -> Option<usize> {
        self.options.max_pods.in_namespace
    }

    #[getter]
    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (kind, count) in self.cluster().requests().counts() {
            dict.set_item(kind, count)?;
        }
        Ok(dict)
    }

    #[getter]
    fn staleness(&self) -> f64 {
        self.cluster().staleness().as_secs_f64()
    }

    #[pyo3(signature = (pod, *, namespace = None, start_timeout = None, timeout = None, instance = "default".to_owned(),
                        submission = None, lecture = None, attempt = 1, max_attempts = 1, before_attempt = None, adopt = true, uid = None,
                        keep = false, log_limit = 1_048_576, poll_interval = 5.0, reap = true, logger = None))]
    #[allow(
        clippy::too_many_arguments,
        reason = "they are the keyword arguments that Python sees"
    )]
    fn submit(
        &self,
        pod: &Bound<'_, PyAny>,
        namespace: Option<String>,
        start_timeout: Option<f64>,
        timeout: Option<f64>,
        instance: String,
        submission: Option<String>,
        lecture: Option<String>,
        attempt: u32,
        max_attempts: u32,
        before_attempt: Option<Py<PyAny>>,
        adopt: bool,
        uid: Option<String>,
        keep: bool,
        log_limit: usize,
        poll_interval: f64,
        reap: bool,
        logger: Option<Py<PyAny>>,
    ) -> PyResult<PyPodRun> {
        let py = pod.py();
        for (name, value) in [("attempt", attempt), ("max_attempts", max_attempts)] {
            if value == 0 {
                return Err(PyValueError::new_err(format!("{name} counts from 1")));
            }
        }
        if before_attempt
            .as_ref()
            .is_some_and(|prepare| !prepare.bind(py).is_callable())
        {
            let problem = "before_attempt must be a function that takes the number of an attempt";
            return Err(PyTypeError::new_err(problem));
        }
        if let Some(prepare) = &before_attempt
            && is_coroutine_function(prepare.bind(py))?
        {
            let problem = "before_attempt must be no async function: nobody awaits it";
            return Err(PyTypeError::new_err(problem));
        }
        let options = RunOptions {
            namespace,
            start_timeout: convert::seconds("start_timeout", start_timeout)?,
            timeout: convert::seconds("timeout", timeout)?,
            instance,
            submission,
            lecture,
            attempt,
            max_attempts,
            before_attempt: before_attempt.map(before_attempt::of),
            adopt,
            uid,
            keep,
            log_limit,
            poll_interval: convert::seconds("poll_interval", Some(poll_interval))?
                .unwrap_or_default(),
            reap,
        };
        let manifest =
            Manifest::new(convert::pod(pod)?).map_err(|error| errors::from(py, error))?;
        PyPodRun::start(
            py,
            self.cluster(),
            manifest,
            options,
            log::steps(py, logger),
        )
    }

    #[pyo3(signature = (*, namespace = None, instance = "default".to_owned(), dry_run = false,
                        finished_for = Some(900.0), logger = None),
           text_signature = "($self, *, namespace=None, instance='default', dry_run=False, finished_for=900.0, logger=None)")]
    fn reap(
        &self,
        py: Python<'_>,
        namespace: Option<String>,
        instance: String,
        dry_run: bool,
        finished_for: Option<f64>,
        logger: Option<Py<PyAny>>,
    ) -> PyResult<Vec<PyReaped>> {
        let options = ReapOptions {
            namespace,
            instance,
            dry_run,
            finished_for: convert::seconds("finished_for", finished_for)?,
        };
        reap::blocking(py, self.cluster(), options, log::steps(py, logger))
    }

    #[pyo3(signature = (*, namespace = None, instance = "default".to_owned(), logger = None),
           text_signature = "($self, *, namespace=None, instance='default', logger=None)")]
    fn reap_in_background(
        &self,
        py: Python<'_>,
        namespace: Option<String>,
        instance: String,
        logger: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let steps = log::steps(py, logger);
        reap::in_background(py, self.cluster(), namespace, instance, steps)
    }

    #[pyo3(signature = (pod, **options))]
    fn run(
        slf: &Bound<'_, Self>,
        pod: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyOutcome> {
        let run = slf.call_method("submit", (pod,), options)?;
        run.cast_into::<PyPodRun>()?.get().wait_blocking(slf.py())
    }

    fn __repr__(&self) -> String {
        let shown = |value: Option<String>| {
            value.map_or_else(|| "None".to_owned(), |value| format!("'{value}'"))
        };
        format!(
            "Cluster(context={}, kubeconfig={}, namespace={})",
            shown(self.options.context.clone()),
            shown(self.kubeconfig()),
            shown(self.options.namespace.clone()),
        )
    }
}

/// Whether calling it gives a coroutine.
fn is_coroutine_function(function: &Bound<'_, PyAny>) -> PyResult<bool> {
    let inspect = function.py().import("inspect")?;
    inspect
        .call_method1("iscoroutinefunction", (function,))?
        .is_truthy()
}

//! `kubegrader.EmbeddedCluster`.

use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::convert::seconds;
use super::faults::PyFaults;
use super::runtime::{end_runs, of_embedded};
use super::stages;
use crate::cluster::locked;
use crate::embedded::faults::Faults;
use crate::embedded::{EmbeddedCluster, History, Options, Server, Stage};

/// How long an end may take: containers get a moment to stop.
const STOPPING: Duration = Duration::from_secs(10);

/// A running embedded cluster.
struct Running {
    pid: u32,
    cluster: EmbeddedCluster,
    server: Server,
    folder: tempfile::TempDir,
}

/// A Kubernetes API for pods in this process, whose pods run as processes of this machine.
#[pyclass(frozen, name = "EmbeddedCluster", module = "kubegrader")]
pub(super) struct PyEmbeddedCluster {
    running: Mutex<Option<Running>>,
    faults: Faults,
    stages: Vec<Stage>,
}

#[pymethods]
impl PyEmbeddedCluster {
    #[new]
    #[pyo3(signature = (seed=0, *, stages=None))]
    fn new(seed: u64, stages: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut all = Vec::new();
        if let Some(stages) = stages {
            for stage in stages.try_iter()? {
                all.push(stages::stage(&stage?)?);
            }
        }
        Ok(Self {
            running: Mutex::new(None),
            faults: Faults::new(seed),
            stages: all,
        })
    }

    fn play(&self, stage: &Bound<'_, PyAny>) -> PyResult<()> {
        let stage = stages::stage(stage)?;
        self.running(|running| running.cluster.play(stage))
    }

    #[getter]
    fn faults(&self) -> PyFaults {
        PyFaults(self.faults.clone())
    }

    #[pyo3(signature = (*, keep_history=true, downtime=0.0))]
    fn restart(&self, keep_history: bool, downtime: f64) -> PyResult<()> {
        let downtime = seconds("downtime", Some(downtime))?.unwrap_or_default();
        let history = if keep_history {
            History::Kept
        } else {
            History::Lost
        };
        self.running(|running| running.cluster.restart(history, downtime))
    }

    #[getter]
    fn clock_skew(&self) -> PyResult<f64> {
        self.running(|running| running.cluster.clock_skew().as_secs_f64())
    }

    #[setter]
    fn set_clock_skew(&self, seconds: f64) -> PyResult<()> {
        let skew = SignedDuration::try_from_secs_f64(seconds).map_err(|_| {
            PyValueError::new_err(format!(
                "clock_skew must be a number of seconds, and it is {seconds}"
            ))
        })?;
        self.running(|running| running.cluster.set_clock_skew(skew))
    }

    #[getter]
    fn kubeconfig(&self) -> PyResult<String> {
        self.running(|running| running.server.kubeconfig.display().to_string())
    }

    #[getter]
    fn url(&self) -> PyResult<String> {
        self.running(|running| running.server.url.clone())
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let py = slf.py();
        if locked(&slf.get().running).is_some() {
            return Err(PyRuntimeError::new_err(
                "this embedded cluster is running already",
            ));
        }
        let runtime = of_embedded(py)?;
        let folder = tempfile::Builder::new().prefix("kubegrader-").tempdir()?;
        let options = Options {
            faults: slf.get().faults.clone(),
            stages: slf.get().stages.clone(),
            ..Options::default()
        };
        let started = py.detach(|| {
            runtime.block_on(async {
                let cluster = EmbeddedCluster::start(options);
                let server = cluster.serve(folder.path()).await?;
                Ok::<_, std::io::Error>((cluster, server))
            })
        });
        let (cluster, server) = started.map_err(|error| {
            PyOSError::new_err(format!("starting the embedded cluster: {error}"))
        })?;
        *locked(&slf.get().running) = Some(Running {
            pid: std::process::id(),
            cluster,
            server,
            folder,
        });
        at_exit(&slf, "register")?;
        Ok(slf)
    }

    /// At the interpreter's exit: the runs first, which need it to delete their pods.
    fn _farewell(&self, py: Python<'_>) -> PyResult<()> {
        end_runs(py);
        self.end(py)
    }

    fn __exit__(
        slf: &Bound<'_, Self>,
        _exc_type: &Bound<'_, PyAny>,
        _exc_value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        Self::stop(slf)
    }

    fn stop(slf: &Bound<'_, Self>) -> PyResult<()> {
        at_exit(slf, "unregister")?;
        slf.get().end(slf.py())
    }

    fn __repr__(&self) -> String {
        match &*locked(&self.running) {
            Some(running) => format!("EmbeddedCluster(url='{}')", running.server.url),
            None => "EmbeddedCluster(stopped)".to_owned(),
        }
    }
}

/// Lets Python call `_farewell` at its exit, or no longer.
fn at_exit(cluster: &Bound<'_, PyEmbeddedCluster>, what: &str) -> PyResult<()> {
    let farewell = cluster.getattr("_farewell")?;
    cluster
        .py()
        .import("atexit")?
        .call_method1(what, (farewell,))?;
    Ok(())
}

impl PyEmbeddedCluster {
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        let Some(running) = locked(&self.running).take() else {
            return Ok(());
        };
        if running.pid != std::process::id() {
            // A forked child must not end its parent's cluster.
            std::mem::forget(running);
            return Ok(());
        }
        let runtime = of_embedded(py)?;
        py.detach(|| {
            let Running {
                cluster,
                server,
                folder,
                ..
            } = running;
            runtime.block_on(async {
                let stop = async {
                    cluster.stop().await;
                    server.stop().await;
                };
                let _ = tokio::time::timeout(STOPPING, stop).await;
            });
            folder.close()
        })?;
        Ok(())
    }

    fn running<T>(&self, read: impl FnOnce(&Running) -> T) -> PyResult<T> {
        locked(&self.running).as_ref().map(read).ok_or_else(|| {
            PyRuntimeError::new_err("this embedded cluster is not running; enter it with 'with'")
        })
    }
}

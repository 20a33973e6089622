//! A run that is under way: to be waited for by a thread or by an event loop, or to be cancelled.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio_util::sync::DropGuard;

use super::convert;
use super::ending::{Ending, PyBell, Teller, Told, Waited};
use super::errors;
use super::green;
use super::outcome::PyOutcome;
use super::runtime::{Life, current};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::lifecycle::{Detach, Outcome, Place, RunOptions, Stop, run};
use crate::manifest::Manifest;
use crate::packed::Packed;
use crate::step::Steps;
use crate::under_way::UnderWay;

/// How often the main thread, when it waits, looks for signals.
pub(super) const SIGNALS: Duration = Duration::from_millis(25);
/// How long an interrupted wait goes on for the pod's deletion; what takes longer is done in the background.
const INTERRUPTED: Duration = Duration::from_millis(120);

/// One run of one pod. When nobody holds it any more, it is cancelled.
#[pyclass(frozen, name = "PodRun", module = "kubegrader")]
pub(super) struct PyPodRun {
    pid: u32,
    namespace: Option<String>,
    name: String,
    life: Life,
    ending: Arc<Ending>,
    greenlets_bell: OnceLock<PyBell>,
    detach: Detach,
    place: Place,
    cluster: Arc<Cluster>,
    cancel: DropGuard,
}

impl PyPodRun {
    /// Starts a run in the background.
    pub(super) fn start(
        py: Python<'_>,
        cluster: Arc<Cluster>,
        manifest: Manifest,
        options: RunOptions,
        steps: Steps,
    ) -> PyResult<Self> {
        // Imported before there is a pod: an interpreter that exits unwinds a thread that is in the middle of an import, and no
        // Rust frame below it survives that.
        green::waiter(py)?;
        let (handle, life) = current(py)?;
        let cancel = life.ends.child_token();
        let ending = Arc::<Ending>::default();
        let teller = Teller::new(&ending);
        let name = manifest.name().to_owned();
        let namespace = manifest
            .namespace()
            .map(str::to_owned)
            .or_else(|| options.namespace.clone());
        let under_way = UnderWay::begin();
        let detach = Detach::default();
        let place = Place::default();
        let stop = Stop {
            cancel: cancel.clone(),
            detach: detach.clone(),
            place: place.clone(),
        };
        let queue = Arc::clone(&cluster);
        // Small, and kept by the task to the end: thousands of pods wait in one.
        let (manifest, options) = (Packed::from(manifest), Arc::new(options));
        handle.spawn(async move {
            let result: Result<Outcome> = run(&cluster, manifest, options, &steps, stop).await;
            teller.tell(result.map(Arc::new).map_err(Arc::new));
            drop(under_way);
        });
        Ok(Self {
            pid: std::process::id(),
            namespace,
            name,
            life,
            ending,
            greenlets_bell: OnceLock::new(),
            detach,
            place,
            cluster: queue,
            cancel: cancel.drop_guard(),
        })
    }

    fn cancel_soon(&self) {
        self.cancel.token().cancel();
    }

    fn check_process(&self) -> PyResult<()> {
        if self.pid == std::process::id() {
            return Ok(());
        }
        Err(PyRuntimeError::new_err(
            "this run was started before a fork and belongs to the parent process",
        ))
    }

    /// Waits for at most `limit`, without the GIL; `None` when there is no result by then.
    fn wait_for(&self, py: Python<'_>, limit: Option<Duration>) -> PyResult<Option<Told>> {
        if let Some(waiter) = green::waiter(py)? {
            return self.wait_in_greenlet(&waiter, limit);
        }
        let is_main = is_main_thread(py)?;
        let waited = py.detach(|| {
            let waited = self.ending.wait(limit);
            if !is_main {
                self.life.keep_from_exiting_python();
            }
            waited
        });
        match waited {
            Waited::Ended(told) => Ok(Some(told)),
            Waited::Dropped => Err(ended_by_exit()),
            Waited::Elapsed => Ok(None),
        }
    }

    /// Waits as [`Self::wait_for`] does, while the thread's other greenlets run.
    fn wait_in_greenlet(
        &self,
        waiter: &Bound<'_, PyAny>,
        limit: Option<Duration>,
    ) -> PyResult<Option<Told>> {
        let bell = if let Some(bell) = self.greenlets_bell.get() {
            bell
        } else {
            let bell = PyBell::new()?;
            bell.ring_at(&self.ending, 0);
            self.greenlets_bell.get_or_init(|| bell)
        };
        if !self.ending.is_over() {
            let limit = limit.map(|limit| limit.as_secs_f64());
            waiter.call1((bell.fileno(), limit))?;
        }
        match self.ending.told() {
            None if self.ending.is_over() => Err(ended_by_exit()),
            told => Ok(told),
        }
    }

    /// Waits until the run has ended, for at most `limit` or until it is in vain; whether it has ended.
    fn wait_until(
        &self,
        py: Python<'_>,
        limit: Duration,
        in_vain: impl Fn() -> bool,
    ) -> PyResult<bool> {
        let until = Instant::now() + limit;
        loop {
            let look = SIGNALS.min(until.saturating_duration_since(Instant::now()));
            if self.wait_for(py, Some(look))?.is_some() {
                return Ok(true);
            }
            if in_vain() || Instant::now() >= until {
                return Ok(false);
            }
            py.check_signals()?;
        }
    }

    /// Waits to the end; whatever a signal handler raises cancels the run.
    pub(super) fn wait_blocking(&self, py: Python<'_>) -> PyResult<PyOutcome> {
        self.check_process()?;
        if let Some(told) = self.ending.told() {
            return to_python(py, told);
        }
        // Python runs signal handlers in its main thread alone.
        let look = is_main_thread(py)?.then_some(SIGNALS);
        let interrupt = loop {
            match self.wait_for(py, look) {
                Ok(Some(told)) => return to_python(py, told),
                Ok(None) => {}
                // Raised in the greenlet: it was killed, or a limit of its own has passed.
                Err(interrupt) => break interrupt,
            }
            if let Err(interrupt) = py.check_signals() {
                break interrupt;
            }
        };
        self.cancel_soon();
        // Whatever else is raised meanwhile: the first one is told.
        let _ = self.wait_for(py, Some(INTERRUPTED));
        Err(interrupt)
    }
}

pub(super) fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    Ok(threading
        .call_method0("current_thread")?
        .is(&threading.call_method0("main_thread")?))
}

fn ended_by_exit() -> PyErr {
    PyRuntimeError::new_err("the run was ended by the interpreter's exit")
}

fn to_python(py: Python<'_>, told: Told) -> PyResult<PyOutcome> {
    match told {
        Ok(outcome) => Ok(PyOutcome(outcome)),
        Err(error) => Err(errors::exception(py, &error)?),
    }
}

#[pymethods]
impl PyPodRun {
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    #[getter]
    fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    #[getter]
    fn done(&self) -> bool {
        self.ending.is_over()
    }

    #[getter]
    fn queue_position(&self) -> PyResult<Option<usize>> {
        self.check_process()?;
        Ok(self.place.position(&self.cluster))
    }

    fn wait(&self, py: Python<'_>) -> PyResult<PyOutcome> {
        self.wait_blocking(py)
    }

    fn wait_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static ENDED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        slf.get().check_process()?;
        ENDED
            .import(slf.py(), "kubegrader.event_loop", "ended")?
            .call1((slf,))
    }

    fn _ring(&self, bell: &PyBell, token: u64) {
        bell.ring_at(&self.ending, token);
    }

    #[pyo3(signature = (timeout = 5.0))]
    fn cancel(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        self.check_process()?;
        let limit = convert::time("timeout", timeout)?;
        self.cancel_soon();
        self.wait_until(py, limit, || false)
    }

    #[pyo3(signature = (timeout = 5.0))]
    fn detach(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        self.check_process()?;
        let limit = convert::time("timeout", timeout)?;
        self.detach.ask();
        self.wait_until(py, limit, || self.detach.is_refused())?;
        // Where there is no pod yet, or no answer: who is told that the run goes on must not find it detached later.
        self.detach.withdraw();
        let told = self.ending.told();
        Ok(told
            .is_some_and(|told| told.is_err_and(|error| matches!(*error, Error::Detached { .. }))))
    }

    fn __repr__(&self) -> String {
        let state = if self.done() { "done" } else { "under way" };
        format!("PodRun(name='{}', {state})", self.name)
    }
}

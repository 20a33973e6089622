//! A Python callable that prepares a further attempt.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::cluster::locked;
use crate::error::Error;
use crate::lifecycle::BeforeAttempt;
use crate::signals;

/// How it went, or what was raised.
type Told = oneshot::Sender<Result<(), String>>;

/// Calls `prepare` on a thread of Python's own.
pub(super) fn of(prepare: Py<PyAny>) -> BeforeAttempt {
    let prepare = Arc::new(prepare);
    BeforeAttempt::new(move |attempt| {
        let prepare = Arc::clone(&prepare);
        let failed = move |problem| Error::BeforeAttempt { attempt, problem };
        async move {
            let (done, told) = oneshot::channel();
            // Begun on one that may wait for the GIL.
            let begun = tokio::task::spawn_blocking(move || begin(&prepare, attempt, done)).await;
            begun
                .unwrap_or_else(|error| Err(error.to_string()))
                .map_err(failed)?;
            let told = told.await;
            told.unwrap_or_else(|_| Err(EXITS.to_owned()))
                .map_err(failed)
        }
        .boxed()
    })
}

/// An interpreter that exits has no more use for a further attempt.
const EXITS: &str = "the interpreter exits";

fn begin(prepare: &Py<PyAny>, attempt: u32, done: Told) -> Result<(), String> {
    Python::try_attach(|py| {
        let done = Py::new(py, PyPrepared(Mutex::new(Some(done))))?;
        let threads = py.import("kubegrader.own_thread")?;
        signals::unblocked(|| threads.call_method1("prepare", (prepare, attempt, done))).map(drop)
    })
    .map_or_else(
        || Err(EXITS.to_owned()),
        |begun: PyResult<()>| begun.map_err(|error| error.to_string()),
    )
}

/// Tells how the preparation of an attempt went, as `kubegrader.own_thread` uses it.
#[pyclass(frozen, name = "Prepared", module = "kubegrader._core")]
pub(super) struct PyPrepared(Mutex<Option<Told>>);

#[pymethods]
impl PyPrepared {
    #[pyo3(signature = (error = None))]
    fn tell(&self, error: Option<Bound<'_, PyAny>>) {
        let error = error.map(|error| PyErr::from_value(error).to_string());
        if let Some(told) = locked(&self.0).take() {
            // Nobody waits for it where the run was cancelled.
            let _ = told.send(error.map_or(Ok(()), Err));
        }
    }
}

//! A Python callable that prepares a further attempt.

use std::sync::Arc;

use futures::FutureExt;
use pyo3::prelude::*;

use crate::error::Error;
use crate::lifecycle::BeforeAttempt;
use crate::signals;

/// Calls `prepare` on a thread that may wait for the GIL.
pub(super) fn of(prepare: Py<PyAny>) -> BeforeAttempt {
    let prepare = Arc::new(prepare);
    BeforeAttempt::new(move |attempt| {
        let prepare = Arc::clone(&prepare);
        let failed = move |problem| Error::BeforeAttempt { attempt, problem };
        async move {
            let called = tokio::task::spawn_blocking(move || call(&prepare, attempt)).await;
            called
                .unwrap_or_else(|error| Err(error.to_string()))
                .map_err(failed)
        }
        .boxed()
    })
}

fn call(prepare: &Py<PyAny>, attempt: u32) -> Result<(), String> {
    // An interpreter that exits has no more use for a further attempt.
    Python::try_attach(|py| {
        let called = signals::unblocked(|| prepare.call1(py, (attempt,)));
        called.map(drop).map_err(|error| error.to_string())
    })
    .unwrap_or_else(|| Err("the interpreter exits".to_owned()))
}

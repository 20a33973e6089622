//! Waiting in a greenlet of gevent's, so that the thread's other greenlets run meanwhile.
//!
//! Its event loop waits for file descriptors: whoever waits has a bell, which the end of the run rings.

use pyo3::prelude::*;

/// What the caller has to wait with; `None` where no greenlets share its thread.
pub(super) fn waiter(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let waiter = py.import("kubegrader.green")?.call_method0("waiter")?;
    Ok((!waiter.is_none()).then_some(waiter))
}

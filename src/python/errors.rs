//! The crate's errors as the exceptions of `kubegrader.exceptions`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::outcome::PyVerdict;
use crate::error::Error;

/// The Python class of an error.
const fn class(error: &Error) -> &'static str {
    match error {
        Error::Config { .. } => "ConfigError",
        Error::InvalidImage { .. } | Error::ImageConfig { .. } => "ImageError",
        Error::InvalidPod { .. } => "InvalidPodError",
        Error::Api { .. } => "ApiError",
        Error::Unreachable { .. } => "UnreachableError",
        Error::NameTaken { .. } => "NameTakenError",
        Error::NotStarted { .. } => "PodNotStartedError",
        Error::Lost { .. } => "PodLostError",
        Error::Cancelled { .. } => "RunCancelledError",
        Error::Detached { .. } => "RunDetachedError",
        Error::BeforeAttempt { .. } | Error::Internal { .. } => "KubegraderError",
    }
}

/// The exception, with its verdict and, for an answer of the API server, `code` and `reason`.
#[allow(
    clippy::needless_pass_by_value,
    reason = "used as the last step of map_err"
)]
pub(super) fn from(py: Python<'_>, error: Error) -> PyErr {
    exception(py, &error).unwrap_or_else(|failure| failure)
}

pub(super) fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let attributes = PyDict::new(py);
    attributes.set_item("verdict", error.verdict().cloned().map(PyVerdict::from))?;
    if let Error::Api { code, reason, .. } = error {
        attributes.set_item("code", code)?;
        attributes.set_item("reason", reason)?;
    }
    let class = py.import("kubegrader.exceptions")?.getattr(class(error))?;
    Ok(PyErr::from_value(
        class.call((error.to_string(),), Some(&attributes))?,
    ))
}

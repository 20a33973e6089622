//! Python objects to JSON values and back, through Python's own `json` module.

use pyo3::exceptions::{
    PyArithmeticError, PyAttributeError, PyLookupError, PyRecursionError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyDict, PyMapping, PyString};
use serde_json::Value;

use super::errors;
use crate::error::Error;

/// A pod as a dict, or a `V1Pod` of the official client.
pub(super) fn pod(pod: &Bound<'_, PyAny>) -> PyResult<Value> {
    if pod.cast::<PyDict>().is_ok() || pod.cast::<PyMapping>().is_ok() {
        return value(pod, "pod");
    }
    if pod.hasattr("attribute_map")? {
        let plain = pod
            .py()
            .import("kubegrader.models")?
            .call_method1("to_dict", (pod,))?;
        return value(&plain, "pod");
    }
    Err(PyTypeError::new_err(format!(
        "pod must be a dict or a V1Pod, and it is a {}",
        pod.get_type().name()?
    )))
}

/// Any plain Python data as JSON.
pub(super) fn value(data: &Bound<'_, PyAny>, field: &str) -> PyResult<Value> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = data.py();
    let dumps = DUMPS.import(py, "json", "dumps")?;
    let written = match dumps.call1((data,)) {
        // A mapping that is no dict.
        Err(error) if error.is_instance_of::<PyTypeError>(py) => {
            let how = [(
                "default",
                py.import("kubegrader.plain")?.getattr("as_dict")?,
            )];
            dumps.call((data,), Some(&how.into_py_dict(py)?))
        }
        written => written,
    };
    let text = written.map_err(|error| {
        if !is_of_data(py, &error) {
            return error;
        }
        errors::from(
            py,
            Error::InvalidPod {
                field: field.to_owned(),
                problem: format!("it holds something that is no plain data: {error}"),
            },
        )
    })?;
    let text = text.cast_into::<PyString>()?;
    serde_json::from_str(text.to_str()?).map_err(|error| {
        errors::from(
            py,
            Error::InvalidPod {
                field: field.to_owned(),
                problem: format!("it holds something that is no JSON, such as NaN: {error}"),
            },
        )
    })
}

/// Whether it was raised for what was to be written. All else is of a signal's handler, which may raise anywhere.
fn is_of_data(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyTypeError>(py)
        || error.is_instance_of::<PyValueError>(py)
        || error.is_instance_of::<PyRecursionError>(py)
        || error.is_instance_of::<PyAttributeError>(py)
        || error.is_instance_of::<PyLookupError>(py)
        || error.is_instance_of::<PyArithmeticError>(py)
}

/// JSON as plain Python data.
pub(super) fn plain<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?
        .call_method1("loads", (value.to_string(),))
}

/// A time that nobody lives to see the end of; a clock cannot be asked for a later one.
const FOR_EVER: std::time::Duration = std::time::Duration::from_hours(30 * 365 * 24);

/// A time in seconds that need not be given.
pub(super) fn seconds(field: &str, seconds: Option<f64>) -> PyResult<Option<std::time::Duration>> {
    seconds.map(|seconds| time(field, seconds)).transpose()
}

/// A time in seconds, as Python gives it.
pub(super) fn time(field: &str, seconds: f64) -> PyResult<std::time::Duration> {
    if seconds > FOR_EVER.as_secs_f64() {
        return Ok(FOR_EVER);
    }
    std::time::Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!(
            "{field} must be a number of seconds from 0 on, and it is {seconds}"
        ))
    })
}

/// A limit to a number of things; 0, as in a trait, is none.
pub(super) fn limit(field: &str, limit: Option<i64>) -> PyResult<Option<usize>> {
    let Some(limit) = limit else {
        return Ok(None);
    };
    let limit = usize::try_from(limit).map_err(|_| {
        PyValueError::new_err(format!(
            "{field} is {limit}: it must be a number from 0 on, where 0 is no limit"
        ))
    })?;
    Ok((limit > 0).then_some(limit))
}

//! What came of a pod, as Python sees it.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::convert;
use crate::cause::Blame;
use crate::lifecycle::{Outcome, Timings};
use crate::verdict::Verdict;

use super::pickled::{Pickled, Reduced};

/// How a pod ended, whose fault that was, and what to tell whom.
#[pyclass(frozen, name = "Verdict", module = "kubegrader")]
pub(super) struct PyVerdict(Verdict);

impl From<Verdict> for PyVerdict {
    fn from(verdict: Verdict) -> Self {
        Self(verdict)
    }
}

#[pymethods]
impl PyVerdict {
    #[getter]
    fn phase(&self) -> &'static str {
        self.0.phase.as_str()
    }

    #[getter]
    fn cause(&self) -> &str {
        self.0.cause.name()
    }

    #[getter]
    fn blame(&self) -> Option<&'static str> {
        self.0.blame().map(Blame::as_str)
    }

    #[getter]
    fn retryable(&self) -> bool {
        self.0.retryable()
    }

    #[getter]
    fn exit_code(&self) -> Option<i32> {
        self.0.exit_code
    }

    #[getter]
    fn student_text(&self) -> &'static str {
        self.0.student_text()
    }

    #[getter]
    fn staff_text(&self) -> &str {
        &self.0.staff_text
    }

    #[getter]
    fn log_text(&self) -> &str {
        self.0.log_text()
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("phase", self.phase())?;
        dict.set_item("cause", self.cause())?;
        dict.set_item("blame", self.blame())?;
        dict.set_item("retryable", self.retryable())?;
        dict.set_item("exit_code", self.exit_code())?;
        dict.set_item("student_text", self.student_text())?;
        dict.set_item("staff_text", self.staff_text())?;
        Ok(dict)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        Pickled::Verdict(self.0.clone()).reduce(py)
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn __repr__(&self) -> String {
        let blame = self
            .blame()
            .map_or_else(|| "None".to_owned(), |blame| format!("'{blame}'"));
        format!(
            "Verdict(phase='{}', cause='{}', blame={blame}, retryable={})",
            self.phase(),
            self.cause(),
            if self.retryable() { "True" } else { "False" }
        )
    }
}

/// How long the parts of a run took, in seconds, and when they happened, in seconds since 1970.
#[pyclass(frozen, name = "Timings", module = "kubegrader")]
pub(super) struct PyTimings(Timings);

impl From<Timings> for PyTimings {
    fn from(timings: Timings) -> Self {
        Self(timings)
    }
}

#[pymethods]
impl PyTimings {
    #[getter]
    fn queued(&self) -> f64 {
        self.0.queued
    }

    #[getter]
    fn starting(&self) -> f64 {
        self.0.starting
    }

    #[getter]
    fn running(&self) -> f64 {
        self.0.running
    }

    #[getter]
    fn overhead(&self) -> f64 {
        self.0.overhead
    }

    #[getter]
    fn total(&self) -> f64 {
        self.0.total
    }

    #[getter]
    fn created_at(&self) -> f64 {
        self.0.created_at
    }

    #[getter]
    fn seen_at(&self) -> f64 {
        self.0.seen_at
    }

    #[getter]
    fn returned_at(&self) -> f64 {
        self.0.returned_at
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        Pickled::Timings(self.0).reduce(py)
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, seconds) in self.fields() {
            dict.set_item(name, seconds)?;
        }
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let fields: Vec<_> = self
            .fields()
            .iter()
            .map(|(name, seconds)| format!("{name}={seconds:.3}"))
            .collect();
        format!("Timings({})", fields.join(", "))
    }
}

impl PyTimings {
    fn fields(&self) -> [(&'static str, f64); 8] {
        [
            ("queued", self.0.queued),
            ("starting", self.0.starting),
            ("running", self.0.running),
            ("overhead", self.0.overhead),
            ("total", self.0.total),
            ("created_at", self.0.created_at),
            ("seen_at", self.0.seen_at),
            ("returned_at", self.0.returned_at),
        ]
    }
}

/// What came of a pod that was run to its end.
#[pyclass(frozen, name = "Outcome", module = "kubegrader")]
pub(super) struct PyOutcome(pub(super) Arc<Outcome>);

#[pymethods]
impl PyOutcome {
    #[getter]
    fn phase(&self) -> &'static str {
        self.0.verdict.phase.as_str()
    }

    #[getter]
    fn verdict(&self) -> PyVerdict {
        PyVerdict(self.0.verdict.clone())
    }

    #[getter]
    fn attempt(&self) -> u32 {
        self.0.attempt
    }

    #[getter]
    fn logs(&self) -> Option<&str> {
        self.0.logs.as_deref()
    }

    #[getter]
    fn timings(&self) -> PyTimings {
        self.0.timings.into()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        Pickled::from(&*self.0).reduce(py)
    }

    #[getter]
    fn pod<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::plain(py, &self.0.pod())
    }

    fn __repr__(&self) -> String {
        let pod = self.0.pod();
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        format!(
            "Outcome(pod='{name}', phase='{}', verdict={})",
            self.phase(),
            self.verdict().__repr__()
        )
    }
}

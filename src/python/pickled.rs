//! Verdicts and outcomes that leave their process, as a celery worker's result or an exception's: `pickle` and `copy`.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outcome::{PyOutcome, PyTimings, PyVerdict};
use crate::lifecycle::{Outcome, Timings};
use crate::verdict::Verdict;

/// What is kept of each.
#[derive(Serialize, Deserialize)]
pub(super) enum Pickled {
    Verdict(Verdict),
    Timings(Timings),
    Outcome {
        verdict: Verdict,
        attempt: u32,
        logs: Option<String>,
        timings: Timings,
        pod: Value,
    },
}

impl From<&Outcome> for Pickled {
    fn from(outcome: &Outcome) -> Self {
        Self::Outcome {
            verdict: outcome.verdict.clone(),
            attempt: outcome.attempt,
            logs: outcome.logs.clone(),
            timings: outcome.timings,
            pod: outcome.pod(),
        }
    }
}

/// What `__reduce__` gives: a function and its arguments.
pub(super) type Reduced<'py> = (Bound<'py, PyAny>, (String,));

impl Pickled {
    pub(super) fn reduce<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let restore = py.import("kubegrader._core")?.getattr("_unpickled")?;
        let text = serde_json::to_string(self);
        let text = text.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok((restore, (text,)))
    }
}

/// Makes what [`Pickled::reduce`] was asked of anew.
#[pyfunction(name = "_unpickled")]
pub(super) fn unpickled(py: Python<'_>, text: &str) -> PyResult<Py<PyAny>> {
    let pickled: Pickled =
        serde_json::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(match pickled {
        Pickled::Verdict(verdict) => PyVerdict::from(verdict)
            .into_pyobject(py)?
            .into_any()
            .unbind(),
        Pickled::Timings(timings) => PyTimings::from(timings)
            .into_pyobject(py)?
            .into_any()
            .unbind(),
        Pickled::Outcome {
            verdict,
            attempt,
            logs,
            timings,
            pod,
        } => {
            let outcome = Outcome::of_pod(verdict, attempt, logs, timings, pod);
            PyOutcome(Arc::new(outcome))
                .into_pyobject(py)?
                .into_any()
                .unbind()
        }
    })
}

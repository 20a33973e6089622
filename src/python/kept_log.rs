//! The first and the last part of a log that Python reads.

use pyo3::prelude::*;

use crate::cluster::logs::HeadAndTail;

/// What is kept of a log that comes in these chunks.
#[pyfunction]
pub(super) fn kept_log(chunks: &Bound<'_, PyAny>, limit: usize) -> PyResult<String> {
    let mut kept = HeadAndTail::new(limit);
    for chunk in chunks.try_iter()? {
        kept.push(chunk?.extract()?);
    }
    Ok(kept.into_text())
}

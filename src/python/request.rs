//! The pure parts for the executor: image, name and Pod from plain data.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::outcome::PyVerdict;
use super::{convert, errors};
use crate::cause::Cause;
use crate::error::Error;
use crate::image;
use crate::mounts;
use crate::name;
use crate::pod_check;
use crate::request::Request;
use crate::typed::without_values;
use crate::verdict::{Phase, Verdict};

/// The image that a course's image config names for an assignment, if it does.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "pyo3 gives paths by value")]
pub(super) fn configured_image(
    py: Python<'_>,
    path: PathBuf,
    lecture: &str,
    assignment: &str,
) -> PyResult<Option<String>> {
    image::configured(&path, lecture, assignment)
        .map(|image| image.map(|image| image.to_string()))
        .map_err(|error| errors::from(py, error))
}

/// `<lecture code>_image`, grader-service's own default.
#[pyfunction]
pub(super) fn default_image(lecture: &str) -> String {
    image::default(lecture)
}

/// The name of the pod that grades a submission, as grader-service makes it from 0.7.0 on.
#[pyfunction]
pub(super) fn autograde_pod_name(user: &str, submission: i64) -> String {
    name::autograde_pod(user, submission)
}

/// A submission's Pod from the executor's traits, as a dict.
#[pyfunction]
pub(super) fn build_pod<'py>(
    py: Python<'py>,
    request: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let manifest = read(request)?
        .manifest()
        .map_err(|error| errors::from(py, error))?;
    convert::plain(py, &manifest.to_value())
}

/// Checks the images of all containers of a Pod.
#[pyfunction]
pub(super) fn check_images(pod: &Bound<'_, PyAny>) -> PyResult<()> {
    image::check_all(&convert::pod(pod)?).map_err(|error| errors::from(pod.py(), error))
}

/// Checks that the containers of a Pod mount volumes that it has.
#[pyfunction]
pub(super) fn check_mounts(pod: &Bound<'_, PyAny>) -> PyResult<()> {
    mounts::check_all(&convert::pod(pod)?).map_err(|error| errors::from(pod.py(), error))
}

/// Checks parts of a request, each by itself.
#[pyfunction]
pub(super) fn check_request(request: &Bound<'_, PyAny>) -> PyResult<()> {
    read(request)?
        .check()
        .map_err(|error| errors::from(request.py(), error))
}

/// What every cluster would refuse of a Pod: fields and their problems, `None` for a field that is not known.
#[pyfunction]
pub(super) fn check_pod(pod: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Option<String>)>> {
    let faults = pod_check::faults(&convert::value(pod, "pod")?);
    Ok(faults
        .into_iter()
        .map(|fault| (fault.field, fault.problem))
        .collect())
}

fn read(request: &Bound<'_, PyAny>) -> PyResult<Request> {
    serde_json::from_value(convert::value(request, "request")?).map_err(|error| {
        let error = Error::InvalidPod {
            field: "request".to_owned(),
            problem: without_values(&error),
        };
        errors::from(request.py(), error)
    })
}

/// The verdict on a submission whose results are there.
#[pyfunction]
pub(super) fn completed() -> PyVerdict {
    Verdict::new(
        Phase::Succeeded,
        Cause::Completed,
        "the pod succeeded and left its results",
    )
    .into()
}

/// The verdict on a pod that succeeded and left no graded notebook in the folder.
#[pyfunction]
pub(super) fn no_results(output_path: &str) -> PyVerdict {
    let text = format!(
        "NoResults: the pod succeeded and left no graded notebook in {output_path}; is the volume the \
                        same here and in the pod, and does grader-convert of the image fit this grader-service?"
    );
    Verdict::new(Phase::Succeeded, Cause::NoResults, text).into()
}

/// The verdict on a submission of which no notebook is one of the assignment's.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "pyo3 gives lists by value")]
pub(super) fn no_notebook(expected: Vec<String>) -> PyVerdict {
    let text = format!(
        "NoNotebook: none of the notebooks that were handed in is one of the assignment's: {}",
        expected.join(", ")
    );
    Verdict::new(Phase::Succeeded, Cause::NoNotebook, text).into()
}

//! Stages from Python: the name of one that comes with kubegrader, a path, YAML text, or a mapping.

use std::path::{Path, PathBuf};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::convert;
use crate::embedded::{Stage, StageError};

/// Reads a stage.
///
/// # Errors
/// `ValueError`, which names the file, the field and what is wrong; `TypeError` for anything else.
pub(super) fn stage(given: &Bound<'_, PyAny>) -> PyResult<Stage> {
    let read = if let Ok(text) = given.extract::<String>() {
        named_or_text(given.py(), &text)?
    } else if let Ok(path) = given.extract::<PathBuf>() {
        Stage::from_file(&path)
    } else if given.hasattr("keys")? {
        Stage::from_value(convert::value(given, "stage")?, "the stage")
    } else {
        let kind = given.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "a stage is a name, a path, YAML text or a mapping, not {kind}"
        )));
    };
    read.map_err(|error| PyValueError::new_err(error.to_string()))
}

fn named_or_text(py: Python<'_>, text: &str) -> PyResult<Result<Stage, StageError>> {
    if text.contains('\n') {
        return Ok(Stage::from_yaml(text, "the stage"));
    }
    let extension = Path::new(text).extension();
    if text.contains('/') || extension.is_some_and(|name| name == "yaml" || name == "yml") {
        return Ok(Stage::from_file(Path::new(text)));
    }
    let package: PathBuf = py
        .import("kubegrader")?
        .getattr("__path__")?
        .get_item(0)?
        .extract()?;
    let folder = package.join("stages");
    let path = folder.join(format!("{text}.yaml"));
    if path.is_file() {
        return Ok(Stage::from_file(&path));
    }
    let mut names: Vec<String> = std::fs::read_dir(&folder)?
        .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Err(PyValueError::new_err(format!(
        "no stage of kubegrader is called {text:?}; there are {}",
        names.join(", ")
    )))
}

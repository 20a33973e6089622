//! The file of `image_config_path`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;

/// A course's image config: `{lecture: image}` or `{lecture: {assignment: image}}`.
#[derive(Debug, Clone)]
pub struct ImageConfig {
    path: PathBuf,
    lectures: serde_json::Map<String, Value>,
}

impl ImageConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::ImageConfig`], naming the file, when it is missing, not JSON, or not an object.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fault = |problem: String| Error::ImageConfig {
            path: path.to_owned(),
            key: None,
            problem,
        };
        let text =
            std::fs::read(path).map_err(|error| fault(format!("it cannot be read: {error}")))?;
        let json: Value = serde_json::from_slice(&text)
            .map_err(|error| fault(format!("it is not JSON: {error}")))?;
        match json {
            Value::Object(lectures) => Ok(Self {
                path: path.to_owned(),
                lectures,
            }),
            other => Err(fault(format!(
                "it must be an object {{lecture: image}}, and it is {}",
                kind(&other)
            ))),
        }
    }

    /// The image of an assignment, if the file names one.
    ///
    /// # Errors
    /// [`Error::ImageConfig`], naming file and key, when the entry has the wrong shape.
    pub fn image(&self, lecture: &str, assignment: &str) -> Result<Option<&str>, Error> {
        let fault = |key: String, problem: String| Error::ImageConfig {
            path: self.path.clone(),
            key: Some(key),
            problem,
        };
        match self.lectures.get(lecture) {
            None => Ok(None),
            Some(Value::String(image)) => Ok(Some(image)),
            Some(Value::Object(assignments)) => match assignments.get(assignment) {
                None => Ok(None),
                Some(Value::String(image)) => Ok(Some(image)),
                Some(other) => Err(fault(
                    format!("{lecture:?}.{assignment:?}"),
                    format!("it must be an image name, and it is {}", kind(other)),
                )),
            },
            Some(other) => Err(fault(
                format!("{lecture:?}"),
                format!(
                    "it must be an image name or an object {{assignment: image}}, and it is {}",
                    kind(other)
                ),
            )),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

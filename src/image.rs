//! The image that grades a submission: from the course's image config, a default, or the lecture's code.
//!
//! grader-service 0.1.0 to 0.12.3 read `image_config_path`, a JSON file `{lecture: image}` or
//! `{lecture: {assignment: image}}`, then call a function, whose own default is `<lecture code>_image`; from 0.12.4
//! on only that default is left.

use std::fmt;
use std::path::{Path, PathBuf};

use oci_spec::distribution::{ParseError, Reference};
use serde_json::Value;

use crate::error::Error;

/// A validated image reference, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(String);

impl Image {
    /// Checks a reference by the rules of the OCI distribution specification, the ones that the kubelet applies.
    ///
    /// # Errors
    /// [`Error::InvalidImage`], saying which characters are at fault.
    pub fn parse(reference: &str) -> Result<Self, Error> {
        match Reference::try_from(reference) {
            Ok(_) => Ok(Self(reference.to_owned())),
            Err(error) => Err(Error::InvalidImage {
                image: reference.to_owned(),
                problem: problem(reference, &error),
            }),
        }
    }

    /// The reference as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a reference, with the characters at fault and where they stand.
fn problem(reference: &str, error: &ParseError) -> String {
    if reference.is_empty() {
        return "it is empty".to_owned();
    }
    let name_end = reference.find(['@']).unwrap_or(reference.len());
    let faults: Vec<String> = reference
        .char_indices()
        .filter(|&(at, c)| !is_allowed(reference, name_end, at, c))
        .map(|(at, c)| format!("{c:?} at position {}", reference[..at].chars().count() + 1))
        .collect();
    if faults.is_empty() {
        return error.to_string();
    }
    format!("{error}; not allowed: {}", faults.join(", "))
}

/// Whether a character may stand where it stands: repository names are lower case, tags need not be.
fn is_allowed(reference: &str, name_end: usize, at: usize, c: char) -> bool {
    let name = &reference[..name_end];
    let last_slash = name.rfind('/').map_or(0, |slash| slash + 1);
    let tag = name[last_slash..]
        .rfind(':')
        .map_or(name_end, |colon| last_slash + colon);
    let registry = name
        .find('/')
        .filter(|&slash| name[..slash].contains(['.', ':']))
        .unwrap_or(0);
    match c {
        'a'..='z' | '0'..='9' | '.' | '_' | '-' | '/' | ':' | '@' => true,
        'A'..='Z' => at < registry || at > tag,
        '+' => at > name_end,
        _ => false,
    }
}

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

/// The image that a config file names for an assignment, if it does.
///
/// # Errors
/// [`Error::ImageConfig`] or [`Error::InvalidImage`].
pub fn configured(config: &Path, lecture: &str, assignment: &str) -> Result<Option<Image>, Error> {
    let config = ImageConfig::read(config)?;
    config
        .image(lecture, assignment)?
        .map(Image::parse)
        .transpose()
}

/// grader-service's own default: the lecture's code followed by `_image`. Not checked: a hook may still replace it.
#[must_use]
pub fn default(lecture: &str) -> String {
    format!("{lecture}_image")
}

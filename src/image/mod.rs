//! The image that grades a submission: from the course's image config, a default, or the lecture's code.
//!
//! grader-service 0.1.0 to 0.12.3 read `image_config_path`, a JSON file `{lecture: image}` or
//! `{lecture: {assignment: image}}`, then call a function, whose own default is `<lecture code>_image`; from 0.12.4
//! on only that default is left.

mod config;
mod fault;
mod reference;

use std::fmt;
use std::path::Path;

use serde_json::Value;

pub use config::ImageConfig;

use crate::error::Error;

/// A validated image reference, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(String);

impl Image {
    /// Checks a reference by the rules that the kubelet applies, those of `distribution/reference`.
    ///
    /// # Errors
    /// [`Error::InvalidImage`], saying which characters are at fault.
    pub fn parse(reference: &str) -> Result<Self, Error> {
        match reference::check(reference) {
            Ok(()) => Ok(Self(reference.to_owned())),
            Err(rule) => Err(Error::InvalidImage {
                image: reference.to_owned(),
                problem: fault::problem(reference, rule),
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

/// Checks the images of all containers of a Pod, as it is to be sent. One that names no image is left to the API server.
///
/// # Errors
/// [`Error::InvalidImage`], for the first that cannot be.
pub fn check_all(pod: &Value) -> Result<(), Error> {
    let kinds = ["initContainers", "containers"].map(|kind| &pod["spec"][kind]);
    let containers = kinds.into_iter().filter_map(Value::as_array).flatten();
    for image in containers.filter_map(|container| container["image"].as_str()) {
        Image::parse(image)?;
    }
    Ok(())
}

//! Pod lives that are played from data: what no process can make happen takes a file.
//!
//! Read in this order: `format` (what a file may say), `delay`, `template` and `select` (its small parts), `status`
//! (how a step changes a pod's status), `moments` (what every kubelet writes, as data), `stages` (which pod
//! plays what), `play` (one pod's life).

mod delay;
mod format;
mod moments;
mod play;
mod select;
mod stages;
mod status;
mod template;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

pub use play::Play;
pub use stages::Stages;

use delay::Delay;
use format::{DeleteStep, EventStep, File};
use moments::Moment;
use select::PodSelector;

/// Why a stage cannot be played: which file, which field, what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct StageError {
    /// The file, or what else the stage was read from.
    pub origin: String,
    /// The field, and what is wrong with it.
    pub problem: String,
}

/// A pod's life as data; `docs/embedded.md` has the format.
#[derive(Debug, Clone)]
pub struct Stage {
    script: Arc<Script>,
}

/// What a stage says, checked.
#[derive(Debug)]
pub struct Script {
    name: String,
    selector: PodSelector,
    /// How many pods play it; `None` for all that it selects.
    pods: Option<u64>,
    seed: u64,
    steps: Vec<Step>,
    /// `None`: as a real kubelet deletes a pod.
    on_delete: Option<Vec<Step>>,
}

/// One thing that happens to a pod, some time after the one before.
#[derive(Debug, Clone)]
struct Step {
    delay: Delay,
    bind: Option<String>,
    ungate: bool,
    /// What a kubelet writes at such a moment.
    moment: Option<Moment>,
    /// What the file says of the status, over the moment's.
    status: Option<Value>,
    event: Option<EventStep>,
    delete: Option<DeleteStep>,
    remove: bool,
}

impl Stage {
    /// Reads a stage from YAML; `origin` names it in errors.
    ///
    /// # Errors
    /// When it is no YAML or no stage.
    pub fn from_yaml(text: &str, origin: &str) -> Result<Self, StageError> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| StageError {
            origin: origin.to_owned(),
            problem: error.to_string(),
        })?;
        Self::checked(file, origin)
    }

    /// Reads a stage from a YAML file.
    ///
    /// # Errors
    /// When the file cannot be read, is no YAML or no stage.
    pub fn from_file(path: &Path) -> Result<Self, StageError> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| StageError {
            origin: origin.clone(),
            problem: format!("it cannot be read: {error}"),
        })?;
        Self::from_yaml(&text, &origin)
    }

    /// Reads a stage from an object of the same shape as a file.
    ///
    /// # Errors
    /// When it is no stage.
    pub fn from_value(value: Value, origin: &str) -> Result<Self, StageError> {
        let file: File = serde_json::from_value(value).map_err(|error| StageError {
            origin: origin.to_owned(),
            problem: error.to_string(),
        })?;
        Self::checked(file, origin)
    }

    fn checked(file: File, origin: &str) -> Result<Self, StageError> {
        let script = format::check(file).map_err(|problem| StageError {
            origin: origin.to_owned(),
            problem,
        })?;
        Ok(Self {
            script: Arc::new(script),
        })
    }

    /// The stage's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.script.name
    }
}

//! The part of a Pod's status that decides its fate, and the whole of it as the text that it came in.
//!
//! The names are those of core/v1 (`PodStatus`). A decoded status of all its fields takes three times the memory of its text.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A Pod's status.
#[derive(Debug, Clone, Default)]
pub struct StatusView {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: Option<String>,
    /// Why the Pod is in its phase: one word.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// When the kubelet took the Pod, before it pulled any image.
    pub start_time: Option<Time>,
    /// What has been reached: `PodScheduled`, `Ready` and others.
    pub conditions: Vec<Condition>,
    /// The containers proper.
    pub container_statuses: Vec<ContainerStatus>,
    /// The init containers, sidecars among them.
    pub init_container_statuses: Vec<ContainerStatus>,
    /// All of it.
    text: Option<Box<RawValue>>,
}

/// A condition of a Pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Which one.
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why: one word.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
}

/// How a container is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// Its present state.
    pub state: Option<ContainerState>,
    /// The state before it was last started.
    pub last_state: Option<ContainerState>,
    /// Whether its startup probe has succeeded.
    pub started: Option<bool>,
}

/// One of three states.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// It runs.
    pub running: Option<Running>,
    /// It has ended.
    pub terminated: Option<Terminated>,
    /// It does not run yet.
    pub waiting: Option<Reason>,
}

/// The state of a container that runs.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Running {}

/// The state of a container that has ended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    /// What it exited with.
    pub exit_code: i32,
    /// The signal that ended it, where the runtime tells one.
    pub signal: Option<i32>,
    /// Why: one word.
    pub reason: Option<String>,
    /// What it left as its termination message, or the runtime's words.
    pub message: Option<String>,
    /// When it was started.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
}

/// Why a container waits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// One word.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
}

/// The fields that are read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields {
    phase: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    start_time: Option<Time>,
    conditions: Option<Vec<Condition>>,
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
}

impl StatusView {
    /// The whole status, as the API server sent it; null where there was none.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let text = self.text.as_deref();
        text.and_then(|text| serde_json::from_str(text.get()).ok())
            .unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for StatusView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let fields: Option<Fields> =
            serde_json::from_str(text.get()).map_err(serde::de::Error::custom)?;
        let fields = fields.unwrap_or_default();
        Ok(Self {
            phase: fields.phase,
            reason: fields.reason,
            message: fields.message,
            start_time: fields.start_time,
            conditions: fields.conditions.unwrap_or_default(),
            container_statuses: fields.container_statuses.unwrap_or_default(),
            init_container_statuses: fields.init_container_statuses.unwrap_or_default(),
            text: Some(text),
        })
    }
}

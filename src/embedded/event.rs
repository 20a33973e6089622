//! One change of one pod, serialised once for everyone who wants to know of it.

use std::sync::Arc;

use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;

/// Namespace and name.
pub type Key = (String, String);

/// The key of a pod.
#[must_use]
pub fn key_of(pod: &Pod) -> Key {
    let metadata = &pod.metadata;
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

/// One version of a pod.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The object.
    pub pod: Arc<Pod>,
    /// The object as JSON, with `apiVersion` and `kind`.
    pub json: Bytes,
    /// The object's `metadata.resourceVersion` as a number.
    pub version: u64,
}

/// What happened to a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It is gone.
    Deleted,
}

impl Change {
    /// The `type` of the watch event.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change of one pod.
#[derive(Debug)]
pub struct Event {
    /// What happened.
    pub change: Change,
    /// The pod after the change, for `Deleted` the last state with the version of its deletion.
    pub after: Stored,
    /// The pod before the change.
    pub before: Option<Stored>,
    /// The whole line of a watch, with the line feed.
    pub line: Bytes,
}

/// The line of a watch for an object that is already JSON.
#[must_use]
pub fn event_line(word: &str, json: &[u8]) -> Bytes {
    [
        br#"{"type":""#.as_slice(),
        word.as_bytes(),
        br#"","object":"#,
        json,
        b"}\n",
    ]
    .concat()
    .into()
}

/// Serialises a pod as an event line; the object's own JSON is a slice of it.
pub fn render(change: Change, pod: Pod, version: Option<u64>) -> (Stored, Bytes) {
    // Serialising typed pods cannot fail: all keys are strings and all numbers finite.
    let json = serde_json::to_vec(&pod).unwrap_or_default();
    let line = event_line(change.word(), &json);
    let end = line.len() - 2;
    let stored = Stored {
        pod: Arc::new(pod),
        json: line.slice(end - json.len()..end),
        version: version.unwrap_or_default(),
    };
    (stored, line)
}

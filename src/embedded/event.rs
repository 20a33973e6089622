//! One change of one object, serialised once for everyone who wants to know of it.
//!
//! Not to be confused with Kubernetes' own objects of the kind `Event`, which [`super::record`] makes.

use std::sync::Arc;

use bytes::Bytes;

use super::kind::Kind;

/// Namespace and name; the namespace is empty for objects that have none.
pub type Key = (String, String);

/// The key of an object.
#[must_use]
pub fn key_of<T: Kind>(object: &T) -> Key {
    let metadata = object.metadata();
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

/// One version of an object.
#[derive(Debug)]
pub struct Stored<T> {
    /// The object.
    pub object: Arc<T>,
    /// The object as JSON, with `apiVersion` and `kind`.
    pub json: Bytes,
    /// The object's `metadata.resourceVersion` as a number.
    pub version: u64,
}

impl<T> Clone for Stored<T> {
    fn clone(&self) -> Self {
        Self {
            object: Arc::clone(&self.object),
            json: self.json.clone(),
            version: self.version,
        }
    }
}

/// What happened to an object.
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

/// One change of one object.
#[derive(Debug)]
pub struct Event<T> {
    /// What happened.
    pub change: Change,
    /// The object after the change, for `Deleted` the last state with the version of its deletion.
    pub after: Stored<T>,
    /// The object before the change.
    pub before: Option<Stored<T>>,
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

/// Serialises an object as an event line; the object's own JSON is a slice of it.
pub fn render<T: Kind>(change: Change, object: T, version: u64) -> (Stored<T>, Bytes) {
    let json = object.json();
    let line = event_line(change.word(), &json);
    let end = line.len() - 2;
    let stored = Stored {
        object: Arc::new(object),
        json: line.slice(end - json.len()..end),
        version,
    };
    (stored, line)
}

//! In which form a client wants an answer: the object, a table for people, or the metadata alone.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use bytes::Bytes;
use serde_json::{Value, json};

use super::event::{Stored, event_line};
use super::served::Served;
use super::table;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is stored.
    Object,
    /// A `Table`.
    Table,
    /// A `PartialObjectMetadata`, or a list of them.
    Metadata,
}

impl Form {
    /// The first form in `Accept` that can be given.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let mut wishes = accept.unwrap_or_default().split(',');
        wishes.find_map(wish).unwrap_or(Self::Object)
    }

    /// One object in this form.
    #[must_use]
    pub fn object<T: Served>(self, stored: Stored<T>) -> Bytes {
        match self {
            Self::Object => stored.json,
            Self::Table => {
                let metadata = json!({"resourceVersion": stored.version.to_string()});
                table::of(&[stored], &metadata).to_string().into()
            }
            Self::Metadata => partial(&*stored.object).to_string().into(),
        }
    }

    /// A list in this form; `plain` makes it in the first one.
    #[must_use]
    pub fn list<T: Served>(
        self,
        items: &[Stored<T>],
        metadata: &Value,
        plain: impl FnOnce() -> Bytes,
    ) -> Bytes {
        match self {
            Self::Object => plain(),
            Self::Table => table::of(items, metadata).to_string().into(),
            Self::Metadata => {
                let items: Vec<Value> = items.iter().map(|one| partial(&*one.object)).collect();
                let kind = "PartialObjectMetadataList";
                json!({"kind": kind, "apiVersion": META, "metadata": metadata, "items": items})
                    .to_string()
                    .into()
            }
        }
    }

    /// The same watch event with its object in this form; bookmarks and errors stay as they are.
    #[must_use]
    pub fn event<T: Served>(self, line: Bytes) -> Bytes {
        if self == Self::Object {
            return line;
        }
        let read = || -> Option<(String, T)> {
            let mut event: Value = serde_json::from_slice(&line).ok()?;
            let word = event["type"].as_str()?.to_owned();
            let object = serde_json::from_value(event["object"].take()).ok()?;
            matches!(word.as_str(), "ADDED" | "MODIFIED" | "DELETED").then_some((word, object))
        };
        let Some((word, object)) = read() else {
            return line;
        };
        let shown = if self == Self::Table {
            table::of_one(&object)
        } else {
            partial(&object)
        };
        event_line(&word, shown.to_string().as_bytes())
    }
}

const META: &str = "meta.k8s.io/v1";

/// What one entry of `Accept` asks for; `None` for what this server does not speak.
fn wish(entry: &str) -> Option<Form> {
    let mut parts = entry.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
        return None;
    }
    let (mut form, mut version) = (None, "v1");
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name {
            "as" => form = Some(value),
            "v" => version = value,
            _ => {}
        }
    }
    match form {
        None => Some(Form::Object),
        Some("Table") if version == "v1" => Some(Form::Table),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") if version == "v1" => {
            Some(Form::Metadata)
        }
        Some(_) => None,
    }
}

/// The metadata of an object as an object of its own.
pub fn partial<T: Served>(object: &T) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": object.metadata()})
}

//! From the plain data of a site's config to a Kubernetes type, without losing a word of it.
//!
//! Python configs write `persistent_volume_claim` as often as `persistentVolumeClaim`; both are taken. A key that the
//! type does not have is an error and not dropped: a misspelt `claimNmae` would mount nothing.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// Reads `value` as a `T`; `path` names it in errors.
///
/// # Errors
/// [`Error::InvalidPod`] for a value of the wrong shape and for a key that `T` does not have.
pub fn typed<T: DeserializeOwned + Serialize>(path: &str, value: Value) -> Result<T> {
    let mut value = without_nulls(value);
    // Every round renames the keys that the type did not know as they were written.
    for _ in 0..8 {
        let parsed: T = serde_json::from_value(value.clone())
            .map_err(|error| invalid(path, without_values(&error)))?;
        let kept =
            serde_json::to_value(&parsed).map_err(|error| invalid(path, error.to_string()))?;
        let unknown = unknown_fields::<T>(&value, &kept, path);
        if let Some(field) = unknown.iter().find(|field| !is_snake_case(field)) {
            return Err(no_such_field(field));
        }
        if !rename_lost(&mut value, &kept) {
            return match unknown.first() {
                Some(field) => Err(no_such_field(field)),
                None => Ok(parsed),
            };
        }
    }
    Err(invalid(path, "its fields are nested too deeply".to_owned()))
}

/// What serde says of a value of the wrong kind, without the value, which may be a secret of the site:
/// `invalid type: string "x", expected a sequence`.
pub(crate) fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(", expected ") {
        Some((met, expected)) if met.starts_with("invalid ") => {
            let kind = met.split(['"', '`']).next().unwrap_or_default();
            format!("{}, expected {expected}", kind.trim_end())
        }
        _ => text,
    }
}

/// The fields of `given` that `T` does not have; `kept` is what `T` made of it.
pub(crate) fn unknown_fields<T: DeserializeOwned>(
    given: &Value,
    kept: &Value,
    path: &str,
) -> Vec<String> {
    let mut lost = Vec::new();
    collect_lost(given, kept, "", path, &mut lost);
    lost.retain(|(pointer, _)| is_unknown::<T>(given, pointer));
    lost.into_iter().map(|(_, path)| path).collect()
}

/// Whether `T` does not have the field that it did not keep. It keeps no empty value of a field that it has either, since
/// Kubernetes reads those as absent; but there a value of another kind is an error, and for a field that it does not have
/// anything will do.
fn is_unknown<T: DeserializeOwned>(given: &Value, pointer: &str) -> bool {
    let mut other = given.clone();
    match other.pointer_mut(pointer) {
        Some(value) if is_empty(value) => *value = Value::Bool(true),
        _ => return true,
    }
    serde_json::from_value::<T>(other).is_ok()
}

/// Collects the keys that were not kept: as JSON pointers, and as errors name them.
fn collect_lost(
    given: &Value,
    kept: &Value,
    pointer: &str,
    path: &str,
    lost: &mut Vec<(String, String)>,
) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (key, value) in given {
                let path = format!("{path}.{key}");
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                match kept.get(key) {
                    Some(kept) => collect_lost(value, kept, &pointer, &path, lost),
                    None => lost.push((pointer, path)),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (at, (given, kept)) in given.iter().zip(kept).enumerate() {
                let (pointer, path) = (format!("{pointer}/{at}"), format!("{path}[{at}]"));
                collect_lost(given, kept, &pointer, &path, lost);
            }
        }
        _ => {}
    }
}

/// Whether the last key of a path is written as Python writes it.
fn is_snake_case(path: &str) -> bool {
    path.rsplit('.').next().is_some_and(|key| key.contains('_'))
}

/// Renames lost `snake_case` keys to camelCase; false when there were none.
fn rename_lost(given: &mut Value, kept: &Value) -> bool {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            let lost: Vec<String> = given
                .keys()
                .filter(|key| key.contains('_') && !kept.contains_key(*key))
                .cloned()
                .collect();
            let mut renamed = !lost.is_empty();
            for key in lost {
                if let Some(value) = given.remove(&key) {
                    given.insert(camel_case(&key), value);
                }
            }
            for (key, value) in given.iter_mut() {
                if let Some(kept) = kept.get(key) {
                    renamed |= rename_lost(value, kept);
                }
            }
            renamed
        }
        (Value::Array(given), Value::Array(kept)) => given
            .iter_mut()
            .zip(kept)
            .fold(false, |renamed, (given, kept)| {
                rename_lost(given, kept) || renamed
            }),
        _ => false,
    }
}

/// Kubernetes' own name for a field that is written in `snake_case`, as the official Python client does.
pub(crate) fn camel_case(key: &str) -> String {
    // `_exec` of the official client: `exec` was a word of Python's own once.
    let mut words = key.trim_start_matches('_').split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        // Kubernetes writes these in capitals: hostIP, diskURI, downwardAPI.
        if matches!(
            word,
            "api" | "fqdn" | "id" | "io" | "ip" | "ipc" | "pid" | "uid" | "uri" | "uuid"
        ) {
            name.push_str(&word.to_ascii_uppercase());
            return name;
        }
        if word == "wwns" {
            name.push_str("WWNs");
            return name;
        }
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Object(map) if map.is_empty())
        || matches!(value, Value::Array(list) if list.is_empty())
}

fn no_such_field(path: &str) -> Error {
    invalid(path, "there is no such field".to_owned())
}

fn invalid(path: &str, problem: String) -> Error {
    Error::InvalidPod {
        field: path.to_owned(),
        problem,
    }
}

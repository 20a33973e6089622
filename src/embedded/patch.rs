//! Changes to an object: PUT and the three kinds of PATCH.

use serde_json::{Map, Value};

use super::body::object_of;
use super::event::Key;
use super::kind::Kind;
use super::served::Served;
use super::status_body::{Refusal, forbidden};

/// Which part of the object a request may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `/{name}`: metadata and spec.
    Object,
    /// `/{name}/status`: metadata and status.
    Status,
}

/// A patch that was read and not yet applied.
#[derive(Debug)]
pub enum Patch {
    /// RFC 7386.
    Merge(Value),
    /// RFC 6902.
    Json(json_patch::Patch),
    /// Kubernetes' strategic merge: a merge in which lists of named things merge by name.
    Strategic(Value),
}

/// A merge patch is an object: anything else would replace the object as a whole.
fn object(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Map<String, Value>>(bytes).map(Value::Object)
}

impl Patch {
    /// Reads a patch by its media type.
    ///
    /// # Errors
    /// 415 and 400.
    pub fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, Refusal> {
        let fault = |error: serde_json::Error| {
            Refusal::bad_request(format!("error decoding patch: {error}"))
        };
        match media_type {
            "application/merge-patch+json" => object(bytes).map(Self::Merge).map_err(fault),
            "application/strategic-merge-patch+json" => {
                object(bytes).map(Self::Strategic).map_err(fault)
            }
            "application/json-patch+json" => {
                let operations: Vec<Value> = serde_json::from_slice(bytes).map_err(fault)?;
                // Like a real server, which looks at the operations only when it applies them.
                serde_json::from_value(Value::Array(operations))
                    .map(Self::Json)
                    .map_err(|_| Refusal::patch_does_not_apply())
            }
            _ => {
                let mut refusal = Refusal::unsupported_media_type("415: Unsupported Media Type");
                refusal.details = Some(Box::default());
                Err(refusal)
            }
        }
    }

    /// The object after the patch.
    ///
    /// # Errors
    /// 422 when a JSON patch does not apply, 400 when the result is no such object.
    pub fn apply<T: Served>(&self, object: &T) -> Result<T, Refusal> {
        let mut value =
            serde_json::to_value(object).map_err(|error| Refusal::internal(error.to_string()))?;
        match self {
            Self::Merge(patch) => json_patch::merge(&mut value, patch),
            Self::Json(patch) => {
                json_patch::patch(&mut value, patch)
                    .map_err(|_| Refusal::patch_does_not_apply())?;
            }
            Self::Strategic(patch) => merge_strategically(&mut value, patch, ""),
        }
        object_of(value)
    }
}

/// The object that is stored when `wanted` is asked for in place of `old`.
///
/// # Errors
/// 400 for another name, 409 for another uid, 422 for what must not change.
pub fn replace<T: Served>(key: &Key, part: Part, old: &T, mut wanted: T) -> Result<T, Refusal> {
    let (namespace, name) = key;
    check_names(namespace, name, &wanted)?;
    let metadata = std::mem::take(wanted.metadata_mut());
    let given_uid = metadata.uid.as_ref().filter(|uid| !uid.is_empty());
    if let (Some(given), Some(uid)) = (given_uid, &old.metadata().uid)
        && given != uid
    {
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{}/{namespace}/{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {uid}",
            T::RESOURCE
        );
        return Err(Refusal::conflict(T::RESOURCE, name, &why));
    }
    // Also before the rules: someone with an old version should hear of that first.
    let given_version = metadata.resource_version.as_deref().unwrap_or_default();
    if !given_version.is_empty()
        && old.metadata().resource_version.as_deref() != Some(given_version)
    {
        return Err(Refusal::modified(T::RESOURCE, name));
    }
    let mut new = old.clone();
    let filled = |map: Option<std::collections::BTreeMap<_, _>>| map.filter(|map| !map.is_empty());
    let kept = new.metadata_mut();
    kept.resource_version = metadata.resource_version;
    kept.labels = filled(metadata.labels);
    kept.annotations = filled(metadata.annotations);
    kept.owner_references = metadata.owner_references;
    kept.finalizers = metadata.finalizers.filter(|all| !all.is_empty());
    check_finalizers(old, &new)?;
    T::change(&mut new, old, wanted, part)?;
    Ok(new)
}

/// Who is being deleted gets no new finalizers.
fn check_finalizers<T: Kind>(old: &T, new: &T) -> Result<(), Refusal> {
    let known = old.metadata().finalizers.as_deref().unwrap_or_default();
    let added: Vec<String> = new
        .metadata()
        .finalizers
        .iter()
        .flatten()
        .filter(|one| !known.contains(one))
        .map(|one| format!("{one:?}"))
        .collect();
    if old.metadata().deletion_timestamp.is_none() || added.is_empty() {
        return Ok(());
    }
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    let name = old.metadata().name.as_deref().unwrap_or_default();
    let fault = forbidden("metadata.finalizers", &why);
    Err(Refusal::invalid("", T::KIND, name, vec![fault]))
}

/// An object's own name and namespace must be those of its URL.
///
/// # Errors
/// 400.
pub fn check_names<T: Kind>(namespace: &str, name: &str, object: &T) -> Result<(), Refusal> {
    let given = object.metadata().namespace.as_deref().unwrap_or_default();
    if !given.is_empty() && given != namespace {
        let message =
            "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(message));
    }
    let given = object.metadata().name.as_deref().unwrap_or_default();
    if !name.is_empty() && given.is_empty() {
        let message = format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        );
        return Err(Refusal::bad_request(message));
    }
    if !name.is_empty() && given != name {
        let message =
            format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Refusal::bad_request(message));
    }
    Ok(())
}

/// By which field the elements of a list are the same thing; other lists are replaced whole.
fn merge_key(list: &str) -> Option<&'static str> {
    match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "ports" => Some("containerPort"),
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        "hostAliases" | "podIPs" | "hostIPs" => Some("ip"),
        _ => None,
    }
}

fn merge_strategically(target: &mut Value, patch: &Value, field: &str) {
    match (target, patch) {
        (target, Value::Object(patch)) => {
            if !target.is_object() || patch.get("$patch") == Some(&Value::from("replace")) {
                *target = Value::Object(Map::new());
            }
            if let Value::Object(target) = target {
                merge_objects(target, patch);
            }
        }
        (Value::Array(target), Value::Array(patch)) => match merge_key(field) {
            Some(key) => merge_lists(target, patch, key),
            None if field == "finalizers" => add_missing(target, patch),
            None => target.clone_from(patch),
        },
        (target, patch) => *target = patch.clone(),
    }
}

fn merge_objects(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    // `$setElementOrder/<list>` only orders what this merge leaves in place.
    let members = patch.iter().filter(|(name, _)| !name.starts_with('$'));
    for (name, value) in members {
        if value.is_null() {
            target.remove(name);
        } else {
            merge_strategically(
                target.entry(name.clone()).or_insert(Value::Null),
                value,
                name,
            );
        }
    }
    if let Some(Value::Array(kept)) = patch.get("$retainKeys") {
        target.retain(|name, _| kept.iter().any(|one| one == name));
    }
    for (directive, values) in patch {
        if let Some(name) = directive.strip_prefix("$deleteFromPrimitiveList/")
            && let (Some(Value::Array(list)), Value::Array(values)) = (target.get_mut(name), values)
        {
            list.retain(|one| !values.contains(one));
        }
    }
}

fn add_missing(target: &mut Vec<Value>, patch: &[Value]) {
    for value in patch {
        if !target.contains(value) {
            target.push(value.clone());
        }
    }
}

fn merge_lists(target: &mut Vec<Value>, patch: &[Value], key: &str) {
    for element in patch {
        let same = |other: &Value| other.get(key).is_some() && other.get(key) == element.get(key);
        let place = target.iter().position(same);
        let delete = element.get("$patch") == Some(&Value::from("delete"));
        match place {
            Some(place) if delete => {
                target.remove(place);
            }
            Some(place) => merge_strategically(&mut target[place], element, ""),
            None if delete => {}
            None => target.push(element.clone()),
        }
    }
}

//! `extra_pod_config` and `extra_container_config`: what a site writes over the fields that are made for it.
//!
//! As with `KubeSpawner`, a field that is given replaces the one that is there, whole: nothing below it is merged.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::typed::{camel_case, typed};

/// Replaces fields of `target`, a `T`, by those of `extra`; a field that is null is taken away.
///
/// # Errors
/// [`Error::InvalidPod`] names the field that a `T` does not have, or that has the wrong shape.
pub fn overlay<T: DeserializeOwned + Serialize>(
    field: &str,
    target: &mut Value,
    extra: &Map<String, Value>,
) -> Result<()> {
    let parsed: T = typed(field, Value::Object(extra.clone()))?;
    let kept = serde_json::to_value(&parsed).map_err(|error| Error::InvalidPod {
        field: field.to_owned(),
        problem: error.to_string(),
    })?;
    let Some(target) = target.as_object_mut() else {
        return Err(Error::Internal {
            step: "making a pod",
            problem: format!("{field} has nothing to be written over"),
        });
    };
    for written in extra.keys() {
        // Kubernetes' spelling, or else Python's.
        let camel = camel_case(written);
        let key = if kept.get(written).is_some() {
            written
        } else {
            &camel
        };
        match kept.get(key) {
            Some(value) => target.insert(key.clone(), value.clone()),
            None => target.remove(key),
        };
    }
    Ok(())
}

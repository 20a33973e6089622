//! What every cluster would refuse of a Pod, found out without one: for `kubegrader check`.

use std::collections::HashSet;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::embedded::refusal;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::typed::{unknown_fields, without_nulls, without_values};

/// Why a Pod cannot be created or run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFault {
    /// The field, as in `spec.containers[0].image`.
    pub field: String,
    /// What is wrong with it; nothing for a field that Kubernetes does not have, or not in the releases that are known here.
    pub problem: Option<String>,
}

/// What is wrong with a Pod as it is to be sent, written in camelCase: what the API server of Kubernetes 1.34 says, and what
/// [`Manifest`] says of a pod that is to run once. Parts that cannot be read hide faults of the others.
#[must_use]
pub fn faults(pod: &Value) -> Vec<PodFault> {
    let pod = without_nulls(pod.clone());
    let mut found = Vec::new();
    let is_known = |key: &str| ["apiVersion", "kind", "metadata", "spec", "status"].contains(&key);
    let keys = pod.as_object().into_iter().flat_map(|pod| pod.keys());
    found.extend(keys.filter(|key| !is_known(key)).map(|key| PodFault {
        field: key.clone(),
        problem: None,
    }));
    let metadata = part::<ObjectMeta>(&pod, "metadata", &mut found);
    let spec = part::<PodSpec>(&pod, "spec", &mut found);
    if let (Some(metadata), Some(spec)) = (metadata, spec) {
        let refused = refusal::causes(Pod {
            metadata,
            spec: Some(spec),
            status: None,
        });
        found.extend(refused.into_iter().map(|(field, problem)| PodFault {
            field,
            problem: Some(problem),
        }));
    }
    if let Err(Error::InvalidPod { field, problem }) = Manifest::new(pod) {
        let problem = Some(problem);
        found.push(PodFault { field, problem });
    }
    // Of two that say the same the server's words come first.
    let mut seen = HashSet::new();
    found.retain(|fault| seen.insert(fault.field.clone()));
    found
}

/// Reads a part of a Pod by its type; `None`, with a fault, where that cannot be.
fn part<T: DeserializeOwned + Serialize + Default>(
    pod: &Value,
    key: &str,
    found: &mut Vec<PodFault>,
) -> Option<T> {
    let given = match pod.get(key) {
        None => return Some(T::default()),
        Some(given) if given.is_object() => given,
        Some(_) => {
            found.push(PodFault {
                field: key.to_owned(),
                problem: Some("it must be an object".to_owned()),
            });
            return None;
        }
    };
    match serde_path_to_error::deserialize::<_, T>(given) {
        Ok(read) => {
            let kept = serde_json::to_value(&read).unwrap_or_default();
            let unknown = unknown_fields::<T>(given, &kept, key);
            found.extend(unknown.into_iter().map(|field| PodFault {
                field,
                problem: None,
            }));
            Some(read)
        }
        Err(error) => {
            let path = error.path().to_string();
            found.push(PodFault {
                field: format!("{key}.{path}"),
                problem: Some(without_values(error.inner())),
            });
            None
        }
    }
}

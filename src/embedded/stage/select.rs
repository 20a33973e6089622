//! Which pods a stage is for.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

/// Labels, annotations and fields that a pod must have, all of them.
#[derive(Debug, Clone, Default)]
pub struct PodSelector {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    /// Path and value; `null` for a field that must not be set.
    fields: Vec<(Vec<String>, Value)>,
}

impl PodSelector {
    /// A selector; fields are paths with dots, such as `spec.containers.0.image`.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn new(
        labels: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
        fields: BTreeMap<String, Value>,
    ) -> Result<Self, String> {
        let mut paths = Vec::new();
        for (path, value) in fields {
            let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
            if !matches!(parts[0].as_str(), "metadata" | "spec") || parts.len() < 2 {
                return Err(format!(
                    "matchFields: {path:?} must be a path in metadata or spec, such as spec.nodeName"
                ));
            }
            paths.push((parts, value));
        }
        Ok(Self {
            labels,
            annotations,
            fields: paths,
        })
    }

    /// Is this pod meant?
    #[must_use]
    pub fn matches(&self, pod: &Pod) -> bool {
        let metadata = &pod.metadata;
        holds(&self.labels, metadata.labels.as_ref())
            && holds(&self.annotations, metadata.annotations.as_ref())
            && self.fields_match(pod)
    }

    fn fields_match(&self, pod: &Pod) -> bool {
        if self.fields.is_empty() {
            return true;
        }
        let value = serde_json::to_value(pod).unwrap_or_default();
        self.fields
            .iter()
            .all(|(path, wanted)| at(&value, path) == wanted)
    }
}

fn holds(wanted: &BTreeMap<String, String>, actual: Option<&BTreeMap<String, String>>) -> bool {
    wanted
        .iter()
        .all(|(key, value)| actual.and_then(|all| all.get(key)) == Some(value))
}

/// The value at a path; `null` when there is none.
fn at<'a>(value: &'a Value, path: &[String]) -> &'a Value {
    path.iter()
        .fold(value, |value, part| match part.parse::<usize>() {
            Ok(index) if value.is_array() => &value[index],
            _ => &value[part.as_str()],
        })
}

//! A Pod as it will be sent to the API server: JSON, so that no field is lost that this build does not know.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::name;

/// The labels by which kubegrader knows its pods.
pub mod labels {
    /// Whose pod it is: the installation. One shared watch sees the pods of one instance.
    pub const INSTANCE: &str = "kubegrader.io/instance";
    /// One call of `run`: tells a create whose answer was lost from somebody else's pod.
    pub const RUN: &str = "kubegrader.io/run";
    /// grader-service's submission id.
    pub const SUBMISSION: &str = "kubegrader.io/submission";
    /// The number of the attempt at a submission, from 1.
    pub const ATTEMPT: &str = "kubegrader.io/attempt";
    /// The process whose run it is, by a random id; see [`owner`](crate::owner).
    pub const OWNER: &str = "kubegrader.io/owner";
    /// The [`OWNER`] of a pod that a run left for the next run of its submission and attempt.
    pub const DETACHED: &str = "detached";
    /// Kubernetes' recommended label ("Recommended Labels").
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
}

/// The annotations of kubegrader's pods.
pub mod annotations {
    /// How others can find out that the owner is gone: [`Claim`](crate::owner::Claim) as JSON.
    pub const OWNER_CLAIM: &str = "kubegrader.io/owner-claim";
}

/// A Pod's manifest, checked as far as that can be done without a cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    pod: Map<String, Value>,
    /// Whether the name is of our own making, from a `generateName`.
    has_generated_name: bool,
}

impl Manifest {
    /// Takes a Pod as a client would write it, and fills in what a pod that runs once needs: kind, apiVersion and
    /// `restartPolicy: Never`.
    ///
    /// # Errors
    /// [`Error::InvalidPod`] when it is no Pod, has no containers, an impossible name, or restarts for ever.
    pub fn new(pod: Value) -> Result<Self> {
        let Value::Object(mut pod) = pod else {
            return Err(invalid("pod", "it must be a Pod as an object".to_owned()));
        };
        expect(&mut pod, "apiVersion", "v1")?;
        expect(&mut pod, "kind", "Pod")?;
        let mut manifest = Self {
            pod,
            has_generated_name: false,
        };
        manifest.check_name()?;
        manifest.check_marks()?;
        manifest.check_spec()?;
        manifest.pod.remove("status");
        Ok(manifest)
    }

    fn check_name(&mut self) -> Result<()> {
        let metadata = self.object("metadata")?;
        metadata.remove("uid");
        metadata.remove("resourceVersion");
        for key in ["name", "generateName", "namespace"] {
            let given = metadata.get(key).unwrap_or(&Value::Null);
            if !given.is_string() && !given.is_null() {
                return Err(invalid(
                    &format!("metadata.{key}"),
                    "it must be a string".to_owned(),
                ));
            }
        }
        let given = metadata
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let (name, is_generated) = match metadata.remove("generateName") {
            Some(Value::String(prefix)) if given.is_empty() => (generated_name(&prefix), true),
            _ => (given, false),
        };
        if name.is_empty() {
            return Err(invalid(
                "metadata.name",
                "the pod has neither a name nor a generateName".to_owned(),
            ));
        }
        if !name::is_pod_name(&name) {
            return Err(invalid(
                "metadata.name",
                format!(
                    "{name:?} is no DNS-1123 subdomain: lower-case letters, digits, '-' and '.', at most 253"
                ),
            ));
        }
        metadata.insert("name".to_owned(), name.into());
        self.has_generated_name = is_generated;
        Ok(())
    }

    fn check_marks(&mut self) -> Result<()> {
        let metadata = self.object("metadata")?;
        for key in ["labels", "annotations"] {
            let given = metadata.get(key).unwrap_or(&Value::Null);
            if !given.is_object() && !given.is_null() {
                return Err(invalid(
                    &format!("metadata.{key}"),
                    "it must be an object".to_owned(),
                ));
            }
        }
        Ok(())
    }

    fn check_spec(&mut self) -> Result<()> {
        let spec = self.object("spec")?;
        match spec.get("containers") {
            Some(Value::Array(containers)) if !containers.is_empty() => {}
            _ => {
                return Err(invalid(
                    "spec.containers",
                    "a pod needs at least one container".to_owned(),
                ));
            }
        }
        match spec.get("restartPolicy").and_then(Value::as_str) {
            None => {
                spec.insert("restartPolicy".to_owned(), "Never".into());
            }
            Some("Never" | "OnFailure") => {}
            Some(other) => {
                return Err(invalid(
                    "spec.restartPolicy",
                    format!(
                        "a pod with {other:?} never ends; use \"Never\" (the default here) or \"OnFailure\""
                    ),
                ));
            }
        }
        Ok(())
    }

    fn object(&mut self, key: &str) -> Result<&mut Map<String, Value>> {
        let entry = self.pod.entry(key).or_insert_with(|| json!({}));
        if entry.is_null() {
            *entry = json!({});
        }
        entry
            .as_object_mut()
            .ok_or_else(|| invalid(key, "it must be an object".to_owned()))
    }

    /// The Pod's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata("name").unwrap_or_default()
    }

    /// The namespace that the Pod names itself, if it does.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.metadata("namespace")
            .filter(|namespace| !namespace.is_empty())
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.pod.get("metadata")?.get(key)?.as_str()
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.pod.get("metadata")?.get("labels")?.get(key)?.as_str()
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.pod.get("metadata")?.get("annotations")?;
        annotations.get(key)?.as_str()
    }

    /// Whether the kubelet may start a container again, so that only the phase tells the end.
    #[must_use]
    pub fn restarts(&self) -> bool {
        self.spec("restartPolicy").and_then(Value::as_str) != Some("Never")
            || self.has_restart_rules()
    }

    /// Whether a container has a policy of its own ("Individual container restart policy and rules" in Kubernetes' documentation,
    /// on by default from 1.35).
    fn has_restart_rules(&self) -> bool {
        let containers = self.spec("containers").and_then(Value::as_array);
        let own = ["restartPolicy", "restartPolicyRules"];
        containers
            .into_iter()
            .flatten()
            .any(|container| own.iter().any(|key| !container[*key].is_null()))
    }

    fn spec(&self, key: &str) -> Option<&Value> {
        self.pod.get("spec")?.get(key)
    }

    /// The names of the init containers and of the containers, in order.
    #[must_use]
    pub fn container_names(&self, key: &str) -> Vec<&str> {
        let containers = self.spec(key).and_then(Value::as_array);
        containers
            .into_iter()
            .flatten()
            .filter_map(|container| container.get("name")?.as_str())
            .collect()
    }

    /// The container whose log is the Pod's: the one that `kubectl logs` would take.
    #[must_use]
    pub fn default_container(&self) -> Option<&str> {
        let annotated = self.annotation("kubectl.kubernetes.io/default-container");
        annotated.or_else(|| self.container_names("containers").into_iter().next())
    }

    /// Whether the kubelet may kill a container for a startup or liveness probe, or for its `postStart` hook.
    #[must_use]
    pub fn is_probed(&self) -> bool {
        let containers = self.spec("containers").and_then(Value::as_array);
        let has = |container: &Value, pointer| {
            container.pointer(pointer).is_some_and(|one| !one.is_null())
        };
        containers.into_iter().flatten().any(|container| {
            ["/startupProbe", "/livenessProbe", "/lifecycle/postStart"]
                .into_iter()
                .any(|pointer| has(container, pointer))
        })
    }

    /// Whether the name was made of a `generateName`.
    #[must_use]
    pub const fn has_generated_name(&self) -> bool {
        self.has_generated_name
    }

    pub(crate) fn with_generated_name(self, has_generated_name: bool) -> Self {
        Self {
            has_generated_name,
            ..self
        }
    }

    /// Sets labels, keeping those that are there under other keys.
    ///
    /// # Errors
    /// [`Error::InvalidPod`] when the Pod's labels are no object.
    pub fn add_labels(&mut self, labels: &BTreeMap<&str, String>) -> Result<()> {
        self.add("labels", labels)
    }

    /// Sets annotations, keeping those that are there under other keys.
    ///
    /// # Errors
    /// [`Error::InvalidPod`] when the Pod's annotations are no object.
    pub fn add_annotations(&mut self, annotations: &BTreeMap<&str, String>) -> Result<()> {
        self.add("annotations", annotations)
    }

    fn add(&mut self, key: &'static str, values: &BTreeMap<&str, String>) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let metadata = self.object("metadata")?;
        let all = metadata.entry(key).or_insert_with(|| json!({}));
        if all.is_null() {
            *all = json!({});
        }
        let all = all.as_object_mut().ok_or_else(|| {
            invalid(
                &format!("metadata.{key}"),
                "it must be an object".to_owned(),
            )
        })?;
        for (key, value) in values {
            all.insert((*key).to_owned(), value.as_str().into());
        }
        Ok(())
    }

    /// Gives the Pod another name.
    pub(crate) fn set_name(&mut self, name: &str) {
        if let Some(metadata) = self.pod.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("name".to_owned(), name.into());
        }
    }

    /// Sets a label where the Pod has none of this key.
    ///
    /// # Errors
    /// [`Error::InvalidPod`] when the Pod's labels are no object.
    pub fn set_default_label(&mut self, key: &str, value: &str) -> Result<()> {
        if self.label(key).is_some() {
            return Ok(());
        }
        self.add_labels(&BTreeMap::from([(key, value.to_owned())]))
    }

    /// Sets `activeDeadlineSeconds` where the Pod has none: the kubelet then ends it even when nobody watches.
    pub fn set_deadline(&mut self, seconds: i64) {
        if let Some(spec) = self.pod.get_mut("spec").and_then(Value::as_object_mut) {
            let deadline = spec.entry("activeDeadlineSeconds").or_insert(Value::Null);
            if deadline.is_null() {
                *deadline = seconds.into();
            }
        }
    }

    /// Sets the namespace.
    pub fn set_namespace(&mut self, namespace: &str) {
        if let Some(metadata) = self.pod.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
    }

    /// The Pod as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(self.pod.clone())
    }

    /// The Pod as the text of JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings as keys and no floats that JSON lacks: nothing here can fail to be written.
        serde_json::to_vec(&self.pod).unwrap_or_default()
    }
}

/// A name made here and not by the server, so that a create whose answer was lost can be found again.
fn generated_name(prefix: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = name::unique_bytes();
    let suffix = random[..5]
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    prefix.chars().take(253 - 5).chain(suffix).collect()
}

fn expect(pod: &mut Map<String, Value>, key: &str, wanted: &str) -> Result<()> {
    match pod.get(key) {
        None | Some(Value::Null) => {
            pod.insert(key.to_owned(), wanted.into());
            Ok(())
        }
        Some(Value::String(found)) if found == wanted => Ok(()),
        Some(found) => Err(invalid(
            key,
            format!("it must be {wanted:?}, and it is {found}"),
        )),
    }
}

fn invalid(field: &str, problem: String) -> Error {
    Error::InvalidPod {
        field: field.to_owned(),
        problem,
    }
}

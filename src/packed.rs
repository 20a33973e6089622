//! A Pod's manifest while its pod is waited for: a tenth of the memory of the parsed one. Unpacking and packing it again
//! costs half as much as the decoding of an event, and is done once a pod.

use std::sync::Arc;

use serde_json::Value;

use crate::manifest::Manifest;
use crate::name;

/// A manifest as the JSON that is sent, with the little of it that is asked for while it is packed.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    json: Arc<[u8]>,
    name: Box<str>,
    namespace: Option<Box<str>>,
    restarts: bool,
    has_generated_name: bool,
    default_container: Option<Box<str>>,
    is_probed: bool,
}

impl From<Manifest> for Packed {
    fn from(manifest: Manifest) -> Self {
        Self::from(&manifest)
    }
}

impl From<&Manifest> for Packed {
    fn from(manifest: &Manifest) -> Self {
        Self {
            json: manifest.to_json().into(),
            name: manifest.name().into(),
            namespace: manifest.namespace().map(Box::from),
            restarts: manifest.restarts(),
            has_generated_name: manifest.has_generated_name(),
            default_container: manifest.default_container().map(Box::from),
            is_probed: manifest.is_probed(),
        }
    }
}

impl Packed {
    /// The Pod's name.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// The namespace that the Pod names itself, if it does.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether the kubelet may start a container again, so that only the phase tells the end.
    #[must_use]
    pub const fn restarts(&self) -> bool {
        self.restarts
    }

    /// Whether the kubelet may kill a container for a probe or a hook.
    #[must_use]
    pub const fn is_probed(&self) -> bool {
        self.is_probed
    }

    /// The container whose log is the Pod's: the one that `kubectl logs` would take.
    #[must_use]
    pub fn default_container(&self) -> Option<&str> {
        self.default_container.as_deref()
    }

    /// The Pod as the text of JSON; empty for none.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The manifest again; an empty one for none.
    #[must_use]
    pub fn to_manifest(&self) -> Manifest {
        let manifest = Manifest::new(self.to_value()).unwrap_or_default();
        manifest.with_generated_name(self.has_generated_name)
    }

    /// Whether no other run can find the pod by its name, since that was made for this one.
    #[must_use]
    pub const fn has_generated_name(&self) -> bool {
        self.has_generated_name
    }

    /// The same Pod for a further attempt, named `<name>-attempt-<number>`.
    #[must_use]
    pub fn for_attempt(&self, attempt: u32) -> Self {
        self.named(&name::of_attempt(&self.name, attempt))
    }

    /// The same Pod under another name.
    #[must_use]
    pub(crate) fn named(&self, name: &str) -> Self {
        let mut manifest = self.to_manifest();
        manifest.set_name(name);
        Self::from(manifest)
    }

    /// The Pod as JSON; `null` for none.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }
}

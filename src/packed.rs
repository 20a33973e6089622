//! A Pod's manifest while its pod is waited for: a tenth of the memory of the parsed one.

use serde_json::Value;

use crate::manifest::Manifest;

/// A manifest as the JSON that is sent, with the little of it that is asked for after the create.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    json: Box<[u8]>,
    restarts: bool,
    default_container: Option<Box<str>>,
}

impl From<Manifest> for Packed {
    fn from(manifest: Manifest) -> Self {
        Self::from(&manifest)
    }
}

impl From<&Manifest> for Packed {
    fn from(manifest: &Manifest) -> Self {
        Self {
            json: manifest.to_json().into_boxed_slice(),
            restarts: manifest.restarts(),
            default_container: manifest.default_container().map(Box::from),
        }
    }
}

impl Packed {
    /// Whether the kubelet may start a container again, so that only the phase tells the end.
    #[must_use]
    pub const fn restarts(&self) -> bool {
        self.restarts
    }

    /// The container whose log is the Pod's: the one that `kubectl logs` would take.
    #[must_use]
    pub fn default_container(&self) -> Option<&str> {
        self.default_container.as_deref()
    }

    /// The Pod as the text of JSON; empty for none.
    #[must_use]
    pub const fn json(&self) -> &[u8] {
        &self.json
    }

    /// The manifest again; an empty one for none.
    #[must_use]
    pub fn to_manifest(&self) -> Manifest {
        Manifest::new(self.to_value()).unwrap_or_default()
    }

    /// The same for a further attempt, as [`Manifest::for_attempt`] names it.
    #[must_use]
    pub fn for_attempt(&self, attempt: u32) -> Self {
        Self::from(self.to_manifest().for_attempt(attempt))
    }

    /// The Pod as JSON; `null` for none.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }
}

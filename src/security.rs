//! What a notebook's process may do: the site's `security`, as fields of the container and of the Pod.
//!
//! The levels take their names from Kubernetes' Pod Security Standards. They are set on the grading container and not
//! on the Pod, so that a container which the site adds itself is left as the site wrote it.

use serde::Deserialize;
use serde_json::{Value, json};

/// How much is taken from a Pod beyond what grader-service's own class takes, which is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// No service account's token, no root, no capabilities, no gain of privileges, the runtime's own seccomp filter:
    /// admitted where the namespace enforces `restricted`.
    Restricted,
    /// The same for an image that runs as root and needs root's capabilities: only what does not take those away.
    Baseline,
    /// As grader-service's own class makes it.
    #[default]
    Off,
}

impl Security {
    /// Puts the container's part into its `securityContext`.
    pub fn restrict_container(self, context: &mut Value) {
        if self == Self::Off {
            return;
        }
        context["allowPrivilegeEscalation"] = json!(false);
        context["seccompProfile"] = json!({"type": "RuntimeDefault"});
        if self == Self::Restricted {
            context["runAsNonRoot"] = json!(true);
            context["capabilities"] = json!({"drop": ["ALL"]});
        }
    }

    /// Whether the Pod gets the token of its service account, where the site names none: nobody who runs a student's
    /// notebook should have one.
    #[must_use]
    pub fn keeps_token(self) -> bool {
        self == Self::Off
    }
}

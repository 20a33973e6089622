//! What a pod says of its owner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::own_pod::{Place, PodRef};
use crate::manifest::{annotations, labels};
use crate::pod_view::PodView;

/// How others can find out that a pod's owner is gone. An absent part is one that was not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claim {
    /// The process, for those on the same machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Identity>,
    /// The container, for those that follow it in the same pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The Kubernetes pod, for those that may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodRef>,
    /// Whether there is a Lease in the namespace of the pod, older than the pod, and renewed as long as the owner lives.
    pub lease: bool,
}

/// The name of the Lease of a process.
#[must_use]
pub fn lease_name(owner: &str) -> String {
    format!("kubegrader-{owner}")
}

/// Whose a pod is by its own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A process by its id.
    Process(String, Box<Claim>),
    /// Nobody: a run that was detached left it for the next run of its submission.
    Detached,
    /// It does not say.
    Unnamed,
}

impl Holder {
    /// What the labels and annotations of a pod say.
    #[must_use]
    pub fn of(pod: &PodView) -> Self {
        match pod.label(labels::OWNER) {
            None | Some("") => Self::Unnamed,
            Some(labels::DETACHED) => Self::Detached,
            Some(id) => {
                // A claim that cannot be read proves nothing.
                let claim = pod
                    .annotation(annotations::OWNER_CLAIM)
                    .and_then(|text| serde_json::from_str(text).ok());
                Self::Process(id.to_owned(), Box::new(claim.unwrap_or_default()))
            }
        }
    }
}

/// The labels and annotations of a pod that a process owns.
#[must_use]
pub fn marks(
    owner: &str,
    claim: &Claim,
) -> (
    BTreeMap<&'static str, String>,
    BTreeMap<&'static str, String>,
) {
    let text = serde_json::to_string(claim).unwrap_or_default();
    (
        BTreeMap::from([(labels::OWNER, owner.to_owned())]),
        BTreeMap::from([(annotations::OWNER_CLAIM, text)]),
    )
}

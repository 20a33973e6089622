//! The part of a Pod that decides its fate: what a watch decodes, and nothing more.
//!
//! `spec` (but for the node, the deadline, whether what fails is started again, and which init containers are sidecars) and `managedFields`, the bulk of a Pod's JSON, are passed over while it is read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use kube::core::NamespaceResourceScope as Namespaced;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::container_end::terminated;
use crate::status_view::{Condition, ContainerState, ContainerStatus, StatusView};

/// A Pod without what does not change after its create.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PodView {
    /// Name, uid, resourceVersion, labels, our own annotations, deletionTimestamp and its grace.
    #[serde(default, deserialize_with = "trimmed")]
    pub metadata: ObjectMeta,
    /// Where it runs.
    #[serde(default)]
    pub spec: SpecView,
    /// How it is.
    #[serde(default)]
    pub status: StatusView,
}

/// The fields of a Pod's `spec` that its fate hangs on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SpecView {
    /// The node, once there is one.
    pub node_name: Option<String>,
    /// The seconds after which the kubelet ends it.
    pub active_deadline_seconds: Option<i64>,
    /// Whether its `restartPolicy` is `OnFailure`: what has ended well is not started again.
    #[serde(rename = "restartPolicy", deserialize_with = "is_on_failure")]
    pub restarts_on_failure: bool,
    /// The names of the sidecars: init containers that run beside the containers proper, are started again whatever they end
    /// with, are stopped after the others, and do not count for the phase ("Sidecar Containers" in Kubernetes' documentation).
    #[serde(rename = "initContainers", deserialize_with = "sidecars")]
    pub sidecars: Vec<String>,
}

fn is_on_failure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let policy = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(policy.as_deref() == Some("OnFailure"))
}

/// The fields of an init container that tell a sidecar.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitContainer {
    name: Option<String>,
    restart_policy: Option<String>,
}

fn sidecars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let all = Option::<Vec<InitContainer>>::deserialize(deserializer)?;
    let sidecars = all.into_iter().flatten().filter_map(|one| {
        let is_sidecar = one.restart_policy.as_deref() == Some("Always");
        one.name.filter(|_| is_sidecar)
    });
    Ok(sidecars.collect())
}

/// The fields of `ObjectMeta` that are read; all others are skipped without being built.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: OurAnnotations,
    deletion_timestamp: Option<Time>,
    deletion_grace_period_seconds: Option<i64>,
}

/// The annotations of kubegrader alone: others' may be long, and are skipped.
#[derive(Default)]
struct OurAnnotations(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for OurAnnotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ours;
        impl<'de> Visitor<'de> for Ours {
            type Value = OurAnnotations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(OurAnnotations::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut ours = BTreeMap::new();
                while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                    if key.starts_with("kubegrader.io/") {
                        ours.insert(key.into_owned(), map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(OurAnnotations(ours))
            }
        }
        deserializer.deserialize_any(Ours)
    }
}

fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let meta = Meta::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        resource_version: meta.resource_version,
        labels: Some(meta.labels),
        annotations: Some(meta.annotations.0),
        deletion_timestamp: meta.deletion_timestamp,
        deletion_grace_period_seconds: meta.deletion_grace_period_seconds,
        ..ObjectMeta::default()
    })
}

impl PodView {
    /// The value of a label, if the Pod has it.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        let labels = self.metadata.labels.as_ref()?;
        labels.get(key).map(String::as_str)
    }

    /// The value of one of kubegrader's own annotations, if the Pod has it.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    /// The uid, empty where an API server left it out.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The statuses of the containers proper.
    #[must_use]
    pub fn containers(&self) -> &[ContainerStatus] {
        &self.status.container_statuses
    }

    /// The statuses of the init containers that have to end before the containers proper begin.
    pub fn ending_init_containers(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.init_containers()
            .iter()
            .filter(|status| !self.spec.sidecars.contains(&status.name))
    }

    /// Whether a sidecar is still at work: what a kubelet stops after the containers proper, with their grace.
    #[must_use]
    pub fn has_running_sidecar(&self) -> bool {
        self.init_containers().iter().any(|status| {
            let state = status.state.as_ref();
            self.spec.sidecars.contains(&status.name)
                && state.is_some_and(|state| state.running.is_some())
        })
    }

    /// The statuses of the init containers, sidecars among them.
    #[must_use]
    pub fn init_containers(&self) -> &[ContainerStatus] {
        &self.status.init_container_statuses
    }

    /// A condition by its type, if its status is `status` (`True`, `False` or `Unknown`).
    #[must_use]
    pub fn condition(&self, type_: &str, status: &str) -> Option<&Condition> {
        let mut conditions = self.status.conditions.iter();
        conditions.find(|condition| condition.r#type == type_ && condition.status == status)
    }

    /// Whether the kubelet has mounted the volumes and made the sandbox. Before Kubernetes 1.29 no pod says so.
    #[must_use]
    pub fn has_sandbox(&self) -> bool {
        self.condition("PodReadyToStartContainers", "True")
            .is_some()
    }

    /// Whether the phase is `Succeeded` or `Failed`.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed"))
    }

    /// Whether no kubelet starts a container again, where it does so after a failure: all have ended, and well.
    #[must_use]
    pub fn all_done_on_failure(&self) -> bool {
        let is_well =
            |status: &ContainerStatus| terminated(status).is_some_and(|end| end.exit_code == 0);
        self.spec.restarts_on_failure
            && self.all_terminated()
            && self.containers().iter().all(is_well)
    }

    /// Whether every container has a `terminated` state, so that nothing of the Pod runs any more.
    #[must_use]
    pub fn all_terminated(&self) -> bool {
        let containers = self.containers();
        !containers.is_empty() && containers.iter().all(is_terminated)
    }
}

/// Whether a container has a `running` state.
#[must_use]
pub(crate) fn is_running(status: &ContainerStatus) -> bool {
    matches!(
        &status.state,
        Some(ContainerState {
            running: Some(_),
            ..
        })
    )
}

/// Whether a container has a `terminated` state.
#[must_use]
pub fn is_terminated(status: &ContainerStatus) -> bool {
    matches!(
        &status.state,
        Some(ContainerState {
            terminated: Some(_),
            ..
        })
    )
}

impl Resource for PodView {
    type DynamicType = ();
    type Scope = Namespaced;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl kube::api::Log for PodView {}

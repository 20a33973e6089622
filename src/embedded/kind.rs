//! What the API has to know of a kind of object in order to store, select, watch and delete it.

use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::collection::Collection;
use super::store::State;

/// A kind of object that the API serves.
pub trait Kind:
    Metadata<Ty = ObjectMeta>
    + Resource
    + Serialize
    + DeserializeOwned
    + Clone
    + PartialEq
    + std::fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// Kubernetes' name for these objects in paths and messages, such as `pods`.
    const RESOURCE: &'static str;
    /// Every object's JSON begins so; the items of a list come without it.
    const HEAD: &'static [u8];
    /// Are the objects in namespaces?
    const NAMESPACED: bool = true;
    /// Does a deletion take its time? Then it is first marked, even when nothing holds the object.
    const GRACEFUL: bool = false;
    /// The fields that a field selector may name.
    const FIELDS: &'static [&'static str];

    /// The place of these objects in the store.
    fn of(state: &State) -> &Collection<Self>;

    /// The place of these objects in the store.
    fn of_mut(state: &mut State) -> &mut Collection<Self>;

    /// The value of one of [`Kind::FIELDS`]; empty when it is not set.
    fn field(&self, name: &str) -> &str;

    /// Seconds between the mark of a deletion and its end; `asked` are those of the request.
    fn grace(&self, _asked: Option<i64>) -> i64 {
        0
    }

    /// What else a deletion marks.
    fn marked(&mut self) {}

    /// Is there a finalizer, so that the object stays after its deletion?
    fn is_held(&self) -> bool {
        let finalizers = self.metadata().finalizers.as_ref();
        finalizers.is_some_and(|all| !all.is_empty())
    }

    /// The object as JSON, which begins with [`Kind::HEAD`].
    fn json(&self) -> Vec<u8> {
        // Serialising typed objects cannot fail: all keys are strings and all numbers finite.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn text(value: Option<&String>) -> &str {
    value.map_or("", String::as_str)
}

fn metadata_field<'a>(metadata: &'a ObjectMeta, name: &str) -> &'a str {
    match name {
        "metadata.name" => text(metadata.name.as_ref()),
        "metadata.namespace" => text(metadata.namespace.as_ref()),
        _ => "",
    }
}

impl Kind for Pod {
    const RESOURCE: &'static str = "pods";
    const HEAD: &'static [u8] = br#"{"apiVersion":"v1","kind":"Pod","#;
    const GRACEFUL: bool = true;
    const FIELDS: &'static [&'static str] = &[
        "metadata.name",
        "metadata.namespace",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ];

    fn of(state: &State) -> &Collection<Self> {
        &state.pods
    }

    fn of_mut(state: &mut State) -> &mut Collection<Self> {
        &mut state.pods
    }

    fn field(&self, name: &str) -> &str {
        let spec = self.spec.as_ref();
        let status = self.status.as_ref();
        match name {
            "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
            "spec.restartPolicy" => text(spec.and_then(|spec| spec.restart_policy.as_ref())),
            "spec.schedulerName" => text(spec.and_then(|spec| spec.scheduler_name.as_ref())),
            "spec.serviceAccountName" => {
                text(spec.and_then(|spec| spec.service_account_name.as_ref()))
            }
            "spec.hostNetwork" => match spec.and_then(|spec| spec.host_network) {
                Some(true) => "true",
                _ => "false",
            },
            "status.phase" => text(status.and_then(|status| status.phase.as_ref())),
            "status.podIP" | "status.podIPs" => {
                text(status.and_then(|status| status.pod_ip.as_ref()))
            }
            "status.nominatedNodeName" => {
                text(status.and_then(|status| status.nominated_node_name.as_ref()))
            }
            other => metadata_field(&self.metadata, other),
        }
    }

    fn grace(&self, asked: Option<i64>) -> i64 {
        let spec = self.spec.as_ref();
        let bound = !self.field("spec.nodeName").is_empty();
        let finished = matches!(self.field("status.phase"), "Succeeded" | "Failed");
        if !bound || finished {
            return 0;
        }
        let own = spec.and_then(|spec| spec.termination_grace_period_seconds);
        let grace = asked.or(own).unwrap_or(30);
        if grace < 0 { 1 } else { grace }
    }
}

impl Kind for Event {
    const RESOURCE: &'static str = "events";
    const HEAD: &'static [u8] = br#"{"apiVersion":"v1","kind":"Event","#;
    const FIELDS: &'static [&'static str] = &[
        "metadata.name",
        "metadata.namespace",
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ];

    fn of(state: &State) -> &Collection<Self> {
        &state.events
    }

    fn of_mut(state: &mut State) -> &mut Collection<Self> {
        &mut state.events
    }

    fn field(&self, name: &str) -> &str {
        let object = &self.involved_object;
        match name {
            "involvedObject.kind" => text(object.kind.as_ref()),
            "involvedObject.namespace" => text(object.namespace.as_ref()),
            "involvedObject.name" => text(object.name.as_ref()),
            "involvedObject.uid" => text(object.uid.as_ref()),
            "involvedObject.apiVersion" => text(object.api_version.as_ref()),
            "involvedObject.resourceVersion" => text(object.resource_version.as_ref()),
            "involvedObject.fieldPath" => text(object.field_path.as_ref()),
            "reason" => text(self.reason.as_ref()),
            "reportingComponent" => text(self.reporting_component.as_ref()),
            "source" => {
                let source = self.source.as_ref();
                match text(source.and_then(|source| source.component.as_ref())) {
                    "" => text(self.reporting_component.as_ref()),
                    component => component,
                }
            }
            "type" => text(self.type_.as_ref()),
            other => metadata_field(&self.metadata, other),
        }
    }

    /// A real server writes the times of an event that has none as `null`.
    fn json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.pop();
        let times = [
            ("eventTime", self.event_time.is_none()),
            ("firstTimestamp", self.first_timestamp.is_none()),
            ("lastTimestamp", self.last_timestamp.is_none()),
        ];
        for (name, _) in times.into_iter().filter(|(_, unset)| *unset) {
            json.extend_from_slice(format!(r#","{name}":null"#).as_bytes());
        }
        json.push(b'}');
        json
    }
}

impl Kind for Namespace {
    const RESOURCE: &'static str = "namespaces";
    const HEAD: &'static [u8] = br#"{"apiVersion":"v1","kind":"Namespace","#;
    const NAMESPACED: bool = false;
    const GRACEFUL: bool = true;
    const FIELDS: &'static [&'static str] = &["metadata.name", "status.phase"];

    fn of(state: &State) -> &Collection<Self> {
        &state.namespaces
    }

    fn of_mut(state: &mut State) -> &mut Collection<Self> {
        &mut state.namespaces
    }

    fn field(&self, name: &str) -> &str {
        match name {
            "status.phase" => text(
                self.status
                    .as_ref()
                    .and_then(|status| status.phase.as_ref()),
            ),
            other => metadata_field(&self.metadata, other),
        }
    }

    fn marked(&mut self) {
        self.metadata.deletion_grace_period_seconds = None;
        self.status.get_or_insert_default().phase = Some("Terminating".to_owned());
    }

    /// What is in a namespace holds it; the server takes this finalizer away itself.
    fn is_held(&self) -> bool {
        let spec = self.spec.as_ref();
        let content = spec.and_then(|spec| spec.finalizers.as_ref());
        let all = [content, self.metadata.finalizers.as_ref()];
        all.into_iter().flatten().any(|all| !all.is_empty())
    }
}

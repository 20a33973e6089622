//! Objects as the table that `kubectl get` asks for; the columns are the real server's.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use bytes::Bytes;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Namespace, Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{Stored, event_line};
use super::served::Served;

/// Does the client ask for tables before plain objects?
#[must_use]
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let first = accept.split(',').next().unwrap_or_default();
    first.contains("as=Table") && first.contains("v=v1;") | first.ends_with("v=v1")
}

/// A column of a table.
pub struct Column {
    name: &'static str,
    kind: &'static str,
    format: &'static str,
    priority: u8,
}

const fn column(name: &'static str, priority: u8) -> Column {
    Column {
        name,
        kind: "string",
        format: "",
        priority,
    }
}

const NAME: Column = Column {
    name: "Name",
    kind: "string",
    format: "name",
    priority: 0,
};

/// The columns of pods.
pub const PODS: &[Column] = &[
    NAME,
    column("Ready", 0),
    column("Status", 0),
    column("Restarts", 0),
    column("Age", 0),
    column("IP", 1),
    column("Node", 1),
    column("Nominated Node", 1),
    column("Readiness Gates", 1),
];

/// The columns of events.
pub const EVENTS: &[Column] = &[
    column("Last Seen", 0),
    column("Type", 0),
    column("Reason", 0),
    column("Object", 0),
    column("Subobject", 1),
    column("Source", 1),
    column("Message", 0),
    column("First Seen", 1),
    column("Count", 1),
    Column {
        priority: 1,
        ..NAME
    },
];

/// The columns of namespaces.
pub const NAMESPACES: &[Column] = &[NAME, column("Status", 0), column("Age", 0)];

/// A `Table` of these objects; `metadata` is that of the list.
#[must_use]
pub fn of<T: Served>(objects: &[Stored<T>], metadata: &Value) -> Value {
    let rows: Vec<Value> = objects.iter().map(|stored| row(&*stored.object)).collect();
    table::<T>(&rows, metadata)
}

fn table<T: Served>(rows: &[Value], metadata: &Value) -> Value {
    let columns: Vec<Value> = T::COLUMNS
        .iter()
        .map(|one| json!({"name": one.name, "type": one.kind, "format": one.format, "description": "", "priority": one.priority}))
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

/// The same watch event with its object as a table; other events stay as they are.
#[must_use]
pub fn of_event<T: Served>(line: &Bytes) -> Bytes {
    let parsed: Option<(String, T)> =
        serde_json::from_slice::<Value>(line)
            .ok()
            .and_then(|mut event| {
                let word = event["type"].as_str()?.to_owned();
                let object = serde_json::from_value(event["object"].take()).ok()?;
                matches!(word.as_str(), "ADDED" | "MODIFIED" | "DELETED").then_some((word, object))
            });
    let Some((word, object)) = parsed else {
        return line.clone();
    };
    let metadata = json!({"resourceVersion": object.metadata().resource_version});
    let table = table::<T>(&[row(&object)], &metadata);
    event_line(&word, table.to_string().as_bytes())
}

fn row<T: Served>(object: &T) -> Value {
    let mut metadata = serde_json::to_value(object.metadata()).unwrap_or_default();
    if let Value::Object(fields) = &mut metadata {
        fields.remove("managedFields");
    }
    json!({
        "cells": object.cells(),
        "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata},
    })
}

/// The row of a pod.
pub fn pod_cells(pod: &Pod) -> Vec<Value> {
    let none = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&none);
    let spec = pod.spec.as_ref();
    let containers = spec.map_or(0, |spec| spec.containers.len());
    let containers_now = status.container_statuses.as_deref().unwrap_or_default();
    let ready = containers_now.iter().filter(|one| one.ready).count();
    let restarts: i32 = containers_now.iter().map(|one| one.restart_count).sum();
    let or_none = |text: Option<&String>| json!(text.map_or("<none>", String::as_str));
    vec![
        json!(pod.metadata.name),
        json!(format!("{ready}/{containers}")),
        json!(reason(pod, status)),
        json!(restarts.to_string()),
        json!(age(pod.metadata.creation_timestamp.as_ref())),
        or_none(status.pod_ip.as_ref()),
        or_none(spec.and_then(|spec| spec.node_name.as_ref())),
        or_none(status.nominated_node_name.as_ref()),
        json!("<none>"),
    ]
}

/// The row of an event, by the rules of Kubernetes' own printer.
pub fn event_cells(event: &Event) -> Vec<Value> {
    let object = &event.involved_object;
    let kind = object.kind.as_deref().unwrap_or_default().to_lowercase();
    let name = object.name.as_deref().unwrap_or_default();
    let time = event.event_time.as_ref().map(|time| Time(time.0));
    let first = event.first_timestamp.clone().or_else(|| time.clone());
    let series = event.series.as_ref();
    let last = match series.and_then(|series| series.last_observed_time.as_ref()) {
        Some(observed) => Some(Time(observed.0)),
        None => event.last_timestamp.clone().or_else(|| first.clone()),
    };
    let count = series.and_then(|series| series.count).or(event.count);
    let source = event.source.clone().unwrap_or_default();
    let component = source
        .component
        .or_else(|| event.reporting_component.clone())
        .unwrap_or_default();
    let host = source
        .host
        .or_else(|| event.reporting_instance.clone())
        .unwrap_or_default();
    let source = [component, host]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    let message = event.message.as_deref().unwrap_or_default().trim();
    vec![
        json!(age(last.as_ref())),
        json!(event.type_),
        json!(event.reason),
        json!(if name.is_empty() {
            kind
        } else {
            format!("{kind}/{name}")
        }),
        json!(object.field_path.as_deref().unwrap_or_default()),
        json!(source),
        json!(message),
        json!(age(first.as_ref())),
        json!(count.unwrap_or(1)),
        json!(event.metadata.name),
    ]
}

/// The row of a namespace.
pub fn namespace_cells(namespace: &Namespace) -> Vec<Value> {
    let status = namespace.status.as_ref();
    vec![
        json!(namespace.metadata.name),
        json!(status.and_then(|status| status.phase.as_ref())),
        json!(age(namespace.metadata.creation_timestamp.as_ref())),
    ]
}

/// The word in the column `STATUS`, by the rules of Kubernetes' own printer.
fn reason(pod: &Pod, status: &PodStatus) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "Terminating".to_owned();
    }
    let init = status
        .init_container_statuses
        .as_deref()
        .unwrap_or_default();
    let done = |one: &ContainerStatus| {
        let ended = one
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        ended.is_some_and(|ended| ended.exit_code == 0)
    };
    if let Some((index, one)) = init.iter().enumerate().find(|(_, one)| !done(one)) {
        return match container_reason(one) {
            Some(word) if word != "PodInitializing" => format!("Init:{word}"),
            _ => format!("Init:{index}/{}", init.len()),
        };
    }
    let statuses = status.container_statuses.as_deref().unwrap_or_default();
    let from_containers = statuses.iter().find_map(container_reason);
    let phase = || {
        status
            .reason
            .clone()
            .or_else(|| status.phase.clone())
            .unwrap_or_default()
    };
    from_containers.unwrap_or_else(phase)
}

fn container_reason(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    let waiting = state
        .waiting
        .as_ref()
        .and_then(|waiting| waiting.reason.clone());
    waiting.or_else(|| {
        state
            .terminated
            .as_ref()
            .and_then(|ended| ended.reason.clone())
    })
}

/// Kubernetes' short form of a duration: `5s`, `2m10s`, `3h`, `4d`.
fn age(since: Option<&Time>) -> String {
    let Some(created) = since else {
        return "<unknown>".to_owned();
    };
    let seconds = (Timestamp::now().as_second() - created.0.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => format!("{}m{}s", seconds / 60, seconds % 60),
        600..10_800 => format!("{}m", seconds / 60),
        10_800..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

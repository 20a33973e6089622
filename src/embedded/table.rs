//! Pods as the table that `kubectl get` asks for; the columns are the real server's.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use bytes::Bytes;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{Stored, event_line};

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

/// A `Table` of these pods; `metadata` is that of the list.
#[must_use]
pub fn of(pods: &[Stored], metadata: &Value) -> Value {
    let rows: Vec<Value> = pods.iter().map(|stored| row(&stored.pod)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns(), "rows": rows,
    })
}

/// The same watch event with its pod as a table; other events stay as they are.
#[must_use]
pub fn of_event(line: &Bytes) -> Bytes {
    let parsed: Option<(String, Pod)> =
        serde_json::from_slice::<Value>(line)
            .ok()
            .and_then(|mut event| {
                let word = event["type"].as_str()?.to_owned();
                let pod = serde_json::from_value(event["object"].take()).ok()?;
                matches!(word.as_str(), "ADDED" | "MODIFIED" | "DELETED").then_some((word, pod))
            });
    let Some((word, pod)) = parsed else {
        return line.clone();
    };
    let metadata = json!({"resourceVersion": pod.metadata.resource_version});
    let table = json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns(), "rows": [row(&pod)],
    });
    event_line(&word, table.to_string().as_bytes())
}

fn columns() -> Value {
    let column = |name: &str, kind: &str, format: &str, priority: u8| json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority});
    json!([
        column("Name", "string", "name", 0),
        column("Ready", "string", "", 0),
        column("Status", "string", "", 0),
        column("Restarts", "string", "", 0),
        column("Age", "string", "", 0),
        column("IP", "string", "", 1),
        column("Node", "string", "", 1),
    ])
}

fn row(pod: &Pod) -> Value {
    let none = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&none);
    let spec = pod.spec.as_ref();
    let containers = spec.map_or(0, |spec| spec.containers.len());
    let containers_now = status.container_statuses.as_deref().unwrap_or_default();
    let ready = containers_now.iter().filter(|one| one.ready).count();
    let restarts: i32 = containers_now.iter().map(|one| one.restart_count).sum();
    let host = spec
        .and_then(|spec| spec.node_name.clone())
        .unwrap_or_else(|| "<none>".to_owned());
    let ip = status.pod_ip.clone().unwrap_or_else(|| "<none>".to_owned());
    let mut metadata = serde_json::to_value(&pod.metadata).unwrap_or_default();
    if let Value::Object(fields) = &mut metadata {
        fields.remove("managedFields");
    }
    json!({
        "cells": [
            pod.metadata.name, format!("{ready}/{containers}"), reason(pod, status), restarts.to_string(),
            age(pod), ip, host,
        ],
        "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata},
    })
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
fn age(pod: &Pod) -> String {
    let Some(created) = &pod.metadata.creation_timestamp else {
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

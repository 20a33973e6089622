//! Objects as the table that `kubectl get` asks for; the columns are the real server's.

use k8s_openapi::api::core::v1::{Event, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::event::Stored;
use super::form::partial;
use super::served::Served;

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

/// A `Table` of one object, as a watch sends it.
pub fn of_one<T: Served>(object: &T) -> Value {
    let metadata = json!({"resourceVersion": object.metadata().resource_version});
    table::<T>(&[row(object)], &metadata)
}

fn row<T: Served>(object: &T) -> Value {
    json!({"cells": object.cells(), "object": partial(object)})
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

/// Kubernetes' short form of a duration: `5s`, `2m10s`, `3h`, `4d`.
pub fn age(since: Option<&Time>) -> String {
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

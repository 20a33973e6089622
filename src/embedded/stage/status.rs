//! How a step changes a pod's status: a merge patch that knows conditions and containers.
//!
//! - Conditions are told apart by `type`. One that is named is replaced as a whole; `lastTransitionTime` is set when
//!   its status changes.
//! - Containers are told apart by `name`. `*` is each container of the pod, `when` and `restartable` narrow it down.
//!   `state` and `lastState` are replaced as a whole, and what follows from a state (`ready`, `containerID`, times,
//!   the reason of an exit code) is filled in where the file does not say it.
//! - Everything else is merged as RFC 7386 says; `null` takes a field away.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{Container, Pod, PodStatus};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::template::Scope;

/// The conditions whose `observedGeneration` a kubelet keeps up to date.
const KUBELETS: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];
const STATUS_LISTS: [&str; 2] = ["containerStatuses", "initContainerStatuses"];

/// The variables of a pod at a moment.
#[must_use]
pub fn scope(pod: &Pod, now: &str) -> Scope {
    let metadata = &pod.metadata;
    let spec = pod.spec.clone().unwrap_or_default();
    let names = |all: &[Container]| {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        names.join(" ")
    };
    let begun = pod
        .status
        .as_ref()
        .and_then(|status| status.start_time.as_ref());
    Scope {
        now: now.to_owned(),
        start_time: begun
            .and_then(|time| serde_json::to_value(time).ok()?.as_str().map(str::to_owned))
            .unwrap_or_else(|| now.to_owned()),
        name: metadata.name.clone().unwrap_or_default(),
        namespace: metadata.namespace.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        node: spec.node_name.clone().unwrap_or_default(),
        generation: metadata.generation.unwrap_or(1),
        containers: names(&spec.containers),
        init_containers: names(spec.init_containers.as_deref().unwrap_or_default()),
        container: String::new(),
        image: spec
            .containers
            .first()
            .and_then(|one| one.image.clone())
            .unwrap_or_default(),
    }
}

/// The status after a patch.
///
/// # Errors
/// Where in the patch, and what is wrong.
pub fn apply(pod: &Pod, patch: &Value, now: &str) -> Result<PodStatus, String> {
    let scope = scope(pod, now);
    let old = pod.status.as_ref();
    let mut status = old
        .and_then(|status| serde_json::to_value(status).ok())
        .unwrap_or_else(|| json!({}));
    let spec = pod.spec.clone().unwrap_or_default();
    for (field, wanted) in patch.as_object().into_iter().flatten() {
        match (field.as_str(), wanted) {
            ("conditions", Value::Array(wanted)) => {
                merge_conditions(&mut status, &scope.expand(&json!(wanted))?, now)?;
            }
            ("containerStatuses", Value::Array(wanted)) => {
                merge_containers(&mut status, field, &spec.containers, wanted, &scope)?;
            }
            ("initContainerStatuses", Value::Array(wanted)) => {
                let containers = spec.init_containers.as_deref().unwrap_or_default();
                merge_containers(&mut status, field, containers, wanted, &scope)?;
            }
            _ => json_patch::merge(&mut status, &json!({field: scope.expand(wanted)?})),
        }
    }
    observe(&mut status);
    serde_json::from_value(status).map_err(|error| format!(": {error}"))
}

/// Checks a patch on a pod that has the containers it names.
///
/// # Errors
/// Where in the patch, and what is wrong.
pub fn check(patch: &Value) -> Result<(), String> {
    let example = example(patch);
    let now = "2026-01-01T00:00:00Z";
    let understood = apply(&example, patch, now)?;
    let understood = serde_json::to_value(understood).unwrap_or_default();
    check_fields("", patch, &understood)
}

fn example(patch: &Value) -> Pod {
    let named = |list: &str| -> Vec<Value> {
        let entries = patch.get(list).and_then(Value::as_array);
        let names = entries
            .into_iter()
            .flatten()
            .filter_map(|one| one.get("name")?.as_str());
        let mut names: Vec<&str> = names
            .map(|name| if name == "*" { "main" } else { name })
            .collect();
        names.dedup();
        names
            .iter()
            .map(|name| json!({"name": name, "image": "image:1"}))
            .collect()
    };
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "containers": named("containerStatuses"), "initContainers": named("initContainerStatuses"),
    }});
    serde_json::from_value(pod).unwrap_or_default()
}

/// Fields that a pod's status does not have.
fn check_fields(path: &str, given: &Value, known: &Value) -> Result<(), String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given {
                let own = matches!(name.as_str(), "when" | "restartable");
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                match known.get(name) {
                    Some(known) => check_fields(&format!("{path}.{name}"), value, known)?,
                    None if own || empty => {}
                    None => return Err(format!("{path}.{name}: a pod's status has no such field")),
                }
            }
            Ok(())
        }
        (Value::Array(given), Value::Array(known)) => {
            for (index, (given, known)) in given.iter().zip(known).enumerate() {
                check_fields(&format!("{path}[{index}]"), given, known)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn list<'a>(status: &'a mut Value, field: &str) -> &'a mut Vec<Value> {
    let place = &mut status[field];
    if !place.is_array() {
        *place = json!([]);
    }
    match place {
        Value::Array(all) => all,
        _ => unreachable!("it was made a list"),
    }
}

fn position(all: &[Value], key: &str, wanted: &str) -> Option<usize> {
    all.iter().position(|one| one[key] == wanted)
}

fn merge_conditions(status: &mut Value, wanted: &Value, now: &str) -> Result<(), String> {
    let conditions = list(status, "conditions");
    for (index, wanted) in wanted.as_array().into_iter().flatten().enumerate() {
        let mut condition = wanted.clone();
        let Some(kind) = wanted["type"].as_str() else {
            return Err(format!(".conditions[{index}].type: it is missing"));
        };
        // `status: True` is a boolean in YAML, and a word in Kubernetes.
        if let Some(yes) = wanted["status"].as_bool() {
            condition["status"] = json!(if yes { "True" } else { "False" });
        }
        if condition["status"].as_str().is_none() {
            return Err(format!(
                ".conditions[{index}].status: it must be True, False or Unknown"
            ));
        }
        let place = position(conditions, "type", kind);
        let since = place
            .map(|place| &conditions[place])
            .filter(|old| old["status"] == condition["status"])
            .and_then(|old| old.get("lastTransitionTime").cloned());
        if condition.get("lastTransitionTime").is_none() {
            condition["lastTransitionTime"] = since.unwrap_or_else(|| json!(now));
        }
        match place {
            Some(place) => conditions[place] = condition,
            None => conditions.push(condition),
        }
    }
    Ok(())
}

/// The kubelet's conditions are of the generation that it has seen.
fn observe(status: &mut Value) {
    let generation = status["observedGeneration"].clone();
    let conditions = status["conditions"].as_array_mut();
    if generation.is_null() {
        return;
    }
    for condition in conditions.into_iter().flatten() {
        if condition["type"]
            .as_str()
            .is_some_and(|kind| KUBELETS.contains(&kind))
        {
            condition["observedGeneration"] = generation.clone();
        }
    }
}

fn merge_containers(
    status: &mut Value,
    field: &str,
    containers: &[Container],
    wanted: &[Value],
    scope: &Scope,
) -> Result<(), String> {
    let is_init = field == STATUS_LISTS[1];
    for (index, wanted) in wanted.iter().enumerate() {
        let at = |problem: String| format!(".{field}[{index}].{problem}");
        let name = wanted["name"]
            .as_str()
            .ok_or_else(|| at("name: it is missing".to_owned()))?;
        let meant = containers
            .iter()
            .filter(|one| name == "*" || one.name == name);
        for container in meant {
            let image = container.image.clone().unwrap_or_default();
            let statuses = list(status, field);
            let place = position(statuses, "name", &container.name);
            let old = place.map(|place| statuses[place].clone());
            if !covers(wanted, container, old.as_ref()).map_err(at)? {
                continue;
            }
            let scope = Scope {
                container: container.name.clone(),
                image,
                ..scope.clone()
            };
            let wanted = scope
                .expand(wanted)
                .map_err(|problem| at(format!("{name}: {problem}")))?;
            let entry = ContainerEntry {
                old,
                wanted: &wanted,
                scope: &scope,
                is_init,
            };
            let new = entry.merged().map_err(at)?;
            match place {
                Some(place) => statuses[place] = new,
                None => statuses.push(new),
            }
        }
    }
    Ok(())
}

/// Is this container meant by `when` and `restartable`?
fn covers(wanted: &Value, container: &Container, old: Option<&Value>) -> Result<bool, String> {
    let state = old.map_or("waiting", |old| {
        let known = ["running", "terminated"];
        known
            .into_iter()
            .find(|state| !old["state"][state].is_null())
            .unwrap_or("waiting")
    });
    let when = match &wanted["when"] {
        Value::Null => true,
        Value::String(word) if ["waiting", "running", "terminated"].contains(&word.as_str()) => {
            word == state
        }
        other => {
            return Err(format!(
                "when: {other} is not waiting, running or terminated"
            ));
        }
    };
    let restartable = container.restart_policy.as_deref() == Some("Always");
    Ok(when
        && wanted["restartable"]
            .as_bool()
            .is_none_or(|wanted| wanted == restartable))
}

/// One container's status and what is wanted of it.
struct ContainerEntry<'a> {
    old: Option<Value>,
    wanted: &'a Value,
    scope: &'a Scope,
    is_init: bool,
}

impl ContainerEntry<'_> {
    fn merged(&self) -> Result<Value, String> {
        let mut new = self.old.clone().unwrap_or_else(|| {
            json!({
                "name": self.scope.container, "image": self.scope.image, "imageID": "", "lastState": {},
                "ready": false, "started": false, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}},
            })
        });
        let fields = self.wanted.as_object().into_iter().flatten();
        for (field, value) in fields {
            match field.as_str() {
                "name" | "when" | "restartable" | "state" => {}
                "lastState" => self.remember(&mut new, value),
                _ => json_patch::merge(&mut new, &json!({field: value})),
            }
        }
        if let Some(state) = self.wanted.get("state") {
            self.enter(&mut new, state)?;
        }
        Ok(new)
    }

    /// Sets the state and what follows from it.
    fn enter(&self, new: &mut Value, state: &Value) -> Result<(), String> {
        let mut states = state.as_object().into_iter().flatten();
        let (Some((word, detail)), None) = (states.next(), states.next()) else {
            return Err("state: it must be one of waiting, running and terminated".to_owned());
        };
        let mut detail = if detail.is_null() {
            json!({})
        } else {
            detail.clone()
        };
        let mut ready = false;
        match word.as_str() {
            "waiting" => {}
            "running" => {
                ready = true;
                fill(&mut detail, "startedAt", json!(self.scope.now));
                self.identify(new);
            }
            "terminated" => {
                let code = detail["exitCode"]
                    .as_i64()
                    .ok_or("state.terminated.exitCode: it is missing")?;
                ready = self.is_init && code == 0;
                self.end(new, &mut detail, code);
            }
            other => {
                return Err(format!(
                    "state.{other}: it must be waiting, running or terminated"
                ));
            }
        }
        new["state"] = json!({word: detail});
        for (field, value) in [("ready", ready), ("started", word == "running")] {
            if self.wanted.get(field).is_none() {
                new[field] = json!(value);
            }
        }
        Ok(())
    }

    /// Sets the state before this one.
    fn remember(&self, new: &mut Value, state: &Value) {
        new["lastState"] = state.clone();
        if let Some(ended) = new["lastState"].get_mut("terminated") {
            let mut ended = ended.take();
            self.identify(new);
            fill(&mut ended, "containerID", new["containerID"].clone());
            new["lastState"]["terminated"] = ended;
        }
    }

    fn end(&self, new: &mut Value, detail: &mut Value, code: i64) {
        let before = self.old.as_ref().map(|old| &old["state"]);
        let begun = before.and_then(|state| {
            let times = [
                &state["running"]["startedAt"],
                &state["terminated"]["startedAt"],
            ];
            times.into_iter().find(|time| !time.is_null()).cloned()
        });
        fill(
            detail,
            "reason",
            json!(if code == 0 { "Completed" } else { "Error" }),
        );
        fill(
            detail,
            "startedAt",
            begun.unwrap_or_else(|| json!(self.scope.now)),
        );
        fill(detail, "finishedAt", json!(self.scope.now));
        // A container that nobody could find has no id; such a file says `containerID: null`.
        if detail.get("containerID").is_none() {
            self.identify(new);
            detail["containerID"] = new["containerID"].clone();
        }
    }

    /// A container that has run has an id and an image.
    fn identify(&self, new: &mut Value) {
        if new["containerID"].is_null() {
            let named = format!("{}/{}", self.scope.uid, self.scope.container);
            let hash = Sha256::digest(named.as_bytes());
            let mut id = String::new();
            for byte in hash {
                // Writing to a string cannot fail.
                let _ = write!(id, "{byte:02x}");
            }
            new["containerID"] = json!(format!("embedded://{id}"));
        }
        if new["imageID"].as_str().unwrap_or_default().is_empty() {
            new["imageID"] = new["image"].clone();
        }
        if new["resources"].is_null() {
            new["resources"] = json!({});
        }
    }
}

fn fill(detail: &mut Value, field: &str, value: Value) {
    if let Value::Object(all) = detail {
        all.entry(field).or_insert(value);
    }
}

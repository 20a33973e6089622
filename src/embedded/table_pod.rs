//! A pod's row in a table, by the rules of Kubernetes' own printer (`printPod`).

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodStatus};
use serde_json::{Value, json};

use super::table::age;

/// The cells of a pod's row.
pub fn cells(pod: &Pod) -> Vec<Value> {
    let none = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&none);
    let spec = pod.spec.as_ref();
    let containers = spec.map_or(0, |spec| spec.containers.len());
    let statuses = status.container_statuses.as_deref().unwrap_or_default();
    let ready = statuses.iter().filter(|one| one.ready && is_running(one));
    let or_none = |text: Option<&String>| json!(text.map_or("<none>", String::as_str));
    vec![
        json!(pod.metadata.name),
        json!(format!("{}/{containers}", ready.count())),
        json!(word(pod, status)),
        json!(restarts(statuses)),
        json!(age(pod.metadata.creation_timestamp.as_ref())),
        or_none(status.pod_ip.as_ref()),
        or_none(spec.and_then(|spec| spec.node_name.as_ref())),
        or_none(status.nominated_node_name.as_ref()),
        json!("<none>"),
    ]
}

fn is_running(status: &ContainerStatus) -> bool {
    status
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some())
}

/// How often containers were started again, and when last.
fn restarts(statuses: &[ContainerStatus]) -> String {
    let count: i32 = statuses.iter().map(|one| one.restart_count).sum();
    let ends = statuses.iter().filter_map(|one| {
        let ended = one.last_state.as_ref()?.terminated.as_ref()?;
        ended.finished_at.clone()
    });
    match ends.max_by_key(|time| time.0) {
        Some(last) if count > 0 => format!("{count} ({} ago)", age(Some(&last))),
        _ => count.to_string(),
    }
}

/// The word in the column `STATUS`.
fn word(pod: &Pod, status: &PodStatus) -> String {
    let phase = status.phase.as_deref().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() && !matches!(phase, "Succeeded" | "Failed") {
        return match status.reason.as_deref() {
            Some("NodeLost") => "Unknown".to_owned(),
            _ => "Terminating".to_owned(),
        };
    }
    if let Some(word) = word_of_init(status) {
        return word;
    }
    let statuses = status.container_statuses.as_deref().unwrap_or_default();
    match statuses.iter().find_map(word_of) {
        Some(word)
            if word == "Completed" && statuses.iter().any(|one| one.ready && is_running(one)) =>
        {
            let ready = is_true(status, "Ready");
            if ready { "Running" } else { "NotReady" }.to_owned()
        }
        Some(word) => word,
        None if is_gated(status) => "SchedulingGated".to_owned(),
        None => {
            let reason = status.reason.as_deref().filter(|text| !text.is_empty());
            reason.unwrap_or(phase).to_owned()
        }
    }
}

fn is_true(status: &PodStatus, condition: &str) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    conditions.any(|one| one.type_ == condition && one.status == "True")
}

fn is_gated(status: &PodStatus) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    conditions
        .any(|one| one.type_ == "PodScheduled" && one.reason.as_deref() == Some("SchedulingGated"))
}

/// `Init:...` as long as an init container has not ended well.
fn word_of_init(status: &PodStatus) -> Option<String> {
    let init = status.init_container_statuses.as_deref()?;
    let ended = |one: &ContainerStatus| {
        let state = one.state.as_ref();
        state.and_then(|state| state.terminated.clone())
    };
    let ended_well = |one: &ContainerStatus| ended(one).is_some_and(|ended| ended.exit_code == 0);
    let (index, one) = init.iter().enumerate().find(|(_, one)| !ended_well(one))?;
    if is_true(status, "Initialized") {
        return None;
    }
    Some(match word_of(one) {
        Some(word) if word != "PodInitializing" => format!("Init:{word}"),
        _ => format!("Init:{index}/{}", init.len()),
    })
}

fn word_of(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    let waiting = state.waiting.as_ref();
    let reason = waiting.and_then(|waiting| waiting.reason.clone());
    let reason = reason.filter(|reason| !reason.is_empty());
    reason.or_else(|| state.terminated.as_ref().map(word_of_end))
}

fn word_of_end(ended: &ContainerStateTerminated) -> String {
    let reason = ended.reason.as_deref().filter(|reason| !reason.is_empty());
    match (reason, ended.signal.filter(|signal| *signal != 0)) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) => format!("Signal:{signal}"),
        (None, None) => format!("ExitCode:{}", ended.exit_code),
    }
}

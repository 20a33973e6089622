//! Verdicts on ends that no cluster at hand can be made to produce. Not recorded: the statuses are written after Kubernetes'
//! documentation ("Node-pressure Eviction", "Node Shutdowns", "Pod Lifecycle") and its kubelet's sources, from memory.

use kubegrader::cause::{Blame, Cause};
use kubegrader::pod_view::PodView;
use kubegrader::verdict::{State, Verdict, judge};
use serde_json::{Value, json};

fn pod(status: &Value) -> PodView {
    serde_json::from_value(json!({"metadata": {"name": "p", "uid": "1"}, "status": status}))
        .unwrap()
}

fn verdict(status: &Value) -> Verdict {
    match judge(&pod(status), false) {
        State::Ended { verdict, .. } => verdict,
        State::Waiting(Some(waiting)) => waiting.verdict(),
        other => panic!("no verdict: {other:?}"),
    }
}

fn container(state: Value) -> Value {
    json!([{"name": "main", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state}])
}

fn killed() -> Value {
    json!({"terminated": {"exitCode": 137, "reason": "Error", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z"}})
}

fn by_kubelet(message: &str) -> Value {
    json!([{"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}])
}

#[test]
fn an_eviction_for_a_node_under_pressure_is_the_clusters_fault() {
    for message in [
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 92036Ki. Container main was using 1536Mi, request is 0, has larger consumption of memory. ",
        "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 900Mi. Container main was using 2Gi, request is 0, has larger consumption of ephemeral-storage. ",
        "The node had condition: [DiskPressure]. ",
    ] {
        let verdict = verdict(&json!({
            "phase": "Failed", "reason": "Evicted", "message": message, "conditions": by_kubelet(message),
            "containerStatuses": container(killed()),
        }));
        assert_eq!(
            (verdict.cause.clone(), verdict.blame()),
            (Cause::Evicted, Some(Blame::Cluster)),
            "{message}"
        );
        assert!(verdict.retryable());
    }
}

#[test]
fn a_node_that_shuts_down_is_lost_to_the_cluster() {
    let message = "Pod was terminated in response to imminent node shutdown.";
    let running = verdict(&json!({
        "phase": "Failed", "reason": "Terminated", "message": message, "conditions": by_kubelet(message),
        "containerStatuses": container(killed()),
    }));
    let refused = verdict(&json!({
        "phase": "Failed", "reason": "NodeShutdown", "message": "Pod was rejected: Pod was rejected as the node is shutting down.",
    }));
    for verdict in [running, refused] {
        assert_eq!(
            (verdict.cause.clone(), verdict.blame()),
            (Cause::NodeLost, Some(Blame::Cluster))
        );
        assert!(verdict.retryable());
    }
}

#[test]
fn a_pod_that_the_kubelet_refuses_is_the_clusters_fault_under_the_kubelets_own_word() {
    for (reason, message) in [
        (
            "UnexpectedAdmissionError",
            "Pod was rejected: Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected",
        ),
        (
            "OutOfmemory",
            "Pod was rejected: Node didn't have enough resource: memory, requested: 2147483648, used: 1073741824, capacity: 2147483648",
        ),
    ] {
        let verdict = verdict(&json!({"phase": "Failed", "reason": reason, "message": message}));
        assert_eq!(
            (verdict.cause.name(), verdict.blame()),
            (reason, Some(Blame::Cluster))
        );
        assert_eq!(verdict.staff_text, format!("{reason}: {message}"));
        assert!(verdict.retryable());
    }
}

#[test]
fn an_image_that_cannot_be_read_is_the_clusters_fault() {
    let message =
        "Failed to inspect image \"i:1\": rpc error: code = Unknown desc = layer not known";
    let verdict = verdict(&json!({
        "phase": "Pending", "containerStatuses": container(json!({"waiting": {"reason": "ImageInspectError", "message": message}})),
    }));
    assert_eq!(
        (verdict.cause.clone(), verdict.blame()),
        (Cause::ImageInspectError, Some(Blame::Cluster))
    );
}

#[test]
fn a_container_that_its_runtime_cannot_start_is_the_courses_fault() {
    let message = "failed to create containerd task: exec: \"grader-convert\": executable file not found in $PATH: unknown";
    let waiting = json!({"waiting": {"reason": "RunContainerError", "message": message}});
    let ended = json!({"terminated": {"exitCode": 128, "reason": "ContainerCannotRun", "message": message}});
    for (phase, state) in [("Pending", waiting), ("Failed", ended)] {
        let verdict = verdict(&json!({"phase": phase, "containerStatuses": container(state)}));
        assert_eq!(
            (verdict.cause.clone(), verdict.blame()),
            (Cause::StartError, Some(Blame::Course))
        );
    }
}

#[test]
fn a_whole_container_killed_for_want_of_memory_as_on_cgroup_v2_is_the_students() {
    let state = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:09Z"}});
    let verdict = verdict(&json!({"phase": "Failed", "containerStatuses": container(state)}));
    assert_eq!(
        (verdict.cause.clone(), verdict.blame()),
        (Cause::OomKilled, Some(Blame::Student))
    );
}

#[test]
fn a_pod_that_failed_and_of_which_no_container_tells_why_is_not_the_students_fault() {
    let verdict = verdict(&json!({"phase": "Failed", "message": "the node said no more"}));
    assert_eq!(verdict.staff_text, "the pod failed: the node said no more");
    assert_eq!(verdict.blame(), Some(Blame::Course));
}

#[test]
fn a_container_whose_end_nobody_knows_is_lost_to_the_cluster() {
    let state = json!({"terminated": {
        "exitCode": 137, "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated", "startedAt": null, "finishedAt": null,
    }});
    let verdict = verdict(&json!({"phase": "Failed", "containerStatuses": container(state)}));
    assert_eq!(
        (verdict.cause.clone(), verdict.blame()),
        (Cause::NodeLost, Some(Blame::Cluster))
    );
}

//! Verdicts on ends that no cluster at hand can be made to produce. Not recorded: the statuses are written after Kubernetes'
//! documentation ("Node-pressure Eviction", "Node Shutdowns", "Pod Lifecycle") and its kubelet's sources, from memory.

use kubegrader::cause::{Blame, Cause};
use kubegrader::pod_view::PodView;
use kubegrader::verdict::{Phase, State, Verdict, deleted, judge};
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
        "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 900Mi. Container main was using 2Gi, request is 0, has larger consumption of ephemeral-storage. ",
        "Pod was rejected: The node had condition: [DiskPressure]. ",
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
fn a_pull_secret_that_is_no_base64_is_the_courses_and_not_waited_for_long() {
    // As a kubelet of 1.34 tells it: the error's text in place of a reason.
    let state = json!({"waiting": {"reason": "illegal base64 data at input byte 0"}});
    let pod = pod(&json!({"phase": "Pending", "containerStatuses": container(state)}));
    let State::Waiting(Some(waiting)) = judge(&pod, false) else {
        panic!("it waits")
    };
    let verdict = waiting.verdict();
    assert_eq!(
        (verdict.cause.clone(), verdict.blame()),
        (Cause::CreateContainerConfigError, Some(Blame::Course))
    );
    assert_eq!(
        verdict.staff_text,
        "CreateContainerConfigError: illegal base64 data at input byte 0"
    );
    assert_eq!(waiting.patience(), Some(std::time::Duration::from_secs(30)));
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
fn a_reason_to_wait_that_nobody_knows_is_told_as_it_is() {
    let state = json!({"waiting": {"reason": "NobodyKnows"}});
    let verdict = verdict(&json!({"phase": "Pending", "containerStatuses": container(state)}));
    assert_eq!(
        (verdict.cause.name(), verdict.blame(), &*verdict.staff_text),
        ("NobodyKnows", Some(Blame::Cluster), "NobodyKnows")
    );
}

#[test]
fn a_pod_whose_sidecar_runs_while_the_others_are_waited_for_does_not_run_yet() {
    let status = json!({
        "phase": "Pending",
        "initContainerStatuses": [{"name": "proxy", "image": "i:1", "imageID": "", "ready": true, "restartCount": 0,
            "started": true, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}],
        "containerStatuses": container(json!({"waiting": {"reason": "PodInitializing"}})),
    });
    let spec = json!({"restartPolicy": "Never", "initContainers": [{"name": "proxy", "restartPolicy": "Always"}],
        "containers": [{"name": "main"}]});
    let pod = json!({"metadata": {"name": "p", "uid": "1"}, "spec": spec, "status": status});
    let pod: PodView = serde_json::from_value(pod).unwrap();
    assert_eq!(judge(&pod, false), State::Waiting(None));
}

/// The reasons are those of `admissionRejectionReasons` of Kubernetes 1.34's kubelet that the Pod's own fields are the cause of.
#[test]
fn a_pod_that_every_kubelet_refuses_for_its_manifest_is_the_courses_fault_and_not_tried_again() {
    for reason in [
        "AppArmor",
        "InitContainerRestartPolicyForbidden",
        "PodFeatureUnsupported",
        "PodLevelResourcesNotSupported",
        "PodOSNotSupported",
        "PodOSSelectorNodeLabelDoesNotMatch",
        "SupplementalGroupsPolicyNotSupported",
        "SysctlForbidden",
    ] {
        let status =
            json!({"phase": "Failed", "reason": reason, "message": "Pod was rejected: no"});
        let verdict = verdict(&status);
        assert_eq!(
            (&verdict.cause, verdict.blame(), verdict.retryable()),
            (&Cause::Rejected, Some(Blame::Course), false)
        );
        assert_eq!(
            verdict.staff_text,
            format!("{reason}: Pod was rejected: no")
        );
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

#[test]
fn the_words_for_staff_and_student_name_the_container_and_say_no_more_to_the_student() {
    let state = json!({"terminated": {"exitCode": 3, "reason": "Error", "message": "no space"}});
    let verdict = verdict(&json!({"phase": "Failed", "containerStatuses": container(state)}));
    assert_eq!(
        verdict.to_string(),
        "container main ended with exit code 3 (Error): no space"
    );
    assert_eq!(
        verdict.student_text(),
        "Grading your submission ended with an error; the log says where."
    );
}

#[test]
fn a_pod_that_vanishes_while_it_runs_is_told_with_the_phase_that_it_had() {
    let running =
        pod(&json!({"phase": "Running", "containerStatuses": container(json!({"running": {}}))}));
    assert_eq!(judge(&running, false), State::Running);
    assert_eq!(
        deleted(Some(&running)).to_string(),
        "the pod was deleted by someone else while it was Running"
    );
}

#[test]
fn of_two_containers_the_one_killed_for_want_of_memory_decides_though_it_ended_with_0() {
    let ended = |name: &str, reason: &str| {
        json!({"name": name, "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 0, "reason": reason}}})
    };
    let verdict = verdict(
        &json!({"phase": "Succeeded", "containerStatuses": [ended("a", "Completed"), ended("b", "OOMKilled")]}),
    );
    assert_eq!(verdict.cause, Cause::OomKilled);
}

#[test]
fn a_pod_that_succeeded_and_shows_no_container_is_completed() {
    let verdict = verdict(&json!({"phase": "Succeeded"}));
    assert_eq!(
        (verdict.cause.clone(), verdict.phase, verdict.to_string()),
        (
            Cause::Completed,
            Phase::Succeeded,
            "the pod succeeded".to_owned()
        )
    );
}

#[test]
fn before_the_phase_a_failed_init_container_is_an_end_and_one_that_ended_well_is_none() {
    let status = |code: i32, main: Value| {
        json!({
            "phase": "Pending", "containerStatuses": container(main),
            "initContainerStatuses": [{"name": "init", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": code, "reason": "Error"}}}],
        })
    };
    let waiting = json!({"waiting": {"reason": "PodInitializing"}});
    assert_eq!(
        verdict(&status(1, waiting.clone())).cause,
        Cause::InitContainerError
    );
    let after_success = judge(&pod(&status(0, waiting)), false);
    assert!(
        matches!(after_success, State::Waiting(_)),
        "{after_success:?}"
    );
    let with_a_living_one = judge(&pod(&status(1, json!({"running": {}}))), false);
    assert_eq!(with_a_living_one, State::Running);
}

#[test]
fn before_the_phase_the_exit_code_tells_which_it_will_be() {
    let phase = |code: i32| {
        let state = json!({"terminated": {"exitCode": code, "reason": "DeadlineExceeded"}});
        verdict(&json!({"phase": "Running", "containerStatuses": container(state)})).phase
    };
    assert_eq!((phase(0), phase(3)), (Phase::Succeeded, Phase::Failed));
    let state = json!({"terminated": {"exitCode": 137, "reason": "DeadlineExceeded"}});
    let verdict = verdict(&json!({"phase": "Failed", "containerStatuses": container(state)}));
    assert_eq!(verdict.cause, Cause::DeadlineExceeded);
}

#[test]
fn a_good_end_before_the_phase_is_believed_unless_something_else_has_begun_to_end_the_pod() {
    let ended = container(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
    let status = json!({"phase": "Running", "containerStatuses": ended});
    let alone = pod(&status);
    let mut deleted = alone.clone();
    deleted.metadata =
        serde_json::from_value(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"})).unwrap();
    let mut disrupted = status.clone();
    disrupted["conditions"] =
        json!([{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]);
    let mut given_a_reason = status;
    given_a_reason["reason"] = json!("Evicted");
    for (pod, expected) in [
        (alone, (Cause::Completed, true)),
        (deleted, (Cause::Deleted, false)),
        (pod(&disrupted), (Cause::Evicted, false)),
        (pod(&given_a_reason), (Cause::Evicted, false)),
    ] {
        match judge(&pod, false) {
            State::Ended { verdict, certain } => assert_eq!((verdict.cause, certain), expected),
            other => panic!("{other:?}"),
        }
    }
}

/// What containerd and CRI-O are reported to say (containerd/containerd#4604 and #3604, cri-o/cri-o#8906,
/// amazonlinux/amazon-linux-2023#1097).
#[test]
fn what_a_nodes_runtime_or_disk_fails_at_is_the_clusters_fault() {
    let reserved = "failed to reserve container name \"grade_p_default_1_0\": name \"grade_p_default_1_0\" is reserved for \"0a1b\"";
    let full = "failed to create containerd task: failed to create shim task: mkdir /run/containerd/io.containerd.runtime.v2.task/k8s.io/0a1b: no space left on device: unknown";
    let layer = "failed to pull and unpack image \"docker.io/library/i:1\": failed to extract layer sha256:0a1b: failed to get reader from content store: content digest sha256:0a1b: not found";
    let waiting =
        |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    let ended = json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": full}});
    for (phase, state, cause) in [
        (
            "Pending",
            waiting("CreateContainerError", "context deadline exceeded"),
            Cause::RuntimeUnavailable,
        ),
        (
            "Pending",
            waiting("CreateContainerError", reserved),
            Cause::RuntimeUnavailable,
        ),
        (
            "Pending",
            waiting(
                "RunContainerError",
                "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            ),
            Cause::RuntimeUnavailable,
        ),
        ("Failed", ended, Cause::RuntimeUnavailable),
        (
            "Pending",
            waiting("ErrImagePull", layer),
            Cause::RegistryUnavailable,
        ),
    ] {
        let verdict = verdict(&json!({"phase": phase, "containerStatuses": container(state)}));
        assert_eq!(
            (&verdict.cause, verdict.blame(), verdict.retryable()),
            (&cause, Some(Blame::Cluster), true),
            "{verdict:?}"
        );
    }
}

/// `TerminatePod` of Kubernetes' status manager leaves the containers proper as they wait where the init containers had not ended.
#[test]
fn a_disk_that_an_init_container_has_filled_is_the_courses_fault() {
    let message = "Usage of EmptyDir volume \"data\" exceeds the limit \"1Gi\". ";
    let pod = |main: Value| {
        let init = json!([{"name": "fetch", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": killed()}]);
        json!({
            "phase": "Failed", "reason": "Evicted", "message": message, "conditions": by_kubelet(message),
            "initContainerStatuses": init, "containerStatuses": container(main),
        })
    };
    let before = verdict(&pod(json!({"waiting": {"reason": "PodInitializing"}})));
    assert_eq!(
        (&before.cause, before.blame()),
        (&Cause::InitContainerError, Some(Blame::Course))
    );
    assert!(
        before.staff_text.starts_with("Evicted: Usage of EmptyDir"),
        "{before:?}"
    );
    let after = verdict(&pod(killed()));
    assert_eq!(
        (&after.cause, after.blame()),
        (&Cause::StorageExceeded, Some(Blame::Student))
    );
}

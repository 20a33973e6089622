//! Verdicts on the lives of real pods, as recorded in `statuses/` from Kubernetes 1.34.

use kubegrader::cause::{Blame, Cause};
use kubegrader::pod_view::PodView;
use kubegrader::verdict::{Phase, State, Verdict, deleted, judge};
use serde::Deserialize;

#[derive(Deserialize)]
struct Entry {
    r#type: String,
    #[serde(flatten)]
    pod: serde_json::Value,
}

/// The successive states of a recorded pod, and whether its object was gone in the end.
fn life(case: &str) -> (Vec<PodView>, bool) {
    let path = format!("{}/tests/statuses/{case}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let entries: Vec<Entry> = serde_json::from_str(&text).unwrap();
    let gone = entries.last().unwrap().r#type == "DELETED";
    let views = entries
        .into_iter()
        .map(|entry| serde_json::from_value(entry.pod).unwrap());
    (views.collect(), gone)
}

/// What is said of a pod by someone who sees every state and believes the first that is certain.
fn verdict_of(case: &str) -> Verdict {
    let (views, gone) = life(case);
    for view in &views {
        if let State::Ended {
            verdict,
            certain: true,
        } = judge(view, false)
        {
            return verdict;
        }
    }
    let last = views.last().unwrap();
    match judge(last, false) {
        _ if gone => deleted(Some(last)),
        State::Ended { verdict, .. } => verdict,
        State::Waiting(Some(waiting)) => waiting.verdict(),
        other => panic!("{case}: no verdict on {other:?}"),
    }
}

#[track_caller]
fn assert_verdict(case: &str, cause: &Cause, blame: Option<Blame>, exit_code: Option<i32>) {
    let verdict = verdict_of(case);
    assert_eq!(
        (&verdict.cause, verdict.blame(), verdict.exit_code),
        (cause, blame, exit_code),
        "{case}: {verdict:?}"
    );
}

const STUDENT: Option<Blame> = Some(Blame::Student);
const COURSE: Option<Blame> = Some(Blame::Course);
const CLUSTER: Option<Blame> = Some(Blame::Cluster);

#[test]
fn a_pod_whose_containers_all_end_with_0_is_completed_and_nobodys_fault() {
    for case in [
        "completed",
        "completed-at-once",
        "multi-container-completed",
        "init-completed",
        "scheduling-gated-released",
    ] {
        assert_verdict(case, &Cause::Completed, None, Some(0));
    }
}

#[test]
fn a_sidecar_that_is_killed_after_the_end_does_not_spoil_a_success() {
    for case in ["sidecar-completed", "sidecar-works-on-after-completed"] {
        assert_verdict(case, &Cause::Completed, None, Some(0));
    }
}

#[test]
fn what_becomes_of_a_sidecar_before_the_end_does_not_spoil_a_success() {
    for case in [
        "sidecar-crashes-before-completed",
        "sidecar-oom-killed-before-completed",
        "sidecar-restarted-before-start",
    ] {
        assert_verdict(case, &Cause::Completed, None, Some(0));
    }
}

#[test]
fn a_sidecar_that_is_killed_after_a_failure_does_not_stand_for_it() {
    assert_verdict(
        "sidecar-killed-after-error",
        &Cause::Error,
        STUDENT,
        Some(7),
    );
    assert_verdict(
        "sidecar-killed-after-oom",
        &Cause::OomKilled,
        STUDENT,
        Some(137),
    );
}

#[test]
fn a_pod_runs_until_its_sidecar_has_stopped() {
    let (views, _) = life("sidecar-works-on-after-completed");
    let stopping: Vec<_> = views
        .iter()
        .filter(|view| view.all_terminated() && view.has_running_sidecar())
        .collect();
    assert_eq!(stopping.len(), 1);
    assert_eq!(judge(stopping[0], false), State::Running);
}

#[test]
fn a_sidecar_that_is_started_again_before_the_others_begin_has_not_ended_the_pod() {
    let (views, _) = life("sidecar-restarted-before-start");
    for view in views.iter().filter(|view| !view.is_terminal()) {
        let state = judge(view, false);
        assert!(
            !matches!(state, State::Ended { certain: false, .. }),
            "{state:?}"
        );
    }
}

#[test]
fn what_the_student_left_as_a_message_is_for_staff_and_not_for_the_log() {
    for (case, message) in [
        ("error-with-termination-log", "the reason, in plain words"),
        ("error-fallback-to-logs", "last words"),
    ] {
        let verdict = verdict_of(case);
        let told = "container main ended with exit code 3 (Error)";
        assert_eq!(verdict.staff_text, format!("{told}: {message}"));
        assert_eq!(verdict.log_text(), told);
    }
    // The container runtime's words are its own.
    let verdict = verdict_of("start-error");
    assert_eq!(verdict.log_text(), verdict.staff_text);
    assert!(
        verdict
            .log_text()
            .contains("failed to create containerd task")
    );
}

#[test]
fn the_second_of_two_containers_may_fail() {
    assert_verdict("second-container-fails", &Cause::Error, STUDENT, Some(3));
}

#[test]
fn a_success_that_a_deadline_overtakes_stays_a_success() {
    assert_verdict(
        "deadline-exceeded-after-completed",
        &Cause::Completed,
        None,
        Some(0),
    );
}

#[test]
fn a_success_before_the_deadline_is_told_from_the_last_status_alone() {
    let cause_and_phase = |case| {
        let (views, _) = life(case);
        match judge(views.last().unwrap(), false) {
            State::Ended { verdict, .. } => (verdict.cause, verdict.phase),
            other => panic!("{case}: {other:?}"),
        }
    };
    assert_eq!(
        cause_and_phase("deadline-exceeded-after-completed"),
        (Cause::Completed, Phase::Succeeded)
    );
    // It ended with 0 as well, in the very second of the deadline: SIGTERM was trapped.
    assert_eq!(
        cause_and_phase("deadline-exceeded-traps-sigterm"),
        (Cause::DeadlineExceeded, Phase::Failed)
    );
}

#[test]
fn an_exit_code_other_than_0_is_the_students() {
    assert_verdict("error-exit-1", &Cause::Error, STUDENT, Some(1));
    assert_verdict("error-exit-3", &Cause::Error, STUDENT, Some(3));
    assert_verdict("killed-by-own-sigkill", &Cause::Error, STUDENT, Some(137));
    assert_verdict("terminated-by-sigterm", &Cause::Error, STUDENT, Some(143));
}

#[test]
fn the_container_that_failed_decides_for_a_pod_of_two() {
    assert_verdict("two-containers-one-fails", &Cause::Error, STUDENT, Some(2));
}

#[test]
fn a_container_killed_for_want_of_memory_is_told_apart_from_an_error() {
    assert_verdict("oom-killed", &Cause::OomKilled, STUDENT, Some(137));
    assert_verdict("oom-child-exit-1", &Cause::OomKilled, STUDENT, Some(1));
}

#[test]
fn a_child_killed_for_want_of_memory_is_seen_although_the_pod_succeeded_with_0() {
    assert_verdict("oom-child", &Cause::OomKilled, STUDENT, Some(0));
    assert_eq!(verdict_of("oom-child").phase.as_str(), "Succeeded");
}

#[test]
fn a_deadline_is_named_even_where_the_container_ends_with_0_for_it() {
    assert_verdict(
        "deadline-exceeded",
        &Cause::DeadlineExceeded,
        STUDENT,
        Some(137),
    );
    assert_verdict(
        "deadline-exceeded-traps-sigterm",
        &Cause::DeadlineExceeded,
        STUDENT,
        Some(0),
    );
}

#[test]
fn a_deadline_that_passes_while_the_image_is_pulled_is_not_the_students_fault() {
    assert_verdict(
        "deadline-exceeded-image-pull",
        &Cause::DeadlineExceededBeforeStart,
        CLUSTER,
        None,
    );
}

#[test]
fn a_pod_that_somebody_deletes_is_lost_to_the_cluster_however_politely_it_ends() {
    assert_verdict("deleted-while-pending", &Cause::Deleted, CLUSTER, None);
    assert_verdict(
        "deleted-while-running-grace-0",
        &Cause::Deleted,
        CLUSTER,
        None,
    );
    for case in [
        "deleted-while-running",
        "deleted-while-running-traps-sigterm",
    ] {
        let verdict = verdict_of(case);
        assert_eq!(
            (verdict.cause.clone(), verdict.retryable()),
            (Cause::Deleted, true),
            "{case}: {verdict:?}"
        );
    }
}

#[test]
fn a_pod_deleted_after_its_end_keeps_its_own_verdict() {
    assert_verdict("deleted-after-completed", &Cause::Completed, None, Some(0));
}

#[test]
fn an_eviction_from_a_node_that_is_short_of_memory_is_the_clusters_fault() {
    for (case, exit_code) in [
        ("evicted-node-pressure", Some(137)),
        ("evicted-at-admission", None),
        ("evicted-by-restarted-kubelet", Some(137)),
    ] {
        assert_verdict(case, &Cause::Evicted, CLUSTER, exit_code);
        assert!(verdict_of(case).retryable(), "{case}");
    }
}

#[test]
fn an_end_that_a_restarted_kubelet_shows_before_its_reason_is_not_believed() {
    let (views, _) = life("evicted-by-restarted-kubelet");
    let before_the_reason = &views[views.len() - 2];
    match judge(before_the_reason, false) {
        State::Ended { certain, .. } => assert!(!certain),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_eviction_is_the_clusters_even_where_the_container_ends_with_0_for_it() {
    for case in ["evicted-api", "evicted-api-traps-sigterm"] {
        let verdict = verdict_of(case);
        assert_eq!(
            (verdict.cause.clone(), verdict.blame(), verdict.retryable()),
            (Cause::Evicted, CLUSTER, true),
            "{case}"
        );
    }
}

#[test]
fn a_pod_that_writes_more_than_its_own_limit_is_evicted_and_the_students() {
    for case in [
        "ephemeral-storage-evicted",
        "ephemeral-storage-evicted-container",
        "ephemeral-storage-evicted-one-of-two",
        "ephemeral-storage-evicted-pod",
    ] {
        let verdict = verdict_of(case);
        assert_eq!(
            (verdict.cause.name(), verdict.blame(), verdict.retryable()),
            ("Evicted", STUDENT, false),
            "{case}"
        );
    }
}

#[test]
fn preemption_and_lost_nodes_are_the_clusters() {
    assert_eq!(verdict_of("preempted").cause, Cause::Preempted);
    assert_eq!(verdict_of("evicted-by-taint").cause, Cause::NodeLost);
    assert_eq!(verdict_of("node-deleted").cause, Cause::NodeLost);
}

#[test]
fn a_refusal_by_the_kubelet_keeps_its_own_name() {
    let verdict = verdict_of("kubelet-out-of-cpu");
    assert_eq!(
        (verdict.cause.name(), verdict.blame(), verdict.retryable()),
        ("OutOfcpu", CLUSTER, true)
    );
    assert_eq!(
        verdict_of("kubelet-node-affinity").cause.name(),
        "NodeAffinity"
    );
}

#[test]
fn an_image_that_is_not_there_is_the_courses_and_a_registry_that_is_down_the_clusters() {
    assert_verdict("image-not-found", &Cause::ErrImagePull, COURSE, None);
    assert_verdict("init-image-not-found", &Cause::ErrImagePull, COURSE, None);
    assert_verdict(
        "image-bad-registry",
        &Cause::RegistryUnavailable,
        CLUSTER,
        None,
    );
    assert_verdict(
        "image-unknown-host",
        &Cause::RegistryUnavailable,
        CLUSTER,
        None,
    );
}

#[test]
fn what_the_course_set_up_wrongly_is_the_courses() {
    assert_verdict("invalid-image-name", &Cause::InvalidImageName, COURSE, None);
    assert_verdict("image-never-pull", &Cause::ErrImageNeverPull, COURSE, None);
    assert_verdict(
        "create-container-config-error-secret",
        &Cause::CreateContainerConfigError,
        COURSE,
        None,
    );
    assert_verdict(
        "create-container-config-error-run-as-non-root",
        &Cause::CreateContainerConfigError,
        COURSE,
        None,
    );
    assert_verdict(
        "create-container-error-seccomp",
        &Cause::CreateContainerError,
        COURSE,
        None,
    );
    assert_verdict("start-error", &Cause::StartError, COURSE, Some(128));
    assert_verdict(
        "start-error-working-dir",
        &Cause::StartError,
        COURSE,
        Some(128),
    );
    assert_verdict("init-error", &Cause::InitContainerError, COURSE, Some(1));
}

#[test]
fn an_init_container_killed_for_want_of_memory_is_named_and_the_courses() {
    let verdict = verdict_of("init-oom-killed");
    assert_eq!(
        (verdict.cause.name(), verdict.blame()),
        ("OOMKilled", COURSE)
    );
}

#[test]
fn a_pod_that_no_node_fits_is_unschedulable_and_a_gated_one_is_queued() {
    for case in [
        "unschedulable-resources",
        "unschedulable-selector",
        "unschedulable-taint",
        "unschedulable-pvc-missing",
    ] {
        assert_verdict(case, &Cause::Unschedulable, CLUSTER, None);
    }
    let (views, _) = life("scheduling-gated");
    assert_eq!(judge(views.last().unwrap(), false), State::Gated);
}

#[test]
fn a_container_that_ended_well_is_believed_a_second_before_the_phase_says_so() {
    let (views, _) = life("completed");
    let first = views
        .iter()
        .find(|view| matches!(judge(view, false), State::Ended { certain: true, .. }))
        .unwrap();
    assert_eq!(first.status.phase.as_deref(), Some("Running"));
}

#[test]
fn a_container_that_failed_is_not_believed_before_the_phase_confirms_it() {
    let (views, _) = life("error-exit-3");
    let first = views
        .iter()
        .find(|view| matches!(judge(view, false), State::Ended { certain: true, .. }))
        .unwrap();
    assert_eq!(first.status.phase.as_deref(), Some("Failed"));
}

#[test]
fn a_pod_that_may_restart_its_containers_ends_with_its_phase_alone() {
    let (views, _) = life("completed");
    let before_phase = views
        .iter()
        .find(|view| view.all_terminated() && !view.is_terminal())
        .unwrap();
    assert!(!matches!(judge(before_phase, true), State::Ended { .. }));
    assert!(matches!(
        judge(views.last().unwrap(), true),
        State::Ended { certain: true, .. }
    ));
}

#[test]
fn no_student_reads_a_word_of_the_clusters_internals() {
    for file in std::fs::read_dir(format!("{}/tests/statuses", env!("CARGO_MANIFEST_DIR"))).unwrap()
    {
        let case = file
            .unwrap()
            .path()
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let (views, _) = life(&case);
        for view in views {
            let text = match judge(&view, false) {
                State::Ended { verdict, .. } => verdict.student_text(),
                State::Waiting(Some(waiting)) => waiting.verdict().student_text(),
                _ => continue,
            };
            for word in [
                "pod",
                "node",
                "container",
                "image",
                "kubelet",
                "Kubernetes",
                "exit code",
            ] {
                assert!(!text.contains(word), "{case}: {text:?} says {word:?}");
            }
        }
    }
}

#[test]
fn a_container_that_cannot_be_started_keeps_its_cause_while_the_kubelet_pauses() {
    let (views, _) = life("run-container-error");
    let waiting = |view| match judge(view, true) {
        State::Waiting(waiting) => waiting,
        other => panic!("{other:?}"),
    };
    let causes: Vec<_> = views
        .iter()
        .filter_map(|view| Some(waiting(view)?.cause))
        .collect();
    assert_eq!(
        causes,
        [Cause::StartError, Cause::StartError, Cause::StartError]
    );
    let pausing = waiting(views.last().unwrap()).unwrap().verdict();
    assert_eq!(pausing.blame(), COURSE);
    let said = "exec: \"no-such-program\": executable file not found in $PATH: unknown";
    assert!(pausing.staff_text.ends_with(said), "{pausing}");
}

/// The cause of a pod whose only container waits for its image.
fn pulling(reason: &str, message: &str) -> Cause {
    let state = serde_json::json!({"waiting": {"reason": reason, "message": message}});
    let status = serde_json::json!({"phase": "Pending", "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
    }]});
    let pod = serde_json::json!({"metadata": {"name": "p", "uid": "1"}, "status": status});
    match judge(&serde_json::from_value(pod).unwrap(), false) {
        State::Waiting(Some(waiting)) => waiting.cause,
        other => panic!("{other:?}"),
    }
}

/// Messages of containerd 1.6 on Kubernetes 1.34.
#[test]
fn a_registry_that_refuses_has_answered_and_one_that_cannot_be_reached_has_not() {
    let failed = "failed to pull and unpack image \"r.example/x:1\": failed to resolve reference \"r.example/x:1\": ";
    for (answer, cause) in [
        (
            "unexpected status from HEAD request to https://r.example/v2/x/manifests/1: 403 Forbidden",
            Cause::ErrImagePull,
        ),
        (
            "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://r.example/token: 403 Forbidden",
            Cause::ErrImagePull,
        ),
        (
            "failed to authorize: no basic auth credentials",
            Cause::ErrImagePull,
        ),
        (
            "denied: requested access to the resource is denied",
            Cause::ErrImagePull,
        ),
        (
            "failed to do request: Head \"https://r.example/v2/x/manifests/1\": dial tcp: lookup r.example: no such host",
            Cause::RegistryUnavailable,
        ),
        (
            "unexpected status from HEAD request to https://r.example/v2/x/manifests/1: 503 Service Unavailable",
            Cause::RegistryUnavailable,
        ),
    ] {
        assert_eq!(
            pulling("ErrImagePull", &format!("{failed}{answer}")),
            cause,
            "{answer}"
        );
    }
}

#[test]
fn a_reference_that_the_runtime_alone_refuses_is_no_image_name_either() {
    let message = "failed to parse image reference \"UPPER/x:1\": invalid reference format: repository name must be lowercase";
    assert_eq!(pulling("ErrImagePull", message), Cause::InvalidImageName);
    let pausing = format!("Back-off pulling image \"UPPER/x:1\": ErrImagePull: {message}");
    assert_eq!(
        pulling("ImagePullBackOff", &pausing),
        Cause::InvalidImageName
    );
}

#[test]
fn a_container_of_which_a_restarted_kubelet_knows_nothing_is_the_clusters() {
    let end = serde_json::json!({"exitCode": 255, "reason": "Unknown"});
    let status = serde_json::json!({"phase": "Failed", "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": end},
    }]});
    let pod = serde_json::json!({"metadata": {"name": "p", "uid": "1"}, "status": status});
    match judge(&serde_json::from_value(pod).unwrap(), false) {
        State::Ended { verdict, .. } => {
            assert_eq!(
                (&verdict.cause, verdict.blame()),
                (&Cause::NodeLost, CLUSTER)
            );
        }
        other => panic!("{other:?}"),
    }
}

/// As in `lives/on-failure-back-off.json`.
fn backing_off(list: &str, end: &serde_json::Value) -> PodView {
    let pause = "back-off 10s restarting failed container=main pod=p_default(1)";
    let waiting = serde_json::json!({"waiting": {"reason": "CrashLoopBackOff", "message": pause}});
    let status = serde_json::json!({"phase": "Running", list: [{
        "name": "main", "image": "i:1", "imageID": "", "ready": false, "restartCount": 1,
        "state": waiting, "lastState": {"terminated": end},
    }]});
    let pod = serde_json::json!({"metadata": {"name": "p", "uid": "1"}, "status": status});
    serde_json::from_value(pod).unwrap()
}

#[test]
fn a_container_that_failed_and_is_started_again_runs_all_the_while() {
    let end = serde_json::json!({"exitCode": 1, "reason": "Error"});
    let pod = backing_off("containerStatuses", &end);
    assert_eq!(judge(&pod, true), State::Running);
}

#[test]
fn an_init_container_that_fails_again_and_again_is_the_courses_fault() {
    let end = serde_json::json!({"exitCode": 1, "reason": "Error"});
    match judge(&backing_off("initContainerStatuses", &end), true) {
        State::Waiting(Some(waiting)) => {
            let verdict = waiting.verdict();
            assert_eq!(
                (verdict.cause.clone(), verdict.blame()),
                (Cause::InitContainerError, COURSE)
            );
        }
        other => panic!("{other:?}"),
    }
}

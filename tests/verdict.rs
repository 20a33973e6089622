//! Verdicts on the lives of real pods, as recorded in `statuses/` from Kubernetes 1.34: `verdicts.yaml` has one row for each.

use std::collections::BTreeMap;

use kubegrader::cause::{Blame, Cause};
use kubegrader::pod_view::PodView;
use kubegrader::verdict::{Phase, State, Verdict, deleted, judge};
use serde::Deserialize;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statuses");

#[derive(Deserialize)]
struct Entry {
    r#type: String,
    #[serde(flatten)]
    pod: serde_json::Value,
}

/// A recorded pod.
struct Life {
    /// Its successive states.
    views: Vec<PodView>,
    /// Whether it may start its containers again.
    restarts: bool,
    /// Whether its object was gone in the end.
    gone: bool,
}

fn life(case: &str) -> Life {
    let path = format!("{RECORDINGS}/{case}.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let entries: Vec<Entry> = serde_json::from_str(&text).unwrap();
    let restarts = entries[0].pod["spec"]["restartPolicy"] != "Never";
    let gone = entries.last().unwrap().r#type == "DELETED";
    let views = entries
        .into_iter()
        .map(|entry| serde_json::from_value(entry.pod).unwrap());
    Life {
        views: views.collect(),
        restarts,
        gone,
    }
}

fn views(case: &str) -> Vec<PodView> {
    life(case).views
}

fn recordings() -> impl Iterator<Item = String> {
    std::fs::read_dir(RECORDINGS).unwrap().map(|file| {
        let path = file.unwrap().path();
        path.file_stem().unwrap().to_string_lossy().into_owned()
    })
}

/// The first end that no later state can change.
fn certain_end(life: &Life) -> Option<Verdict> {
    let mut states = life.views.iter().map(|view| judge(view, life.restarts));
    states.find_map(|state| match state {
        State::Ended {
            verdict,
            certain: true,
        } => Some(verdict),
        _ => None,
    })
}

/// What is told of a pod by someone who sees every state and believes the first end that is certain.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// `ended`; `ended, and not certain`, where the phase never says so; `gone` without an end that was seen; `waiting`, with the verdict if it were given up; `gated` or `running`.
    state: String,
    cause: Option<String>,
    blame: Option<String>,
    retryable: Option<bool>,
    phase: Option<String>,
    exit_code: Option<i32>,
    student: Option<String>,
    staff: Option<String>,
}

impl Row {
    fn new(state: &str, verdict: Option<&Verdict>) -> Self {
        let state = state.to_owned();
        let Some(verdict) = verdict else {
            return Self {
                state,
                ..Self::default()
            };
        };
        Self {
            state,
            cause: Some(verdict.cause.to_string()),
            blame: Some(verdict.blame().map_or("nobody", Blame::as_str).to_owned()),
            retryable: Some(verdict.retryable()),
            phase: Some(verdict.phase.to_string()),
            exit_code: verdict.exit_code,
            student: Some(verdict.student_text().to_owned()),
            staff: Some(verdict.staff_text.clone()),
        }
    }

    fn of(life: &Life) -> Self {
        if let Some(verdict) = certain_end(life) {
            return Self::new("ended", Some(&verdict));
        }
        let last = life.views.last().unwrap();
        if life.gone {
            return Self::new("gone", Some(&deleted(Some(last))));
        }
        match judge(last, life.restarts) {
            State::Ended { verdict, .. } => Self::new("ended, and not certain", Some(&verdict)),
            State::Waiting(waiting) => {
                Self::new("waiting", waiting.map(|waiting| waiting.verdict()).as_ref())
            }
            State::Gated(gated) => Self::new("gated", Some(&gated.verdict())),
            State::Running => Self::new("running", None),
        }
    }
}

#[test]
fn every_recorded_pod_has_the_verdict_of_its_row() {
    let told: BTreeMap<String, Row> = recordings()
        .map(|case| {
            let row = Row::of(&life(&case));
            (case, row)
        })
        .collect();
    let table: BTreeMap<String, Row> =
        serde_saphyr::from_str(include_str!("verdicts.yaml")).unwrap();
    for (case, row) in &told {
        assert_eq!(Some(row), table.get(case), "{case}, and its row");
    }
    for case in table.keys() {
        assert!(told.contains_key(case), "{case} has a row and no recording");
    }
}

const COURSE: Option<Blame> = Some(Blame::Course);
const CLUSTER: Option<Blame> = Some(Blame::Cluster);

#[test]
fn a_pod_runs_until_its_sidecar_has_stopped() {
    let views = views("sidecar-works-on-after-completed");
    let stopping: Vec<_> = views
        .iter()
        .filter(|view| view.all_terminated() && view.has_running_sidecar())
        .collect();
    assert_eq!(stopping.len(), 1);
    assert_eq!(judge(stopping[0], false), State::Running);
}

#[test]
fn a_sidecar_that_is_started_again_before_the_others_begin_has_not_ended_the_pod() {
    let views = views("sidecar-restarted-before-start");
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
        let verdict = certain_end(&life(case)).unwrap();
        let told = "container main ended with exit code 3 (Error)";
        assert_eq!(verdict.staff_text, format!("{told}: {message}"));
        assert_eq!(verdict.log_text(), told);
    }
    // The container runtime's words are its own.
    let verdict = certain_end(&life("start-error")).unwrap();
    assert_eq!(verdict.log_text(), verdict.staff_text);
    assert!(
        verdict
            .log_text()
            .contains("failed to create containerd task")
    );
}

#[test]
fn a_success_before_the_deadline_is_told_from_the_last_status_alone() {
    let cause_and_phase = |case| {
        let views = views(case);
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
fn an_end_that_a_restarted_kubelet_shows_before_its_reason_is_not_believed() {
    let views = views("evicted-by-restarted-kubelet");
    let before_the_reason = &views[views.len() - 2];
    match judge(before_the_reason, false) {
        State::Ended { certain, .. } => assert!(!certain),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_container_that_ended_well_is_believed_a_second_before_the_phase_says_so() {
    let views = views("completed");
    let first = views
        .iter()
        .find(|view| matches!(judge(view, false), State::Ended { certain: true, .. }))
        .unwrap();
    assert_eq!(first.status.phase.as_deref(), Some("Running"));
}

#[test]
fn a_container_that_failed_is_not_believed_before_the_phase_confirms_it() {
    let views = views("error-exit-3");
    let first = views
        .iter()
        .find(|view| matches!(judge(view, false), State::Ended { certain: true, .. }))
        .unwrap();
    assert_eq!(first.status.phase.as_deref(), Some("Failed"));
}

#[test]
fn a_pod_that_may_restart_its_containers_ends_with_its_phase_alone() {
    let views = views("completed");
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
    for case in recordings() {
        let life = life(&case);
        for view in life.views {
            let text = match judge(&view, life.restarts) {
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
    let views = views("run-container-error");
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

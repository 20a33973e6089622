//! After a pod's end: whose log is read, and who deletes it. Under paused time.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::Method;
use kubegrader::cause::{Blame, Cause};
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::listening::listening;
use crate::support::played::{self, appears, read, status, terminated};
use crate::support::without_kubelet;

/// A pod of two containers, after two that prepare it.
fn manifest() -> Manifest {
    let container = |name: &str| json!({"name": name, "image": "i:1"});
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "initContainers": [container("fetch"), container("unpack")],
        "containers": [container("grade"), container("sidecar")],
    }});
    Manifest::new(pod).unwrap()
}

/// The outcome of a pod that gets this status, and the lines that are told.
async fn run_pod(
    door: &Door,
    embedded: &EmbeddedCluster,
    options: RunOptions,
    status: &Value,
) -> (Outcome, String) {
    let cluster = door.cluster(embedded);
    let (steps, lines) = listening();
    let running = run(
        &cluster,
        manifest(),
        options,
        &steps,
        CancellationToken::new(),
    );
    let playing = async {
        appears(embedded, "p").await;
        played::set(embedded, "p", status).await;
    };
    let (ended, ()) = tokio::join!(running, playing);
    let lines = lines.lock().unwrap().clone();
    (ended.unwrap(), lines)
}

fn of(name: &str, state: &Value) -> Value {
    json!({"name": name, "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

#[tokio::test(start_paused = true)]
async fn the_log_is_that_of_the_init_container_that_failed_else_of_the_first_container() {
    let waiting = json!({"waiting": {"reason": "PodInitializing"}});
    let ended = |second: Value, state: &Value, phase: &str| {
        json!({
            "phase": phase,
            "initContainerStatuses": [of("fetch", &played::completed()), of("unpack", &second)],
            "containerStatuses": [of("grade", state), of("sidecar", state)],
        })
    };
    for (status, container) in [
        (
            ended(terminated(1, "Error"), &waiting, "Failed"),
            "container=unpack",
        ),
        (
            ended(played::completed(), &played::completed(), "Succeeded"),
            "container=grade",
        ),
    ] {
        let (embedded, door) = (without_kubelet(), Door::default());
        run_pod(&door, &embedded, RunOptions::default(), &status).await;
        let (all, wanted) = (
            door.count(&Method::GET, "/pods/p/log"),
            door.count(&Method::GET, container),
        );
        assert_eq!((all, wanted), (1, 1), "{container}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_pod_whose_time_is_over_is_left_as_it_is() {
    let (embedded, door) = (without_kubelet(), Door::default());
    let options = RunOptions {
        keep: true,
        timeout: Some(Duration::from_mins(1)),
        ..RunOptions::default()
    };
    let running = status("Running", &played::running());
    let (outcome, _) = run_pod(&door, &embedded, options, &running).await;
    assert_eq!(outcome.verdict.cause, Cause::DeadlineExceeded);
    assert_eq!(door.count(&Method::DELETE, ""), 0);
    assert_eq!(read(&embedded, "p").await["status"]["phase"], "Running");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_may_not_be_deleted_is_told_and_tried_again_for_five_minutes() {
    let embedded = without_kubelet();
    let door = Door::default().forbid(Method::DELETE, "/pods/p");
    let succeeded = status("Succeeded", &played::completed());
    let (_, lines) = run_pod(&door, &embedded, RunOptions::default(), &succeeded).await;
    let told = "the pod may not be deleted, and is left behind unless that is allowed within 5 minutes: 403: ";
    assert_eq!(lines.matches(told).count(), 1, "{lines}");
    sleep(Duration::from_mins(6)).await;
    let tried = door.count(&Method::DELETE, "/pods/p");
    assert!((10..100).contains(&tried), "{tried}");
    sleep(Duration::from_mins(30)).await;
    assert_eq!(door.count(&Method::DELETE, "/pods/p"), tried);
}

/// A pod that has ended is deleted at last, though its deletes meet these faults first.
async fn is_deleted_after<const N: usize>(faults: [(Fault, u64); N]) {
    let embedded = without_kubelet();
    for (fault, times) in faults {
        let rule = Rule::new(fault).verb(Verb::Delete).times(times);
        embedded.faults().add(rule);
    }
    let (door, options) = (Door::default(), RunOptions::default());
    let succeeded = status("Succeeded", &played::completed());
    run_pod(&door, &embedded, options, &succeeded).await;
    sleep(Duration::from_mins(30)).await;
    assert_eq!(read(&embedded, "p").await["code"], 404);
}

/// As an API server answers that has just begun and knows no Roles yet.
#[tokio::test(start_paused = true)]
async fn a_delete_that_is_forbidden_once_is_made_up_for() {
    is_deleted_after([(Fault::Forbidden, 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_whose_credentials_are_refused_for_a_while_is_made_up_for() {
    is_deleted_after([(Fault::Unauthorized, 4)]).await;
}

/// Of nine minutes.
#[tokio::test(start_paused = true)]
async fn a_delete_that_is_forbidden_after_a_long_outage_is_made_up_for_too() {
    is_deleted_after([(Fault::ResetBefore, 200), (Fault::Forbidden, 3)]).await;
}

#[tokio::test(start_paused = true)]
async fn when_an_end_was_seen_and_told_is_the_time_of_day() {
    let now = || {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        since_1970.unwrap().as_secs_f64()
    };
    let (embedded, door) = (without_kubelet(), Door::default());
    let succeeded = status("Succeeded", &played::completed());
    let before = now();
    let (outcome, _) = run_pod(&door, &embedded, RunOptions::default(), &succeeded).await;
    let times = [
        before,
        outcome.timings.seen_at,
        outcome.timings.returned_at,
        now(),
    ];
    assert!(times.is_sorted(), "{times:?}");
}

/// The outcome of a pod with `restartPolicy: OnFailure` whose container is in this state when its time is over.
async fn restarted(state: Value, last_state: Value) -> Outcome {
    let mut status = status("Running", &state);
    status["containerStatuses"][0]["lastState"] = last_state;
    at_the_limit(json!([{"name": "c", "image": "i:1"}]), status).await
}

/// The outcome of a pod with `restartPolicy: OnFailure` whose status is this when its time is over.
async fn at_the_limit(containers: Value, status: Value) -> Outcome {
    let embedded = without_kubelet();
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "restartPolicy": "OnFailure", "containers": containers,
    }});
    let options = RunOptions {
        timeout: Some(Duration::from_mins(1)),
        ..RunOptions::default()
    };
    let cluster = Door::default().cluster(&embedded);
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let manifest = Manifest::new(pod).unwrap();
    let running = run(&cluster, manifest, options, &steps, cancel);
    let playing = async {
        appears(&embedded, "p").await;
        played::run(&embedded, "p").await;
        played::set(&embedded, "p", &status).await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    outcome.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_container_that_fails_again_and_again_until_its_time_is_over_is_told_by_its_end() {
    let paused = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=c"}});
    for (end, cause, text) in [
        (
            terminated(3, "Error"),
            Cause::Error,
            "container c ended with exit code 3 (Error)",
        ),
        (
            terminated(137, "OOMKilled"),
            Cause::OomKilled,
            "container c ended with exit code 137 (OOMKilled)",
        ),
    ] {
        for (state, last_state) in [(end.clone(), json!({})), (paused.clone(), end.clone())] {
            let verdict = restarted(state, last_state).await.verdict;
            assert_eq!((verdict.cause, &*verdict.staff_text), (cause.clone(), text));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_runs_once_more_when_its_time_is_over_has_run_too_long() {
    let outcome = restarted(played::running(), terminated(3, "Error")).await;
    assert_eq!(outcome.verdict.cause, Cause::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_container_beside_the_work_that_outlives_it_is_not_the_students_fault() {
    let (embedded, door) = (without_kubelet(), Door::default());
    let options = RunOptions {
        timeout: Some(Duration::from_mins(1)),
        ..RunOptions::default()
    };
    let ends = |grade: &Value, second: &Value| json!({"phase": "Running", "containerStatuses": [of("grade", grade), of("sidecar", second)]});
    let outlived = ends(&played::completed(), &played::running());
    let (outcome, _) = run_pod(&door, &embedded, options.clone(), &outlived).await;
    assert_eq!(
        (
            &outcome.verdict.cause,
            outcome.verdict.blame(),
            outcome.verdict.retryable()
        ),
        (&Cause::Outlived, Some(Blame::Course), false)
    );
    assert_eq!(
        outcome.verdict.staff_text,
        "DeadlineExceeded: container grade ended with exit code 0 (Completed), and container sidecar ran on until the time \
         was over; what is to run beside it is an init container with 'restartPolicy: Always'"
    );
    let failed = ends(&terminated(3, "Error"), &played::running());
    let (outcome, _) = run_pod(&door, &embedded, options.clone(), &failed).await;
    assert_eq!(
        (outcome.verdict.cause, outcome.verdict.exit_code),
        (Cause::Error, Some(3))
    );
    // The student's goes on, and the other one has ended.
    let goes_on = ends(&played::running(), &played::completed());
    let (outcome, _) = run_pod(&door, &embedded, options, &goes_on).await;
    assert_eq!(outcome.verdict.cause, Cause::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_container_beside_the_work_that_fails_again_and_again_until_the_limit_is_the_courses() {
    let containers = json!([{"name": "grade", "image": "i:1"}, {"name": "beside", "image": "i:1"}]);
    let status = json!({"phase": "Running", "containerStatuses": [
        of("grade", &played::completed()), of("beside", &terminated(3, "Error")),
    ]});
    let verdict = at_the_limit(containers, status).await.verdict;
    assert_eq!(
        (&verdict.cause, verdict.blame()),
        (&Cause::Outlived, Some(Blame::Course))
    );
    assert_eq!(
        verdict.staff_text,
        "DeadlineExceeded: container grade ended with exit code 0 (Completed), and container beside ended with exit code 3 \
         (Error) and was started again until the time was over; what is to run beside it is an init container with \
         'restartPolicy: Always'"
    );
}

#[tokio::test(start_paused = true)]
async fn work_that_was_done_in_time_counts_though_a_sidecar_outlives_the_limit() {
    let embedded = without_kubelet();
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "initContainers": [{"name": "proxy", "image": "i:1", "restartPolicy": "Always"}],
        "containers": [{"name": "c", "image": "i:1"}],
    }});
    let options = RunOptions {
        timeout: Some(Duration::from_mins(1)),
        ..RunOptions::default()
    };
    let cluster = Door::default().cluster(&embedded);
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let manifest = Manifest::new(pod).unwrap();
    let running = run(&cluster, manifest, options, &steps, cancel);
    let playing = async {
        appears(&embedded, "p").await;
        played::run(&embedded, "p").await;
        let mut stays = status("Running", &terminated(0, "Completed"));
        stays["initContainerStatuses"] = json!([of("proxy", &played::running())]);
        played::set(&embedded, "p", &stays).await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert!(outcome.timings.total > 59.0, "{:?}", outcome.timings);
    assert_eq!(read(&embedded, "p").await["code"], 404);
}

/// No kubelet starts again what has ended well: the end needs no word of the phase, which comes a second later.
#[tokio::test(start_paused = true)]
async fn a_pod_that_is_started_again_on_failure_and_ends_well_before_its_limit_was_in_time() {
    let sidecar = |state: Value| json!([of("beside", &state)]);
    for (beside, took) in [
        (None, 59),
        (
            Some(json!({"terminated": {"exitCode": 0, "reason": "Completed"}})),
            59,
        ),
        // What a sidecar still does is part of the work, to the limit.
        (Some(json!({"running": {}})), 60),
    ] {
        let embedded = without_kubelet();
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {
            "restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "i:1"}],
        }});
        if beside.is_some() {
            let container = json!({"name": "beside", "image": "i:1", "restartPolicy": "Always"});
            pod["spec"]["initContainers"] = json!([container]);
        }
        let options = RunOptions {
            timeout: Some(Duration::from_mins(1)),
            ..RunOptions::default()
        };
        let cluster = Door::default().cluster(&embedded);
        let (steps, cancel) = (Steps::default(), CancellationToken::new());
        let running = run(
            &cluster,
            Manifest::new(pod).unwrap(),
            options,
            &steps,
            cancel,
        );
        let playing = async {
            appears(&embedded, "p").await;
            played::run(&embedded, "p").await;
            sleep(Duration::from_secs(59)).await;
            let mut ended = status("Running", &played::completed());
            if let Some(state) = &beside {
                ended["initContainerStatuses"] = sidecar(state.clone());
            }
            played::set(&embedded, "p", &ended).await;
        };
        let (outcome, ()) = tokio::join!(running, playing);
        let outcome = outcome.unwrap();
        assert_eq!(outcome.verdict.cause, Cause::Completed, "{beside:?}");
        let ran = outcome.timings.running;
        assert_eq!(ran.round() as u64, took, "{beside:?}");
    }
}

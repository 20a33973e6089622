//! Why a pod does not start whose init containers or sidecars do not let it. The statuses are those of Kubernetes 1.34. Under
//! paused time.

use std::time::Duration;

use kubegrader::cause::{Blame, Cause};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::verdict::Verdict;
use kubegrader::{Error, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::played::{self, appears, names, running, terminated};
use crate::support::without_kubelet;

const LIMIT: Duration = Duration::from_mins(10);

/// A state, `lastState`, and whether the kubelet says that the container has started.
type Shown = (Value, Value, bool);

/// A pod whose only init container is shown in these states, ten seconds each, and then in the last one.
async fn verdict_on(init: Value, restart_policy: &str, shown: &[Shown]) -> (Verdict, Duration) {
    let embedded = without_kubelet();
    let cluster = Door::default().cluster(&embedded);
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "restartPolicy": restart_policy,
        "initContainers": [init],
        "containers": [{"name": "grade", "image": "i:1"}],
    }});
    let options = RunOptions {
        start_timeout: Some(LIMIT),
        ..RunOptions::default()
    };
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let begun = Instant::now();
    let manifest = Manifest::new(pod).unwrap();
    let running = run(&cluster, manifest, options, &steps, cancel);
    let playing = async {
        appears(&embedded, "p").await;
        for (state, last_state, started) in shown {
            let of = |name, state: &Value, last: &Value, started: &Value| {
                json!({"name": name, "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
                    "lastState": last, "started": started})
            };
            let waits = json!({"waiting": {"reason": "PodInitializing"}});
            let status = json!({
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "True"}],
                "initContainerStatuses": [of("first", state, last_state, &json!(started))],
                "containerStatuses": [of("grade", &waits, &json!({}), &json!(false))],
            });
            played::set(&embedded, "p", &status).await;
            sleep(Duration::from_secs(10)).await;
        }
    };
    let (ended, ()) = tokio::join!(running, playing);
    let error = ended.unwrap_err();
    assert!(matches!(error, Error::NotStarted { .. }), "{error:?}");
    assert_eq!(names(&embedded).await, [""; 0]);
    (error.verdict().unwrap().clone(), begun.elapsed())
}

fn init() -> Value {
    json!({"name": "first", "image": "i:1"})
}

fn sidecar() -> Value {
    json!({"name": "first", "image": "i:1", "restartPolicy": "Always"})
}

fn assert_courses(verdict: &Verdict, cause: &Cause, text: &str) {
    assert_eq!(
        (&verdict.cause, verdict.blame(), verdict.retryable()),
        (cause, Some(Blame::Course), false)
    );
    assert_eq!(verdict.staff_text, text);
}

#[tokio::test(start_paused = true)]
async fn an_init_container_that_does_not_end_is_named() {
    let (verdict, time) = verdict_on(init(), "Never", &[(running(), json!({}), true)]).await;
    let text = "InitContainerError: init container first has not ended";
    assert_courses(&verdict, &Cause::InitContainerError, text);
    assert!(time >= LIMIT, "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_whose_startup_probe_does_not_succeed_is_named() {
    let (verdict, _) = verdict_on(sidecar(), "Never", &[(running(), json!({}), false)]).await;
    let text = "InitContainerError: sidecar first runs and its startup probe has not succeeded";
    assert_courses(&verdict, &Cause::InitContainerError, text);
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_its_startup_probe_kills_again_and_again_is_told_by_its_end() {
    let killed = || terminated(137, "Error");
    let shown = [
        (running(), json!({}), false),
        (running(), killed(), false),
        (killed(), killed(), false),
        (killed(), json!({}), false),
        (running(), killed(), false),
    ];
    let (verdict, _) = verdict_on(sidecar(), "Never", &shown).await;
    let text = "InitContainerError: init container first ended with exit code 137 (Error)";
    assert_courses(&verdict, &Cause::InitContainerError, text);
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_without_its_executable_is_given_up_as_soon_as_a_container_would_be() {
    let end = || terminated(128, "StartError");
    let shown = [
        (end(), json!({}), false),
        (end(), end(), false),
        (end(), json!({}), false),
    ];
    let (verdict, time) = verdict_on(sidecar(), "Never", &shown).await;
    let text = "StartError: init container first ended with exit code 128 (StartError)";
    assert_courses(&verdict, &Cause::StartError, text);
    assert!(time < Duration::from_mins(1), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_ends_well_before_it_counts_as_started_is_named() {
    let shown = [(terminated(0, "Completed"), json!({}), false)];
    let (verdict, _) = verdict_on(sidecar(), "Never", &shown).await;
    let text = "InitContainerError: init container first ended with exit code 0 (Completed); a sidecar has to go on";
    assert_courses(&verdict, &Cause::InitContainerError, text);
}

#[tokio::test(start_paused = true)]
async fn an_init_container_that_fails_again_and_again_is_told_by_its_end_whatever_it_does_at_the_time()
 {
    let paused = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container=first"}});
    for (end, cause, name) in [
        (
            terminated(2, "Error"),
            Cause::InitContainerError,
            "InitContainerError",
        ),
        (
            terminated(137, "OOMKilled"),
            Cause::InitOomKilled,
            "OOMKilled",
        ),
    ] {
        let code = &end["terminated"]["exitCode"];
        let reason = end["terminated"]["reason"].as_str().unwrap();
        let text = format!("{name}: init container first ended with exit code {code} ({reason})");
        for last in [
            (paused.clone(), end.clone(), false),
            (running(), end.clone(), true),
            (end.clone(), end.clone(), false),
            (end.clone(), json!({}), false),
        ] {
            let shown = [(end.clone(), json!({}), false), last];
            let (verdict, _) = verdict_on(init(), "OnFailure", &shown).await;
            assert_courses(&verdict, &cause, &text);
        }
    }
}

//! A container that the kubelet kills for its probe or hook is not the student's failure. Under paused time.

use kubegrader::cause::{Blame, Cause};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::verdict::Verdict;
use kubegrader::{RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::played::{self, appears, status, terminated};
use crate::support::without_kubelet;

/// An event: its container, its reason and its message.
type Told = (&'static str, &'static str, &'static str);

/// The verdict on a pod that ends with 137, and how often events were asked for.
async fn verdict_on(container: &Value, events: &[Told]) -> (Verdict, usize) {
    verdict_with_late(container, events, &[]).await
}

/// The same where these events come five seconds after the end.
async fn verdict_with_late(container: &Value, events: &[Told], late: &[Told]) -> (Verdict, usize) {
    let killed = status("Failed", &terminated(137, "Error"));
    verdict_at_end(container, events, &killed, late).await
}

/// The same where the pod ends with this status.
async fn verdict_at_end(
    container: &Value,
    events: &[Told],
    end: &Value,
    late: &[Told],
) -> (Verdict, usize) {
    let (embedded, door) = (without_kubelet(), Door::default());
    let mut pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let fields = container.as_object().unwrap().clone();
    pod["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .extend(fields);
    let cluster = door.cluster(&embedded);
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let manifest = Manifest::new(pod).unwrap();
    let running = run(&cluster, manifest, RunOptions::default(), &steps, cancel);
    let playing = async {
        let pod = appears(&embedded, "p").await;
        played::run(&embedded, "p").await;
        let tell = async |(container, reason, message): &Told| {
            let mut event = played::event(&pod, "Warning", reason, message);
            event["involvedObject"]["fieldPath"] = json!(format!("spec.containers{{{container}}}"));
            played::tell(&embedded, &event).await;
        };
        for event in events {
            tell(event).await;
        }
        played::set(&embedded, "p", end).await;
        sleep(Duration::from_secs(5)).await;
        for event in late {
            tell(event).await;
        }
    };
    let (outcome, ()) = tokio::join!(running, playing);
    (
        outcome.unwrap().verdict,
        door.count(&axum::http::Method::GET, "/events"),
    )
}

fn probe() -> Value {
    json!({"exec": {"command": ["false"]}})
}

#[tokio::test(start_paused = true)]
async fn what_the_kubelet_killed_for_a_probe_or_a_hook_is_the_courses() {
    let killing = ("c", "Killing", "Stopping container c");
    for (container, event, cause, why) in [
        (
            json!({"startupProbe": probe()}),
            ("c", "Unhealthy", "Startup probe failed: "),
            Cause::Unhealthy,
            "startup probe",
        ),
        (
            json!({"livenessProbe": probe()}),
            ("c", "Unhealthy", "Liveness probe failed: "),
            Cause::Unhealthy,
            "liveness probe",
        ),
        (
            json!({"lifecycle": {"postStart": probe()}}),
            ("c", "FailedPostStartHook", "PostStartHook failed"),
            Cause::FailedPostStartHook,
            "postStart hook",
        ),
    ] {
        let (verdict, _) = verdict_on(&container, &[event, killing]).await;
        assert_eq!(
            (&verdict.cause, verdict.blame()),
            (&cause, Some(Blame::Course))
        );
        assert_eq!(
            verdict.staff_text,
            format!(
                "{cause}: container c ended with exit code 137 (Error), after its {why} failed"
            )
        );
        assert_eq!(verdict.exit_code, Some(137));
    }
}

#[tokio::test(start_paused = true)]
async fn the_word_of_a_kill_that_comes_seconds_after_the_end_is_waited_for() {
    let unhealthy = ("c", "Unhealthy", "Liveness probe failed: ");
    let killing = ("c", "Killing", "Container c failed liveness probe");
    let live = json!({"livenessProbe": probe()});
    let (verdict, _) = verdict_with_late(&live, &[unhealthy], &[killing]).await;
    assert_eq!(verdict.cause, Cause::Unhealthy);
}

#[tokio::test(start_paused = true)]
async fn a_kill_that_no_probe_asked_for_stays_the_students_and_pods_without_probes_cost_no_request()
{
    let unhealthy = ("c", "Unhealthy", "Liveness probe failed: ");
    let live = json!({"livenessProbe": probe()});
    // It failed once, and something else has killed the container: the word of a kill may be eight seconds late.
    let (verdict, asked) = verdict_on(&live, &[unhealthy]).await;
    assert_eq!((verdict.cause, asked), (Cause::Error, 9));
    // No probe has failed.
    let (verdict, asked) = verdict_on(&live, &[("c", "Killing", "Stopping container c")]).await;
    assert_eq!((verdict.cause, asked), (Cause::Error, 1));
    let beside = [
        ("other", "Unhealthy", "Liveness probe failed: "),
        ("other", "Killing", "Stopping container other"),
    ];
    assert_eq!(verdict_on(&live, &beside).await.0.cause, Cause::Error);
    let (verdict, asked) = verdict_on(&json!({}), &[unhealthy, ("c", "Killing", "")]).await;
    assert_eq!((verdict.cause, asked), (Cause::Error, 0));
}

#[tokio::test(start_paused = true)]
async fn of_a_container_that_was_not_ended_as_an_error_no_events_are_read() {
    let events = [
        ("c", "Unhealthy", "Liveness probe failed: "),
        ("c", "Killing", "Container c failed liveness probe"),
    ];
    let live = json!({"livenessProbe": probe()});
    for (phase, code, reason, cause) in [
        // It heeded the signal and ended well.
        ("Succeeded", 0, "Completed", Cause::Completed),
        ("Failed", 137, "OOMKilled", Cause::OomKilled),
    ] {
        let end = status(phase, &terminated(code, reason));
        let (verdict, asked) = verdict_at_end(&live, &events, &end, &[]).await;
        assert_eq!((verdict.cause, asked), (cause, 0));
    }
}

//! Pods that come to nothing before their work begins, and do not say why in their last status. The statuses are those of
//! `tests/statuses/`. Under paused time.

use std::time::Duration;

use kubegrader::cause::{Blame, Cause};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::verdict::Verdict;
use kubegrader::{RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::played::{self, appears, names};
use crate::support::without_kubelet;

const DEADLINE: &str =
    "DeadlineExceeded: Pod was active on the node longer than the specified deadline";

fn statuses(recording: &str) -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statuses");
    let text = std::fs::read_to_string(format!("{folder}/{recording}.json")).unwrap();
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
    entries
        .iter()
        .map(|entry| entry["status"].clone())
        .collect()
}

/// What is told of a pod whose recorded statuses are seen one after the other, a second each, and when.
async fn verdict_on(recording: &str) -> (Verdict, Duration) {
    let begun = Instant::now();
    let embedded = without_kubelet();
    let cluster = Door::default().cluster(&embedded);
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 5,
        "initContainers": [{"name": "fetch", "image": "i:1"}],
        "containers": [{"name": "main", "image": "i:1"}],
    }});
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let manifest = Manifest::new(pod).unwrap();
    let running = run(&cluster, manifest, RunOptions::default(), &steps, cancel);
    let playing = async {
        appears(&embedded, "p").await;
        for status in statuses(recording) {
            played::set(&embedded, "p", &status).await;
            if status["phase"] == "Failed" {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
    };
    let (ended, ()) = tokio::join!(running, playing);
    assert_eq!(names(&embedded).await, [""; 0]);
    (ended.unwrap().verdict, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_failed_until_the_deadline_is_the_courses_fault() {
    let (verdict, _) = verdict_on("deadline-exceeded-image-pull").await;
    assert_eq!(
        (&verdict.cause, verdict.blame(), verdict.retryable()),
        (&Cause::ErrImagePull, Some(Blame::Course), false)
    );
    let until_then = verdict.staff_text.strip_prefix(DEADLINE).unwrap();
    assert!(
        until_then.starts_with("; until then: ErrImagePull: "),
        "{verdict}"
    );
    assert!(until_then.contains("no-such-image:1"), "{verdict}");
}

#[tokio::test(start_paused = true)]
async fn an_init_container_that_ran_until_the_deadline_is_the_courses_fault_whatever_it_ended_with()
{
    for (recording, text) in [
        (
            "deadline-exceeded-init-runs",
            "; init container fetch ended with exit code 137 (Error)",
        ),
        (
            "deadline-exceeded-init-traps-sigterm",
            "; until then: InitContainerError: init container fetch has not ended",
        ),
    ] {
        let (verdict, _) = verdict_on(recording).await;
        assert_eq!(
            (&verdict.cause, verdict.blame(), verdict.retryable()),
            (&Cause::InitContainerError, Some(Blame::Course), false),
            "{recording}"
        );
        assert_eq!(verdict.staff_text, format!("{DEADLINE}{text}"));
    }
}

/// The kubelet counts it as failed and leaves the phase as it is, for ever (docs/pod-lives.md, fact 25).
#[tokio::test(start_paused = true)]
async fn an_init_container_that_was_killed_for_memory_and_ended_well_is_told_within_seconds() {
    let (verdict, after) = verdict_on("init-oom-child").await;
    assert_eq!(
        (&verdict.cause, verdict.blame(), verdict.exit_code),
        (&Cause::InitOomKilled, Some(Blame::Course), Some(0))
    );
    assert!(after < Duration::from_secs(12), "{after:?}");
}

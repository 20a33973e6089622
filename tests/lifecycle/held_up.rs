//! A container that never starts while another of its pod runs: nobody's time to grade is over for that. Under paused time.

use std::time::Duration;

use axum::http::Method;
use kubegrader::cause::{Blame, Cause};
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::played::{self, appears, names, running, terminated};
use crate::support::without_kubelet;

fn two() -> Manifest {
    let container = |name| json!({"name": name, "image": "i:1"});
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [container("grade"), container("second")]}});
    Manifest::new(pod).unwrap()
}

fn status(phase: &str, grade: &Value, second: &Value) -> Value {
    let of = |name, state| json!({"name": name, "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state});
    json!({"phase": phase, "containerStatuses": [of("grade", grade), of("second", second)]})
}

/// As recorded in `statuses/second-container-image-not-found.json`.
fn not_found() -> Value {
    let message = "Back-off pulling image \"registry.example/no-such:1\": ErrImagePull: rpc error: code = NotFound desc = \
                   failed to pull and unpack image: registry.example/no-such:1: not found";
    json!({"waiting": {"reason": "ImagePullBackOff", "message": message}})
}

async fn held_up(embedded: &EmbeddedCluster, timeout: Option<Duration>) -> Error {
    let cluster = Door::default().cluster(embedded);
    let options = RunOptions {
        timeout,
        ..RunOptions::default()
    };
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running_pod = run(&cluster, two(), options, &steps, cancel);
    let playing = async {
        appears(embedded, "p").await;
        let waits = status("Pending", &running(), &not_found());
        played::set(embedded, "p", &waits).await;
    };
    let (ended, ()) = tokio::join!(running_pod, playing);
    ended.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_second_container_without_an_image_is_not_the_students_fault() {
    for timeout in [
        None,
        Some(Duration::from_secs(8)),
        Some(Duration::from_mins(5)),
    ] {
        let embedded = without_kubelet();
        let error = held_up(&embedded, timeout).await;
        assert!(matches!(error, Error::NotStarted { .. }), "{error:?}");
        let verdict = error.verdict().unwrap();
        assert_eq!(
            (&verdict.cause, verdict.blame()),
            (&Cause::ErrImagePull, Some(Blame::Course))
        );
        assert_eq!(names(&embedded).await, [""; 0]);
    }
}

async fn outcome_of(end: &Value) -> (Outcome, Door) {
    let embedded = without_kubelet();
    let door = Door::default();
    let cluster = door.cluster(&embedded);
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running_pod = run(&cluster, two(), RunOptions::default(), &steps, cancel);
    let playing = async {
        appears(&embedded, "p").await;
        played::set(&embedded, "p", &status("Pending", &running(), &not_found())).await;
        sleep(Duration::from_secs(20)).await;
        // It was to be had after all.
        played::set(&embedded, "p", &status("Running", &running(), &running())).await;
        sleep(Duration::from_mins(2)).await;
        played::set(&embedded, "p", end).await;
    };
    let (outcome, ()) = tokio::join!(running_pod, playing);
    (outcome.unwrap(), door)
}

#[tokio::test(start_paused = true)]
async fn a_second_container_that_starts_late_has_its_time_and_the_log_is_that_of_the_one_that_failed()
 {
    let (well, bad) = (terminated(0, "Completed"), terminated(3, "Error"));
    for (phase, grade, second, cause, log) in [
        (
            "Succeeded",
            &well,
            &well,
            Cause::Completed,
            "/pods/p/log?&container=grade",
        ),
        (
            "Failed",
            &well,
            &bad,
            Cause::Error,
            "/pods/p/log?&container=second",
        ),
    ] {
        let (outcome, door) = outcome_of(&status(phase, grade, second)).await;
        assert_eq!(outcome.verdict.cause, cause);
        assert_eq!(door.count(&Method::GET, log), 1);
    }
}

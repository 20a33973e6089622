//! What the cluster breaks is tried again in a new pod, what a student or a course breaks is not. Under paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::lifecycle::BeforeAttempt;
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::played::{self, appears, goes, read};
use crate::support::{PODS, delete, get, patch, without_kubelet};

/// Plays the cluster: each pod that appears gets the next of these statuses, or is deleted (`Null`). Tells the pods'
/// names and attempt labels.
async fn play(embedded: EmbeddedCluster, statuses: Vec<Value>) -> Vec<(String, String)> {
    let router = embedded.router();
    let mut seen: Vec<(String, String)> = Vec::new();
    for status in statuses {
        let pod = loop {
            let (_, list) = get(&router, PODS).await;
            let fresh = list["items"].as_array().unwrap().iter().find(|pod| {
                let name = pod["metadata"]["name"].as_str().unwrap();
                seen.iter().all(|(known, _)| known != name)
            });
            if let Some(pod) = fresh {
                break pod.clone();
            }
            sleep(Duration::from_millis(50)).await;
        };
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        let attempt = pod["metadata"]["labels"]["kubegrader.io/attempt"].as_str();
        seen.push((name.clone(), attempt.unwrap_or_default().to_owned()));
        let path = format!("{PODS}/{name}");
        if status.is_null() {
            delete(&router, &path, &json!({})).await;
        } else {
            let body = json!({"status": status});
            patch(
                &router,
                &format!("{path}/status"),
                "application/merge-patch+json",
                &body,
            )
            .await;
        }
    }
    seen
}

fn terminated(phase: &str, code: i32, reason: &str) -> Value {
    json!({"phase": phase, "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": code, "reason": reason}},
    }]})
}

fn evicted() -> Value {
    json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."})
}

/// Attempts that were prepared, in order.
type Prepared = Arc<Mutex<Vec<u32>>>;

async fn run_submission(
    embedded: &EmbeddedCluster,
    max_attempts: u32,
    prepared: &Prepared,
) -> Result<Outcome, Error> {
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let prepared = Arc::clone(prepared);
    let note = move |attempt| {
        prepared.lock().unwrap().push(attempt);
        std::future::ready(Ok(())).boxed()
    };
    let options = RunOptions {
        submission: Some("7".to_owned()),
        max_attempts,
        before_attempt: Some(BeforeAttempt::new(note)),
        ..RunOptions::default()
    };
    let manifest = Manifest::new(pod).unwrap();
    run(
        &cluster,
        manifest,
        options,
        &Steps::default(),
        CancellationToken::new(),
    )
    .await
}

fn names(pods: &[(String, String)]) -> Vec<(&str, &str)> {
    pods.iter()
        .map(|(name, attempt)| (name.as_str(), attempt.as_str()))
        .collect()
}

async fn left(embedded: &EmbeddedCluster) -> usize {
    let (_, list) = get(&embedded.router(), PODS).await;
    list["items"].as_array().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_the_cluster_broke_is_tried_again_under_another_name() {
    let embedded = without_kubelet();
    let prepared = Prepared::default();
    let statuses = vec![
        evicted(),
        Value::Null,
        terminated("Succeeded", 0, "Completed"),
    ];
    let playing = tokio::spawn(play(embedded.clone(), statuses));
    let outcome = run_submission(&embedded, 3, &prepared).await.unwrap();
    assert_eq!(
        (outcome.verdict.cause, outcome.attempt),
        (Cause::Completed, 3)
    );
    assert_eq!(
        names(&playing.await.unwrap()),
        [("p", "1"), ("p-attempt-2", "2"), ("p-attempt-3", "3")]
    );
    assert_eq!(*prepared.lock().unwrap(), [2, 3]);
    assert_eq!(left(&embedded).await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_attempts_fault_is_told_and_no_pod_is_left() {
    let embedded = without_kubelet();
    let playing = tokio::spawn(play(embedded.clone(), vec![evicted(), evicted()]));
    let error = run_submission(&embedded, 2, &Prepared::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "watching pod default/p-attempt-2: Evicted: The node was low on resource: memory."
    );
    assert_eq!(playing.await.unwrap().len(), 2);
    assert_eq!(left(&embedded).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_student_broke_is_never_tried_again() {
    for (code, reason, cause) in [
        (1, "Error", Cause::Error),
        (137, "OOMKilled", Cause::OomKilled),
    ] {
        let embedded = without_kubelet();
        let prepared = Prepared::default();
        let playing = tokio::spawn(play(
            embedded.clone(),
            vec![terminated("Failed", code, reason)],
        ));
        let outcome = run_submission(&embedded, 3, &prepared).await.unwrap();
        assert_eq!((outcome.verdict.cause, outcome.attempt), (cause, 1));
        assert_eq!(playing.await.unwrap().len(), 1);
        assert!(prepared.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_prepared_ends_the_run_with_its_reason() {
    let embedded = without_kubelet();
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let playing = tokio::spawn(play(embedded.clone(), vec![evicted()]));
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let fail = |attempt| {
        let problem = "the disk is full".to_owned();
        std::future::ready(Err(Error::BeforeAttempt { attempt, problem })).boxed()
    };
    let options = RunOptions {
        max_attempts: 3,
        before_attempt: Some(BeforeAttempt::new(fail)),
        ..RunOptions::default()
    };
    let manifest = Manifest::new(pod).unwrap();
    let ended = run(
        &cluster,
        manifest,
        options,
        &Steps::default(),
        CancellationToken::new(),
    )
    .await;
    assert_eq!(
        ended.unwrap_err().to_string(),
        "preparing attempt 2: the disk is full"
    );
    playing.await.unwrap();
    assert_eq!(left(&embedded).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_between_two_attempts_makes_no_further_pod() {
    let embedded = without_kubelet();
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let playing = tokio::spawn(play(embedded.clone(), vec![evicted()]));
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let cancel_at_once = move |_| {
        stop.cancel();
        std::future::ready(Ok(())).boxed()
    };
    let options = RunOptions {
        max_attempts: 3,
        before_attempt: Some(BeforeAttempt::new(cancel_at_once)),
        ..RunOptions::default()
    };
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let manifest = Manifest::new(pod).unwrap();
    let ended = run(&cluster, manifest, options, &Steps::default(), cancel).await;
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    assert_eq!(playing.await.unwrap().len(), 1);
    assert_eq!(left(&embedded).await, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_prepared_for_a_run_that_was_cancelled_in_the_pause_between_two_attempts() {
    let embedded = without_kubelet();
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let prepared = Prepared::default();
    let noted = Arc::clone(&prepared);
    let note = move |attempt| {
        noted.lock().unwrap().push(attempt);
        std::future::ready(Ok(())).boxed()
    };
    let options = RunOptions {
        max_attempts: 2,
        before_attempt: Some(BeforeAttempt::new(note)),
        ..RunOptions::default()
    };
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running = run(
        &cluster,
        played::manifest(),
        options,
        &steps,
        cancel.clone(),
    );
    let playing = async {
        play(embedded.clone(), vec![evicted()]).await;
        while left(&embedded).await > 0 {
            sleep(Duration::from_millis(50)).await;
        }
        // The pause after an eviction is ten seconds at least.
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(running, playing);
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    assert!(prepared.lock().unwrap().is_empty());
    assert_eq!(left(&embedded).await, 0);
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
    }]})
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_answer_one_pod_is_asked_by_another() {
    let embedded = without_kubelet();
    let prepared = Prepared::default();
    let statuses = vec![
        // As tests/statuses/image-bad-registry.json.
        waiting(
            "ImagePullBackOff",
            "Back-off pulling image \"i:1\": ErrImagePull: failed to pull and unpack image: dial tcp 127.0.0.1:9: connect: \
             connection refused",
        ),
        terminated("Succeeded", 0, "Completed"),
    ];
    let began = Instant::now();
    let playing = tokio::spawn(play(embedded.clone(), statuses));
    let outcome = run_submission(&embedded, 3, &prepared).await.unwrap();
    assert_eq!(
        (outcome.verdict.cause, outcome.attempt),
        (Cause::Completed, 2)
    );
    // It has five minutes, and the pod is gone before the next one's folders are laid.
    assert!(began.elapsed() >= Duration::from_mins(5));
    assert_eq!(
        names(&playing.await.unwrap()),
        [("p", "1"), ("p-attempt-2", "2")]
    );
    assert_eq!(*prepared.lock().unwrap(), [2]);
    assert_eq!(left(&embedded).await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_is_not_looked_for_again() {
    let embedded = without_kubelet();
    let status = waiting("ErrImagePull", "manifest unknown: manifest unknown");
    let playing = tokio::spawn(play(embedded.clone(), vec![status]));
    let ended = run_submission(&embedded, 3, &Prepared::default()).await;
    assert!(
        matches!(&ended, Err(Error::NotStarted { verdict, .. }) if verdict.cause == Cause::ErrImagePull),
        "{ended:?}"
    );
    assert_eq!(playing.await.unwrap().len(), 1);
    assert_eq!(left(&embedded).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_time_to_start_is_over_is_not_tried_again() {
    let embedded = without_kubelet();
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let options = RunOptions {
        start_timeout: Some(Duration::from_secs(30)),
        max_attempts: 3,
        ..RunOptions::default()
    };
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let began = Instant::now();
    let running = run(&cluster, played::manifest(), options, &steps, cancel);
    let unreachable = waiting("ErrImagePull", "dial tcp 127.0.0.1:9: connection refused");
    let (ended, _) = tokio::join!(running, play(embedded.clone(), vec![unreachable]));
    assert_eq!(
        ended.unwrap_err().to_string(),
        "starting pod default/p: ErrImagePull: dial tcp 127.0.0.1:9: connection refused; it had 30 s to start"
    );
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(left(&embedded).await, 0);
}

/// The pauses between four attempts whose pods all get this status.
async fn pauses_after(status: Value) -> Vec<Duration> {
    let embedded = without_kubelet();
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let times = Arc::new(Mutex::new(vec![Instant::now()]));
    let noted = Arc::clone(&times);
    let note = move |_| {
        noted.lock().unwrap().push(Instant::now());
        std::future::ready(Ok(())).boxed()
    };
    let options = RunOptions {
        max_attempts: 4,
        before_attempt: Some(BeforeAttempt::new(note)),
        ..RunOptions::default()
    };
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let manifest = Manifest::new(pod).unwrap();
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running = run(&cluster, manifest, options, &steps, cancel);
    let (ended, _) = tokio::join!(running, play(embedded.clone(), vec![status; 4]));
    assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
    let times = times.lock().unwrap();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Each between the least, in seconds, and its double, with some milliseconds for the pod.
fn assert_pauses(pauses: &[Duration], least: [f64; 3]) {
    assert_eq!(pauses.len(), 3);
    for (pause, least) in pauses.iter().zip(least) {
        let least = Duration::from_secs_f64(least);
        let most = least * 2 + Duration::from_millis(100);
        assert!((least..most).contains(pause), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pause_before_an_attempt_doubles() {
    assert_pauses(&pauses_after(Value::Null).await, [0.5, 1.0, 2.0]);
}

#[tokio::test(start_paused = true)]
async fn after_a_nodes_refusal_the_scheduler_has_time_to_hear_of_it() {
    for (reason, message) in [
        // As tests/statuses/{evicted-at-admission,evicted-node-pressure,kubelet-out-of-cpu}.json.
        (
            "Evicted",
            "Pod was rejected: The node had condition: [MemoryPressure]. ",
        ),
        ("Evicted", "The node was low on resource: memory. "),
        (
            "OutOfcpu",
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 64000, used: 0, capacity: 2000",
        ),
        (
            "UnexpectedAdmissionError",
            "Pod was rejected: Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected",
        ),
    ] {
        let refused = json!({"phase": "Failed", "reason": reason, "message": message});
        assert_pauses(&pauses_after(refused).await, [10.0, 20.0, 40.0]);
    }
}

#[test]
fn options_can_be_shown_with_what_is_to_be_done_before_an_attempt() {
    let options = RunOptions {
        before_attempt: Some(BeforeAttempt::new(|_| std::future::ready(Ok(())).boxed())),
        ..RunOptions::default()
    };
    let text = format!("{options:?}");
    assert!(
        text.contains("before_attempt: Some(BeforeAttempt)"),
        "{text}"
    );
}

/// A pod on a node comes to this status, and is given up after this time. The next attempt is prepared when it is gone, and not
/// while it is told to go.
async fn assert_prepared_when_gone(status: Value, given_up_after: Duration) {
    let embedded = without_kubelet();
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let prepared = Prepared::default();
    let noted = Arc::clone(&prepared);
    let note = move |attempt| {
        noted.lock().unwrap().push(attempt);
        let problem = "the disk is full".to_owned();
        std::future::ready(Err(Error::BeforeAttempt { attempt, problem })).boxed()
    };
    let options = RunOptions {
        max_attempts: 2,
        before_attempt: Some(BeforeAttempt::new(note)),
        ..RunOptions::default()
    };
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "nodeName": "n", "containers": [{"name": "c", "image": "i:1"}],
    }});
    let manifest = Manifest::new(pod).unwrap();
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running = run(&cluster, manifest, options, &steps, cancel);
    let playing = async {
        appears(&embedded, "p").await;
        played::set(&embedded, "p", &status).await;
        sleep(given_up_after + Duration::from_secs(8)).await;
        let pod = read(&embedded, "p").await;
        assert!(pod["metadata"]["deletionTimestamp"].is_string(), "{pod}");
        assert!(prepared.lock().unwrap().is_empty());
        goes(&embedded, "p").await;
    };
    let (ended, ()) = tokio::join!(running, playing);
    assert!(
        matches!(ended, Err(Error::BeforeAttempt { .. })),
        "{ended:?}"
    );
    assert_eq!(*prepared.lock().unwrap(), [2]);
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_is_prepared_when_the_pod_before_it_is_gone_from_its_node() {
    // As a kubelet tells that was restarted and knows no more of the container; the phase does not follow.
    let unknown = terminated("Running", 137, "ContainerStatusUnknown");
    assert_prepared_when_gone(unknown, Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_is_prepared_when_a_pod_that_never_started_is_gone_from_its_node() {
    let unreachable = waiting("ErrImagePull", "dial tcp 127.0.0.1:9: connection refused");
    assert_prepared_when_gone(unreachable, Duration::from_mins(5)).await;
}

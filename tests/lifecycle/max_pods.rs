//! How many pods are in flight at once, and whose turn it is. Under paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kubegrader::cause::Cause;
use kubegrader::cluster::{Admission, Cluster, MaxPods};
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::lifecycle::{Place, Stop};
use kubegrader::manifest::Manifest;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::listening::listening;
use crate::support::played::{appears, completed, names, status, succeed};
use crate::support::{PODS, get, patch, without_kubelet};

const IN_PROCESS: fn(usize) -> MaxPods = |max| MaxPods {
    in_process: Some(max),
    in_namespace: None,
};

struct Scene {
    embedded: EmbeddedCluster,
    cluster: Arc<Cluster>,
}

/// A run under way.
struct Running {
    run: JoinHandle<Result<Outcome, Error>>,
    cancel: CancellationToken,
    place: Place,
    lines: Arc<Mutex<String>>,
}

impl Scene {
    fn new(max: MaxPods) -> Self {
        let embedded = without_kubelet();
        let client = embedded.client("default");
        let cluster = Cluster::with_client(client, "in-process").with_max_pods(max);
        Self {
            embedded,
            cluster: Arc::new(cluster),
        }
    }

    fn start(&self, name: &str, lecture: &str, options: RunOptions) -> Running {
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
        let manifest = Manifest::new(pod).unwrap();
        let options = RunOptions {
            lecture: Some(lecture.to_owned()),
            ..options
        };
        let (cluster, cancel, place) = (
            Arc::clone(&self.cluster),
            CancellationToken::new(),
            Place::default(),
        );
        let stop = Stop {
            place: place.clone(),
            ..Stop::from(cancel.clone())
        };
        let (steps, lines) = listening();
        let run = async move { run(&cluster, manifest, options, &steps, stop).await };
        Running {
            run: tokio::spawn(run),
            cancel,
            place,
            lines,
        }
    }

    async fn waits_at(&self, running: &Running, position: usize) {
        let last = Instant::now() + Duration::from_mins(1);
        while running.place.position(&self.cluster) != Some(position) {
            assert!(
                Instant::now() < last,
                "{:?}",
                running.place.position(&self.cluster)
            );
            sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn completes(running: Running) -> Outcome {
    let outcome = running.run.await.unwrap().unwrap();
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    outcome
}

#[test]
fn lectures_go_in_turn_and_each_knows_its_place() {
    let admission = Admission::new(IN_PROCESS(1));
    let first = admission.queue("ns", "algebra").now().unwrap();
    let mut second = admission.queue("ns", "algebra");
    let third = admission.queue("ns", "algebra");
    let mut other = admission.queue("ns", "biology");
    let places = [&second, &other, &third].map(|ticket| admission.position(ticket.number()));
    assert_eq!(places, [Some(1), Some(2), Some(3)]);
    drop(first);
    let permit = second.now().unwrap();
    assert!(other.now().is_none());
    drop(permit);
    assert!(other.now().is_some());
}

#[test]
fn a_full_namespace_holds_back_no_other() {
    let admission = Admission::new(MaxPods {
        in_process: Some(3),
        in_namespace: Some(1),
    });
    let first = admission.queue("winter", "algebra").now().unwrap();
    let mut second = admission.queue("winter", "algebra");
    let mut other = admission.queue("summer", "algebra");
    assert!(second.now().is_none());
    assert!(other.now().is_some());
    drop(first);
    assert!(second.now().is_some());
}

#[test]
fn who_gives_up_gives_its_place_in_the_queue_to_those_behind() {
    let admission = Admission::new(IN_PROCESS(1));
    let first = admission.queue("ns", "algebra").now().unwrap();
    let second = admission.queue("ns", "algebra");
    let mut third = admission.queue("ns", "algebra");
    drop(second);
    assert_eq!(admission.position(third.number()), Some(1));
    drop(first);
    assert!(third.now().is_some());
    assert_eq!(admission.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_only_created_when_another_one_has_gone() {
    let scene = Scene::new(IN_PROCESS(1));
    let first = scene.start("first", "algebra", RunOptions::default());
    appears(&scene.embedded, "first").await;
    let second = scene.start("second", "algebra", RunOptions::default());
    scene.waits_at(&second, 1).await;
    assert_eq!(names(&scene.embedded).await, ["first"]);
    succeed(&scene.embedded, "first").await;
    completes(first).await;
    appears(&scene.embedded, "second").await;
    assert_eq!(names(&scene.embedded).await, ["second"]);
    assert_eq!(second.place.position(&scene.cluster), None);
    succeed(&scene.embedded, "second").await;
    completes(second).await;
}

#[tokio::test(start_paused = true)]
async fn who_queues_is_told_the_place_and_which_limit_it_waits_for() {
    let of_both = MaxPods {
        in_process: Some(5),
        in_namespace: Some(1),
    };
    for (max, limit) in [
        (IN_PROCESS(1), "max_pods is 1"),
        (of_both, "max_pods is 5, max_pods_in_namespace is 1"),
    ] {
        let scene = Scene::new(max);
        let first = scene.start("first", "algebra", RunOptions::default());
        appears(&scene.embedded, "first").await;
        let second = scene.start("second", "algebra", RunOptions::default());
        scene.waits_at(&second, 1).await;
        let lines = second.lines.lock().unwrap().clone();
        let told = format!("queued: number 1 of 1 that wait for a place; {limit}\n");
        assert!(lines.contains(&told), "{lines}");
        second.cancel.cancel();
        succeed(&scene.embedded, "first").await;
        completes(first).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_there_already_is_followed_whether_or_not_there_is_a_place() {
    let scene = Scene::new(IN_PROCESS(1));
    let kept = RunOptions {
        keep: true,
        ..RunOptions::default()
    };
    let first = scene.start("first", "algebra", kept);
    let pod = appears(&scene.embedded, "first").await;
    let follower = RunOptions {
        uid: pod["metadata"]["uid"].as_str().map(str::to_owned),
        ..RunOptions::default()
    };
    let following = scene.start("first", "algebra", follower);
    succeed(&scene.embedded, "first").await;
    completes(following).await;
    completes(first).await;
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_place_is_queued_and_counts_against_no_limit() {
    let scene = Scene::new(IN_PROCESS(1));
    let first = scene.start("first", "algebra", RunOptions::default());
    appears(&scene.embedded, "first").await;
    let limits = RunOptions {
        start_timeout: Some(Duration::from_secs(30)),
        timeout: Some(Duration::from_secs(30)),
        ..RunOptions::default()
    };
    let second = scene.start("second", "algebra", limits);
    scene.waits_at(&second, 1).await;
    sleep(Duration::from_secs(600)).await;
    succeed(&scene.embedded, "first").await;
    completes(first).await;
    appears(&scene.embedded, "second").await;
    succeed(&scene.embedded, "second").await;
    let timings = completes(second).await.timings;
    assert!((600.0..601.0).contains(&timings.queued), "{timings:?}");
    assert!(timings.starting + timings.running < 1.0, "{timings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_in_the_queue_creates_nothing_and_holds_up_nobody() {
    let scene = Scene::new(IN_PROCESS(1));
    let first = scene.start("first", "algebra", RunOptions::default());
    appears(&scene.embedded, "first").await;
    let second = scene.start("second", "algebra", RunOptions::default());
    scene.waits_at(&second, 1).await;
    let third = scene.start("third", "algebra", RunOptions::default());
    scene.waits_at(&third, 2).await;
    second.cancel.cancel();
    let ended = second.run.await.unwrap();
    let Err(error) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(
        error.to_string(),
        "running pod default/second: cancelled; no pod is left behind"
    );
    scene.waits_at(&third, 1).await;
    succeed(&scene.embedded, "first").await;
    completes(first).await;
    appears(&scene.embedded, "third").await;
    assert_eq!(names(&scene.embedded).await, ["third"]);
    succeed(&scene.embedded, "third").await;
    completes(third).await;
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_again_however_a_run_ended() {
    let scene = Scene::new(IN_PROCESS(1));
    // Refused, cancelled, timed out.
    let refused = scene.start(
        "refused",
        "algebra",
        RunOptions {
            namespace: Some("elsewhere".to_owned()),
            ..RunOptions::default()
        },
    );
    assert!(matches!(
        refused.run.await.unwrap(),
        Err(Error::Api { code: 404, .. })
    ));
    let cancelled = scene.start("cancelled", "algebra", RunOptions::default());
    appears(&scene.embedded, "cancelled").await;
    cancelled.cancel.cancel();
    assert!(cancelled.run.await.unwrap().is_err());
    let late = scene.start(
        "late",
        "algebra",
        RunOptions {
            start_timeout: Some(Duration::from_secs(5)),
            ..RunOptions::default()
        },
    );
    assert!(late.run.await.unwrap().is_err());
    let last = scene.start("last", "algebra", RunOptions::default());
    appears(&scene.embedded, "last").await;
    succeed(&scene.embedded, "last").await;
    completes(last).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_runs_end_with_ten_pods_at_a_time() {
    let scene = Scene::new(IN_PROCESS(10));
    let runs: Vec<Running> = (0..1000)
        .map(|number| {
            let lecture = format!("lecture-{}", number % 7);
            scene.start(&format!("p{number}"), &lecture, RunOptions::default())
        })
        .collect();
    let mut most = 0;
    while runs.iter().any(|running| !running.run.is_finished()) {
        let there = names(&scene.embedded).await;
        most = most.max(there.len());
        for name in there {
            // It may have ended in the meantime.
            let path = format!("{}/{name}/status", PODS);
            let body = json!({"status": status("Succeeded", &completed())});
            let merge = "application/merge-patch+json";
            patch(&scene.embedded.router(), &path, merge, &body).await;
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(most, 10);
    for running in runs {
        completes(running).await;
    }
    let (_, left) = get(&scene.embedded.router(), PODS).await;
    assert_eq!(left["items"], json!([]));
}

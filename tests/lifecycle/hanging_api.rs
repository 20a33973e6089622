//! An API server that goes silent in the middle of an answer: no limit is passed by more than a second, and what could
//! not be deleted is deleted when it answers again. Under paused time.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response};
use bytes::Bytes;
use futures::StreamExt;
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::lifecycle::Stop;
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

use crate::support::{PODS, get, patch, without_kubelet};

/// Requests that hang while the switch is on: a method and the end of a path.
#[derive(Clone)]
struct Hang {
    method: Method,
    ends: &'static str,
    on: Arc<AtomicBool>,
}

impl Hang {
    fn new(method: Method, ends: &'static str) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        Self { method, ends, on }
    }

    fn meets(&self, request: &Request<kube::client::Body>) -> bool {
        self.on.load(Ordering::SeqCst)
            && request.method() == self.method
            && request.uri().path().ends_with(self.ends)
    }
}

/// What is kept of a log of which only the first bytes came.
const BROKEN_OFF: &str = "{\"ki\n[... the rest of the log could not be read ...]\n";

/// Its headers and the first bytes come, and then nothing.
fn first_bytes_only() -> Response<Body> {
    let begun = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{\"ki"))]);
    Response::new(Body::from_stream(begun.chain(futures::stream::pending())))
}

fn cluster(embedded: &EmbeddedCluster, hang: Hang) -> Cluster {
    let router = embedded.router();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (router, hangs) = (router.clone(), hang.meets(&request));
        async move {
            if hangs {
                return Ok::<_, Infallible>(first_bytes_only());
            }
            router.oneshot(request.map(Body::new)).await
        }
    });
    Cluster::with_client(kube::Client::new(service, "default"), "in-process")
}

async fn run_pod(cluster: &Cluster, options: RunOptions) -> Result<Outcome, Error> {
    run_until(cluster, options, Stop::default()).await
}

async fn run_until(cluster: &Cluster, options: RunOptions, stop: Stop) -> Result<Outcome, Error> {
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let manifest = Manifest::new(pod).unwrap();
    run(cluster, manifest, options, &Steps::default(), stop).await
}

async fn pods(embedded: &EmbeddedCluster) -> Vec<Value> {
    let (_, list) = get(&embedded.router(), PODS).await;
    list["items"].as_array().unwrap().clone()
}

/// Plays the kubelet: as soon as the pod is there, its container is in this state.
async fn play(embedded: EmbeddedCluster, phase: &str, state: Value) {
    while pods(&embedded).await.is_empty() {
        sleep(Duration::from_millis(50)).await;
    }
    let status = json!({"status": {"phase": phase, "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
    }]}});
    let path = format!("{PODS}/p/status");
    patch(
        &embedded.router(),
        &path,
        "application/merge-patch+json",
        &status,
    )
    .await;
}

fn succeeded() -> Value {
    json!({"terminated": {"exitCode": 0, "reason": "Completed"}})
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_time_is_over_is_deleted_within_a_second_while_its_log_hangs() {
    let embedded = without_kubelet();
    let cluster = cluster(&embedded, Hang::new(Method::GET, "/log"));
    let began = Instant::now();
    let options = RunOptions {
        timeout: Some(Duration::from_secs(60)),
        ..RunOptions::default()
    };
    let gone = async {
        play(embedded.clone(), "Running", json!({"running": {}})).await;
        while !pods(&embedded).await.is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
        began.elapsed()
    };
    let (outcome, gone) = tokio::join!(run_pod(&cluster, options), gone);
    let outcome = outcome.unwrap();
    assert_eq!(
        (outcome.verdict.cause, outcome.logs.as_deref()),
        (Cause::DeadlineExceeded, Some(BROKEN_OFF))
    );
    assert!(
        gone >= Duration::from_secs(60) && gone < Duration::from_secs(61),
        "{gone:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_hangs_delays_a_good_end_by_seconds_and_does_not_spoil_it() {
    let embedded = without_kubelet();
    let cluster = cluster(&embedded, Hang::new(Method::GET, "/log"));
    let began = Instant::now();
    let playing = play(embedded.clone(), "Succeeded", succeeded());
    let (outcome, ()) = tokio::join!(run_pod(&cluster, RunOptions::default()), playing);
    let outcome = outcome.unwrap();
    assert_eq!(
        (outcome.verdict.cause, outcome.logs.as_deref()),
        (Cause::Completed, Some(BROKEN_OFF))
    );
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_hangs_delays_the_outcome_by_seconds_and_is_made_good_in_the_background() {
    let embedded = without_kubelet();
    let hang = Hang::new(Method::DELETE, "/p");
    let cluster = cluster(&embedded, hang.clone());
    let began = Instant::now();
    let playing = play(embedded.clone(), "Succeeded", succeeded());
    let (outcome, ()) = tokio::join!(run_pod(&cluster, RunOptions::default()), playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(pods(&embedded).await.len(), 1);

    sleep(Duration::from_mins(30)).await;
    hang.on.store(false, Ordering::SeqCst);
    sleep(Duration::from_mins(2)).await;
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_create_that_hangs_is_given_up_within_a_minute_and_leaves_no_pod() {
    let embedded = without_kubelet();
    let cluster = cluster(&embedded, Hang::new(Method::POST, "/pods"));
    let began = Instant::now();
    let error = run_pod(&cluster, RunOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(
        began.elapsed() < Duration::from_mins(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
}

/// A run whose pod runs, and that is detached after fifty seconds, which is never answered.
async fn detached_in_vain(timeout: Option<Duration>, stop: Stop) -> Result<Outcome, Error> {
    let embedded = without_kubelet();
    let cluster = cluster(&embedded, Hang::new(Method::PATCH, "/p"));
    let options = RunOptions {
        submission: Some("7".to_owned()),
        timeout,
        ..RunOptions::default()
    };
    let asked = stop.detach.asked.clone();
    let detaching = async {
        play(embedded.clone(), "Running", json!({"running": {}})).await;
        sleep(Duration::from_secs(50)).await;
        asked.cancel();
    };
    let (ended, ()) = tokio::join!(run_until(&cluster, options, stop), detaching);
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
    ended
}

#[tokio::test(start_paused = true)]
async fn a_detach_that_hangs_holds_up_no_limit() {
    let began = Instant::now();
    let limit = Some(Duration::from_secs(60));
    let outcome = detached_in_vain(limit, Stop::default()).await.unwrap();
    assert_eq!(outcome.verdict.cause, Cause::DeadlineExceeded);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(61), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_cancels_a_run_while_its_detach_hangs_is_heard_at_once() {
    let (began, stop) = (Instant::now(), Stop::default());
    let cancel = stop.cancel.clone();
    let cancelling = async {
        sleep(Duration::from_secs(55)).await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(detached_in_vain(None, stop), cancelling);
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(56), "{took:?}");
}

//! Where list and watch are forbidden, the end of a container's log tells its end: the pod is read at once, however long
//! the pause between two reads has become. Under paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt as _, service_fn};

use crate::support::{PODS, patch, without_kubelet};

/// The site's own: an hour, so that no read of the pod is near when it ends.
const POLL_INTERVAL: Duration = Duration::from_hours(1);

/// What is asked of the API server, and the logs that it has open.
#[derive(Default)]
struct Kubelet {
    reads: usize,
    asked: Vec<String>,
    open: Vec<UnboundedSender<Chunk>>,
    refuses: bool,
}

type Shared = Arc<Mutex<Kubelet>>;

fn followed(kubelet: &Shared, query: &str) -> Response<Body> {
    let mut kubelet = kubelet.lock().unwrap();
    kubelet.asked.push(query.to_owned());
    if kubelet.refuses {
        return StatusCode::FORBIDDEN.into_response();
    }
    let (sender, receiver) = unbounded_channel();
    kubelet.open.push(sender);
    let chunks = futures::stream::unfold(receiver, next_chunk);
    Body::from_stream(chunks).into_response()
}

type Chunk = std::io::Result<Bytes>;

async fn next_chunk(
    mut receiver: UnboundedReceiver<Chunk>,
) -> Option<(Chunk, UnboundedReceiver<Chunk>)> {
    Some((receiver.recv().await?, receiver))
}

/// A cluster whose pods are the embedded one's, whose followed logs are the test's.
fn cluster(embedded: &EmbeddedCluster, kubelet: &Shared) -> Cluster {
    let (router, kubelet) = (embedded.router(), Arc::clone(kubelet));
    let answer = move |request: Request<Body>| {
        let (router, kubelet) = (router.clone(), Arc::clone(&kubelet));
        async move {
            let (path, query) = (request.uri().path(), request.uri().query().unwrap_or(""));
            if path.ends_with("/log") && query.contains("follow=true") {
                return Ok(followed(&kubelet, query));
            }
            if request.method() == "GET" && path == format!("{PODS}/p") {
                kubelet.lock().unwrap().reads += 1;
            }
            router.oneshot(request).await
        }
    };
    let service = tower::ServiceBuilder::new()
        .layer(embedded.faults().layer())
        .service(service_fn(answer))
        .map_request(|request: Request<kube::client::Body>| request.map(Body::new));
    Cluster::with_service(service)
}

async fn status(embedded: &EmbeddedCluster, phase: &str, state: Value) {
    let status = json!({"status": {"phase": phase, "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
    }]}});
    let merge = "application/merge-patch+json";
    let path = format!("{PODS}/p/status");
    let (code, answer) = patch(&embedded.router(), &path, merge, &status).await;
    assert_eq!(code, 200, "{answer}");
}

async fn succeed(embedded: &EmbeddedCluster) {
    let end = json!({"terminated": {"exitCode": 0, "reason": "Completed"}, "running": null});
    status(embedded, "Succeeded", end).await;
}

struct Scene {
    embedded: EmbeddedCluster,
    kubelet: Shared,
    run: tokio::task::JoinHandle<kubegrader::error::Result<Outcome>>,
}

impl Scene {
    /// A pod that has been running for half a minute.
    async fn new(kubelet: Kubelet) -> Self {
        let embedded = without_kubelet();
        for verb in [Verb::List, Verb::Watch] {
            embedded
                .faults()
                .add(Rule::new(Fault::Forbidden).verb(verb));
        }
        Self::in_cluster(embedded, kubelet).await
    }

    async fn in_cluster(embedded: EmbeddedCluster, kubelet: Kubelet) -> Self {
        let kubelet = Arc::new(Mutex::new(kubelet));
        let cluster = cluster(&embedded, &kubelet);
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
        let manifest = Manifest::new(pod).unwrap();
        let options = RunOptions {
            poll_interval: POLL_INTERVAL,
            ..RunOptions::default()
        };
        let run = tokio::spawn(async move {
            let (steps, cancel) = (Steps::default(), CancellationToken::new());
            run(&cluster, manifest, options, &steps, cancel).await
        });
        sleep(Duration::from_secs(3)).await;
        status(&embedded, "Running", json!({"running": {}})).await;
        sleep(Duration::from_secs(30)).await;
        Self {
            embedded,
            kubelet,
            run,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.kubelet.lock().unwrap().asked.clone()
    }

    fn reads(&self) -> usize {
        self.kubelet.lock().unwrap().reads
    }

    /// The pod ends, and its log does.
    async fn ends(self) -> Duration {
        succeed(&self.embedded).await;
        self.kubelet.lock().unwrap().open.clear();
        let began = Instant::now();
        let outcome = self.run.await.unwrap().unwrap();
        assert_eq!(outcome.verdict.cause, Cause::Completed);
        began.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_log_tells_the_end_of_the_pod() {
    let scene = Scene::new(Kubelet::default()).await;
    let query = "&container=c&follow=true&limitBytes=1048576&tailLines=0";
    assert_eq!(scene.asked(), [query]);
    let late = scene.ends().await;
    assert!(late < Duration::from_millis(200), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_comes_after_the_end_of_the_log_is_found_soon() {
    let scene = Scene::new(Kubelet::default()).await;
    scene.kubelet.lock().unwrap().open.clear();
    sleep(Duration::from_millis(1500)).await;
    let late = scene.ends().await;
    assert!(late < Duration::from_secs(1), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_log_is_read_and_thrown_away() {
    let scene = Scene::new(Kubelet::default()).await;
    for _ in 0..100 {
        let open = scene.kubelet.lock().unwrap().open[0].clone();
        open.send(Ok(Bytes::from(vec![0xff; 4096]))).unwrap();
    }
    let late = scene.ends().await;
    assert!(late < Duration::from_millis(200), "{late:?}");
}

/// As of a notebook that prints nothing. Its connection may be one that a firewall has forgotten.
#[tokio::test(start_paused = true)]
async fn a_log_that_is_silent_for_40_s_is_followed_anew() {
    let scene = Scene::new(Kubelet::default()).await;
    sleep(Duration::from_secs(9)).await;
    assert_eq!(scene.asked().len(), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.asked().len(), 2);
    let late = scene.ends().await;
    assert!(late < Duration::from_millis(200), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_log_whose_connection_breaks_is_followed_again_at_once() {
    let scene = Scene::new(Kubelet::default()).await;
    let broken = std::io::Error::from(std::io::ErrorKind::TimedOut);
    let open = scene.kubelet.lock().unwrap().open.remove(0);
    open.send(Err(broken)).unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.asked().len(), 2);
    let late = scene.ends().await;
    assert!(late < Duration::from_millis(200), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_may_not_be_followed_is_asked_for_five_times_and_the_pod_is_polled() {
    let scene = Scene::new(Kubelet {
        refuses: true,
        ..Kubelet::default()
    })
    .await;
    assert_eq!(scene.asked().len(), 5);
    let late = scene.ends().await;
    assert!(late <= POLL_INTERVAL, "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn logs_that_end_at_once_while_the_pod_goes_on_cost_few_reads() {
    let scene = Scene::new(Kubelet::default()).await;
    let before = scene.reads();
    for _ in 0..600 {
        scene.kubelet.lock().unwrap().open.clear();
        sleep(Duration::from_secs(1)).await;
    }
    assert!(scene.asked().len() <= 7, "{:?}", scene.asked());
    let reads = scene.reads() - before;
    assert!(reads <= 60, "{reads}");
    scene.ends().await;
}

#[tokio::test(start_paused = true)]
async fn no_log_is_followed_where_the_watch_tells_the_end() {
    let scene = Scene::in_cluster(without_kubelet(), Kubelet::default()).await;
    assert_eq!(scene.asked(), [""; 0]);
    scene.ends().await;
}

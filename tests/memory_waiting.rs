//! What a pod that waits takes, in bytes: until its create has its turn, and until it ends. Under paused time, with an
//! allocator that counts; the server keeps nothing, so that only the client is measured.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use kubegrader::cluster::Cluster;
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{RunOptions, run};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use support::without_kubelet;
use tokio::sync::Semaphore;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const PODS: usize = 1_000;
/// The most that one may take: of the goal of 8 KiB the last state that a watch told has one, and Python two.
const WAITING: usize = 5 * 1024;
/// The same while it queues for its create, with what 32 requests under way share among all. What is taken then stays with
/// the allocator.
const QUEUED: usize = 6 * 1024;

/// A server that accepts creates once they are let in, and forgets them.
#[derive(Clone)]
struct Server {
    let_in: Arc<Semaphore>,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    async fn create(&self, request: Request<kube::client::Body>) -> Response<Body> {
        self.let_in.acquire().await.unwrap().forget();
        let body = to_bytes(Body::new(request.into_body()), usize::MAX)
            .await
            .unwrap();
        let mut pod: Value = serde_json::from_slice(&body).unwrap();
        let number = self.accepted.fetch_add(1, Ordering::SeqCst);
        pod["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{number:012}"));
        pod["metadata"]["resourceVersion"] = json!("1");
        let answer = Response::builder().status(StatusCode::CREATED);
        answer.body(Body::from(pod.to_string())).unwrap()
    }

    fn cluster(&self) -> Cluster {
        let (server, router) = (self.clone(), without_kubelet().router());
        Cluster::with_service(tower::service_fn(
            move |request: Request<kube::client::Body>| {
                let (server, router) = (server.clone(), router.clone());
                async move {
                    if request.method() == Method::POST && request.uri().path().ends_with("/pods") {
                        return Ok(server.create(request).await);
                    }
                    router.oneshot(request.map(Body::new)).await
                }
            },
        ))
    }
}

fn start(cluster: &Arc<Cluster>, number: usize) {
    let cluster = Arc::clone(cluster);
    tokio::spawn(async move {
        let pod = json!({
            "metadata": {"name": format!("p-{number}"), "labels": {"app": "autograde", "component": "grader"}},
            "spec": {"containers": [{
                "name": "c", "image": "registry.example/course:1",
                "command": ["grader-convert", "autograde"],
                "env": [{"name": "ASSIGNMENT", "value": "1"}],
                "volumeMounts": [{"name": "grader", "mountPath": "/var/lib/grader"}],
            }]},
        });
        let manifest = Manifest::new(pod).unwrap();
        let (options, steps) = (RunOptions::default(), Steps::default());
        run(
            &cluster,
            manifest,
            options,
            &steps,
            CancellationToken::new(),
        )
        .await
    });
}

#[tokio::test(start_paused = true)]
async fn a_waiting_pod_takes_less_than_six_kib_before_its_create_and_five_after_it() {
    let server = Server {
        let_in: Arc::new(Semaphore::new(1)),
        accepted: Arc::default(),
    };
    let cluster = Arc::new(server.cluster());
    // What is made once, and the tables' first size.
    start(&cluster, 0);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);

    let before = HEAP.current_usage();
    (1..=PODS).for_each(|number| start(&cluster, number));
    // Less than the second after which a silent server's creates go ahead.
    sleep(Duration::from_millis(500)).await;
    let queued = HEAP.current_usage().saturating_sub(before) / PODS;

    server.let_in.add_permits(PODS);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1 + PODS);
    let waiting = HEAP.current_usage().saturating_sub(before) / PODS;
    assert!(
        queued < QUEUED && waiting < WAITING,
        "bytes: {queued} queued, {waiting} waiting"
    );
}

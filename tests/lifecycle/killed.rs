//! A client that is killed with SIGKILL at every point at which it may wait: the next run of the submission comes to one
//! outcome, and no pod is left.
//!
//! The client is this test program itself, started again; it kills itself at the named point, which is either a request
//! (before it is sent, or after it was answered and before anybody reads the answer) or a step of the pod's life.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::http::{Method, Request, Response};
use kube::client::{Body, ClientBuilder};
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Outcome, RunOptions, run};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::support::{PODS, get, patch, without_kubelet};

/// The requests of a run, in order.
const REQUESTS: [&str; 6] = ["list", "watch", "lease", "create", "log", "delete"];
/// The steps of a run, by the words that its lines begin with.
const STEPS: [&str; 6] = [
    "created",
    "scheduled",
    "running",
    "ended",
    "deleted",
    "done",
];

const POINT: &str = "KUBEGRADER_TEST_KILL_AT";
const KUBECONFIG: &str = "KUBEGRADER_TEST_KUBECONFIG";

fn kind_of(request: &Request<Body>) -> &'static str {
    let path = request.uri().path();
    let query = request.uri().query().unwrap_or_default();
    match *request.method() {
        _ if path.contains("/leases") => "lease",
        Method::POST => "create",
        Method::DELETE => "delete",
        _ if query.contains("watch=") => "watch",
        _ if path.ends_with("/log") => "log",
        _ if path.ends_with("/pods") => "list",
        _ => "get",
    }
}

fn die() {
    kill_process(getpid(), Signal::KILL).unwrap();
    // The signal may take a moment, in which nothing may go on.
    std::thread::park();
}

/// A client that kills its process before or after a request of one kind.
async fn deadly_client(kubeconfig: &Path, point: &str) -> kube::Client {
    let file = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(file, &Default::default())
        .await
        .unwrap();
    config.default_retry = false;
    let (moment, kind) = point.split_once(' ').unwrap_or_default();
    let (moment, kind) = (moment.to_owned(), kind.to_owned());
    let layer = tower::layer::layer_fn(move |inner| Deadly {
        inner,
        moment: moment.clone(),
        kind: kind.clone(),
    });
    ClientBuilder::try_from(config)
        .unwrap()
        .with_layer(&layer)
        .build()
}

#[derive(Clone)]
struct Deadly<S> {
    inner: S,
    moment: String,
    kind: String,
}

impl<S, B> Service<Request<Body>> for Deadly<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = futures::future::BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_it = kind_of(&request) == self.kind;
        if is_it && self.moment == "before" {
            die();
        }
        let after = is_it && self.moment == "after";
        let answering = self.inner.call(request);
        Box::pin(async move {
            let answer = answering.await;
            if after {
                die();
            }
            answer
        })
    }
}

async fn run_submission(cluster: &Cluster, steps: &Steps, adopt: bool) -> Outcome {
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i:1"}]}});
    let options = RunOptions {
        submission: Some("7".to_owned()),
        adopt,
        ..RunOptions::default()
    };
    let manifest = Manifest::new(pod).unwrap();
    run(cluster, manifest, options, steps, CancellationToken::new())
        .await
        .unwrap()
}

/// The client that is killed. It runs in a process of its own, and does nothing in this one.
#[tokio::test]
async fn client() {
    let (Ok(point), Some(kubeconfig)) = (std::env::var(POINT), std::env::var_os(KUBECONFIG)) else {
        return;
    };
    let client = deadly_client(Path::new(&kubeconfig), &point).await;
    let steps = Steps::new(move |_, line: String| {
        let step = line
            .rsplit_once("pod default/p: ")
            .map_or("", |(_, step)| step);
        if point
            .strip_prefix("at ")
            .is_some_and(|wanted| step.starts_with(wanted))
        {
            die();
        }
    });
    run_submission(&Cluster::with_client(client, "embedded"), &steps, true).await;
}

/// Plays the kubelet for every pod that comes: running, succeeded; gone when it is deleted.
async fn play(embedded: EmbeddedCluster) {
    let container = |state: Value| json!([{"name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
    let running =
        json!({"phase": "Running", "containerStatuses": container(json!({"running": {}}))});
    let ended = container(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}));
    let succeeded = json!({"phase": "Succeeded", "containerStatuses": ended});
    let router = embedded.router();
    let path = format!("{PODS}/p");
    loop {
        let (_, pod) = get(&router, &path).await;
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            crate::support::delete(&router, &path, &json!({"gracePeriodSeconds": 0})).await;
        }
        let next = match pod["status"]["phase"].as_str() {
            Some("Pending") => Some(&running),
            Some("Running") => Some(&succeeded),
            _ => None,
        };
        if let Some(status) = next {
            let body = json!({"status": status});
            patch(
                &router,
                &format!("{path}/status"),
                "application/merge-patch+json",
                &body,
            )
            .await;
        }
        // Slow enough that each state is seen by itself.
        sleep(Duration::from_millis(30)).await;
    }
}

async fn killed_at(point: &str, adopt: bool) {
    let embedded = without_kubelet();
    let folder = tempfile::tempdir().unwrap();
    let server = embedded.serve(folder.path()).await.unwrap();
    let playing = tokio::spawn(play(embedded.clone()));
    let killed = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::client", "--nocapture"])
        .env(POINT, point)
        .env(KUBECONFIG, &server.kubeconfig)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status();
    let killed = tokio::time::timeout(Duration::from_secs(60), killed);
    let status = killed.await.expect(point).unwrap();
    assert_eq!(status.signal(), Some(9), "{point}: {status}");

    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let outcome = run_submission(&cluster, &Steps::default(), adopt).await;
    assert_eq!(outcome.verdict.cause, Cause::Completed, "{point}");
    let (_, list) = get(&embedded.router(), PODS).await;
    assert_eq!(list["items"], json!([]), "{point}");
    playing.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_killed_at_any_request_leaves_a_submission_that_comes_to_one_outcome() {
    for request in REQUESTS {
        for moment in ["before", "after"] {
            for adopt in [true, false] {
                killed_at(&format!("{moment} {request}"), adopt).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_killed_at_any_step_leaves_a_submission_that_comes_to_one_outcome() {
    for step in STEPS {
        for adopt in [true, false] {
            killed_at(&format!("at {step}"), adopt).await;
        }
    }
}

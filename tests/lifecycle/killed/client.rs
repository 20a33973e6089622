//! The client that is killed: this test program, started again for one point of one scene.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, Request, Response, StatusCode};
use futures::FutureExt;
use kube::client::Body;
use kubegrader::cluster::{Cluster, MaxPods, Options};
use kubegrader::lifecycle::{BeforeAttempt, Stop};
use kubegrader::run;
use kubegrader::step::Steps;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::sleep;

use super::scenes::{Death, Does, SCENES, Scene};
use super::{manifest, options};

/// Where the client is told what to do.
pub const VARIABLE: &str = "KUBEGRADER_TEST_KILL";
/// The plugin's own process is the client's child.
pub const PLUGIN: &str = "kill -9 $PPID";

/// What the client is to do, and where it dies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Point {
    pub scene: usize,
    pub death: usize,
    /// For a request: once it was answered.
    pub after: bool,
    pub adopt: bool,
    /// The pod's name.
    pub name: String,
    pub kubeconfig: PathBuf,
}

impl Point {
    pub fn scene(&self) -> &'static Scene {
        &SCENES[self.scene]
    }

    pub fn death(&self) -> Death {
        self.scene().deaths[self.death]
    }
}

fn die() {
    kill_process(getpid(), Signal::KILL).unwrap();
    // The signal may take a moment, in which nothing may go on.
    std::thread::park();
}

fn kind_of(request: &Request<Body>) -> &'static str {
    let path = request.uri().path();
    let query = request.uri().query().unwrap_or_default();
    match *request.method() {
        Method::GET if path.contains("/leases") => "look",
        _ if path.contains("/leases") => "lease",
        Method::POST => "create",
        Method::PATCH => "patch",
        Method::PUT => "put",
        Method::DELETE => "delete",
        _ if path.ends_with("/events") => "events",
        _ if query.contains("watch=") => "watch",
        _ if path.ends_with("/log") => "log",
        _ if path.ends_with("/pods") => "list",
        _ => "get",
    }
}

/// The requests of a client, which kill it.
struct Requests {
    client: kube::Client,
    point: Point,
    /// How many there were of each kind.
    sent: Mutex<HashMap<&'static str, usize>>,
}

impl Requests {
    async fn send(&self, request: Request<Body>) -> kube::Result<Response<Body>> {
        let mut kind = kind_of(&request);
        // The embedded cluster knows neither.
        let instead = match kind {
            "lease" | "look" => Some((StatusCode::OK, lease(request.uri().path()))),
            "create" if self.point.scene().does == Does::FindsAFullQuota => {
                kind = "full";
                let full = include_str!("../../refusals/quota-used-up.json").to_owned();
                Some((StatusCode::FORBIDDEN, full))
            }
            _ => None,
        };
        let is_deadly = self.is_deadly(kind);
        if is_deadly && !self.point.after {
            die();
        }
        let client = self.client.clone();
        let answering = async move {
            let Some((code, text)) = instead else {
                return client.send(request).await;
            };
            let mut answer = Response::new(Body::from(text.into_bytes()));
            *answer.status_mut() = code;
            Ok(answer)
        };
        if !is_deadly {
            return answering.await;
        }
        // Whoever asks may give it up before it is answered.
        let _ = tokio::spawn(answering.inspect(|_| die())).await;
        std::future::pending().await
    }

    fn is_deadly(&self, kind: &'static str) -> bool {
        let mut sent = self.sent.lock().unwrap();
        let number = sent.entry(kind).or_default();
        *number += 1;
        matches!(self.point.death(), Death::Request(deadly, nth) if deadly == kind && nth == *number)
    }
}

/// A Lease that is never renewed.
fn lease(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap();
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": "1"},
    });
    lease.to_string()
}

/// A cluster on which the client dies before or after a request.
async fn deadly_cluster(point: &Point) -> Cluster {
    let options = Options {
        kubeconfig: Some(point.kubeconfig.clone()),
        ..Options::default()
    };
    let cluster = Cluster::new(options);
    if point.scene().does == Does::AsksAPlugin {
        return cluster;
    }
    let client = cluster.connect().await.unwrap().client();
    let requests = Arc::new(Requests {
        client,
        point: point.clone(),
        sent: Mutex::default(),
    });
    let service = tower::service_fn(move |request| {
        let requests = Arc::clone(&requests);
        async move { requests.send(request).await }
    });
    Cluster::with_client(kube::Client::new(service, "default"), "embedded")
}

/// Hears the client's steps.
fn listening(point: &Point, stop: &Stop) -> Steps {
    let (point, stop) = (point.clone(), stop.clone());
    Steps::new(move |_, line: String| {
        let is = |wanted: &str| match wanted.contains(": ") {
            true => line.contains(wanted),
            false => line.contains(&format!(": {wanted}")),
        };
        match point.scene().does {
            Does::Cancels(at) if is(at) => stop.cancel.cancel(),
            Does::Detaches(at) if is(at) => stop.detach.asked.cancel(),
            _ => {}
        }
        match point.death() {
            Death::At(wanted) if is(wanted) => die(),
            Death::After(wanted, pause) if is(wanted) => drop(tokio::spawn(async move {
                sleep(pause).await;
                die();
            })),
            _ => {}
        }
    })
}

async fn run_and_die(point: Point) {
    let scene = point.scene();
    let mut cluster = deadly_cluster(&point).await;
    if scene.does == Does::HasRoomForOne {
        cluster = cluster.with_max_pods(MaxPods {
            in_process: Some(1),
            in_namespace: None,
        });
    }
    let stop = Stop::default();
    let steps = listening(&point, &stop);
    let mut options = options(point.adopt);
    (scene.options)(&mut options);
    if matches!(point.death(), Death::Preparing) {
        options.before_attempt = Some(BeforeAttempt::new(|_| {
            async {
                tokio::task::yield_now().await;
                die();
                Ok(())
            }
            .boxed()
        }));
    }
    let mut pod = manifest(&point.name);
    (scene.pod)(&mut pod);
    let another = async {
        if !matches!(scene.does, Does::HasRoomForOne | Does::IsSlowedDown) {
            return;
        }
        let other = kubegrader::RunOptions {
            submission: Some("8".to_owned()),
            ..options.clone()
        };
        let pod = manifest(&format!("other-{}", point.name));
        let pod = kubegrader::manifest::Manifest::new(pod).unwrap();
        let _ = run(&cluster, pod, other, &steps, Stop::default()).await;
    };
    let ours = async {
        if scene.does == Does::IsSlowedDown {
            sleep(Duration::from_millis(50)).await;
        }
        let pod = kubegrader::manifest::Manifest::new(pod).unwrap();
        let _ = run(&cluster, pod, options.clone(), &steps, stop).await;
    };
    tokio::join!(another, ours);
    // What goes on in the background is killed too.
    sleep(Duration::from_secs(5)).await;
}

/// It does nothing in the process of the tests.
#[tokio::test(flavor = "multi_thread")]
async fn client() {
    if let Ok(point) = std::env::var(VARIABLE) {
        run_and_die(serde_json::from_str(&point).unwrap()).await;
    }
}

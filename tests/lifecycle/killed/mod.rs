//! A client that is killed with SIGKILL at every point at which it may wait: the next run of the submission comes to one
//! outcome, and no pod is left; or, where there is no next run, the reaper leaves none.
//!
//! The client is this test program itself, started again; it kills itself at the point, which is a request (before it is
//! sent, or after it was answered and before anybody reads the answer), a step of the pod's life, or a while after that.

mod client;
mod kubelet;
mod scenes;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::manifest::Manifest;
use kubegrader::reap::{ReapOptions, reap};
use kubegrader::step::Steps;
use kubegrader::{RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::owners::{another, claim, dead, far, owned};
use crate::support::played::{self, names};
use crate::support::{PODS, create, get, without_kubelet};
use client::{PLUGIN, Point, VARIABLE};
use kubelet::Kubelet;
use scenes::{Death, Does, Left, Owner, SCENES};

/// How many clients are killed at a time: most of their time they wait.
const AT_ONCE: usize = 16;

/// What becomes of the submission afterwards.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Next {
    /// It is run again.
    Run { adopt: bool },
    /// Its pods are left to the reaper.
    Reaped,
}

fn manifest(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "nodeName": "n", "containers": [{"name": "c", "image": "i:1"}]},
    })
}

fn options(adopt: bool) -> RunOptions {
    RunOptions {
        submission: Some("7".to_owned()),
        adopt,
        ..RunOptions::default()
    }
}

/// Leaves a pod of the submission.
async fn leave(embedded: &EmbeddedCluster, name: &str, left: Left) {
    let name = match left.attempt {
        1 => name.to_owned(),
        later => format!("{name}-attempt-{later}"),
    };
    let claim = match left.owner {
        Owner::Dead => claim(&dead()),
        Owner::Far => json!({"process": far(), "lease": true}),
    };
    let mut pod = owned(&name, "a", &claim);
    pod["metadata"]["labels"]["kubegrader.io/attempt"] = json!(left.attempt.to_string());
    pod["spec"]["nodeName"] = json!("n");
    create(&embedded.router(), &pod).await;
    match left.phase {
        "Running" => played::run(embedded, &name).await,
        _ => played::succeed(embedded, &name).await,
    }
}

/// A kubeconfig whose plugin kills its client in the call of this number.
fn with_a_deadly_plugin(kubeconfig: &Path, folder: &Path, call: usize) -> std::path::PathBuf {
    let mut config: Value =
        serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let user = &mut config["users"][0]["user"];
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": user["token"]},
    });
    let script = format!(
        "echo >> '{calls}'\n[ $(wc -l < '{calls}') -lt {call} ] || {PLUGIN}\necho '{credential}'",
        calls = folder.join("calls").display(),
    );
    *user = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script], "interactiveMode": "Never",
    }});
    let path = folder.join("with-a-plugin");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// Runs the client, which dies.
async fn kill(point: &Point) -> Result<(), String> {
    let killed = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::client::client", "--nocapture"])
        .env(VARIABLE, serde_json::to_string(point).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    let killed = tokio::time::timeout(Duration::from_secs(60), killed).await;
    let Ok(status) = killed else {
        return Err("the client never came to this point".to_owned());
    };
    let status = status.unwrap();
    match status.signal() {
        Some(9) => Ok(()),
        _ => Err(format!("the client was not killed but ended: {status}")),
    }
}

/// Of the submission a run leaves nothing but what other attempts have finished, which is the reaper's.
async fn leaves_none_at_work(embedded: &EmbeddedCluster, attempt: u32) -> Result<(), String> {
    let (_, list) = get(&embedded.router(), PODS).await;
    let attempt = attempt.to_string();
    let at_work = |pod: &&Value| {
        let labels = &pod["metadata"]["labels"];
        let is_finished = matches!(
            pod["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        );
        let is_others = labels["kubegrader.io/attempt"].as_str() != Some(&*attempt);
        labels["kubegrader.io/submission"] == "7" && !(is_finished && is_others)
    };
    let pods = list["items"].as_array().unwrap().iter();
    let left: Vec<_> = pods
        .filter(at_work)
        .map(|pod| &pod["metadata"]["name"])
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(format!("the next run leaves {left:?}"))
}

/// Waits until no pod is left.
async fn is_tidy(embedded: &EmbeddedCluster) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let left = names(embedded).await;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("{left:?} are left"));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn killed_at(mut point: Point, next: Next) -> Result<(), String> {
    let scene = point.scene();
    let embedded = without_kubelet();
    let folder = tempfile::tempdir().unwrap();
    let server = embedded.serve(&folder.path().join("server")).await.unwrap();
    point.kubeconfig = match point.death() {
        Death::Plugin(call) => with_a_deadly_plugin(&server.kubeconfig, folder.path(), call),
        _ => server.kubeconfig.clone(),
    };
    for left in scene.left {
        leave(&embedded, &point.name, *left).await;
    }
    for rule in (scene.rules)() {
        embedded.faults().add(rule);
    }
    let kubelet = Kubelet::start(&embedded, scene.fate);
    kill(&point).await?;
    if !scene.lasting {
        embedded.faults().clear();
    }
    kubelet.turn_good();
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let steps = Steps::default();
    if let Next::Run { adopt } = next {
        let mut options = options(adopt);
        options.max_attempts = 2;
        let mut pod = manifest(&point.name);
        (scene.pod)(&mut pod);
        let pod = Manifest::new(pod).unwrap();
        let running = run(&cluster, pod, options, &steps, CancellationToken::new());
        let outcome = tokio::time::timeout(Duration::from_secs(60), running)
            .await
            .map_err(|_| "the next run has no end".to_owned())?;
        let outcome = outcome.map_err(|error| error.to_string())?;
        if outcome.verdict.cause != Cause::Completed {
            return Err(format!("{:?}", outcome.verdict));
        }
        leaves_none_at_work(&embedded, outcome.attempt).await?;
    }
    // Whoever may not list has somebody else reap.
    embedded.faults().clear();
    let reaper = cluster.owned_by(another());
    let reaped = reap(&reaper, &ReapOptions::default(), &steps).await;
    reaped.map_err(|error| error.to_string())?;
    is_tidy(&embedded).await?;
    kubelet.verdict()
}

/// Whether nobody is proven to be gone: a pod that waits for its next run, that its caller has, or whose owner is elsewhere, is no
/// reaper's.
fn is_no_reapers(point: &Point) -> bool {
    let scene = point.scene();
    let is_far = scene
        .left
        .iter()
        .any(|left| matches!(left.owner, Owner::Far));
    let marks = matches!(point.death(), Death::Request("patch" | "put", _));
    let mut options = RunOptions::default();
    (scene.options)(&mut options);
    let is_left = matches!(scene.does, Does::Detaches(_)) || options.keep;
    is_far || is_left && marks && point.after
}

/// Every point, once for each of these.
fn points(nexts: &'static [Next]) -> impl Iterator<Item = (Point, Next)> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let deaths = SCENES.iter().enumerate().flat_map(|(scene, of)| {
        let deaths = of.deaths.iter().enumerate();
        deaths.flat_map(move |(death, at)| {
            let moments = match at {
                Death::Request(..) => &[false, true][..],
                _ => &[false][..],
            };
            moments.iter().map(move |after| (scene, death, *after))
        })
    });
    deaths.flat_map(move |(scene, death, after)| {
        nexts.iter().map(move |next| {
            let adopts = SCENES[scene].adopts;
            let adopt = adopts.unwrap_or(*next == Next::Run { adopt: true });
            // A reaper leaves the names alone that its own process has runs of.
            let name = format!("p{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            let kubeconfig = std::path::PathBuf::new();
            let point = Point {
                scene,
                death,
                after,
                adopt,
                name,
                kubeconfig,
            };
            (point, *next)
        })
    })
}

async fn check(nexts: &'static [Next]) {
    let killing = points(nexts)
        .filter(|(point, next)| *next != Next::Reaped || !is_no_reapers(point))
        .map(|(point, next)| async move {
            let (scene, death) = (point.scene().name, point.death());
            let moment = if point.after { "after" } else { "before" };
            let ended = killed_at(point, next).await;
            ended
                .err()
                .map(|problem| format!("{scene}: {moment} {death:?}, {next:?}: {problem}"))
        });
    let problems: Vec<String> = stream::iter(killing)
        .buffer_unordered(AT_ONCE)
        .filter_map(|problem| async { problem })
        .collect()
        .await;
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_killed_at_any_point_leaves_a_submission_that_comes_to_one_outcome() {
    check(&[Next::Run { adopt: true }, Next::Run { adopt: false }]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_killed_at_any_point_leaves_no_pod_to_the_reaper() {
    check(&[Next::Reaped]).await;
}

//! How much the embedded cluster can do: `make bench-embedded`.
//!
//! A plain program, not a statistical harness: each figure is a median over repeats with the lowest and the highest
//! beside it, since what the machine does otherwise is in all of them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures::{AsyncBufReadExt, TryStreamExt, future::try_join_all};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kubegrader::embedded::{EmbeddedCluster, Options};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Repeats of each measurement.
const REPEATS: usize = 7;
/// Pods that are created one after the other.
const CREATES: usize = 5_000;
/// Pods and watches that are there at once.
const PODS: usize = 10_000;
const WATCHES: usize = 100;
/// Status patches whose way to all watches is timed.
const PATCHES: usize = 50;

/// One line of the report.
struct Figure {
    name: &'static str,
    unit: &'static str,
    values: Vec<f64>,
    /// The goal, and whether more than it is better.
    goal: Option<(f64, bool)>,
}

impl Figure {
    fn quantile(&self, part: f64) -> f64 {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let index = ((values.len() - 1) as f64 * part).round() as usize;
        values.get(index).copied().unwrap_or(f64::NAN)
    }

    fn meets(&self) -> bool {
        self.goal.is_none_or(|(goal, more)| {
            let median = self.quantile(0.5);
            if more { median >= goal } else { median <= goal }
        })
    }

    fn goal_text(&self) -> String {
        match self.goal {
            None => String::new(),
            Some((goal, more)) => {
                let bound = if more { "at least" } else { "at most" };
                let verdict = if self.meets() { "met" } else { "MISSED" };
                format!("{bound} {goal}: {verdict}")
            }
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "unit": self.unit, "median": self.quantile(0.5), "lowest": self.quantile(0.0),
            "highest": self.quantile(1.0), "values": self.values, "goal": self.goal.map(|(goal, _)| goal),
            "met": self.meets(),
        })
    }
}

fn pod(name: &str) -> Result<Pod, serde_json::Error> {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"app": "bench", "kubegrader.io/submission": name}},
        "spec": {"restartPolicy": "Never", "containers": [{
            "name": "main", "image": "registry.example.org/course:1",
            "command": ["grader-convert", "autograde", "-i", "/data/in", "-o", "/data/out", "-p", "*.ipynb"],
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "grader-service"}}]},
    }))
}

fn running(turn: usize) -> Value {
    json!({"status": {"phase": "Running", "message": format!("turn {turn}"), "containerStatuses": [{
        "name": "main", "image": "registry.example.org/course:1", "imageID": "registry.example.org/course@sha256:0",
        "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    }]}})
}

fn cluster() -> EmbeddedCluster {
    EmbeddedCluster::start(Options {
        kubelet: false,
        ..Options::default()
    })
}

fn api(cluster: &EmbeddedCluster) -> Api<Pod> {
    Api::default_namespaced(cluster.client("default"))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Start until the first answer: in process, and over TLS with a kubeconfig that was written.
async fn start() -> Result<[Figure; 2], Fault> {
    let (mut inside, mut served) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS * 3 {
        let began = Instant::now();
        let cluster = EmbeddedCluster::start(Options::default());
        api(&cluster).list(&ListParams::default()).await?;
        inside.push(milliseconds(began.elapsed()));
        cluster.stop().await;

        let folder = tempfile::tempdir()?;
        let began = Instant::now();
        let cluster = EmbeddedCluster::start(Options::default());
        let server = cluster.serve(folder.path()).await?;
        served.push(milliseconds(began.elapsed()));
        server.stop().await;
        cluster.stop().await;
    }
    let figure = |name, values| Figure {
        name,
        unit: "ms",
        values,
        goal: Some((50.0, false)),
    };
    Ok([
        figure("start until a list is answered in process", inside),
        figure(
            "start until it is served and the kubeconfig is written",
            served,
        ),
    ])
}

/// Creates through kube's client: the JSON is written, routed, read, checked, defaulted, stored and answered.
async fn creates() -> Result<[Figure; 2], Fault> {
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let cluster = cluster();
        let pods = api(&cluster);
        let began = Instant::now();
        fill(&pods, "one", CREATES).await?;
        alone.push(rate(CREATES, began.elapsed()));

        let began = Instant::now();
        let parts = ["a", "b", "c", "d"].map(|prefix| {
            let pods = pods.clone();
            tokio::spawn(async move { fill(&pods, prefix, CREATES / 4).await })
        });
        for part in parts {
            part.await??;
        }
        together.push(rate(CREATES, began.elapsed()));
    }
    let figure = |name, values| Figure {
        name,
        unit: "1/s",
        values,
        goal: Some((5_000.0, true)),
    };
    Ok([
        figure("creates in process, one after the other", alone),
        figure("creates in process, four clients", together),
    ])
}

async fn fill(pods: &Api<Pod>, prefix: &str, count: usize) -> Result<(), Fault> {
    let params = PostParams::default();
    for index in 0..count {
        pods.create(&params, &pod(&format!("{prefix}-{index}"))?)
            .await?;
    }
    Ok(())
}

/// A watch that lists nothing and counts the lines it reads; each turn it tells when it saw the patch.
fn follow(
    pods: &Api<Pod>,
    seen: tokio::sync::mpsc::UnboundedSender<Instant>,
) -> JoinHandle<Result<(), Fault>> {
    let client = pods.clone().into_client();
    tokio::spawn(async move {
        // From nothing: the pods that exist come first, as for a client that begins.
        let request = http::Request::get(
            "/api/v1/namespaces/default/pods?watch=true&allowWatchBookmarks=true",
        )
        .body(Vec::new())?;
        let mut lines = client.request_stream(request).await?.lines();
        while let Some(line) = lines.try_next().await? {
            if line.contains("\"turn ") && seen.send(Instant::now()).is_err() {
                break;
            }
        }
        Ok(())
    })
}

/// 10,000 pods and 100 watches at once: the memory of this process, and how long a patch takes to all watches.
async fn many() -> Result<[Figure; 4], Fault> {
    let before = resident()?;
    let cluster = cluster();
    let pods = api(&cluster);
    fill(&pods, "p", PODS).await?;
    let patch = |turn: usize| {
        let pods = pods.clone();
        async move {
            let name = format!("p-{}", turn * 199 % PODS);
            let patch = running(turn);
            pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
        }
    };
    // Each pod has changed once, so that the history is full of what pods were before.
    for index in 0..PODS {
        let patch = json!({"status": {"phase": "Pending", "message": "scheduled"}});
        pods.patch_status(
            &format!("p-{index}"),
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await?;
    }
    let filled = resident()?;
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let watches: Vec<_> = (0..WATCHES)
        .map(|_| follow(&pods, sender.clone()))
        .collect();
    drop(sender);
    // The first patch comes behind the 10,000 pods of each watch.
    let began = Instant::now();
    patch(0).await?;
    let mut peak = filled;
    for _ in 0..WATCHES {
        if seen.recv().await.is_none() {
            return Err("a watch ended".into());
        }
        peak = peak.max(resident()?);
    }
    let begun = milliseconds(began.elapsed());
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for turn in 1..=PATCHES {
        let began = Instant::now();
        patch(turn).await?;
        let mut times = Vec::new();
        for _ in 0..WATCHES {
            let Some(at) = seen.recv().await else { break };
            times.push(milliseconds(at.duration_since(began)));
        }
        times.sort_by(f64::total_cmp);
        first.extend(times.first());
        last.extend(times.last());
    }
    peak = peak.max(resident()?);
    eprintln!(
        "resident: {before:.0} MiB before, {filled:.0} MiB with the pods, {peak:.0} MiB at the most"
    );
    cluster.stop().await;
    try_join_all(watches)
        .await?
        .into_iter()
        .collect::<Result<Vec<()>, Fault>>()?;
    Ok([
        Figure {
            name: "memory of the process, 10,000 pods and 100 watches",
            unit: "MiB",
            values: vec![peak],
            goal: Some((500.0, false)),
        },
        Figure {
            name: "100 watches begin: each has read 10,000 pods",
            unit: "ms",
            values: vec![begun],
            goal: None,
        },
        Figure {
            name: "a status patch until the first of 100 watches has it",
            unit: "ms",
            values: first,
            goal: None,
        },
        Figure {
            name: "a status patch until the last of 100 watches has it",
            unit: "ms",
            values: last,
            goal: None,
        },
    ])
}

/// MiB of this process that are in memory.
fn resident() -> Result<f64, Fault> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no VmRSS in /proc/self/status")?
        .parse()?;
    Ok(kibibytes / 1024.0)
}

fn machine() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    format!(
        "{model}, {cores} cores, Linux {}, load {load} at the start, {build} build",
        kernel.trim()
    )
}

fn report(machine: &str, figures: &[Figure], as_json: bool) {
    if as_json {
        let figures: Vec<Value> = figures.iter().map(Figure::json).collect();
        println!("{:#}", json!({"machine": machine, "figures": figures}));
        return;
    }
    println!("{machine}\n");
    println!("| What | median | lowest to highest | unit | goal |\n|---|---|---|---|---|");
    for figure in figures {
        println!(
            "| {} | {:.1} | {:.1} to {:.1} | {} | {} |",
            figure.name,
            figure.quantile(0.5),
            figure.quantile(0.0),
            figure.quantile(1.0),
            figure.unit,
            figure.goal_text()
        );
    }
}

async fn measure() -> Result<Vec<Figure>, Fault> {
    // The memory first: what earlier measurements leave behind is not theirs.
    let mut figures: Vec<Figure> = many().await?.into();
    figures.extend(start().await?);
    figures.extend(creates().await?);
    Ok(figures)
}

fn main() -> Result<ExitCode, Fault> {
    let as_json = std::env::args().any(|argument| argument == "--json");
    let machine = machine();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let figures = runtime.block_on(measure())?;
    report(&machine, &figures, as_json);
    let all_met = figures.iter().all(Figure::meets);
    Ok(if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

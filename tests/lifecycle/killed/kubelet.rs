//! Plays the kubelet for every pod that comes, and sees that no two of a submission run at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kubegrader::embedded::EmbeddedCluster;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::scenes::Fate;
use crate::support::played::{completed, goes, running, status, terminated};
use crate::support::{PODS, get, patch};

const PAUSE: Duration = Duration::from_millis(30);
/// How long a pod runs: so long that a busy client sees it.
const RUNS: Duration = Duration::from_millis(400);
/// How long a pod that runs takes to stop.
const GRACE: Duration = Duration::from_millis(400);

pub struct Kubelet {
    is_good: Arc<AtomicBool>,
    problems: Arc<Mutex<Vec<String>>>,
    playing: JoinHandle<()>,
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.playing.abort();
    }
}

impl Kubelet {
    pub fn start(embedded: &EmbeddedCluster, fate: Fate) -> Self {
        let (is_good, problems) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let play = Play {
            embedded: embedded.clone(),
            fate,
            is_good: Arc::clone(&is_good),
            problems: Arc::clone(&problems),
            since: HashMap::new(),
        };
        Self {
            is_good,
            problems,
            playing: tokio::spawn(play.play()),
        }
    }

    /// From now on all pods succeed.
    pub fn turn_good(&self) {
        self.is_good.store(true, Ordering::SeqCst);
    }

    /// # Errors
    /// What went wrong on the node.
    pub fn verdict(&self) -> Result<(), String> {
        let problems = self.problems.lock().unwrap();
        if problems.is_empty() {
            return Ok(());
        }
        Err(problems.join(", "))
    }
}

struct Play {
    embedded: EmbeddedCluster,
    fate: Fate,
    is_good: Arc<AtomicBool>,
    problems: Arc<Mutex<Vec<String>>>,
    /// By uid and what it does since then.
    since: HashMap<(String, &'static str), Instant>,
}

impl Play {
    async fn play(mut self) {
        loop {
            let (_, list) = get(&self.embedded.router(), PODS).await;
            let pods = list["items"].as_array().unwrap();
            for pod in pods {
                self.go_on(pod, pods).await;
            }
            sleep(PAUSE).await;
        }
    }

    async fn go_on(&mut self, pod: &Value, all: &[Value]) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            if self.time_of(pod, "stops") >= GRACE {
                goes(&self.embedded, name).await;
            }
            return;
        }
        // What somebody left is at work until somebody takes it.
        let is_left = pod["metadata"]["labels"]["kubegrader.io/owner"] == "a";
        let fate = match self.is_good.load(Ordering::SeqCst) {
            _ if is_left => Fate::RunsOn,
            true => Fate::Succeeds,
            false => self.fate,
        };
        let next = match (pod["status"]["phase"].as_str(), fate) {
            (Some("Pending"), Fate::DoesNotStart) => waiting_for_its_sandbox(),
            (Some("Pending"), Fate::IsGated) => gated(),
            (Some("Pending"), _) => {
                self.note_those_beside(pod, all);
                status("Running", &running())
            }
            (Some("Running"), _) if self.time_of(pod, "runs") < RUNS => return,
            (Some("Running"), Fate::Succeeds) => status("Succeeded", &completed()),
            (Some("Running"), Fate::IsKilled) => status("Failed", &terminated(137, "Error")),
            (Some("Running"), Fate::IsEvicted) => evicted(),
            (Some("Running"), Fate::IsDeletedBySomebody) => {
                return goes(&self.embedded, name).await;
            }
            _ => return,
        };
        let path = format!("{PODS}/{name}/status");
        let merge = "application/merge-patch+json";
        // It may be gone by now.
        patch(
            &self.embedded.router(),
            &path,
            merge,
            &json!({"status": next}),
        )
        .await;
    }

    /// For how long it has been doing this.
    fn time_of(&mut self, pod: &Value, what: &'static str) -> Duration {
        let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
        self.since
            .entry((uid, what))
            .or_insert_with(Instant::now)
            .elapsed()
    }

    fn note_those_beside(&self, pod: &Value, all: &[Value]) {
        let submission =
            |pod: &Value| pod["metadata"]["labels"]["kubegrader.io/submission"].clone();
        let beside = all.iter().filter(|other| {
            other["status"]["phase"] == "Running" && submission(other) == submission(pod)
        });
        let problems = beside.map(|other| {
            let name = |pod: &Value| pod["metadata"]["name"].to_string();
            format!("{} runs beside {}", name(pod), name(other))
        });
        self.problems.lock().unwrap().extend(problems);
    }
}

fn waiting_for_its_sandbox() -> Value {
    let mut status = status(
        "Pending",
        &json!({"waiting": {"reason": "ContainerCreating"}}),
    );
    status["conditions"] = json!([{"type": "PodReadyToStartContainers", "status": "False"}]);
    status
}

fn gated() -> Value {
    json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]})
}

fn evicted() -> Value {
    let mut status = status("Failed", &terminated(137, "Error"));
    status["reason"] = json!("Evicted");
    status["message"] = json!("The node was low on resource: memory.");
    status
}

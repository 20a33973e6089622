//! One run of one container: from its start to the report of its end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::kubelet::{Node, make_folders};
use super::launch::{self, Prepared, Problem, Run, prepare};
use super::log_reader;
use super::logs::ContainerLog;
use super::pod_status::Ended;
use super::process::{self, Tree, exit_code};
use super::volumes::Volumes;

/// How long the rest of the output may take when the container has ended (real time).
const DRAIN: Duration = Duration::from_secs(2);
/// How long a process may take on its way through its sandbox (real time).
const GATE: Duration = Duration::from_secs(30);
/// How often a memory limit is looked at that no group keeps.
const LOOK: Duration = Duration::from_millis(50);
/// The same when more than half of it is used.
const LOOK_OFTEN: Duration = Duration::from_millis(5);
/// The last words that become the message of a container that failed, as a kubelet counts them.
const LAST_LINES: usize = 80;
const LAST_BYTES: usize = 2048;

/// Which container of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// An init container, by its place.
    Init(usize),
    /// A container, by its place.
    Main(usize),
}

/// A container has ended.
#[derive(Debug)]
pub struct Ending {
    /// Which.
    pub slot: Slot,
    /// How.
    pub ended: Ended,
}

/// A real kubelet dates the start of a container that never ran to 1970.
#[must_use]
pub fn never_started(id: String, message: String, clock: &Clock) -> Ended {
    Ended {
        id,
        code: 128,
        reason: "StartError",
        message: Some(message),
        started: Time(Timestamp::UNIX_EPOCH),
        finished: clock.now(),
    }
}

/// What is to be started.
#[derive(Debug)]
pub struct Start<'a> {
    /// Which container.
    pub slot: Slot,
    /// Its spec.
    pub container: &'a Container,
    /// How often it was started before.
    pub attempt: i32,
    /// Its pod.
    pub pod: &'a Arc<Pod>,
    /// The pod's private folder.
    pub folder: &'a Path,
    /// The pod's volumes.
    pub volumes: &'a Volumes,
    /// Takes the report.
    pub report: &'a mpsc::UnboundedSender<Ending>,
}

impl Start<'_> {
    /// Starts the process and a task that reports its end; returns the run's id and processes.
    ///
    /// # Errors
    /// What stands in the container's status then.
    pub async fn begin(&self, node: &Arc<Node>) -> Result<(String, Arc<Tree>), Problem> {
        let id = node.container_id();
        let name = &self.container.name;
        let run_name = format!("{name}-{}", self.attempt);
        let logs = self.folder.join("log");
        let prepared = self.prepare(node, &id, &run_name, &logs).await?;
        let log = Arc::new(ContainerLog::new(
            logs.join(format!("{run_name}.log")),
            node.store.clock(),
        ));
        let words = prepared.launch.argv.first().cloned().unwrap_or_default();
        let started = process::start(&prepared.launch, prepared.group);
        let mut started = started
            .map_err(|error| Problem::Start(launch::runc(&format!("exec {words:?}: {error}"))))?;
        let tree = Arc::new(started.tree);
        let guard = KillOnDrop {
            tree: Arc::clone(&tree),
            over: false,
        };
        if let Some(gate) = started.gate.take() {
            pass(gate).await?;
        }
        let uid = self.pod.metadata.uid.as_deref().unwrap_or_default();
        node.logs.add(uid, name, Arc::clone(&log));
        let run = RunningContainer {
            id: id.clone(),
            slot: self.slot,
            last_words: self.container.termination_message_policy.as_deref()
                == Some("FallbackToLogsOnError"),
            watched_limit: prepared.watched_limit,
            guard,
            log,
            report: self.report.clone(),
            clock: node.store.clock(),
        };
        node.tasks.spawn(run.wait(started.child, started.output));
        Ok((id, tree))
    }

    /// Makes the folders and the process's description where blocking does no harm.
    async fn prepare(
        &self,
        node: &Arc<Node>,
        id: &str,
        run_name: &str,
        logs: &Path,
    ) -> Result<Prepared, Problem> {
        let (pod, container) = (Arc::clone(self.pod), self.container.clone());
        let (pod_folder, folder) = (self.folder.to_owned(), self.folder.join(run_name));
        let view_folder = self.folder.join("view").join(run_name);
        let (id, logs, node) = (id.to_owned(), logs.to_owned(), Arc::clone(node));
        let volumes = self.volumes.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            let made = make_folders(&pod_folder, &logs);
            made.map_err(|error| Problem::Create(format!("making the pod's folder: {error}")))?;
            let guarded = node.guard();
            guarded.map_err(|error| Problem::Create(format!("starting the watchdog: {error}")))?;
            let run = Run {
                id: &id,
                folder: &folder,
                view_folder: &view_folder,
                volumes: &volumes,
                node: &node,
            };
            prepare(&pod, &container, &run)
        });
        let joined = prepared.await;
        joined.map_err(|error| Problem::Create(error.to_string()))?
    }
}

/// Waits until the process has gone through its sandbox.
async fn pass(mut gate: pipe::Receiver) -> Result<(), Problem> {
    let mut words = String::new();
    match tokio::time::timeout(GATE, gate.read_to_string(&mut words)).await {
        Ok(Ok(0)) => Ok(()),
        Ok(Ok(_)) => Err(Problem::Start(launch::runc(&words))),
        Ok(Err(error)) => Err(Problem::Create(format!(
            "making the container's view: {error}"
        ))),
        Err(_) => Err(Problem::Create(format!(
            "making the container's view took more than {GATE:?}"
        ))),
    }
}

/// Kills the container's processes when its task is dropped with the runtime.
struct KillOnDrop {
    tree: Arc<Tree>,
    over: bool,
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if !self.over {
            self.tree.kill_round();
        }
    }
}

/// Returns when a container has more memory than its limit, which no group keeps; looks the more often, the
/// nearer it is.
async fn exceeds(tree: &Arc<Tree>, limit: Option<u64>) {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    loop {
        let tree = Arc::clone(tree);
        let used = tokio::task::spawn_blocking(move || {
            let used = tree.memory(limit);
            if used <= limit {
                // Real time, on a thread of its own: processes do not know of tokio's paused clock.
                std::thread::sleep(if used > limit / 2 { LOOK_OFTEN } else { LOOK });
            }
            used
        });
        if matches!(used.await, Ok(used) if used > limit) {
            return;
        }
    }
}

struct RunningContainer {
    id: String,
    slot: Slot,
    last_words: bool,
    watched_limit: Option<u64>,
    guard: KillOnDrop,
    log: Arc<ContainerLog>,
    report: mpsc::UnboundedSender<Ending>,
    clock: Arc<Clock>,
}

impl RunningContainer {
    async fn wait(mut self, mut child: Child, output: pipe::Receiver) {
        let log = Arc::clone(&self.log);
        let filling = tokio::spawn(async move { log.fill_from(output).await });
        let (status, over) = tokio::select! {
            status = child.wait() => (status, false),
            () = exceeds(&self.guard.tree, self.watched_limit) => {
                Arc::clone(&self.guard.tree).kill().await;
                (child.wait().await, true)
            }
        };
        self.guard.tree.set_reaped();
        // With its first process a container ends as a whole.
        Arc::clone(&self.guard.tree).kill().await;
        self.guard.over = true;
        let stop_filling = filling.abort_handle();
        if tokio::time::timeout(DRAIN, filling).await.is_err() {
            stop_filling.abort();
        }
        self.log.close();
        let code = status.map_or(255, exit_code);
        let message = if self.last_words && code != 0 {
            Some(log_reader::tail(Arc::clone(&self.log), LAST_LINES, LAST_BYTES).await)
        } else {
            None
        };
        let ended = Ended {
            id: self.id.clone(),
            code,
            reason: match code {
                _ if over || self.guard.tree.is_out_of_memory() => "OOMKilled",
                0 => "Completed",
                _ => "Error",
            },
            message: message.filter(|text| !text.is_empty()),
            started: self.clock.now(),
            finished: self.clock.now(),
        };
        // The pod's task may be gone with the runtime.
        let _ = self.report.send(Ending {
            slot: self.slot,
            ended,
        });
    }
}

//! One run of one container: from its start to the report of its end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::kubelet::{Node, make_folders};
use super::launch::{self, Problem, Run, prepare};
use super::log_reader;
use super::logs::ContainerLog;
use super::pod_status::Ended;
use super::process::{self, Launch, Tree, exit_code};

/// How long the rest of the output may take when the container has ended (real time).
const DRAIN: Duration = Duration::from_secs(2);
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

/// A random id of 64 hexadecimal digits, as container runtimes give.
#[must_use]
pub fn random_id() -> String {
    format!(
        "{:032x}{:032x}",
        rand::random::<u128>(),
        rand::random::<u128>()
    )
}

/// A real kubelet dates the start of a container that never ran to 1970.
#[must_use]
pub fn never_started(message: String, clock: &Clock) -> Ended {
    Ended {
        id: random_id(),
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
    /// Takes the report.
    pub report: &'a mpsc::UnboundedSender<Ending>,
}

impl Start<'_> {
    /// Starts the process and a task that reports its end; returns the run's id and processes.
    ///
    /// # Errors
    /// What stands in the container's status then.
    pub async fn begin(&self, node: &Arc<Node>) -> Result<(String, Arc<Tree>), Problem> {
        let id = random_id();
        let name = &self.container.name;
        let run_name = format!("{name}-{}", self.attempt);
        let logs = self.folder.join("log");
        let launch = self.prepare(node, &id, &run_name, &logs).await?;
        let log = Arc::new(ContainerLog::new(
            logs.join(format!("{run_name}.log")),
            node.store.clock(),
        ));
        let (child, tree, output) = process::start(&launch).map_err(|error| {
            let program = launch.argv.first().map_or("", String::as_str);
            Problem::Start(launch::runc(&format!("exec {program:?}: {error}")))
        })?;
        let tree = Arc::new(tree);
        let uid = self.pod.metadata.uid.as_deref().unwrap_or_default();
        node.logs.add(uid, name, Arc::clone(&log));
        let run = RunningContainer {
            id: id.clone(),
            slot: self.slot,
            last_words: self.container.termination_message_policy.as_deref()
                == Some("FallbackToLogsOnError"),
            guard: KillOnDrop {
                tree: Arc::clone(&tree),
                over: false,
            },
            log,
            report: self.report.clone(),
            clock: node.store.clock(),
        };
        node.tasks.spawn(run.wait(child, output));
        Ok((id, tree))
    }

    /// Makes the folders and the process's description where blocking does no harm.
    async fn prepare(
        &self,
        node: &Arc<Node>,
        id: &str,
        run_name: &str,
        logs: &Path,
    ) -> Result<Launch, Problem> {
        let (pod, container) = (Arc::clone(self.pod), self.container.clone());
        let (pod_folder, folder) = (self.folder.to_owned(), self.folder.join(run_name));
        let (id, logs, node) = (id.to_owned(), logs.to_owned(), Arc::clone(node));
        let prepared = tokio::task::spawn_blocking(move || {
            let made = make_folders(&pod_folder, &logs);
            made.map_err(|error| Problem::Create(format!("making the pod's folder: {error}")))?;
            let run = Run {
                id: &id,
                folder: &folder,
                path: &node.path,
            };
            prepare(&pod, &container, &run)
        });
        let joined = prepared.await;
        joined.map_err(|error| Problem::Create(error.to_string()))?
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

struct RunningContainer {
    id: String,
    slot: Slot,
    last_words: bool,
    guard: KillOnDrop,
    log: Arc<ContainerLog>,
    report: mpsc::UnboundedSender<Ending>,
    clock: Arc<Clock>,
}

impl RunningContainer {
    async fn wait(mut self, mut child: Child, output: pipe::Receiver) {
        let log = Arc::clone(&self.log);
        let filling = tokio::spawn(async move { log.fill_from(output).await });
        let status = child.wait().await;
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
            reason: if code == 0 { "Completed" } else { "Error" },
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

//! The node: binds pods to itself, as a scheduler does, and gives each a task that lives its life.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use k8s_openapi::api::core::v1::{Pod, PodCondition, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::api::Api;
use super::event::{Change, Stored, key_of};
use super::life::Life;
use super::logs::LogBook;
use super::memory::MemoryRoot;
use super::record::{EventType, Report, Reporter};
use super::sandbox::{Means, Sandbox};
use super::stage::{Play, Stages};
use super::store::Store;
use super::watchdog;

/// `spec.nodeName` of every pod that runs here.
pub const NODE_NAME: &str = "embedded";
/// Pods with another `schedulerName` wait for someone else, as on a real cluster.
const SCHEDULER: &str = "default-scheduler";

/// Why a pod with another node selector does not run here.
const NO_NODE: &str = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";

/// What is wanted of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It runs.
    Run,
    /// It stops within so many seconds.
    Stop(u64),
    /// It is gone from the API: its processes go at once.
    Gone,
}

/// What the lives of all pods share.
#[derive(Debug)]
pub struct Node {
    /// The objects.
    pub store: Arc<Store>,
    /// The lives that are played from data.
    pub stages: Arc<Stages>,
    /// Pods that play no stage run as processes; without it they stay `Pending`.
    pub runs: bool,
    /// The containers' logs.
    pub logs: Arc<LogBook>,
    /// The folder with the pods' private folders.
    pub root: PrivateRoot,
    /// `PATH` of containers that set none.
    pub path: OsString,
    /// Gives containers views of their own.
    pub sandbox: Sandbox,
    /// Cancelled when all processes must go.
    pub stop: CancellationToken,
    /// Counts every task that owns a process.
    pub tasks: TaskTracker,
    /// The first half of the id of every container here.
    mark: String,
    means: Means,
    memory: OnceLock<Option<MemoryRoot>>,
    /// Keeps the watchdog quiet until it is closed.
    pipe: Mutex<Option<PipeWriter>>,
}

impl Node {
    /// A node for the objects of an API; `runs`: pods that play no stage run as processes.
    #[must_use]
    pub fn new(
        api: &Api,
        stages: Arc<Stages>,
        runs: bool,
        means: Means,
        path: OsString,
        tasks: TaskTracker,
    ) -> Self {
        let mark = format!("{:032x}", rand::random::<u128>());
        let root = PrivateRoot::named(&mark);
        Self {
            store: Arc::clone(&api.store),
            stages,
            runs,
            logs: Arc::clone(&api.logs),
            sandbox: Sandbox::new(means, root.path().to_owned()),
            root,
            path,
            stop: api.stop.clone(),
            tasks,
            mark,
            means,
            memory: OnceLock::new(),
            pipe: Mutex::new(None),
        }
    }

    /// A random id of 64 hexadecimal digits, as container runtimes give.
    #[must_use]
    pub fn container_id(&self) -> String {
        format!("{}{:032x}", self.mark, rand::random::<u128>())
    }

    /// The group around the containers' memory groups, where this process may make groups. Blocks on a trial
    /// the first time.
    pub fn memory(&self) -> Option<&MemoryRoot> {
        let find = || {
            let name = format!("kubegrader-{}", self.mark);
            let root = self.means.cgroups.then(|| MemoryRoot::make(&name));
            let root = root.flatten()?;
            let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Err(error)) = pipe.as_mut().map(|pipe| watchdog::tell(pipe, root.path())) {
                tracing::warn!(%error, "telling the watchdog of the memory groups");
            }
            Some(root)
        };
        self.memory.get_or_init(find).as_ref()
    }

    /// Sees to it, once, that no container outlives this process. Blocks; to be called before a process is
    /// started, inside the runtime.
    ///
    /// # Errors
    /// When the watchdog cannot be started.
    pub fn guard(self: &Arc<Self>) -> io::Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if pipe.is_some() || self.stop.is_cancelled() {
            return Ok(());
        }
        let mut watchdog = watchdog::start(&self.mark, self.root.path())?;
        *pipe = Some(watchdog.pipe);
        let node = Arc::clone(self);
        self.tasks.spawn(async move {
            node.stop.cancelled().await;
            node.pipe
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            // It only cleans up after us now.
            let _ = watchdog.process.wait().await;
        });
        Ok(())
    }
}

/// A folder that only its owner can read; removed when it is dropped.
#[derive(Debug)]
pub struct PrivateRoot {
    path: PathBuf,
}

impl PrivateRoot {
    /// A folder in that for temporary files; [`make_folders`] makes it.
    #[must_use]
    pub fn named(mark: &str) -> Self {
        Self {
            path: std::env::temp_dir().join(format!("kubegrader-{mark}")),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateRoot {
    fn drop(&mut self) {
        // Nothing may have been made; what cannot be removed is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Makes a pod's private folder and its folder for logs when they are not there.
///
/// # Errors
/// When one cannot be made.
pub fn make_folders(pod: &Path, logs: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    // Others may pass through, not look: a container may run as another user.
    builder.recursive(true).mode(0o711).create(pod)?;
    builder.mode(0o700).create(logs)
}

/// Follows the store until the node stops.
pub async fn run(node: Arc<Node>) {
    let (existing, mut events) = node.store.follow::<Pod>();
    let mut wishes: HashMap<String, watch::Sender<Wish>> = HashMap::new();
    for stored in existing {
        if !plays(&node, &mut wishes, &stored) {
            consider(&node, &mut wishes, &stored.object);
        }
    }
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = node.stop.cancelled() => None,
        };
        let Some(event) = event else { return };
        let pod = &event.after.object;
        if event.change == Change::Deleted {
            if let Some(wish) = wishes.remove(uid_of(pod)) {
                wish.send_replace(Wish::Gone);
            }
        } else if event.change != Change::Added || !plays(&node, &mut wishes, &event.after) {
            consider(&node, &mut wishes, pod);
        }
    }
}

/// Gives a new pod to the stage that is meant for it.
fn plays(
    node: &Node,
    wishes: &mut HashMap<String, watch::Sender<Wish>>,
    new: &Stored<Pod>,
) -> bool {
    let pod = &new.object;
    let Some(script) = node.stages.choose(pod, new.version) else {
        return false;
    };
    let (sender, receiver) = watch::channel(wish_for(pod));
    wishes.insert(uid_of(pod).to_owned(), sender);
    let (store, stages) = (Arc::clone(&node.store), Arc::clone(&node.stages));
    let play = Play::new(store, stages, script, pod, receiver);
    let stop = node.stop.clone();
    node.tasks
        .spawn(async move { stop.run_until_cancelled(play.run()).await });
    true
}

fn uid_of(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// Takes a pod on, tells its life what is wanted now, or leaves it to others.
fn consider(node: &Arc<Node>, wishes: &mut HashMap<String, watch::Sender<Wish>>, pod: &Arc<Pod>) {
    let wish = wish_for(pod);
    if let Some(known) = wishes.get(uid_of(pod)) {
        known.send_if_modified(|old| std::mem::replace(old, wish) != wish);
        return;
    }
    if !node.runs {
        return;
    }
    let Some(spec) = &pod.spec else { return };
    let bound = spec.node_name.as_deref().unwrap_or_default();
    let mine = if bound.is_empty() {
        wish == Wish::Run && bind(node, pod, spec)
    } else {
        bound == NODE_NAME
    };
    if !mine {
        return;
    }
    let (sender, receiver) = watch::channel(wish);
    wishes.insert(uid_of(pod).to_owned(), sender);
    node.tasks
        .spawn(Life::new(Arc::clone(node), Arc::clone(pod), receiver).run());
}

fn wish_for(pod: &Pod) -> Wish {
    let metadata = &pod.metadata;
    match (
        &metadata.deletion_timestamp,
        metadata.deletion_grace_period_seconds,
    ) {
        (None, _) => Wish::Run,
        (Some(_), seconds) => Wish::Stop(
            seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .unwrap_or(0),
        ),
    }
}

/// Binds a pod to this node when a scheduler would; false when it stays without a node.
fn bind(node: &Node, pod: &Pod, spec: &PodSpec) -> bool {
    let gated = spec
        .scheduling_gates
        .as_ref()
        .is_some_and(|gates| !gates.is_empty());
    if spec.scheduler_name.as_deref() != Some(SCHEDULER) || gated {
        return false;
    }
    let fits = selects_this_node(spec);
    let now = node.store.clock().now();
    let bound = node.store.update(&key_of(pod), false, |old: &Pod| {
        let mut new = old.clone();
        if fits {
            new.spec.get_or_insert_default().node_name = Some(NODE_NAME.to_owned());
        }
        let conditions = new
            .status
            .get_or_insert_default()
            .conditions
            .get_or_insert_default();
        let scheduled = scheduled(fits, now);
        match conditions
            .iter_mut()
            .find(|one| one.type_ == scheduled.type_)
        {
            // The time of the last change stays, so that looking again makes no new version.
            Some(old) if old.status == scheduled.status && old.reason == scheduled.reason => {}
            Some(old) => *old = scheduled,
            None => conditions.push(scheduled),
        }
        Ok(new)
    });
    if let Ok(bound) = &bound {
        tell_of_scheduling(node, &bound.object, fits);
    }
    fits && bound.is_ok()
}

fn tell_of_scheduling(node: &Node, pod: &Pod, fits: bool) {
    let (namespace, name) = key_of(pod);
    let assigned = format!("Successfully assigned {namespace}/{name} to {NODE_NAME}");
    let report = if fits {
        Report {
            type_: EventType::Normal,
            reason: "Scheduled",
            message: &assigned,
            reporter: Reporter::Scheduler { action: "Binding" },
            field_path: None,
        }
    } else {
        Report {
            type_: EventType::Warning,
            reason: "FailedScheduling",
            message: NO_NODE,
            reporter: Reporter::Scheduler {
                action: "Scheduling",
            },
            field_path: None,
        }
    };
    node.store.record_event(pod, &report);
}

fn selects_this_node(spec: &PodSpec) -> bool {
    let labels = [
        ("kubernetes.io/hostname", NODE_NAME),
        ("kubernetes.io/os", "linux"),
    ];
    let selector = spec.node_selector.iter().flatten();
    selector
        .into_iter()
        .all(|(key, value)| labels.contains(&(key.as_str(), value.as_str())))
}

fn scheduled(fits: bool, now: Time) -> PodCondition {
    PodCondition {
        type_: "PodScheduled".to_owned(),
        status: if fits { "True" } else { "False" }.to_owned(),
        reason: (!fits).then(|| "Unschedulable".to_owned()),
        message: (!fits).then(|| NO_NODE.to_owned()),
        last_transition_time: Some(now),
        ..PodCondition::default()
    }
}

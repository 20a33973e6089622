//! One pod's life: init containers one after the other, then the containers, then the end.
//!
//! One task owns all of it and waits for the next thing to happen: a container ends, the pod is deleted, its
//! deadline passes, a grace is over, a restart is due.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::back_off;
use super::container::{self, Ending, Slot};
use super::deletion::DeleteRequest;
use super::event::key_of;
use super::kubelet::{Node, Wish};
use super::launch::Problem;
use super::pod_status::{ContainerView, PodView, State};
use super::process::Tree;
use super::status_body::{PODS, Refusal};

const DEADLINE: (&str, &str) = (
    "DeadlineExceeded",
    "Pod was active on the node longer than the specified deadline",
);

/// A pod that runs here.
#[derive(Debug)]
pub struct Life {
    node: Arc<Node>,
    pod: Arc<Pod>,
    spec: PodSpec,
    uid: String,
    folder: PathBuf,
    view: PodView,
    wish: watch::Receiver<Wish>,
    endings: mpsc::UnboundedReceiver<Ending>,
    report: mpsc::UnboundedSender<Ending>,
    running: Vec<(Slot, Arc<Tree>)>,
    restarts: Vec<(Slot, Instant)>,
    deadline: Option<Instant>,
    stop_began: Option<Instant>,
    kill_at: Option<Instant>,
}

impl Life {
    /// A life that has not begun.
    #[must_use]
    pub fn new(node: Arc<Node>, pod: Arc<Pod>, wish: watch::Receiver<Wish>) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let has_init = spec
            .init_containers
            .as_ref()
            .is_some_and(|all| !all.is_empty());
        let reason = if has_init {
            "PodInitializing"
        } else {
            "ContainerCreating"
        };
        let view = |one: &Container| ContainerView {
            name: one.name.clone(),
            image: one.image.clone().unwrap_or_default(),
            state: State::Waiting {
                reason,
                message: None,
            },
            last: None,
            restarts: 0,
        };
        let (report, endings) = mpsc::unbounded_channel();
        let seconds = spec
            .active_deadline_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            folder: node.root.path().join(&uid),
            view: PodView {
                init: spec.init_containers.iter().flatten().map(view).collect(),
                main: spec.containers.iter().map(view).collect(),
                start: node.store.clock().now(),
                ready_to_start: false,
                settled: false,
                failure: None,
                stopping: false,
            },
            deadline: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
            node,
            pod,
            spec,
            uid,
            wish,
            endings,
            report,
            running: Vec::new(),
            restarts: Vec::new(),
            stop_began: None,
            kill_at: None,
        }
    }

    /// Lives until the pod is gone or the node stops.
    pub async fn run(mut self) {
        self.publish();
        self.view.ready_to_start = true;
        self.obey();
        self.go_on().await;
        while !self.is_over() {
            if !self.next_thing().await {
                return self.abandon().await;
            }
        }
        self.settle().await;
        self.node.logs.remove(&self.uid);
        self.remove_folder().await;
    }

    /// Waits for one thing and deals with it; false when the node stops.
    async fn next_thing(&mut self) -> bool {
        let restart = self.restarts.iter().map(|(_, at)| *at).min();
        tokio::select! {
            Some(ending) = self.endings.recv() => self.on_ending(ending).await,
            changed = self.wish.changed() => match changed {
                Ok(()) => self.obey(),
                Err(_) => return false,
            },
            () = at(self.deadline) => {
                self.deadline = None;
                self.view.failure = Some(DEADLINE);
                self.stop(self.spec.termination_grace_period_seconds.unwrap_or(30).try_into().unwrap_or(0));
            }
            () = at(self.kill_at) => self.kill(),
            () = at(restart) => self.restart_due().await,
            () = self.node.stop.cancelled() => return false,
        }
        true
    }

    /// Nothing runs, nothing will run, and the status says why.
    fn is_over(&self) -> bool {
        if !self.running.is_empty() || !self.restarts.is_empty() {
            return false;
        }
        self.view.stopping || matches!(self.view.phase(self.policy()), "Succeeded" | "Failed")
    }

    fn policy(&self) -> &str {
        self.spec.restart_policy.as_deref().unwrap_or("Always")
    }

    fn obey(&mut self) {
        let wish = *self.wish.borrow_and_update();
        match wish {
            Wish::Run => {}
            Wish::Stop(seconds) => self.stop(seconds),
            Wish::Gone => {
                self.stop(0);
                self.kill();
            }
        }
    }

    /// Asks all containers to end, and sets when they must; a later call can only make it sooner.
    fn stop(&mut self, seconds: u64) {
        let first = self.stop_began.is_none();
        let began = *self.stop_began.get_or_insert_with(Instant::now);
        let end = began + Duration::from_secs(seconds);
        self.kill_at = Some(self.kill_at.map_or(end, |at| at.min(end)));
        self.view.stopping = true;
        self.restarts.clear();
        if first {
            self.running.iter().for_each(|(_, tree)| tree.terminate());
            self.publish();
        }
    }

    fn kill(&mut self) {
        self.kill_at = None;
        for (_, tree) in &self.running {
            self.node.tasks.spawn(Arc::clone(tree).kill());
        }
    }

    /// Starts what comes next: one init container, or all containers.
    async fn go_on(&mut self) {
        if self.view.stopping {
            return;
        }
        let waiting =
            |one: &ContainerView| matches!(one.state, State::Waiting { .. }) && one.last.is_none();
        let blocking = self
            .view
            .init
            .iter()
            .position(|one| !matches!(&one.state, State::Ended(end) if end.code == 0));
        match blocking {
            Some(index) if waiting(&self.view.init[index]) => self.start(Slot::Init(index)).await,
            Some(_) => {}
            None => {
                for index in 0..self.view.main.len() {
                    if waiting(&self.view.main[index]) {
                        self.start(Slot::Main(index)).await;
                    }
                }
            }
        }
        self.publish();
    }

    fn slot(&mut self, slot: Slot) -> &mut ContainerView {
        match slot {
            Slot::Init(index) => &mut self.view.init[index],
            Slot::Main(index) => &mut self.view.main[index],
        }
    }

    async fn start(&mut self, slot: Slot) {
        let container = match slot {
            Slot::Init(index) => self
                .spec
                .init_containers
                .as_ref()
                .and_then(|all| all.get(index))
                .cloned(),
            Slot::Main(index) => self.spec.containers.get(index).cloned(),
        };
        let container = container.unwrap_or_default();
        let attempt = self.slot(slot).restarts;
        let started = container::Start {
            slot,
            container: &container,
            attempt,
            pod: &self.pod,
            folder: &self.folder,
            report: &self.report,
        };
        let state = match started.begin(&self.node).await {
            Ok((id, tree)) => {
                self.running.push((slot, tree));
                State::Running {
                    id,
                    started: self.node.store.clock().now(),
                }
            }
            Err(Problem::Config(message)) => waiting("CreateContainerConfigError", message),
            Err(Problem::Create(message)) => waiting("CreateContainerError", message),
            Err(Problem::Start(message)) => {
                let ended = container::never_started(message, &self.node.store.clock());
                // The ending comes through the channel like every other, after this status.
                let _ = self.report.send(Ending {
                    slot,
                    ended: ended.clone(),
                });
                State::Ended(ended)
            }
        };
        self.slot(slot).state = state;
    }

    async fn on_ending(&mut self, Ending { slot, mut ended }: Ending) {
        self.running.retain(|(other, _)| *other != slot);
        let code = ended.code;
        if let State::Running { started, .. } = &self.slot(slot).state {
            ended.started = started.clone();
        }
        self.slot(slot).state = State::Ended(ended);
        let again = match self.policy() {
            _ if self.view.stopping => false,
            "Never" => false,
            "OnFailure" => code != 0,
            _ => code != 0 || matches!(slot, Slot::Main(_)),
        };
        if !self.is_over() || again {
            self.publish();
        }
        if again {
            self.plan_restart(slot);
        } else {
            self.go_on().await;
        }
    }

    fn plan_restart(&mut self, slot: Slot) {
        let pause = back_off::pause(self.slot(slot).restarts);
        let (namespace, name) = key_of(&*self.pod);
        let uid = self.uid.clone();
        let view = self.slot(slot);
        if let State::Ended(ended) = &view.state {
            view.last = Some(ended.clone());
        }
        if !pause.is_zero() {
            let message = format!(
                "back-off {} restarting failed container={} pod={name}_{namespace}({uid})",
                back_off::text(pause),
                view.name
            );
            view.state = waiting("CrashLoopBackOff", message);
            self.publish();
        }
        self.restarts.push((slot, Instant::now() + pause));
    }

    async fn restart_due(&mut self) {
        let due = Instant::now();
        let (now_due, later) = std::mem::take(&mut self.restarts)
            .into_iter()
            .partition(|(_, at)| *at <= due);
        self.restarts = later;
        for (slot, _) in now_due {
            self.slot(slot).restarts += 1;
            self.start(slot).await;
        }
        self.publish();
    }

    /// Writes the status, when the pod is still this one; that it is gone comes as a wish.
    fn publish(&self) {
        let now = self.node.store.clock().now();
        let published = self
            .node
            .store
            .update(&key_of(&*self.pod), false, |old: &Pod| {
                if old.metadata.uid.as_ref() != Some(&self.uid) {
                    return Err(Refusal::not_found(
                        PODS,
                        old.metadata.name.as_deref().unwrap_or_default(),
                    ));
                }
                let mut new = old.clone();
                new.status = Some(self.view.status(old, &now));
                Ok(new)
            });
        if let Err(refusal) = published {
            tracing::debug!(uid = %self.uid, %refusal.message, "publishing a pod's status");
        }
    }

    /// Publishes the end, and waits until the pod is deleted when it was not.
    async fn settle(&mut self) {
        if self.stop_began.is_none() {
            // First the ended containers, then the phase.
            self.publish();
        }
        self.view.settled = true;
        self.publish();
        loop {
            let wish = *self.wish.borrow_and_update();
            match wish {
                Wish::Gone => return,
                Wish::Stop(_) => {
                    let gone = self
                        .node
                        .store
                        .delete::<Pod>(&key_of(&*self.pod), &DeleteRequest::at_once(&self.uid));
                    if gone.is_err() {
                        return;
                    }
                }
                Wish::Run => {}
            }
            tokio::select! {
                changed = self.wish.changed() => if changed.is_err() { return },
                () = self.node.stop.cancelled() => return,
            }
        }
    }

    /// The node stops: all processes go now, and nothing more is published.
    async fn abandon(mut self) {
        self.kill();
        while !self.running.is_empty() {
            let Some(ending) = self.endings.recv().await else {
                break;
            };
            self.running.retain(|(slot, _)| *slot != ending.slot);
        }
        self.remove_folder().await;
    }

    async fn remove_folder(&self) {
        if let Err(error) = tokio::fs::remove_dir_all(&self.folder).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.folder.display(), %error, "removing a pod's private folder");
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn waiting(reason: &'static str, message: String) -> State {
    State::Waiting {
        reason,
        message: Some(message),
    }
}

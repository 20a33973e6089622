//! One pod's life: init containers one after the other, then the containers, then the end.
//!
//! One task owns all of it and waits for the next thing to happen: a container ends, the pod is deleted, its
//! deadline passes, a grace is over, a restart is due.

mod ending;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::back_off;
use super::container::{self, Ending, Slot};
use super::event::key_of;
use super::kubelet::{Node, Wish};
use super::launch::Problem;
use super::pod_status::{ContainerView, Place, PodView, State};
use super::process::Tree;
use super::status_body::{PODS, Refusal};
use super::teller::{Named, Teller};
use super::volumes::{self, Volumes};

/// A kubelet's pauses between its attempts to set up a volume, which double.
const FIRST_MOUNT_RETRY: Duration = Duration::from_millis(500);
const LAST_MOUNT_RETRY: Duration = Duration::from_secs(122);

const DEADLINE: (&str, &str) = (
    "DeadlineExceeded",
    "Pod was active on the node longer than the specified deadline",
);

/// A pod that runs here.
#[derive(Debug)]
pub struct Life {
    node: Arc<Node>,
    pod: Arc<Pod>,
    teller: Teller,
    spec: PodSpec,
    uid: String,
    folder: PathBuf,
    view: PodView,
    wish: watch::Receiver<Wish>,
    endings: mpsc::UnboundedReceiver<Ending>,
    report: mpsc::UnboundedSender<Ending>,
    running: Vec<(Slot, Arc<Tree>)>,
    restarts: Vec<(Slot, Instant)>,
    /// `None` until all are set up.
    volumes: Option<Volumes>,
    mount_retry: Option<(Instant, Duration)>,
    deadline: Option<Instant>,
    /// Those who were asked to end.
    asked: Vec<Slot>,
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
            sidecar: false,
        };
        let init = |one: &Container| ContainerView {
            sidecar: one.restart_policy.as_deref() == Some("Always"),
            ..view(one)
        };
        let (report, endings) = mpsc::unbounded_channel();
        let seconds = spec
            .active_deadline_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            folder: node.root.path().join(&uid),
            view: PodView {
                init: spec.init_containers.iter().flatten().map(init).collect(),
                main: spec.containers.iter().map(view).collect(),
                start: node.store.clock().now(),
                place: Place::Missing,
                settled: false,
                failure: None,
                stopping: false,
            },
            deadline: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
            teller: Teller::new(Arc::clone(&node), Arc::clone(&pod)),
            node,
            pod,
            spec,
            uid,
            wish,
            endings,
            report,
            running: Vec::new(),
            restarts: Vec::new(),
            volumes: None,
            mount_retry: None,
            asked: Vec::new(),
            stop_began: None,
            kill_at: None,
        }
    }

    /// Lives until the pod is gone or the node stops.
    pub async fn run(mut self) {
        self.publish();
        self.obey();
        self.set_up_volumes(FIRST_MOUNT_RETRY).await;
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
                self.teller.deadline_exceeded(DEADLINE.1);
                self.stop(self.grace());
            }
            () = at(self.kill_at) => self.kill(),
            () = at(restart) => self.restart_due().await,
            () = at(self.mount_retry.map(|(at, _)| at)) => {
                let pause = self.mount_retry.map_or(FIRST_MOUNT_RETRY, |(_, pause)| pause);
                self.set_up_volumes((pause * 2).min(LAST_MOUNT_RETRY)).await;
            }
            () = self.node.stop.cancelled() => return false,
        }
        true
    }

    /// Sets up the volumes and goes on, or tries again after a pause.
    async fn set_up_volumes(&mut self, pause: Duration) {
        self.mount_retry = None;
        if self.view.stopping {
            return;
        }
        let (pod, folder) = (Arc::clone(&self.pod), self.folder.clone());
        let set_up = tokio::task::spawn_blocking(move || volumes::set_up(&pod, &folder));
        match set_up.await {
            Ok(Ok(volumes)) => {
                self.volumes = Some(volumes);
                self.view.place = Place::Ready;
                self.go_on().await;
            }
            failed => {
                tracing::debug!(uid = %self.uid, ?failed, "setting up volumes");
                for fault in failed.into_iter().filter_map(Result::err).flatten() {
                    self.teller.failed_mount(&fault);
                }
                self.mount_retry = Some((Instant::now() + pause, pause));
            }
        }
    }

    /// Nothing runs, nothing will run, and the status says why.
    fn is_over(&self) -> bool {
        if !self.running.is_empty() || !self.restarts.is_empty() {
            return false;
        }
        self.view.stopping || self.has_final_phase()
    }

    fn has_final_phase(&self) -> bool {
        matches!(self.view.phase(self.policy()), "Succeeded" | "Failed")
    }

    fn is_sidecar(&self, slot: Slot) -> bool {
        matches!(slot, Slot::Init(index) if self.view.init[index].sidecar)
    }

    fn grace(&self) -> u64 {
        let seconds = self.spec.termination_grace_period_seconds.unwrap_or(30);
        u64::try_from(seconds).unwrap_or(0)
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

    /// Starts what comes next: one init container, or all containers.
    async fn go_on(&mut self) {
        if self.view.stopping {
            return;
        }
        let waiting =
            |one: &ContainerView| matches!(one.state, State::Waiting { .. }) && one.last.is_none();
        let mut blocking;
        loop {
            blocking = self.view.init.iter().position(|one| !one.is_initialized());
            let Some(index) = blocking.filter(|index| waiting(&self.view.init[*index])) else {
                break;
            };
            self.start(Slot::Init(index)).await;
            if !self.view.init[index].is_initialized() {
                break;
            }
            self.publish();
        }
        match blocking {
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

    fn named(&self, slot: Slot) -> Named<'_> {
        let name = match slot {
            Slot::Init(index) => &self.view.init[index].name,
            Slot::Main(index) => &self.view.main[index].name,
        };
        Named { slot, name }
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
        let no_volumes = Volumes::new();
        let started = container::Start {
            slot,
            container: &container,
            attempt,
            pod: &self.pod,
            folder: &self.folder,
            volumes: self.volumes.as_ref().unwrap_or(&no_volumes),
            report: &self.report,
        };
        let named = Named {
            slot,
            name: &container.name,
        };
        let image = container.image.as_deref().unwrap_or_default();
        self.teller.pulled(named, image);
        let begun = started.begin(&self.node).await;
        if !matches!(begun, Err(Problem::Config(_) | Problem::Create(_))) {
            self.teller.created(named);
        }
        match &begun {
            Ok(_) => self.teller.started(named),
            Err(problem) => self.teller.failed(named, problem.message()),
        }
        let state = match begun {
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
                let ended = container::never_started(
                    self.node.container_id(),
                    message,
                    &self.node.store.clock(),
                );
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
            _ if self.view.stopping || self.has_final_phase() => false,
            _ if self.is_sidecar(slot) => true,
            "Never" => false,
            "OnFailure" => code != 0,
            _ => code != 0 || matches!(slot, Slot::Main(_)),
        };
        if self.is_sidecar(slot) && self.running.is_empty() && self.has_final_phase() {
            // With the last sidecar the place to run in goes.
            self.view.place = Place::Gone;
        }
        if !self.is_over() || again {
            self.publish();
        }
        if again {
            self.plan_restart(slot);
        } else if self.view.stopping {
            self.ask_to_end();
        } else {
            self.go_on().await;
            self.end_sidecars();
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
            self.teller.back_off(self.named(slot));
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

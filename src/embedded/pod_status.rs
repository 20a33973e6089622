//! A pod's status from what its containers do, in the order and the words of a real kubelet.
//!
//! Pure: the same view gives the same status. Imitated from lives recorded on a 1.34 cluster.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Every embedded pod runs on this machine.
const ADDRESS: &str = "127.0.0.1";
/// What a kubelet says of a container that never ran when its pod was stopped.
const LOST: &str = "The container could not be located when the pod was terminated";
/// The conditions that a kubelet owns, in its order.
const OWN: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];

/// The end of one run of a container.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The run's id.
    pub id: String,
    /// Exit code, or 128 and the signal.
    pub code: i32,
    /// `Completed`, `Error`, `StartError`.
    pub reason: &'static str,
    /// Why it could not start, or its last words.
    pub message: Option<String>,
    /// The beginning.
    pub started: Time,
    /// The end.
    pub finished: Time,
}

/// What a container does now.
#[derive(Debug, Clone)]
pub enum State {
    /// It does not run yet, or not again.
    Waiting {
        /// `ContainerCreating`, `PodInitializing`, `CreateContainerConfigError`, ...
        reason: &'static str,
        /// Why.
        message: Option<String>,
    },
    /// It runs.
    Running {
        /// The run's id.
        id: String,
        /// The beginning.
        started: Time,
    },
    /// It has ended.
    Ended(Ended),
    /// The pod was stopped before it ever ran.
    Lost,
}

/// A container as its kubelet sees it.
#[derive(Debug, Clone)]
pub struct ContainerView {
    /// The container's name.
    pub name: String,
    /// The image that the pod asks for; it is not looked at.
    pub image: String,
    /// Now.
    pub state: State,
    /// The run before.
    pub last: Option<Ended>,
    /// How often it was started again.
    pub restarts: i32,
    /// An init container that runs beside the others until they have ended.
    pub sidecar: bool,
}

/// The place that a pod's containers run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is not made yet: volumes are missing.
    Missing,
    /// Containers can start.
    Ready,
    /// It is gone again.
    Gone,
}

/// A pod as its kubelet sees it.
#[derive(Debug, Clone)]
pub struct PodView {
    /// Init containers in order.
    pub init: Vec<ContainerView>,
    /// Containers in order.
    pub main: Vec<ContainerView>,
    /// `status.startTime`.
    pub start: Time,
    /// Is there a place to run in: `PodReadyToStartContainers`?
    pub place: Place,
    /// All is torn down: the phase may say how it ended.
    pub settled: bool,
    /// `status.reason` and `status.message` of a pod that the kubelet itself ended.
    pub failure: Option<(&'static str, &'static str)>,
    /// It is being stopped: what has not run will not run.
    pub stopping: bool,
}

impl ContainerView {
    fn succeeded(&self) -> bool {
        matches!(&self.state, State::Ended(ended) if ended.code == 0)
    }

    fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_) | State::Lost)
    }

    fn has_started(&self) -> bool {
        !matches!(self.state, State::Waiting { .. } | State::Lost) || self.last.is_some()
    }

    /// Does the init container let the next one start?
    #[must_use]
    pub fn is_initialized(&self) -> bool {
        self.succeeded() || self.sidecar && self.has_started()
    }
}

impl PodView {
    /// The phase by the rules of kubelet's `getPhase`.
    #[must_use]
    pub fn phase(&self, restart_policy: &str) -> &'static str {
        let stopped =
            |one: &ContainerView| one.has_ended() || one.last.is_some() && !one.is_running();
        if self.failure.is_some() {
            return "Failed";
        }
        let never = restart_policy == "Never" || self.stopping;
        if let Some(blocking) = self.init.iter().find(|one| !one.is_initialized()) {
            return if blocking.has_ended() && never {
                "Failed"
            } else {
                "Pending"
            };
        }
        if self.main.iter().any(ContainerView::is_running) {
            return "Running";
        }
        if self.main.iter().any(|one| !stopped(one)) {
            return "Pending";
        }
        match restart_policy {
            _ if self.main.iter().all(ContainerView::succeeded)
                && (never || restart_policy != "Always") =>
            {
                "Succeeded"
            }
            _ if never => "Failed",
            _ => "Running",
        }
    }

    /// The status to publish in place of `pod`'s.
    #[must_use]
    pub fn status(&self, pod: &Pod, now: &Time) -> PodStatus {
        let old = pod.status.clone().unwrap_or_default();
        let policy = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.restart_policy.as_deref())
            .unwrap_or("Always");
        let truth = self.phase(policy);
        let final_phase = matches!(truth, "Succeeded" | "Failed");
        // A real kubelet shows the ended containers first, and the end of the pod when all is torn down.
        let shown = if final_phase && !self.settled {
            old.phase.clone()
        } else {
            Some(truth.to_owned())
        };
        let failure = self.failure.filter(|_| self.settled);
        let generation = pod.metadata.generation;
        PodStatus {
            conditions: Some(self.conditions(&old, truth, generation, now)),
            phase: shown,
            reason: failure.map(|(reason, _)| reason.to_owned()),
            message: failure.map(|(_, message)| message.to_owned()),
            observed_generation: generation,
            host_ip: Some(ADDRESS.to_owned()),
            host_ips: Some(vec![HostIP {
                ip: ADDRESS.to_owned(),
            }]),
            pod_ip: match self.place {
                Place::Missing => old.pod_ip.clone(),
                _ => Some(ADDRESS.to_owned()),
            },
            pod_ips: match self.place {
                Place::Missing => old.pod_ips.clone(),
                _ => Some(vec![PodIP {
                    ip: ADDRESS.to_owned(),
                }]),
            },
            start_time: Some(self.start.clone()),
            init_container_statuses: statuses(&self.init, true),
            container_statuses: statuses(&self.main, false),
            ..old
        }
    }

    fn conditions(
        &self,
        old: &PodStatus,
        phase: &str,
        generation: Option<i64>,
        now: &Time,
    ) -> Vec<PodCondition> {
        let before = old.conditions.as_deref().unwrap_or_default();
        let ready_to_start = self.place == Place::Ready && !self.settled;
        let plain = |yes: bool| Verdict(yes, None, None);
        let all = [
            plain(ready_to_start),
            self.initialized(phase),
            self.ready(phase),
            self.ready(phase),
            plain(true),
        ];
        let mut conditions: Vec<PodCondition> = OWN
            .iter()
            .zip(all)
            .map(|(name, Verdict(yes, reason, message))| {
                let status = if yes { "True" } else { "False" };
                let same = before
                    .iter()
                    .find(|one| one.type_ == **name && one.status == status);
                let since = same
                    .and_then(|one| one.last_transition_time.clone())
                    .unwrap_or_else(|| now.clone());
                PodCondition {
                    type_: (*name).to_owned(),
                    status: status.to_owned(),
                    reason: reason.map(str::to_owned),
                    message,
                    last_transition_time: Some(since),
                    observed_generation: generation,
                    last_probe_time: None,
                }
            })
            .collect();
        conditions.extend(
            before
                .iter()
                .filter(|one| !OWN.contains(&one.type_.as_str()))
                .cloned(),
        );
        conditions
    }

    fn has_sidecar_left(&self) -> bool {
        self.init.iter().any(|one| one.sidecar && one.is_running())
    }

    fn initialized(&self, phase: &str) -> Verdict {
        if phase == "Succeeded" && !self.has_sidecar_left() {
            return Verdict(true, Some("PodCompleted"), None);
        }
        let started = self.main.iter().any(ContainerView::has_started);
        let incomplete = names(self.init.iter().filter(|one| !one.is_initialized()));
        if started || incomplete.is_empty() {
            return Verdict(true, None, None);
        }
        Verdict(
            false,
            Some("ContainersNotInitialized"),
            Some(format!("containers with incomplete status: [{incomplete}]")),
        )
    }

    fn ready(&self, phase: &str) -> Verdict {
        let lost = self.main.iter().any(|one| matches!(one.state, State::Lost));
        match phase {
            "Succeeded" if !self.has_sidecar_left() => {
                return Verdict(false, Some("PodCompleted"), None);
            }
            "Failed" if !lost => return Verdict(false, Some("PodFailed"), None),
            _ => {}
        }
        let sidecars = self.init.iter().filter(|one| one.sidecar);
        let all = sidecars.chain(&self.main);
        let unready = names(all.filter(|one| !one.is_running()));
        if unready.is_empty() {
            return Verdict(true, None, None);
        }
        Verdict(
            false,
            Some("ContainersNotReady"),
            Some(format!("containers with unready status: [{unready}]")),
        )
    }
}

/// A condition's status, reason and message.
struct Verdict(bool, Option<&'static str>, Option<String>);

fn names<'a>(containers: impl Iterator<Item = &'a ContainerView>) -> String {
    containers
        .map(|one| one.name.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn statuses(containers: &[ContainerView], init: bool) -> Option<Vec<ContainerStatus>> {
    let status = |one: &ContainerView| {
        let ready = if init && !one.sidecar {
            one.succeeded()
        } else {
            one.is_running()
        };
        let id = match &one.state {
            State::Waiting { .. } => one.last.as_ref().map(|last| &last.id),
            State::Running { id, .. } => Some(id),
            State::Ended(ended) => Some(&ended.id),
            State::Lost => None,
        };
        ContainerStatus {
            name: one.name.clone(),
            image: one.image.clone(),
            image_id: id.map(|_| one.image.clone()).unwrap_or_default(),
            container_id: id.map(|id| container_id(id)),
            resources: id.map(|_| ResourceRequirements::default()),
            state: Some(state(&one.state)),
            last_state: Some(one.last.as_ref().map(terminated).unwrap_or_default()),
            ready,
            started: Some(one.is_running()),
            restart_count: one.restarts,
            ..ContainerStatus::default()
        }
    };
    let all: Vec<ContainerStatus> = containers.iter().map(status).collect();
    (!all.is_empty()).then_some(all)
}

fn container_id(id: &str) -> String {
    format!("embedded://{id}")
}

fn state(state: &State) -> ContainerState {
    match state {
        State::Waiting { reason, message } => ContainerState {
            waiting: Some(ContainerStateWaiting {
                reason: Some((*reason).to_owned()),
                message: message.clone(),
            }),
            ..ContainerState::default()
        },
        State::Running { started, .. } => ContainerState {
            running: Some(ContainerStateRunning {
                started_at: Some(started.clone()),
            }),
            ..ContainerState::default()
        },
        State::Ended(ended) => terminated(ended),
        State::Lost => ContainerState {
            terminated: Some(ContainerStateTerminated {
                exit_code: 137,
                reason: Some("ContainerStatusUnknown".to_owned()),
                message: Some(LOST.to_owned()),
                ..ContainerStateTerminated::default()
            }),
            ..ContainerState::default()
        },
    }
}

fn terminated(ended: &Ended) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: ended.code,
            reason: Some(ended.reason.to_owned()),
            message: ended.message.clone(),
            started_at: Some(ended.started.clone()),
            finished_at: Some(ended.finished.clone()),
            container_id: Some(container_id(&ended.id)),
            signal: None,
        }),
        ..ContainerState::default()
    }
}

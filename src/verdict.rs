//! What a Pod's status says about it: a pure function from [`PodView`] to [`State`].
//!
//! Facts: Kubernetes 1.34, "Pod Lifecycle" and "Disruptions" in its documentation, the kubelet's reasons as
//! recorded in `tests/statuses/`.

use std::fmt;

use crate::status_view::ContainerStatus;

use serde::{Deserialize, Serialize};

use crate::cause::{Blame, Cause};
use crate::container_end::{
    container_text, ended_with, is_oom, terminated, terminated_before, without_message,
};
use crate::pod_reason::{disruption, ended_before_deadline, pod_reason};
use crate::pod_view::{PodView, is_running, is_terminated};
use crate::printable::with_message;
use crate::waiting::{Waiting, waiting};

/// The phase that a Pod ended in, or was in when it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Not all containers have been started.
    Pending,
    /// A container runs.
    Running,
    /// All containers ended with exit code 0.
    Succeeded,
    /// All containers ended, one at least in failure.
    Failed,
}

impl Phase {
    /// Kubernetes' own word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a Pod ended, whose fault that was, and what to tell whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The phase that it ended in, or was in.
    pub phase: Phase,
    /// Why.
    pub cause: Cause,
    /// The exit code of the container that decided, where one ended.
    pub exit_code: Option<i32>,
    /// What the operator reads: Kubernetes' own words, with container and node.
    pub staff_text: String,
}

impl Verdict {
    /// A verdict with the text that staff reads.
    #[must_use]
    pub fn new(phase: Phase, cause: Cause, staff_text: impl Into<String>) -> Self {
        Self {
            phase,
            cause,
            exit_code: None,
            staff_text: staff_text.into(),
        }
    }

    /// Whose fault it is; `None` for a Pod that did what it should.
    #[must_use]
    pub fn blame(&self) -> Option<Blame> {
        self.cause.row().blame
    }

    /// Whether another attempt may end differently without anybody changing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.cause.row().retryable
    }

    /// What a log may hold: what the operator reads, without the message that the student's container left.
    #[must_use]
    pub fn log_text(&self) -> &str {
        without_message(&self.cause, &self.staff_text)
    }

    /// What the student reads: plain words, no cluster internals.
    #[must_use]
    pub fn student_text(&self) -> &'static str {
        self.cause.row().student_text
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.staff_text)
    }
}

/// Where a Pod is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Held back by a scheduling gate: its time to start does not run.
    Gated(Waiting),
    /// It does not run yet; the reason, where Kubernetes gave one.
    Waiting(Option<Waiting>),
    /// A container runs.
    Running,
    /// Nothing of it runs any more.
    Ended {
        /// How it ended.
        verdict: Verdict,
        /// Whether no later status can change the verdict. The containers' states come about a second before
        /// the phase, and the reasons that acquit a student (eviction, deadline, deletion) come with the phase.
        certain: bool,
    },
}

/// Where a Pod is in its life, as far as its status tells.
///
/// `restarts` is false for a Pod with `restartPolicy: Never`, whose containers' end is its own end. With `OnFailure` that is so
/// where all have ended well; otherwise only the phase ends it.
#[must_use]
pub fn judge(pod: &PodView, restarts: bool) -> State {
    if pod.is_terminal() {
        return State::Ended {
            verdict: ended(pod),
            certain: true,
        };
    }
    let restarts = restarts && !pod.all_done_on_failure();
    if !restarts && let Some(verdict) = ended_before_phase(pod) {
        // Only an end that nothing can excuse any more needs no word from the phase. One under a deletion or a disruption
        // has another cause.
        let certain = verdict.cause == Cause::Completed;
        return State::Ended { verdict, certain };
    }
    let ends = pod.all_terminated() && pod.has_running_sidecar();
    if ends || pod.containers().iter().any(is_running) || restarts && has_run_before(pod) {
        return State::Running;
    }
    waiting(pod)
}

/// The verdict on a Pod whose object is gone, from its last status: nobody but kubegrader itself should delete it.
#[must_use]
pub fn deleted(pod: Option<&PodView>) -> Verdict {
    let Some(pod) = pod else {
        return Verdict::new(
            Phase::Pending,
            Cause::Deleted,
            "the pod was deleted by someone else",
        );
    };
    if pod.is_terminal() {
        return ended(pod);
    }
    let phase = match pod.status.phase.as_deref() {
        Some("Running") => Phase::Running,
        _ => Phase::Pending,
    };
    if let Some((cause, text)) = disruption(pod) {
        return Verdict::new(phase, cause, text);
    }
    if pod.metadata.deletion_timestamp.is_none()
        && let Some(verdict) = ended_before_phase(pod)
    {
        return verdict;
    }
    let text = format!("the pod was deleted by someone else while it was {phase}");
    Verdict::new(phase, Cause::Deleted, text)
}

/// The verdict on a Pod that runs as far as is known, on a node that is silent: the node controller then marks the Pod as not
/// ready without a reason, which a kubelet never does (docs/pod-lives.md, fact 12).
pub(crate) fn on_silent_node(pod: &PodView) -> Option<Verdict> {
    let not_ready = pod.condition("Ready", "False")?;
    let is_marked = not_ready.reason.as_deref().unwrap_or_default().is_empty();
    (is_marked && pod.condition("ContainersReady", "True").is_some()).then(|| {
        let text = "the pod's node is silent: what became of the pod on it is not known";
        Verdict::new(Phase::Running, Cause::NodeLost, text)
    })
}

/// The same, and the verdict on a Pod that was driven from a node that is lost.
pub(crate) fn on_lost_node(pod: &PodView) -> Option<Verdict> {
    let driven = disruption(pod).filter(|(cause, _)| *cause == Cause::NodeLost);
    let driven = driven.map(|(cause, text)| Verdict::new(Phase::Running, cause, text));
    driven.or_else(|| on_silent_node(pod))
}

/// Whether a container has run and is to be started again: that is part of its Pod's time to run.
fn has_run_before(pod: &PodView) -> bool {
    pod.containers().iter().any(|status| {
        let states = [status.last_state.as_ref(), status.state.as_ref()];
        let mut ends = states
            .into_iter()
            .filter_map(|state| state?.terminated.as_ref());
        let never_began = [Cause::StartError, Cause::RuntimeUnavailable];
        ends.any(|end| !never_began.contains(&ended_with(false, end)))
    })
}

/// The verdict from the containers alone, once none of them runs or will.
fn ended_before_phase(pod: &PodView) -> Option<Verdict> {
    if pod.all_terminated() {
        // What a sidecar still does, as copying what the others wrote, is part of the Pod's work.
        return (!pod.has_running_sidecar()).then(|| ended(pod));
    }
    let failed_init = pod
        .ending_init_containers()
        .any(|status| terminated(status).is_some_and(|end| end.exit_code != 0 || is_oom(end)));
    let all_others_wait = !pod
        .containers()
        .iter()
        .any(|status| is_running(status) || is_terminated(status));
    (failed_init && all_others_wait).then(|| ended(pod))
}

/// The verdict on a Pod of which nothing runs any more. What was done to the Pod goes before what its containers
/// did: a container that is stopped from outside ends with an exit code of its own.
fn ended(pod: &PodView) -> Verdict {
    let (phase, exit_code) = phase_and_exit_code(pod);
    let (cause, staff_text) = disruption(pod)
        .or_else(|| pod_reason(pod))
        .or_else(|| being_deleted(pod))
        .unwrap_or_else(|| containers_cause(pod, phase));
    Verdict {
        phase,
        cause,
        exit_code,
        staff_text,
    }
}

fn phase_and_exit_code(pod: &PodView) -> (Phase, Option<i32>) {
    let worst = worst_container(pod).and_then(terminated);
    let exit_code = worst.map(|end| end.exit_code);
    let phase = match pod.status.phase.as_deref() {
        Some("Succeeded") => Phase::Succeeded,
        Some("Failed") if exit_code == Some(0) && ended_before_deadline(pod) => Phase::Succeeded,
        Some("Failed") => Phase::Failed,
        // An init container that decides has failed, whatever its exit code.
        _ if exit_code == Some(0) && pod.all_terminated() => Phase::Succeeded,
        _ => Phase::Failed,
    };
    (phase, exit_code)
}

/// The container that decides: the one that failed, else the first of all.
fn worst_container(pod: &PodView) -> Option<&ContainerStatus> {
    failed_container(pod).or_else(|| pod.containers().first())
}

/// The first container that failed, init containers first; what becomes of a sidecar decides nothing.
pub(crate) fn failed_container(pod: &PodView) -> Option<&ContainerStatus> {
    let failed = |status: &&ContainerStatus| {
        terminated(status).is_some_and(|end| end.exit_code != 0 || is_oom(end))
    };
    pod.ending_init_containers()
        .find(failed)
        .or_else(|| pod.containers().iter().find(failed))
}

/// The verdict on a Pod whose containers proper have all ended, and of which a sidecar alone still runs. `restarts`: as for
/// [`judge`]; then an end may not be the last.
pub(crate) fn work_done(pod: &PodView, restarts: bool) -> Option<Verdict> {
    let is_last = !restarts || pod.all_done_on_failure();
    (is_last && pod.all_terminated() && pod.has_running_sidecar()).then(|| ended(pod))
}

/// The verdict on a Pod whose time is over while its `main` container does not run: it has ended and another one goes on, or
/// it fails again and again.
pub(crate) fn at_the_limit(pod: &PodView, main: &str) -> Option<Verdict> {
    let status = pod.containers().iter().find(|one| one.name == main)?;
    let paused = status
        .state
        .as_ref()
        .is_some_and(|state| state.waiting.is_some());
    let before = terminated_before(status).filter(|_| paused);
    let end = terminated(status).or(before)?;
    let text = container_text(false, status, end);
    let (cause, staff_text) = match ended_with(false, end) {
        Cause::Completed => (Cause::Outlived, outlived_text(pod, &text)?),
        cause => (cause, text),
    };
    Some(Verdict {
        phase: Phase::Failed,
        cause,
        exit_code: Some(end.exit_code),
        staff_text,
    })
}

fn outlived_text(pod: &PodView, ended: &str) -> Option<String> {
    let is_done = |one: &&ContainerStatus| {
        terminated(one).is_some_and(|end| ended_with(false, end) == Cause::Completed)
    };
    let mut others = pod.containers().iter();
    let other = others.find(|one| !is_done(one))?;
    // One that is started again and again may not run just now.
    let went_on = match terminated(other).or_else(|| terminated_before(other)) {
        Some(end) if !is_running(other) => {
            format!(
                "{} and was started again",
                container_text(false, other, end)
            )
        }
        _ => format!("container {} ran on", other.name),
    };
    Some(format!(
        "DeadlineExceeded: {ended}, and {went_on} until the time was over; what is to run beside it is an init container with \
         'restartPolicy: Always'"
    ))
}

/// Somebody else has asked for the deletion of a Pod that had not succeeded.
fn being_deleted(pod: &PodView) -> Option<(Cause, String)> {
    pod.metadata.deletion_timestamp.as_ref()?;
    let text = "the pod was deleted by someone else before it ended";
    Some((Cause::Deleted, text.to_owned()))
}

fn containers_cause(pod: &PodView, phase: Phase) -> (Cause, String) {
    let Some((status, end)) =
        worst_container(pod).and_then(|status| Some((status, terminated(status)?)))
    else {
        // A phase without containers' states: what a kubelet that never began says, or a test that plays one.
        return match phase {
            Phase::Succeeded => (Cause::Completed, "the pod succeeded".to_owned()),
            _ => (
                Cause::Unexplained,
                with_message(
                    "the pod failed",
                    pod.status.message.as_deref().unwrap_or_default(),
                ),
            ),
        };
    };
    let is_init = pod
        .init_containers()
        .iter()
        .any(|init| init.name == status.name);
    let cause = ended_with(is_init, end);
    (cause, container_text(is_init, status, end))
}

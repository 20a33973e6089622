//! Why a Pod does not run yet, and how long that may go on.

use std::time::Duration;

use crate::status_view::ContainerStatus;

use crate::cause::Cause;
use crate::container_end::{container_text, ended_with, terminated, terminated_before};
use crate::pod_view::PodView;
use crate::printable::with_message;
use crate::runtime_trouble::is_of_node;
use crate::verdict::{Phase, State, Verdict};

/// Why a Pod does not run yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The cause.
    pub cause: Cause,
    /// Kubernetes' own words.
    pub message: String,
}

impl Waiting {
    /// How long the kubelet may go on trying before the Pod counts as failed: a registry that hiccups is not a
    /// wrong image name, and a secret may be made a moment after its Pod. `None`: until the time to start is over.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let seconds = match self.cause {
            Cause::InvalidImageName | Cause::ErrImageNeverPull => 0,
            Cause::ErrImagePull
            | Cause::CreateContainerConfigError
            | Cause::CreateContainerError
            | Cause::StartError => 30,
            // The kubelet itself gives a mount two minutes.
            Cause::FailedMount => 120,
            Cause::RegistryUnavailable
            | Cause::ImageInspectError
            | Cause::RuntimeUnavailable
            | Cause::VolumeUnavailable => 300,
            _ => return None,
        };
        Some(Duration::from_secs(seconds))
    }

    /// Whether this is a pause between two pulls of an image, and `known` says already why they fail. From Kubernetes 1.32 on the
    /// pause says so itself (kubernetes/kubernetes#127918).
    #[must_use]
    pub(crate) fn adds_nothing_to(&self, known: &Self) -> bool {
        let is_bare = self.message.strip_prefix("Back-off pulling image \"");
        is_bare.is_some_and(|image| !image.contains("\":"))
            && matches!(
                known.cause,
                Cause::ErrImagePull | Cause::RegistryUnavailable | Cause::InvalidImageName
            )
    }

    /// The verdict on a Pod that is given up while it waits.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::new(
            Phase::Pending,
            self.cause.clone(),
            with_message(self.cause.name(), &self.message),
        )
    }
}

/// Why a Pod that does not run yet waits.
pub(crate) fn waiting(pod: &PodView) -> State {
    let init = pod.init_containers().iter().map(|status| (true, status));
    let others = pod.containers().iter().map(|status| (false, status));
    let from_containers = init.chain(others).find_map(|(is_init, status)| {
        waits(is_init, status).or_else(|| is_init.then(|| restarts(pod, status)).flatten())
    });
    if from_containers.is_some() {
        return State::Waiting(from_containers);
    }
    let Some(unscheduled) = pod.condition("PodScheduled", "False") else {
        return State::Waiting(None);
    };
    let message = unscheduled.message.clone().unwrap_or_default();
    match unscheduled.reason.as_deref() {
        Some("SchedulingGated") => State::Gated(Waiting {
            cause: Cause::SchedulingGated,
            message,
        }),
        _ => State::Waiting(Some(Waiting {
            cause: Cause::Unschedulable,
            message,
        })),
    }
}

/// Why a container has never run while another of its Pod does.
pub(crate) fn never_started(pod: &PodView) -> Option<Waiting> {
    let mut others = pod.containers().iter();
    others.find_map(|status| {
        let first = status
            .last_state
            .as_ref()
            .is_none_or(|state| state.terminated.is_none());
        first.then(|| waits(false, status)).flatten()
    })
}

/// The verdict on a Pod whose init container runs, so that nothing else of it is started: one that does not end, or a sidecar
/// whose startup probe has not succeeded.
pub(crate) fn unfinished_init(pod: &PodView) -> Option<Verdict> {
    let mut init = pod.init_containers().iter();
    let status = init.find(|status| {
        let is_sidecar = pod.spec.sidecars.contains(&status.name);
        let state = status.state.as_ref();
        state.is_some_and(|state| state.running.is_some())
            && !(is_sidecar && status.started == Some(true))
    })?;
    let text = if pod.spec.sidecars.contains(&status.name) {
        format!(
            "sidecar {} runs and its startup probe has not succeeded",
            status.name
        )
    } else {
        format!("init container {} has not ended", status.name)
    };
    let text = with_message(Cause::InitContainerError.name(), &text);
    Some(Verdict::new(
        Phase::Pending,
        Cause::InitContainerError,
        text,
    ))
}

fn waits(is_init: bool, status: &ContainerStatus) -> Option<Waiting> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let message = waiting.message.as_deref().unwrap_or_default();
    let reason = waiting.reason.as_deref()?;
    // Its message says only how long the kubelet pauses: why it does is what the container ended with before.
    let before = (reason == "CrashLoopBackOff").then_some(status.last_state.as_ref());
    let Some(end) = before.flatten().and_then(|state| state.terminated.as_ref()) else {
        let cause = waiting_cause(reason, message)?;
        let text = is_text(reason) && message.is_empty();
        let message = if text { reason } else { message }.to_owned();
        return Some(Waiting { cause, message });
    };
    Some(Waiting {
        cause: ended_with(is_init, end),
        message: container_text(is_init, status, end),
    })
}

/// What an init container ended with that has to be started again, or has been: until it ends well, or its startup probe
/// succeeds, the kubelet starts no container after it. With `restartPolicy: Never` of the Pod the kubelet shows a sidecar that
/// it starts again as `terminated`.
fn restarts(pod: &PodView, status: &ContainerStatus) -> Option<Waiting> {
    let is_sidecar = pod.spec.sidecars.contains(&status.name);
    if is_sidecar && status.started == Some(true) {
        return None;
    }
    let end = terminated(status).or_else(|| terminated_before(status))?;
    match ended_with(true, end) {
        Cause::Completed if !is_sidecar => None,
        Cause::Completed => Some(Waiting {
            cause: Cause::InitContainerError,
            message: format!(
                "{}; a sidecar has to go on",
                container_text(true, status, end)
            ),
        }),
        cause => Some(Waiting {
            cause,
            message: container_text(true, status, end),
        }),
    }
}

/// Whether what should be one word is none.
fn is_text(reason: &str) -> bool {
    reason.contains(' ')
}

fn waiting_cause(reason: &str, message: &str) -> Option<Cause> {
    Some(match reason {
        "ContainerCreating" | "PodInitializing" => return None,
        // What the kubelet lets through as a reference and the runtime does not.
        "ErrImagePull" | "ImagePullBackOff" if message.contains("invalid reference format") => {
            Cause::InvalidImageName
        }
        "ErrImagePull" | "ImagePullBackOff"
            if is_answer_of_registry(message) && !is_of_node(message) =>
        {
            Cause::ErrImagePull
        }
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" => Cause::RegistryUnavailable,
        "InvalidImageName" => Cause::InvalidImageName,
        "ImageInspectError" => Cause::ImageInspectError,
        "ErrImageNeverPull" => Cause::ErrImageNeverPull,
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError"
            if is_of_node(message) =>
        {
            Cause::RuntimeUnavailable
        }
        "CreateContainerConfigError" => Cause::CreateContainerConfigError,
        "CreateContainerError" => Cause::CreateContainerError,
        "RunContainerError" | "StartError" => Cause::StartError,
        // No reason but the text of an error: the kubelet could not make out what the Pod names, such as a pull secret that is no
        // base64 (`SyncPod` in kubernetes' kuberuntime).
        text if is_text(text) => Cause::CreateContainerConfigError,
        other => Cause::Other(other.to_owned()),
    })
}

/// Whether the registry itself answered that the image is not to be had. Anything else (no route, no name, time-out,
/// 5xx) is trouble on the way.
fn is_answer_of_registry(message: &str) -> bool {
    const ANSWERS: [&str; 10] = [
        "not found",
        "manifest unknown",
        "name unknown",
        "repository does not exist",
        "access denied",
        "unauthorized",
        "authorization failed",
        "no basic auth credentials",
        "requested access to the resource is denied",
        "403 forbidden",
    ];
    let message = message.to_lowercase();
    ANSWERS.iter().any(|answer| message.contains(answer)) && !message.contains("no such host")
}

#[cfg(test)]
mod tests;

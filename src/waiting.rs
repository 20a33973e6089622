//! Why a Pod does not run yet, and how long that may go on.

use std::time::Duration;

use crate::cause::Cause;
use crate::pod_view::PodView;
use crate::verdict::{Phase, State, Verdict, with_message};

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
            | Cause::CreateContainerError => 30,
            // The kubelet itself gives a mount two minutes.
            Cause::FailedMount => 120,
            Cause::RegistryUnavailable | Cause::ImageInspectError | Cause::VolumeUnavailable => 300,
            _ => return None,
        };
        Some(Duration::from_secs(seconds))
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
    let from_containers = pod
        .init_containers()
        .iter()
        .chain(pod.containers())
        .filter_map(|status| status.state.as_ref()?.waiting.as_ref())
        .find_map(|waiting| {
            let message = waiting.message.as_deref().unwrap_or_default();
            let cause = waiting_cause(waiting.reason.as_deref()?, message)?;
            Some(Waiting {
                cause,
                message: message.to_owned(),
            })
        });
    if from_containers.is_some() {
        return State::Waiting(from_containers);
    }
    let Some(unscheduled) = pod.condition("PodScheduled", "False") else {
        return State::Waiting(None);
    };
    let message = unscheduled.message.clone().unwrap_or_default();
    match unscheduled.reason.as_deref() {
        Some("SchedulingGated") => State::Gated,
        _ => State::Waiting(Some(Waiting {
            cause: Cause::Unschedulable,
            message,
        })),
    }
}

fn waiting_cause(reason: &str, message: &str) -> Option<Cause> {
    Some(match reason {
        "ContainerCreating" | "PodInitializing" => return None,
        "ErrImagePull" | "ImagePullBackOff" if is_answer_of_registry(message) => {
            Cause::ErrImagePull
        }
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" => Cause::RegistryUnavailable,
        "InvalidImageName" => Cause::InvalidImageName,
        "ImageInspectError" => Cause::ImageInspectError,
        "ErrImageNeverPull" => Cause::ErrImageNeverPull,
        "CreateContainerConfigError" => Cause::CreateContainerConfigError,
        "CreateContainerError" => Cause::CreateContainerError,
        "RunContainerError" | "StartError" => Cause::StartError,
        other => Cause::Other(other.to_owned()),
    })
}

/// Whether the registry itself answered that the image is not to be had. Anything else (no route, no name, time-out,
/// 5xx) is trouble on the way.
fn is_answer_of_registry(message: &str) -> bool {
    const ANSWERS: [&str; 7] = [
        "not found",
        "manifest unknown",
        "name unknown",
        "repository does not exist",
        "access denied",
        "unauthorized",
        "authorization failed",
    ];
    let message = message.to_lowercase();
    ANSWERS.iter().any(|answer| message.contains(answer)) && !message.contains("no such host")
}

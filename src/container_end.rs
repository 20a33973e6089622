//! What the end of one container is called, and told to staff.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};

use crate::cause::Cause;
use crate::verdict::with_message;

/// The end of a container that has ended.
pub(crate) fn terminated(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.state.as_ref()?.terminated.as_ref()
}

/// Whether a process of the container was killed for want of memory.
pub(crate) fn is_oom(end: &ContainerStateTerminated) -> bool {
    end.reason.as_deref() == Some("OOMKilled")
}

/// What the end of one container is called.
pub(crate) fn ended_with(is_init: bool, end: &ContainerStateTerminated) -> Cause {
    match end.reason.as_deref().unwrap_or_default() {
        "OOMKilled" => Cause::OomKilled,
        "StartError" | "ContainerCannotRun" | "RunContainerError" => Cause::StartError,
        // A kubelet, or containerd, that was started anew and does not know how it ended.
        "ContainerStatusUnknown" | "Unknown" => Cause::NodeLost,
        _ if end.exit_code == 0 => Cause::Completed,
        _ if is_init => Cause::InitContainerError,
        "DeadlineExceeded" => Cause::DeadlineExceeded,
        _ => Cause::Error,
    }
}

/// One line about an end: which container, its exit code, and Kubernetes' words. What a container that ran left as its message is
/// the student's, and has no place in a log: it stays in the pod's status.
pub(crate) fn container_text(
    is_init: bool,
    status: &ContainerStatus,
    end: &ContainerStateTerminated,
) -> String {
    let kind = if is_init {
        "init container"
    } else {
        "container"
    };
    let reason = end.reason.as_deref().unwrap_or("no reason given");
    let told = format!(
        "{kind} {} ended with exit code {} ({reason})",
        status.name, end.exit_code
    );
    let message = match ended_with(is_init, end) {
        Cause::StartError | Cause::NodeLost => end.message.as_deref(),
        _ => None,
    };
    with_message(&told, message.unwrap_or_default())
}

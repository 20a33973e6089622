//! What the end of one container is called, and told to staff.

use crate::status_view::{ContainerStatus, Terminated};

use crate::cause::Cause;
use crate::printable::with_message;
use crate::runtime_trouble::is_of_node;

/// The end of a container that has ended.
pub(crate) fn terminated(status: &ContainerStatus) -> Option<&Terminated> {
    status.state.as_ref()?.terminated.as_ref()
}

/// The end before the present state of a container that was started again, or is to be.
pub(crate) fn terminated_before(status: &ContainerStatus) -> Option<&Terminated> {
    status.last_state.as_ref()?.terminated.as_ref()
}

/// Whether a process of the container was killed for want of memory.
pub(crate) fn is_oom(end: &Terminated) -> bool {
    end.reason.as_deref() == Some("OOMKilled")
}

/// What the end of one container is called.
pub(crate) fn ended_with(is_init: bool, end: &Terminated) -> Cause {
    match end.reason.as_deref().unwrap_or_default() {
        "OOMKilled" if is_init => Cause::InitOomKilled,
        "OOMKilled" => Cause::OomKilled,
        "StartError" | "ContainerCannotRun" | "RunContainerError" => {
            let message = end.message.as_deref().unwrap_or_default();
            if is_of_node(message) {
                Cause::RuntimeUnavailable
            } else {
                Cause::StartError
            }
        }
        // A kubelet, or containerd, that was started anew and does not know how it ended.
        "ContainerStatusUnknown" | "Unknown" => Cause::NodeLost,
        _ if end.exit_code == 0 => Cause::Completed,
        _ if is_init => Cause::InitContainerError,
        "DeadlineExceeded" => Cause::DeadlineExceeded,
        _ => Cause::Error,
    }
}

/// One line about an end: which container, its exit code, and Kubernetes' words.
pub(crate) fn container_text(is_init: bool, status: &ContainerStatus, end: &Terminated) -> String {
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
    with_message(&told, end.message.as_deref().unwrap_or_default())
}

/// That line without what the container itself left as its message, which is the student's where it ran.
pub(crate) fn without_message<'a>(cause: &Cause, text: &'a str) -> &'a str {
    let is_runtimes = matches!(
        cause,
        Cause::StartError | Cause::RuntimeUnavailable | Cause::NodeLost
    );
    let is_of_container = text.starts_with("container ") || text.starts_with("init container ");
    if is_runtimes || !is_of_container {
        return text;
    }
    // Neither a container's name nor a reason has a bracket.
    text.find("): ").map_or(text, |at| &text[..=at])
}

//! What a cluster says that it did to a Pod: the Pod's own `status.reason`, and the condition `DisruptionTarget`.

use crate::cause::Cause;
use crate::container_end::{container_text, terminated};
use crate::pod_view::{PodView, is_running};
use crate::printable::with_message;
use crate::status_view::ContainerStatus;

/// The kubelet's words for a Pod that wrote more than its own limit (`eviction_manager.go`: of a container, of all of them, of an
/// `emptyDir`); pressure on the node reads otherwise.
const OWN_LIMIT: [&str; 2] = ["exceeded its local ephemeral storage limit", "exceeds the"];

/// For which of its reasons a kubelet refuses a Pod because of what its manifest asks for: any other node of the kind does so too
/// (`admissionRejectionReasons` of Kubernetes 1.34's kubelet). All other reasons are the node's.
const FOR_ITS_SPEC: [&str; 8] = [
    "AppArmor",
    "InitContainerRestartPolicyForbidden",
    "PodFeatureUnsupported",
    "PodLevelResourcesNotSupported",
    "PodOSNotSupported",
    "PodOSSelectorNodeLabelDoesNotMatch",
    "SupplementalGroupsPolicyNotSupported",
    "SysctlForbidden",
];

/// The condition `DisruptionTarget`, "Pod disruption conditions" in Kubernetes' documentation.
pub(crate) fn disruption(pod: &PodView) -> Option<(Cause, String)> {
    let condition = pod.condition("DisruptionTarget", "True")?;
    let reason = condition.reason.as_deref().unwrap_or_default();
    let message = condition.message.as_deref().unwrap_or_default();
    let cause = match reason {
        "PreemptionByScheduler" => Cause::Preempted,
        "DeletionByTaintManager" | "DeletionByPodGC" => Cause::NodeLost,
        "EvictionByEvictionAPI" => Cause::Evicted,
        "TerminationByKubelet" => {
            return pod_reason(pod)
                .or_else(|| Some((Cause::Evicted, with_message(reason, message))));
        }
        _ => Cause::Other(reason.to_owned()),
    };
    Some((cause, with_message(reason, message)))
}

/// The Pod's own `status.reason`, set by the kubelet, the scheduler or the controllers.
pub(crate) fn pod_reason(pod: &PodView) -> Option<(Cause, String)> {
    let reason = pod
        .status
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty())?;
    let message = pod.status.message.as_deref().unwrap_or_default();
    let cause = match reason {
        "DeadlineExceeded" if ended_before_deadline(pod) => return None,
        "DeadlineExceeded" if has_run(pod) => Cause::DeadlineExceeded,
        "DeadlineExceeded" if let Some(init) = stopped_init(pod) => {
            let text = with_message(reason, message);
            return Some((Cause::InitContainerError, format!("{text}; {init}")));
        }
        "DeadlineExceeded" => Cause::DeadlineExceededBeforeStart,
        "Evicted" if OWN_LIMIT.iter().any(|words| message.contains(words)) => {
            if is_initializing(pod) {
                Cause::InitContainerError
            } else {
                Cause::StorageExceeded
            }
        }
        "Evicted" => Cause::Evicted,
        "Preempting" | "Preempted" => Cause::Preempted,
        "NodeLost" | "NodeShutdown" | "Shutdown" | "Terminated" => Cause::NodeLost,
        "UnexpectedAdmissionError" => Cause::UnexpectedAdmissionError,
        spec if FOR_ITS_SPEC.contains(&spec) => Cause::Rejected,
        other => Cause::Other(other.to_owned()),
    };
    Some((cause, with_message(reason, message)))
}

/// Whether the containers had ended by themselves when the deadline struck, before the kubelet wrote the phase: it then
/// says that the deadline ended them (docs/pod-lives.md, fact 4). Both times are the node's, in whole seconds.
pub(crate) fn ended_before_deadline(pod: &PodView) -> bool {
    let begun = pod.status.start_time.as_ref();
    let (Some(begun), Some(deadline)) = (begun, pod.spec.active_deadline_seconds) else {
        return false;
    };
    let ended_in_time = |status: &ContainerStatus| {
        let finished = terminated(status).and_then(|end| Some(end.finished_at.as_ref()?.0));
        finished.is_some_and(|at| at.duration_since(begun.0).as_secs() < deadline)
    };
    pod.all_terminated() && pod.containers().iter().all(ended_in_time)
}

/// Whether a container of the Pod was ever started.
fn has_run(pod: &PodView) -> bool {
    pod.containers().iter().any(|status| {
        is_running(status) || terminated(status).is_some_and(|end| end.started_at.is_some())
    })
}

/// Whether none of its containers proper was ever begun, since the init containers had not ended: a kubelet leaves them as they
/// wait then (`TerminatePod` in Kubernetes' status manager).
fn is_initializing(pod: &PodView) -> bool {
    let waits = |status: &ContainerStatus| {
        let state = status.state.as_ref();
        state.is_some_and(|state| state.waiting.is_some())
    };
    let mut init = pod.ending_init_containers();
    init.next().is_some() && !pod.containers().is_empty() && pod.containers().iter().all(waits)
}

/// How the init container ended that a deadline stopped, in words: it has to have run, and not well.
fn stopped_init(pod: &PodView) -> Option<String> {
    let mut init = pod.ending_init_containers();
    init.find_map(|status| {
        let end = terminated(status)?;
        (end.started_at.is_some() && end.exit_code != 0).then(|| container_text(true, status, end))
    })
}

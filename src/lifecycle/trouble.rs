//! Why a pod that has a node does not start, where its status does not say: its events.
//!
//! Facts: a volume that cannot be mounted and a sandbox that cannot be made are told in events alone (docs/pod-lives.md,
//! fact 16). Events are read only for a pod in trouble, by its uid, and only where that is allowed.

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

use super::Run;
use crate::cause::Cause;
use crate::cluster::Right;
use crate::cluster::retry::{Failure, within};
use crate::waiting::Waiting;

/// How many events are looked at; the kubelet counts repetitions in one event.
const EVENTS: u32 = 100;

/// What a pod's events say of its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// This keeps it.
    Trouble(Waiting),
    /// The kubelet is past all that only events tell: volumes and the sandbox come before the images.
    Overcome,
    /// Nothing, or they may not be read.
    Nothing,
}

impl Run {
    /// What the events say that keeps the pod from starting.
    pub(super) async fn read_events(&self, limit: Duration) -> Told {
        let events = self.list_events(limit).await;
        events.map_or(Told::Nothing, |events| newest(&events))
    }

    /// The events of the pod; `None` where they cannot be had.
    pub(super) async fn list_events(&self, limit: Duration) -> Option<Vec<Event>> {
        if !self.connection.may(Right::ListEvents, &self.namespace) {
            return None;
        }
        let events: Api<Event> = Api::namespaced(self.connection.client(), &self.namespace);
        let of_pod = ListParams::default()
            .fields(&format!("involvedObject.uid={}", self.uid))
            .limit(EVENTS);
        let list = async { events.list(&of_pod).await.map_err(Failure::of) };
        match within(limit, list).await {
            Ok(list) => Some(list.items),
            Err(Failure::Refused(status)) if status.code == 403 => {
                if self.connection.forbid(Right::ListEvents, &self.namespace) {
                    self.steps.info(
                        "events may not be read, so that a volume that cannot be mounted is not told by name. Add the verb \
                         \"list\" on \"events\" to the Role of this service account",
                    );
                }
                None
            }
            Err(_) => None,
        }
    }
}

/// What the newest event says that tells of trouble or of its end. Events have whole seconds: of two in one, trouble is what the
/// kubelet overcame.
fn newest(events: &[Event]) -> Told {
    let told = events.iter().filter_map(|event| {
        let told = told_by(event)?;
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        let at = last.or(event.event_time.as_ref().map(|time| time.0));
        Some((at, told == Told::Overcome, told))
    });
    told.max_by_key(|(at, is_overcome, _)| (*at, *is_overcome))
        .map_or(Told::Nothing, |(.., told)| told)
}

fn told_by(event: &Event) -> Option<Told> {
    let reason = event.reason.as_deref()?;
    if matches!(reason, "Pulling" | "Pulled" | "Created" | "Started") {
        return Some(Told::Overcome);
    }
    if event.type_.as_deref() != Some("Warning") {
        return None;
    }
    let message = event.message.as_deref().unwrap_or_default();
    let cause = cause_of_event(reason, message)?;
    let message = message.to_owned();
    Some(Told::Trouble(Waiting { cause, message }))
}

/// The cause that an event names, where it is one that only events name.
fn cause_of_event(reason: &str, message: &str) -> Option<Cause> {
    match reason {
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" if is_set_up(message) => {
            Some(Cause::FailedMount)
        }
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => Some(Cause::VolumeUnavailable),
        "FailedCreatePodSandBox" => Some(Cause::Other(reason.to_owned())),
        _ => None,
    }
}

/// Whether a mount failed by what the course set up: something that is named and is not there, or is of another kind.
/// Anything else (no answer, an attach that is not done, a file server that is away) is the cluster's.
fn is_set_up(message: &str) -> bool {
    // Of a driver that is not on this node yet (kubernetes' `csi_client.go`), or whose socket is gone.
    const OF_DRIVER: [&str; 3] = ["registered CSI drivers", "code = Unavailable", "dial unix"];
    const SET_UP: [&str; 6] = [
        "not found",
        "hostPath type check failed",
        "non-existent",
        "no such file or directory",
        "is not a directory",
        "failed to prepare subPath",
    ];
    let speaks_of = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
    speaks_of(&SET_UP) && !speaks_of(&OF_DRIVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(reason: &str, message: &str, second: u32) -> Event {
        serde_json::from_value(serde_json::json!({
            "metadata": {}, "involvedObject": {}, "type": "Warning", "reason": reason, "message": message,
            "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_event_of_trouble_is_told_and_others_are_passed_over() {
        let missing =
            "MountVolume.SetUp failed for volume \"data\" : configmap \"course\" not found";
        let events = [
            warning("FailedCreatePodSandBox", "network is not ready", 1),
            warning("FailedMount", missing, 3),
            warning("Unhealthy", "probe failed", 5),
        ];
        let told = Waiting {
            cause: Cause::FailedMount,
            message: missing.to_owned(),
        };
        assert_eq!(newest(&events), Told::Trouble(told));
        assert_eq!(newest(&events[2..]), Told::Nothing);
    }

    #[test]
    fn a_pod_whose_image_is_pulled_has_overcome_what_kept_it() {
        let missing =
            "MountVolume.SetUp failed for volume \"data\" : configmap \"course\" not found";
        let pulling = |second| Event {
            type_: Some("Normal".to_owned()),
            ..warning("Pulling", "Pulling image \"i:1\"", second)
        };
        for second in [3, 4] {
            let events = [pulling(second), warning("FailedMount", missing, 3)];
            assert_eq!(newest(&events), Told::Overcome);
        }
        let events = [pulling(2), warning("FailedMount", missing, 3)];
        assert!(matches!(newest(&events), Told::Trouble(_)));
    }

    #[test]
    fn a_file_server_that_does_not_answer_is_the_clusters_fault_and_a_missing_secret_the_courses() {
        let away = "Unable to attach or mount volumes: unmounted volumes=[data], timed out waiting for the condition";
        assert_eq!(
            cause_of_event("FailedMount", away),
            Some(Cause::VolumeUnavailable)
        );
        let missing = "MountVolume.SetUp failed for volume \"data\" : secret \"token\" not found";
        assert_eq!(
            cause_of_event("FailedMount", missing),
            Some(Cause::FailedMount)
        );
    }

    #[test]
    fn a_driver_that_is_not_on_the_node_yet_is_no_fault_of_what_the_course_named() {
        for message in [
            "MountVolume.MountDevice failed for volume \"data\" : kubernetes.io/csi: attacher.MountDevice failed to create \
             newCsiDriverClient: driver name efs.csi.aws.com not found in the list of registered CSI drivers",
            "MountVolume.SetUp failed for volume \"data\" : rpc error: code = Unavailable desc = connection error: desc = \
             \"transport: Error while dialing: dial unix /var/lib/kubelet/plugins/nfs/csi.sock: connect: no such file or directory\"",
        ] {
            assert_eq!(
                cause_of_event("FailedMount", message),
                Some(Cause::VolumeUnavailable)
            );
        }
    }

    #[test]
    fn a_sandbox_that_cannot_be_made_is_told_by_its_reason() {
        assert_eq!(
            cause_of_event("FailedCreatePodSandBox", "network is not ready"),
            Some(Cause::Other("FailedCreatePodSandBox".to_owned()))
        );
        assert_eq!(cause_of_event("BackOff", "network is not ready"), None);
    }
}

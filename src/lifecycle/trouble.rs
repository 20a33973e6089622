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
use crate::cluster::retry::{Failure, within};
use crate::waiting::Waiting;

/// How many events are looked at; the kubelet counts repetitions in one event.
const EVENTS: u32 = 100;

impl Run {
    /// What the events say that keeps the pod from starting; `None` where they say nothing, or may not be read.
    pub(super) async fn read_events(&self, limit: Duration) -> Option<Waiting> {
        newest_trouble(&self.list_events(limit).await?)
    }

    /// The events of the pod; `None` where they cannot be had.
    pub(super) async fn list_events(&self, limit: Duration) -> Option<Vec<Event>> {
        if !self.connection.may_read_events() {
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
                if self.connection.forbid_events() {
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

/// The newest event that tells of trouble.
fn newest_trouble(events: &[Event]) -> Option<Waiting> {
    let warnings = events.iter().filter_map(|event| {
        if event.type_.as_deref() != Some("Warning") {
            return None;
        }
        let message = event.message.as_deref().unwrap_or_default();
        let cause = cause_of_event(event.reason.as_deref()?, message)?;
        let waiting = Waiting {
            cause,
            message: message.to_owned(),
        };
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        Some((
            last.or(event.event_time.as_ref().map(|time| time.0)),
            waiting,
        ))
    });
    warnings
        .max_by_key(|(at, _)| *at)
        .map(|(_, waiting)| waiting)
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
    const SET_UP: [&str; 6] = [
        "not found",
        "hostPath type check failed",
        "non-existent",
        "no such file or directory",
        "is not a directory",
        "failed to prepare subPath",
    ];
    SET_UP.iter().any(|sign| message.contains(sign))
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
        let told = newest_trouble(&events).unwrap();
        assert_eq!(
            (told.cause, told.message.as_str()),
            (Cause::FailedMount, missing)
        );
        assert_eq!(newest_trouble(&events[2..]), None);
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
    fn a_sandbox_that_cannot_be_made_is_told_by_its_reason() {
        assert_eq!(
            cause_of_event("FailedCreatePodSandBox", "network is not ready"),
            Some(Cause::Other("FailedCreatePodSandBox".to_owned()))
        );
        assert_eq!(cause_of_event("BackOff", "network is not ready"), None);
    }
}

//! How a pod is deleted: grace periods, preconditions and repeated deletes.
//!
//! The rules of apiserver's `BeforeDelete` and the pod strategy's `CheckGracefulDelete`; the numbers were
//! compared with the answers of a 1.34 server.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, Preconditions, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::status_body::Refusal;

/// What a request to delete asks for.
#[derive(Debug, Clone, Default)]
pub struct DeleteRequest {
    /// Seconds; `None` means the pod's own `terminationGracePeriodSeconds`.
    pub grace: Option<i64>,
    /// The pod must be this very one.
    pub preconditions: Preconditions,
    /// Answer as if, and change nothing.
    pub dry_run: bool,
}

/// What becomes of a pod after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It stays, whether it is being deleted or not.
    Stay,
    /// Its grace is over and nobody holds it: it goes now.
    Remove,
}

/// A pod goes when its deletion has no grace left and it has no finalizers.
#[must_use]
pub fn next_step(pod: &Pod) -> Next {
    let metadata = &pod.metadata;
    let over =
        metadata.deletion_timestamp.is_some() && metadata.deletion_grace_period_seconds == Some(0);
    let held = metadata
        .finalizers
        .as_ref()
        .is_some_and(|all| !all.is_empty());
    if over && !held {
        Next::Remove
    } else {
        Next::Stay
    }
}

impl DeleteRequest {
    /// The request of `DeleteOptions`.
    #[must_use]
    pub fn new(options: DeleteOptions, dry_run: bool) -> Self {
        Self {
            grace: options.grace_period_seconds,
            preconditions: options.preconditions.unwrap_or_default(),
            dry_run,
        }
    }

    /// The kubelet's last word: this very pod has stopped and may go.
    #[must_use]
    pub fn at_once(uid: &str) -> Self {
        Self {
            grace: Some(0),
            preconditions: Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            },
            dry_run: false,
        }
    }

    /// Is it the pod that is meant?
    ///
    /// # Errors
    /// 409 `Conflict`.
    pub fn check_preconditions(&self, pod: &Pod) -> Result<(), Refusal> {
        let metadata = &pod.metadata;
        let name = metadata.name.as_deref().unwrap_or_default();
        let differs = |wanted: &Option<String>, actual: &Option<String>| {
            let wanted = wanted.clone()?;
            let actual = actual.clone().unwrap_or_default();
            (wanted != actual).then_some((wanted, actual))
        };
        if let Some((wanted, actual)) = differs(&self.preconditions.uid, &metadata.uid) {
            let why = format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({actual}). The object might have been deleted and then recreated"
            );
            return Err(Refusal::conflict("Pod", name, &why));
        }
        if let Some((wanted, actual)) = differs(
            &self.preconditions.resource_version,
            &metadata.resource_version,
        ) {
            let why = format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({actual}). The object might have been modified"
            );
            return Err(Refusal::conflict("Pod", name, &why));
        }
        Ok(())
    }

    /// The pod with its deletion marked; `None` when an earlier delete already does as much.
    #[must_use]
    pub fn mark(&self, pod: &Pod, now: Time) -> Option<Pod> {
        let mut pod = pod.clone();
        let grace = self.effective_grace(&pod);
        let metadata = &mut pod.metadata;
        let moment = if let (Some(end), Some(before)) = (
            metadata.deletion_timestamp.clone(),
            metadata.deletion_grace_period_seconds,
        ) {
            // A later delete may only make it shorter.
            self.grace.filter(|_| grace < before)?;
            if grace == 0 {
                now
            } else {
                shift(&end, grace - before)
            }
        } else {
            let generation = metadata.generation.unwrap_or(0);
            metadata.generation = Some(generation + 1);
            shift(&now, grace)
        };
        metadata.deletion_timestamp = Some(moment);
        metadata.deletion_grace_period_seconds = Some(grace);
        Some(pod)
    }

    fn effective_grace(&self, pod: &Pod) -> i64 {
        let spec = pod.spec.as_ref();
        let own = || {
            spec.and_then(|spec| spec.termination_grace_period_seconds)
                .unwrap_or(30)
        };
        let bound = spec
            .and_then(|spec| spec.node_name.as_deref())
            .is_some_and(|node| !node.is_empty());
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        let finished = matches!(phase, Some("Succeeded" | "Failed"));
        if !bound || finished {
            return 0;
        }
        let grace = self.grace.unwrap_or_else(own);
        if grace < 0 { 1 } else { grace }
    }
}

fn shift(time: &Time, seconds: i64) -> Time {
    let moved = time.0.checked_add(SignedDuration::from_secs(seconds));
    Time(moved.unwrap_or(Timestamp::MAX))
}

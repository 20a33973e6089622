//! How a pod is deleted: grace periods, preconditions and repeated deletes.
//!
//! The rules of apiserver's `BeforeDelete` and the pod strategy's `CheckGracefulDelete`; the numbers were
//! compared with the answers of a 1.34 server.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, Preconditions, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::kind::Kind;
use super::status_body::Refusal;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What a request to delete asks for.
#[derive(Debug, Clone, Default)]
pub struct DeleteRequest {
    /// Seconds; `None` means the pod's own `terminationGracePeriodSeconds`.
    pub grace: Option<i64>,
    /// The object must be this very one.
    pub preconditions: Preconditions,
    /// The finalizer that the propagation policy asks for; the garbage collector takes it away.
    pub finalizer: Option<&'static str>,
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

/// An object goes when its deletion has no grace left and it has no finalizers.
#[must_use]
pub fn next_step<T: Kind>(object: &T) -> Next {
    let metadata = object.metadata();
    let over = metadata.deletion_timestamp.is_some()
        && metadata.deletion_grace_period_seconds.unwrap_or(0) == 0;
    if over && !object.is_held() {
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
            finalizer: match options.propagation_policy.as_deref() {
                Some("Foreground") => Some(FOREGROUND),
                Some("Orphan") => Some(ORPHAN),
                None if options.orphan_dependents == Some(true) => Some(ORPHAN),
                _ => None,
            },
            preconditions: options.preconditions.unwrap_or_default(),
            dry_run,
        }
    }

    /// The kubelet's last word: this very pod has stopped and may go.
    #[must_use]
    pub fn at_once(uid: &str) -> Self {
        Self {
            grace: Some(0),
            ..Self::of(uid)
        }
    }

    /// The pod's own grace, for this very pod.
    #[must_use]
    pub fn of(uid: &str) -> Self {
        Self {
            grace: None,
            preconditions: Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            },
            finalizer: None,
            dry_run: false,
        }
    }

    /// Is it the pod that is meant?
    ///
    /// # Errors
    /// 409 `Conflict`.
    pub fn check_preconditions<T: Kind>(&self, object: &T) -> Result<(), Refusal> {
        let metadata = object.metadata();
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
            return Err(Refusal::conflict(T::KIND, name, &why));
        }
        if let Some((wanted, actual)) = differs(
            &self.preconditions.resource_version,
            &metadata.resource_version,
        ) {
            let why = format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({actual}). The object might have been modified"
            );
            return Err(Refusal::conflict(T::KIND, name, &why));
        }
        Ok(())
    }

    /// The object with its deletion marked; `None` when an earlier delete already does as much.
    #[must_use]
    pub fn mark<T: Kind>(&self, object: &T, now: Time) -> Option<T> {
        let mut object = object.clone();
        let grace = object.grace(self.grace);
        let metadata = object.metadata_mut();
        let moment = match (
            metadata.deletion_timestamp.clone(),
            metadata.deletion_grace_period_seconds,
        ) {
            (Some(end), Some(before)) => {
                // A later delete may only make it shorter.
                self.grace.filter(|_| grace < before)?;
                if grace == 0 {
                    now
                } else {
                    shift(&end, grace - before)
                }
            }
            (Some(_), None) => return None,
            (None, _) => {
                metadata.generation = metadata.generation.map(|number| number + 1);
                shift(&now, grace)
            }
        };
        metadata.deletion_timestamp = Some(moment);
        metadata.deletion_grace_period_seconds = Some(grace);
        if let Some(finalizer) = self.finalizer {
            let all = metadata.finalizers.get_or_insert_default();
            if !all.iter().any(|one| one == finalizer) {
                all.push(finalizer.to_owned());
            }
        }
        object.marked();
        Some(object)
    }
}

/// What the garbage collector does with an object that is being deleted: nothing here depends on another, so
/// that its finalizers can go at once. `None` when it has none of them.
#[must_use]
pub fn without_dependents<T: Kind>(object: &T) -> Option<T> {
    let collected = |one: &String| one == FOREGROUND || one == ORPHAN;
    let metadata = object.metadata();
    metadata.deletion_timestamp.as_ref()?;
    metadata
        .finalizers
        .iter()
        .flatten()
        .find(|one| collected(one))?;
    let mut object = object.clone();
    let finalizers = &mut object.metadata_mut().finalizers;
    if let Some(all) = finalizers {
        all.retain(|one| !collected(one));
    }
    *finalizers = finalizers.take().filter(|all| !all.is_empty());
    Some(object)
}

fn shift(time: &Time, seconds: i64) -> Time {
    let moved = time.0.checked_add(SignedDuration::from_secs(seconds));
    Time(moved.unwrap_or(Timestamp::MAX))
}

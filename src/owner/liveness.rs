//! Whether the owner of a pod is gone.

use super::claim::{Claim, Holder};
use super::process::Process;
use crate::cluster::Connection;
use crate::pod_view::PodView;

/// What is known of a pod's owner, in words fit for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    /// It lives.
    Alive(String),
    /// It is gone; the proof.
    Gone(String),
    /// A look or two more, some seconds apart, will tell.
    Watched(String),
    /// Neither can be proven, and why.
    Unknown(String),
}

impl Liveness {
    /// The words.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Alive(text) | Self::Gone(text) | Self::Watched(text) | Self::Unknown(text) => {
                text
            }
        }
    }
}

/// Judges the owner of a pod, which is in `namespace`: by our own runs, else as [`of_process`] does.
pub async fn liveness(
    connection: &Connection,
    process: &Process,
    namespace: &str,
    pod: &PodView,
) -> Liveness {
    if process.runs(pod) {
        return Liveness::Alive("a run of this process is at work on it".to_owned());
    }
    let (id, claim) = match Holder::of(pod) {
        Holder::Process(id, claim) => (id, claim),
        Holder::Detached => {
            return Liveness::Unknown("it was detached, and waits for the next run".to_owned());
        }
        Holder::Unnamed => return Liveness::Unknown("it names no owner".to_owned()),
    };
    if id == process.id() && claim.process.as_ref() == process.identity() {
        return Liveness::Gone("it is this process's own, and no run of it is left".to_owned());
    }
    of_process(connection, process, namespace, &id, &claim).await
}

/// Judges another process by what it claims. What decides, in this order: the process itself, where it is on this machine;
/// its container, where it is ours; its Lease in `namespace`; its Kubernetes pod.
///
/// A Lease is believed before the Kubernetes pod: a pod that was deleted by force is gone while its process may run on.
///
/// A process that runs another program now (execve(2), as a celery worker on SIGHUP) keeps its number and its start: what it owned
/// before, only it can tell from what it owns.
pub(crate) async fn of_process(
    connection: &Connection,
    process: &Process,
    namespace: &str,
    id: &str,
    claim: &Claim,
) -> Liveness {
    if let Some(claimed) = &claim.process
        && let Some(here) = process.identity()
    {
        if claimed == here && id != process.id() {
            let text = "it is that of a program which this process ran before the present one";
            return Liveness::Gone(text.to_owned());
        }
        if let Some(known) = claimed.look(&here.host) {
            return known;
        }
    }
    if let Some(place) = &claim.place
        && let Some(here) = process.place()
        && let Some(known) = place.look(here)
    {
        return known;
    }
    if claim.lease
        && let Some(known) = connection
            .owners()
            .look_at_lease(connection, namespace, id)
            .await
    {
        return known;
    }
    if let Some(pod) = &claim.pod
        && let Some(known) = pod.look(connection).await
    {
        return known;
    }
    Liveness::Unknown(format!(
        "its owner {id} is on another machine, and nothing proves that it is gone"
    ))
}

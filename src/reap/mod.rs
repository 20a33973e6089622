//! Deleting pods whose owner is gone.
//!
//! A pod is deleted with the proof that nobody is left who owns it ([`liveness`](crate::owner::liveness)), and only as it
//! was when that was judged: uid and resourceVersion are preconditions, so that a pod that somebody adopts in the
//! meantime is not hit. Only pods of one instance that are labelled as kubegrader's are looked at. The Lease of a process that
//! is gone goes as well.

mod background;
mod judge;
mod leases;
mod list;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use background::reap_soon;
pub(crate) use background::{Rounds, in_background};

use crate::cluster::doomed::delete_as_read;
use crate::cluster::reading::read_pod;
use crate::cluster::retry::{Failure, OUTAGE, REQUEST_TIMEOUT, within};
use crate::cluster::{Cluster, Connection};
use crate::error::{Error, Result};
use crate::lifecycle::{AT_ONCE, ENDED, RunOptions};
use crate::manifest::labels;
use crate::name::is_namespace;
use crate::owner::claim::{Holder, lease_name};
use crate::owner::{Liveness, Process};
use crate::pod_view::PodView;
use crate::step::Steps;
use judge::{Judge, Judgement};
use leases::Held;
use list::Listed;

/// How often a pod is judged anew that changes before it is deleted.
const TRIES: usize = 5;

/// Which pods are looked at.
#[derive(Debug, Clone)]
pub struct ReapOptions {
    /// The namespace; else the cluster's own.
    pub namespace: Option<String>,
    /// The installation whose pods are looked at.
    pub instance: String,
    /// Whether to tell only what would be deleted.
    pub dry_run: bool,
    /// Finished pods whose owner cannot be proven to be gone are deleted when nothing has changed about them for this
    /// long by the API server's clock. `None`: never.
    pub finished_for: Option<Duration>,
}

impl Default for ReapOptions {
    fn default() -> Self {
        Self {
            namespace: None,
            instance: "default".to_owned(),
            dry_run: false,
            finished_for: Some(Duration::from_mins(15)),
        }
    }
}

/// What was done about a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It was deleted.
    Deleted,
    /// It would have been.
    WouldDelete,
    /// It was left alone.
    Left,
    /// It should have been deleted, and that failed.
    Failed,
}

impl Action {
    /// As a word: `deleted`, `would delete`, `left`, `failed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::WouldDelete => "would delete",
            Self::Left => "left",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was done about a pod, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The submission that it grades, as its label says it.
    pub submission: Option<String>,
    /// The attempt at it.
    pub attempt: Option<u32>,
    /// What was done.
    pub action: Action,
    /// The proof that its owner is gone, or what is missing for one.
    pub reason: String,
}

/// The namespace to look at: the one that is named, else the connection's own.
fn chosen(named: Option<&str>, connection: &Connection) -> Result<String> {
    let namespace = named.map_or_else(|| connection.default_namespace(), str::to_owned);
    if is_namespace(&namespace) {
        return Ok(namespace);
    }
    Err(Error::InvalidPod {
        field: "namespace".to_owned(),
        problem: format!("{namespace:?} is no DNS-1123 label, as a namespace's name must be"),
    })
}

/// Looks at all pods of an instance, and deletes those whose owner is gone. Takes about a minute where a Lease has to
/// be watched for that, else no longer than its requests.
///
/// # Errors
/// What kept the pods from being listed. A pod that could not be deleted is in the report.
pub async fn reap(cluster: &Cluster, options: &ReapOptions, steps: &Steps) -> Result<Vec<Reaped>> {
    let connection = cluster.connect().await?;
    let namespace = chosen(options.namespace.as_deref(), &connection)?;
    let reaper = Reaper {
        connection: &connection,
        process: cluster.process(),
        namespace: &namespace,
        options,
        steps,
        tells_left: true,
    };
    reaper.round().await.map_err(|failure| {
        failure.into_error("listing the pods of", &namespace, connection.server())
    })
}

/// One look at the pods of a namespace and an instance.
struct Reaper<'a> {
    connection: &'a Arc<Connection>,
    process: &'a Process,
    namespace: &'a str,
    options: &'a ReapOptions,
    steps: &'a Steps,
    /// Whether a line is worth it for a pod that is left.
    tells_left: bool,
}

impl Reaper<'_> {
    async fn round(&self) -> Result<Vec<Reaped>, Failure> {
        // Of its own runs this process knows, and there may be thousands.
        let keep = |pod: &PodView| self.tells_left || !self.process.runs(pod);
        let (pods, now) = list::pods(
            self.connection,
            self.namespace,
            &self.options.instance,
            keep,
        )
        .await?;
        let mut judge = Judge::new(
            self.connection,
            self.process,
            self.namespace,
            self.options.finished_for,
            now,
        );
        let leases = leases::held(self.connection, self.namespace).await;
        judge.watch(&pods, &leases).await;
        let mut report = Vec::with_capacity(pods.len());
        let mut gone = BTreeSet::new();
        for pod in &pods {
            let (action, reason) = match judge.judge(pod).await {
                Judgement::Leave(why) => (Action::Left, why),
                Judgement::Delete(proof) if self.options.dry_run => (Action::WouldDelete, proof),
                Judgement::Delete(proof) => self.delete(pod, proof, &mut judge).await,
            };
            if action == Action::Deleted
                && let Holder::Process(owner, claim) = Holder::of(&pod.view)
                && claim.lease
                && matches!(judge.known(&owner), Some(Liveness::Gone(_)))
            {
                gone.insert(owner);
            }
            report.push(self.told(&pod.view, action, reason));
        }
        for held in &leases {
            gone.remove(&held.owner);
            if let Liveness::Gone(proof) = judge.owner_of_lease(held).await {
                self.delete_lease(&held.owner, Some(held), &proof).await;
            }
        }
        // Where Leases may not be listed, but deleted.
        for owner in gone {
            self.delete_lease(&owner, None, "its pods are deleted")
                .await;
        }
        Ok(report)
    }

    /// Deletes the Lease of an owner that is gone.
    async fn delete_lease(&self, owner: &str, held: Option<&Held>, proof: &str) {
        let name = lease_name(owner);
        if self.options.dry_run {
            self.steps
                .info(&format!("reap: would delete Lease {name}: {proof}"));
            return;
        }
        if leases::delete(self.connection, self.namespace, owner, held)
            .await
            .is_ok()
        {
            self.steps
                .info(&format!("reap: deleted Lease {name}: {proof}"));
        }
    }

    /// Deletes a pod as it was judged; one that has changed is judged again.
    async fn delete(&self, pod: &Listed, proof: String, judge: &mut Judge<'_>) -> (Action, String) {
        let pods = self.connection.pods(self.namespace);
        let name = pod.view.metadata.name.as_deref().unwrap_or_default();
        let mut pod = pod.clone();
        let mut proof = proof;
        for _ in 0..TRIES {
            match self.delete_as_is(&pod.view).await {
                Ok(()) => return (Action::Deleted, proof),
                Err(Failure::Refused(status)) if status.code == 404 => {
                    return (
                        Action::Left,
                        "it was gone before it could be deleted".to_owned(),
                    );
                }
                Err(Failure::Refused(status)) if status.code == 409 => {}
                Err(failure) => return (Action::Failed, format!("{proof}; {failure}")),
            }
            match within(REQUEST_TIMEOUT, read_pod(&pods, name)).await {
                Ok(Some(now)) if now.uid() == pod.view.uid() => pod.view = now,
                Ok(_) => return (Action::Left, "it is another pod by now".to_owned()),
                Err(failure) => return (Action::Failed, format!("{proof}; {failure}")),
            }
            match judge.judge(&pod).await {
                Judgement::Delete(still) => proof = still,
                Judgement::Leave(why) => return (Action::Left, why),
            }
        }
        (
            Action::Left,
            "it changes faster than it can be judged".to_owned(),
        )
    }

    async fn delete_as_is(&self, pod: &PodView) -> Result<(), Failure> {
        let grace = if pod.is_terminal() { ENDED } else { AT_ONCE };
        let delete = |client| delete_as_read(client, self.namespace, pod, grace);
        Box::pin(self.connection.ask(OUTAGE, delete)).await
    }

    fn told(&self, pod: &PodView, action: Action, reason: String) -> Reaped {
        let label = |key| pod.label(key).map(str::to_owned);
        let reaped = Reaped {
            namespace: self.namespace.to_owned(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.uid().to_owned(),
            submission: label(labels::SUBMISSION),
            attempt: label(labels::ATTEMPT).and_then(|attempt| attempt.parse().ok()),
            action,
            reason,
        };
        let about = RunOptions {
            submission: reaped.submission.clone(),
            attempt: reaped.attempt.unwrap_or(1),
            ..RunOptions::default()
        };
        let steps = self.steps.about(&about, self.namespace, &reaped.name);
        let line = format!("reap: {action}: {}", reaped.reason);
        match action {
            Action::Failed => steps.warn(&line),
            Action::Left if !self.tells_left => {}
            _ => steps.info(&line),
        }
        reaped
    }
}

//! A name that is taken: whose pod it is, and whether that is adopted, replaced or left alone.

use std::sync::Arc;
use std::time::Duration;

use kube::Api;

use super::{Run, finish};
use crate::cluster::reading::read_pod;
use crate::cluster::retry::{Failure, Patience, REQUEST_TIMEOUT, within};
use crate::error::{Error, Result};
use crate::manifest::labels;
use crate::pod_view::PodView;

/// How long a pod is looked for whose create was given up.
const FINDING: Duration = Duration::from_secs(10);

/// Whose a pod of our name is.
pub(super) enum Whose {
    /// Our own, whose create was applied and never answered.
    Ours,
    /// An earlier run's of the same submission and attempt.
    Earlier,
    /// Somebody else's.
    Stranger(String),
}

/// What was found under our name.
pub(super) enum Found {
    /// Our pod.
    Ours,
    /// An earlier run's, which is ours now.
    Adopted(Arc<PodView>),
    /// An earlier run's, which has been told to go.
    Replaced,
    /// Nothing, or nothing that can be relied on yet.
    Nothing,
}

impl Run {
    /// Reads the pod of our name after a create that was refused for it or for a quota, or never answered.
    pub(super) async fn look(&mut self) -> Result<Found> {
        let generation = self.connection.generation();
        let pods: Api<PodView> = self.connection.pods(&self.namespace);
        let pod = match within(REQUEST_TIMEOUT, read_pod(&pods, &self.name)).await {
            Ok(Some(pod)) => pod,
            // The create that follows is refused for them too where they cannot be renewed.
            Err(Failure::Unauthorized(_)) => {
                let _ = Box::pin(self.connection.renew(generation)).await;
                return Ok(Found::Nothing);
            }
            // Gone again, or never made: the create may be repeated.
            Ok(None) => return Ok(Found::Nothing),
            Err(other) if other.is_transient() => return Ok(Found::Nothing),
            // Perhaps by a server that has just begun and knows no Roles yet.
            Err(other) if other.code() == Some(403) && self.has_been_allowed() => {
                return Ok(Found::Nothing);
            }
            Err(other) => {
                return Err(other.into_error(
                    "reading pod",
                    &self.object(),
                    self.connection.server(),
                ));
            }
        };
        match self.whose(&pod) {
            Whose::Ours => {
                self.owns(&pod, "created; the answer had been lost");
                Ok(Found::Ours)
            }
            Whose::Earlier => self.succeed(&Arc::new(pod)).await,
            Whose::Stranger(owner) => Err(Error::NameTaken {
                object: self.object(),
                owner,
            }),
        }
    }

    /// Looks for the pod of a create that was given up: one that was applied after all is ours to delete.
    pub(super) async fn find_lost(&mut self) {
        let mut patience = Patience::new(FINDING);
        loop {
            let generation = self.connection.generation();
            let pods = self.connection.pods(&self.namespace);
            let failure = match within(REQUEST_TIMEOUT, read_pod(&pods, &self.name)).await {
                Ok(Some(pod)) if matches!(self.whose(&pod), Whose::Ours) => {
                    return self.owns(&pod, "created after all");
                }
                Ok(Some(pod)) if self.is_taken(&pod) && !self.makes_way(&pod) => {
                    return self.owns(&pod, "taken over after all");
                }
                Ok(_) => return,
                // Perhaps by a server that has just begun and knows no Roles yet.
                Err(Failure::Refused(status)) if status.code == 403 => Failure::Busy(status, None),
                Err(Failure::Unauthorized(status)) => {
                    let _ = self.connection.renew(generation).await;
                    Failure::Busy(status, None)
                }
                Err(failure) => failure,
            };
            if let Err(failure) = patience.wait(failure).await {
                self.steps
                    .warn(&format!("a pod may have been left behind: {failure}"));
                return;
            }
        }
    }

    /// Adopts or replaces the pod of an earlier run, unless that run is under way somewhere.
    async fn succeed(&mut self, pod: &Arc<PodView>) -> Result<Found> {
        // Marked as ours already, to make way: a delete that was not answered goes on.
        if self.makes_way(pod) || pod.metadata.deletion_timestamp.is_some() {
            self.replace(pod).await?;
            return Ok(Found::Replaced);
        }
        // Marked even when it is only to be deleted: another process may be about to adopt it.
        let Some(taken) = self.take(pod).await? else {
            return Ok(Found::Nothing);
        };
        let taking = self.hold.taking.as_ref();
        if self.options.adopt && taking.is_some_and(|taking| taking.is_of_use) {
            let before = self.ran_before(&taken).await;
            self.clock.run_before(before);
            self.owns(
                &taken,
                "adopted from an earlier run of the same submission and attempt",
            );
            return Ok(Found::Adopted(taken));
        }
        self.replace(pod).await?;
        Ok(Found::Replaced)
    }

    /// Makes way for a new pod of the same name. What still runs gets a moment to stop: a container whose pod is
    /// deleted without grace writes on for seconds.
    async fn replace(&mut self, pod: &PodView) -> Result<()> {
        let before = self.hold.replaced.replace(pod.uid().to_owned());
        if before.as_deref() == Some(pod.uid()) {
            // Told to go already, and waited for; something keeps it.
        } else if pod.is_terminal() {
            self.steps
                .info("replacing the finished pod of an earlier run");
            self.delete_pod(pod.uid(), finish::ENDED).await;
        } else {
            let why = "stopping and replacing the pod of an earlier run";
            self.stop_surely(pod, why).await?;
        }
        Ok(())
    }

    /// Whether a pod of an earlier run was told to go for this one.
    pub(super) fn makes_way(&self, pod: &PodView) -> bool {
        self.hold.replaced.as_deref() == Some(pod.uid())
    }

    pub(super) fn whose(&self, pod: &PodView) -> Whose {
        let manifest = self.manifest.to_manifest();
        let same = |key| {
            manifest
                .label(key)
                .is_some_and(|ours| pod.label(key) == Some(ours))
        };
        if same(labels::RUN) && !self.makes_way(pod) && !self.is_taken(pod) {
            return Whose::Ours;
        }
        if same(labels::INSTANCE) && same(labels::SUBMISSION) && same(labels::ATTEMPT) {
            return Whose::Earlier;
        }
        let shown = |key| pod.label(key).map(|value| format!("{key}={value}"));
        let known: Vec<_> = [labels::INSTANCE, labels::SUBMISSION, labels::ATTEMPT]
            .into_iter()
            .filter_map(shown)
            .collect();
        Whose::Stranger(if known.is_empty() {
            "it has no label of kubegrader".to_owned()
        } else {
            known.join(", ")
        })
    }
}

//! A name that is taken: whose pod it is, and whether that is adopted, replaced or left alone.

use std::sync::Arc;

use kube::Api;

use super::{Run, finish};
use crate::cluster::reading::read_pod;
use crate::cluster::retry::{Failure, REQUEST_TIMEOUT, within};
use crate::error::{Error, Result};
use crate::manifest::labels;
use crate::owner::Liveness;
use crate::owner::claim::Holder;
use crate::pod_view::PodView;

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
    /// Nothing that can be relied on yet.
    Again(Failure),
}

impl Run {
    /// Reads the pod of our name after a create that was refused for it, or never answered.
    pub(super) async fn look(&mut self, failure: Failure) -> Result<Found> {
        let pods: Api<PodView> = self.connection.pods(&self.namespace);
        let pod = match within(REQUEST_TIMEOUT, read_pod(&pods, &self.name)).await {
            Ok(Some(pod)) => pod,
            // Gone again, or never made: the create may be repeated.
            Ok(None) => return Ok(Found::Again(transient(failure))),
            Err(other) if other.is_transient() => return Ok(Found::Again(transient(failure))),
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
            Whose::Earlier => self.succeed(&Arc::new(pod), failure).await,
            Whose::Stranger(owner) => Err(Error::NameTaken {
                object: self.object(),
                owner,
            }),
        }
    }

    /// Adopts or replaces the pod of an earlier run, unless that run is under way somewhere.
    async fn succeed(&mut self, pod: &Arc<PodView>, failure: Failure) -> Result<Found> {
        // Marked as ours already, to make way: a delete that was not answered goes on.
        let makes_way = self.hold.replaced.as_deref() == Some(pod.uid());
        if makes_way || pod.metadata.deletion_timestamp.is_some() {
            self.replace(pod).await;
            return Ok(Found::Replaced);
        }
        if let Liveness::Alive(owner) = self.owner_of(pod).await? {
            return Err(self.taken_by(&owner));
        }
        // What ended under an owner that died may have been told of already: it is no new run's result. What ended after
        // it had been detached has been told to nobody.
        let is_of_use = !pod.is_terminal() || Holder::of(pod) == Holder::Detached;
        // Marked even when it is only to be deleted: another process may be about to adopt it.
        let Some(taken) = self.take_over(pod).await? else {
            return Ok(Found::Again(transient(failure)));
        };
        if is_of_use && self.options.adopt {
            let before = self.ran_before(&taken).await;
            self.clock.run_before(before);
            self.owns(
                &taken,
                "adopted from an earlier run of the same submission and attempt",
            );
            return Ok(Found::Adopted(taken));
        }
        self.replace(pod).await;
        Ok(Found::Replaced)
    }

    /// Makes way for a new pod of the same name. What still runs gets a moment to stop: a container whose pod is
    /// deleted without grace writes on for seconds.
    async fn replace(&mut self, pod: &PodView) {
        let before = self.hold.replaced.replace(pod.uid().to_owned());
        if pod.is_terminal() {
            if before.as_deref() == Some(pod.uid()) {
                // Told to go already, and something keeps it.
                return;
            }
            self.steps
                .info("replacing the finished pod of an earlier run");
            self.delete_pod(pod.uid(), finish::ENDED).await;
        } else {
            let mut news = self.subscribe();
            if pod.metadata.deletion_timestamp.is_none() {
                self.steps
                    .warn("stopping and replacing the pod of an earlier run");
                self.delete_pod(pod.uid(), finish::AT_ONCE).await;
            }
            self.wait_until_gone(&mut news, pod.uid()).await;
        }
    }

    pub(super) fn whose(&self, pod: &PodView) -> Whose {
        let manifest = self.manifest.to_manifest();
        let same = |key| {
            manifest
                .label(key)
                .is_some_and(|ours| pod.label(key) == Some(ours))
        };
        if same(labels::RUN) && self.hold.replaced.as_deref() != Some(pod.uid()) {
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

/// A failure under which the create may be repeated.
fn transient(failure: Failure) -> Failure {
    if failure.is_transient() {
        failure
    } else {
        Failure::Unanswered(failure.to_string())
    }
}

//! Leaving a pod running for a later run of the same submission and attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::Api;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::adopt::Marked;
use super::observe::LAST_LOOK;
use super::{Place, Run};
use crate::cluster::reading::read_pod;
use crate::cluster::retry::OUTAGE;
use crate::error::Error;
use crate::manifest::{annotations, labels};
use crate::owner::claim::Holder;
use crate::pod_view::PodView;

/// How a run can be ended from outside.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Ends the run and deletes its pod.
    pub cancel: CancellationToken,
    /// Ends the run and leaves its pod.
    pub detach: Detach,
    /// Where it is told that the run queues.
    pub place: Place,
}

/// The word to leave the pod running.
#[derive(Debug, Clone, Default)]
pub struct Detach {
    /// Cancelled to ask for it.
    pub asked: CancellationToken,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Set by a run that cannot leave its pod, and goes on.
    is_refused: AtomicBool,
    /// Set while it is no longer asked for: who asked was told that the run goes on.
    is_withdrawn: AtomicBool,
    again: Notify,
}

impl From<CancellationToken> for Stop {
    fn from(cancel: CancellationToken) -> Self {
        Self {
            cancel,
            detach: Detach::default(),
            place: Place::default(),
        }
    }
}

impl Detach {
    /// Asks for it, be it once more.
    pub fn ask(&self) {
        self.state.is_withdrawn.store(false, Ordering::SeqCst);
        self.asked.cancel();
        self.state.again.notify_waiters();
    }

    /// Asks for it no longer.
    pub fn withdraw(&self) {
        self.state.is_withdrawn.store(true, Ordering::SeqCst);
    }

    /// Whether the run cannot leave its pod, and goes on.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.state.is_refused.load(Ordering::SeqCst)
    }

    /// Resolves when it is asked for, unless it was refused or withdrawn.
    pub(super) async fn asked(&self) {
        if self.is_refused() {
            std::future::pending::<()>().await;
        }
        self.asked.cancelled().await;
        if self.state.is_withdrawn.load(Ordering::SeqCst) {
            // Boxed, since a pod that is waited for holds this future.
            Box::pin(self.asked_again()).await;
        }
    }

    async fn asked_again(&self) {
        loop {
            let again = self.state.again.notified();
            if !self.state.is_withdrawn.load(Ordering::SeqCst) {
                return;
            }
            again.await;
        }
    }
}

impl Run {
    /// Marks the pod as nobody's, so that no reaper takes it and the next run of its submission does. `None`: that cannot
    /// be, and the run goes on. An API server that does not answer holds up neither a limit nor who cancels the run.
    pub(super) async fn leave(&mut self) -> Option<Error> {
        let problem = if self.options.submission.is_none() {
            "no later run could find it, since the run names no submission".to_owned()
        } else if self.manifest.has_generated_name() {
            "no later run could find it, since its name was generated: give the pod a name"
                .to_owned()
        } else {
            let change = json!({
                "labels": {labels::OWNER: labels::DETACHED},
                "annotations": {annotations::OWNER_CLAIM: null},
            });
            let mut pod = PodView::default();
            pod.metadata.uid = Some(self.uid.as_ref().to_owned());
            let marked = tokio::select! {
                marked = self.mark(&pod, false, &change) => marked,
                () = self.cancel.cancelled() => return Some(self.cancelled()),
                () = self.limit() => return self.stays("its time is over"),
            };
            match marked {
                Ok(Marked::Yes(_)) => {
                    self.created = false;
                    return Some(Error::Detached {
                        object: self.object(),
                    });
                }
                // Gone: that is told by the watch.
                Ok(Marked::Changed) => "it has changed or is gone".to_owned(),
                Ok(Marked::Forbidden) => {
                    "it cannot be marked for the next run. Allow \"patch\" on \"pods\"".to_owned()
                }
                // It may have been marked all the same.
                Err(error) => match self.is_left().await {
                    Some(left) => return Some(left),
                    None => error.to_string(),
                },
            }
        };
        self.stays(&problem)
    }

    /// The end of a run whose pod was marked as nobody's by a request that nobody answered.
    async fn is_left(&mut self) -> Option<Error> {
        let (namespace, name) = (&self.namespace, &self.name);
        let read = |client| async move {
            let pods: Api<PodView> = Api::namespaced(client, namespace);
            read_pod(&pods, name).await
        };
        let read = tokio::select! {
            read = Box::pin(self.connection.ask(OUTAGE, read)) => read,
            () = self.cancel.cancelled() => return Some(self.cancelled()),
            () = self.limit() => return None,
        };
        let pod = read.ok().flatten()?;
        let is_left = pod.uid() == &*self.uid && Holder::of(&pod) == Holder::Detached;
        is_left.then(|| {
            self.created = false;
            Error::Detached {
                object: self.object(),
            }
        })
    }

    /// Resolves when a limit passes that ends the run; where one has, after the time that a look would have.
    async fn limit(&self) {
        match self.clock.limit() {
            Some((at, _)) => sleep_until(at.max(Instant::now() + LAST_LOOK)).await,
            None => std::future::pending().await,
        }
    }

    fn stays(&self, problem: &str) -> Option<Error> {
        self.steps
            .warn(&format!("the pod is not detached: {problem}"));
        self.detach.state.is_refused.store(true, Ordering::SeqCst);
        None
    }
}

//! The pods of other attempts at a submission, which a process that died has left at work: two pods must never write to
//! the same folders.

use std::sync::Arc;

use super::{Run, RunOptions, Stop};
use crate::cause::Cause;
use crate::cluster::reading::read_pod;
use crate::cluster::retry::{Failure, OUTAGE};
use crate::cluster::{Cluster, Right, Subscription};
use crate::error::{Error, Result};
use crate::manifest::labels;
use crate::name::{self, label_value};
use crate::owner::claim::Holder;
use crate::packed::Packed;
use crate::pod_view::PodView;
use crate::step::Steps;
use crate::verdict::{Phase, Verdict};

/// How often a pod is read that changes while it is taken over.
const TRIES: usize = 5;

/// How a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// With its first attempt, since there is no other.
    First,
    /// With its first attempt, after pods of others had been stopped.
    Cleared,
    /// With a later attempt, whose pod is at work.
    Later(u32),
}

/// Finds the pods of other attempts: from the shared watch, which knows them, else under the names that this run would
/// give them. The newest is left to be adopted where that is wanted; all others are stopped.
pub(super) async fn settle(
    cluster: &Cluster,
    manifest: &Packed,
    options: &Arc<RunOptions>,
    steps: &Steps,
    stop: &Stop,
) -> Result<Beginning> {
    let Some(submission) = options
        .submission
        .as_deref()
        .filter(|_| options.uid.is_none())
    else {
        return Ok(Beginning::First);
    };
    let connection = cluster.connect().await?;
    let of_pod = |manifest: Packed, options: Arc<RunOptions>| {
        let connection = Arc::clone(&connection);
        Run::new(cluster, connection, manifest, options, steps, stop)
    };
    let first = of_pod(manifest.clone(), Arc::clone(options))?;
    let mut news = first.subscribe();
    tokio::select! {
        () = news.opened() => {}
        () = stop.cancel.cancelled() => return Err(first.cancelled()),
    }
    let mut others = first
        .other_attempts(&news, &label_value(submission))
        .await?;
    others.sort_by_key(|(attempt, _)| std::cmp::Reverse(*attempt));
    let mut beginning = Beginning::First;
    for (attempt, pod) in others {
        let is_newest = beginning == Beginning::First;
        let is_of_use = !pod.is_terminal() || Holder::of(&pod) == Holder::Detached;
        let goes = pod.metadata.deletion_timestamp.is_some();
        if options.adopt && is_newest && is_of_use && !goes && attempt > options.attempt {
            beginning = Beginning::Later(attempt);
        } else if !pod.is_terminal() {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            let options = Arc::new(RunOptions {
                attempt,
                ..RunOptions::clone(options)
            });
            let mut other = of_pod(manifest.named(name), options)?;
            Box::pin(other.stop_other(pod)).await?;
            if is_newest {
                beginning = Beginning::Cleared;
            }
        }
    }
    Ok(beginning)
}

/// Looks for another run of the submission before anything is prepared for this attempt.
///
/// # Errors
/// [`Error::NameTaken`](crate::Error::NameTaken).
pub(super) async fn check(
    cluster: &Cluster,
    manifest: &Packed,
    options: &Arc<RunOptions>,
    steps: &Steps,
    stop: &Stop,
) -> Result<()> {
    let connection = cluster.connect().await?;
    let (manifest, options) = (manifest.clone(), Arc::clone(options));
    let run = Run::new(cluster, connection, manifest, options, steps, stop)?;
    let mut news = run.subscribe();
    news.opened().await;
    run.check_others(&news).await
}

impl Run {
    /// The pods of other attempts, with their numbers.
    async fn other_attempts(
        &self,
        news: &Subscription,
        submission: &str,
    ) -> Result<Vec<(u32, Arc<PodView>)>> {
        let names = news
            .pods_of(submission)
            .unwrap_or_else(|| self.later_names());
        let instance = label_value(&self.options.instance);
        let mut found = Vec::new();
        for name in names.iter().filter(|name| name.as_str() != &*self.name) {
            let Some(pod) = self.read_other(name).await? else {
                continue;
            };
            let attempt = pod
                .label(labels::ATTEMPT)
                .and_then(|number| number.parse().ok());
            if let Some(attempt) = attempt
                && attempt != self.options.attempt
                && pod.label(labels::INSTANCE) == Some(&instance)
                && pod.label(labels::SUBMISSION) == Some(submission)
            {
                found.push((attempt, Arc::new(pod)));
            }
        }
        Ok(found)
    }

    /// Looks once more before a pod is made, as far as the watch knows: while this run paused or queued, another run of the
    /// submission may have begun.
    ///
    /// # Errors
    /// [`Error::NameTaken`](crate::Error::NameTaken).
    pub(super) async fn check_others(&self, news: &Subscription) -> Result<()> {
        let Some(submission) = self.options.submission.as_deref().map(label_value) else {
            return Ok(());
        };
        if news.pods_of(&submission).is_none() {
            return Ok(());
        }
        for (_, pod) in self.other_attempts(news, &submission).await? {
            let is_over = pod.is_terminal() || pod.metadata.deletion_timestamp.is_some();
            // One of this run's own that its dead node does not confirm to have ended is no run's any more.
            let is_ours =
                matches!(Holder::of(&pod), Holder::Process(id, _) if id == self.process.id());
            if !is_over && (!is_ours || self.process.is_run(&pod)) {
                let name = pod.metadata.name.as_deref().unwrap_or_default();
                return Err(self.taken_by(&format!("pod {name} of another run is at work")));
            }
        }
        Ok(())
    }

    /// The names that later attempts would have.
    fn later_names(&self) -> Vec<String> {
        let first = self.options.attempt;
        let later = 1..self.options.max_attempts;
        later
            .map(|after| name::of_attempt(&self.name, first.saturating_add(after)))
            .collect()
    }

    /// A pod by its name; `None` where there is none, or it may not be read.
    async fn read_other(&self, name: &str) -> Result<Option<PodView>> {
        let may_be_allowed = self.connection.may(Right::GetPods, &self.namespace);
        let read = |client| async move {
            let pods: kube::Api<PodView> = kube::Api::namespaced(client, &self.namespace);
            match read_pod(&pods, name).await {
                // An API server that has just begun knows no Roles yet (kubernetes/kubernetes#121635).
                Err(Failure::Refused(status)) if status.code == 403 && may_be_allowed => {
                    Err(Failure::Busy(status, None))
                }
                read => read,
            }
        };
        let reading = Box::pin(self.connection.ask(OUTAGE, read));
        let read = tokio::select! {
            read = reading => read,
            () = self.cancel.cancelled() => return Err(self.cancelled()),
        };
        match read {
            Ok(pod) => Ok(pod),
            Err(Failure::Refused(status) | Failure::Busy(status, _)) if status.code == 403 => {
                self.connection.forbid(Right::GetPods, &self.namespace);
                Ok(None)
            }
            Err(Failure::Refused(_)) => Ok(None),
            Err(failure) => {
                Err(failure.into_error("reading pod", &self.object(), self.connection.server()))
            }
        }
    }

    /// Stops this attempt's pod, unless its owner lives, and waits until nothing of it runs any more.
    async fn stop_other(&mut self, mut pod: Arc<PodView>) -> Result<()> {
        self.claim().await?;
        for _ in 0..TRIES {
            let goes = pod.metadata.deletion_timestamp.is_some();
            if goes || self.take(&pod).await?.is_some() {
                let why = "stopping the pod of another attempt, which an earlier run left at work";
                return if self.stop_surely(&pod, why).await? {
                    Ok(())
                } else {
                    Err(self.still_runs())
                };
            }
            // It has changed: perhaps somebody else has taken it.
            match self.read_other(&self.name).await? {
                Some(now) if now.uid() == pod.uid() && !now.is_terminal() => pod = Arc::new(now),
                _ => return Ok(()),
            }
        }
        Err(self.taken_by("it changes faster than it can be taken over"))
    }

    /// The error of a pod that was told to stop and perhaps has not.
    fn still_runs(&self) -> Error {
        let text = "the pod of another attempt was told to stop, and its node has not confirmed that it has: two pods must not \
                    write to the same folders. See 'kubectl get pod -o yaml'";
        Error::Lost {
            object: self.object(),
            verdict: Box::new(Verdict::new(Phase::Running, Cause::NodeLost, text)),
        }
    }
}

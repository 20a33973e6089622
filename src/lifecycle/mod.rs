//! One pod from its create to its delete: the only state machine.
//!
//! create or adopt -> observe -> read the log -> delete. Deadlines, repetition, cancellation and adoption are decided
//! here and nowhere else. The future of [`run`] must be driven to its end: to stop it, cancel its token, and it
//! deletes the pod before it returns, or leaves it where that was asked for.

mod adopt;
mod attempts;
mod clock;
mod create;
mod detach;
mod finish;
mod observe;
mod other_attempts;
mod outcome;
mod overdue;
mod probes;
mod queue;
mod quota;
mod ran_before;
mod silence;
mod taken;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use attempts::{BeforeAttempt, run};
pub use detach::{Detach, Stop};
pub(crate) use finish::{AT_ONCE, ENDED};
pub use outcome::{Outcome, Timings};
pub use queue::Place;

use crate::cause::Blame;
use crate::cluster::admission::Permit;
use crate::cluster::{Admission, Cluster, Connection, Subscription};
use crate::error::{Error, Result};
use crate::name::is_namespace;
use crate::owner::Process;
use crate::packed::Packed;
use crate::pod_view::PodView;
use crate::step::Steps;
use clock::Clock;
use observe::End;

/// How a pod is to be run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The namespace of a pod that names none; else the cluster's own.
    pub namespace: Option<String>,
    /// How long the pod may take from its create until a container runs; time behind a scheduling gate does not
    /// count. `None`: as long as the cluster says nothing that waiting cannot mend.
    pub start_timeout: Option<Duration>,
    /// How long its containers may run. `None`: as long as they like.
    pub timeout: Option<Duration>,
    /// The installation that the pod belongs to; its pods share a watch.
    pub instance: String,
    /// The submission that the pod grades; a later run of the same submission and attempt adopts it.
    pub submission: Option<String>,
    /// The lecture of the submission: where pods queue, those of one lecture do not wait for all of another.
    pub lecture: Option<String>,
    /// The attempt at the submission, from 1.
    pub attempt: u32,
    /// How many attempts there may be where the cluster breaks one: evicted, preempted, its node lost, deleted by someone, its
    /// registry or volume not to be reached for five minutes.
    pub max_attempts: u32,
    /// What has to be done before an attempt after the first, and before the first where another had to be stopped.
    pub before_attempt: Option<BeforeAttempt>,
    /// Whether a pod that an earlier run of the same submission and attempt left at work is taken over; else it is
    /// stopped and replaced, as must be when the folders that it works on were laid anew.
    pub adopt: bool,
    /// The uid of a pod that is there already: it is not created but watched to its end.
    pub uid: Option<String>,
    /// Whether the pod is left to the caller to delete, however it ended. One that is cancelled is deleted all the same.
    pub keep: bool,
    /// How many bytes of the log are kept; with 0 it is not read.
    pub log_limit: usize,
    /// The longest pause between two reads of a pod where watching is forbidden. The end of its log is a reason to read it
    /// at once.
    pub poll_interval: Duration,
    /// Whether pods of the same namespace and instance whose owner is gone are looked for and deleted in the
    /// background, from time to time.
    pub reap: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            namespace: None,
            start_timeout: None,
            timeout: None,
            instance: "default".to_owned(),
            submission: None,
            lecture: None,
            attempt: 1,
            max_attempts: 1,
            before_attempt: None,
            adopt: true,
            uid: None,
            keep: false,
            log_limit: 1024 * 1024,
            poll_interval: Duration::from_secs(5),
            reap: false,
        }
    }
}

/// Runs a pod once, and deletes it: one attempt. The manifest is taken. `has_another`: whether there may be one after it.
async fn attempt(
    cluster: &Cluster,
    manifest: &mut Packed,
    options: &Arc<RunOptions>,
    steps: &Steps,
    stop: &Stop,
    has_another: bool,
) -> Result<Outcome> {
    let began = Instant::now();
    let connection = cluster.connect().await?;
    let mut run = Run::new(
        cluster,
        connection,
        std::mem::take(manifest),
        Arc::clone(options),
        steps,
        stop,
    )?;
    run.has_another = has_another;
    let ended = run.live().await;
    // What comes before and after the long wait is boxed, so that a pod that is waited for holds none of it.
    Box::pin(run.conclude(ended, began)).await
}

/// One run of one pod.
struct Run {
    process: Arc<Process>,
    connection: Arc<Connection>,
    /// As it was given, and from its claim on as it is sent.
    manifest: Packed,
    options: Arc<RunOptions>,
    steps: Steps,
    cancel: CancellationToken,
    detach: Detach,
    hold: adopt::Hold,
    admission: Arc<Admission>,
    permit: Option<Permit>,
    place: queue::Place,
    namespace: Arc<str>,
    name: Arc<str>,
    uid: Arc<str>,
    created: bool,
    /// News of a pod that was told to go for its time, be it with no answer.
    overdue: Option<Box<Subscription>>,
    /// Whether there may be another attempt after this one.
    has_another: bool,
    /// Whether a node can be expected to confirm the pod's end.
    is_confirmed: bool,
    clock: Clock,
    last: Option<Arc<PodView>>,
}

impl Run {
    fn new(
        cluster: &Cluster,
        connection: Arc<Connection>,
        manifest: Packed,
        options: Arc<RunOptions>,
        steps: &Steps,
        stop: &Stop,
    ) -> Result<Self> {
        let namespace = manifest
            .namespace()
            .map(str::to_owned)
            .or_else(|| options.namespace.clone())
            .unwrap_or_else(|| connection.default_namespace());
        if !is_namespace(&namespace) {
            return Err(Error::InvalidPod {
                field: "namespace".to_owned(),
                problem: format!(
                    "{namespace:?} is no DNS-1123 label, as a namespace's name must be"
                ),
            });
        }
        let (namespace, name): (Arc<str>, Arc<str>) = (namespace.into(), manifest.name().into());
        let steps = steps.about(&options, &namespace, &name);
        Ok(Self {
            process: Arc::clone(cluster.process()),
            connection,
            clock: Clock::new(options.start_timeout, options.timeout),
            manifest,
            options,
            steps,
            cancel: stop.cancel.clone(),
            detach: stop.detach.clone(),
            hold: adopt::Hold::default(),
            admission: Arc::clone(cluster.admission()),
            permit: None,
            place: stop.place.clone(),
            namespace,
            name,
            uid: Arc::default(),
            created: false,
            overdue: None,
            has_another: false,
            is_confirmed: true,
            last: None,
        })
    }

    /// News of the pod of this name.
    fn subscribe(&self) -> Subscription {
        let mut news = self.connection.subscribe(
            &self.namespace,
            &self.options.instance,
            &self.name,
            &self.steps,
        );
        // Whoever made it may have left out the label that the watch goes by.
        if self.options.uid.is_some() || self.hold.unlabelled {
            news.read_always();
        }
        news
    }

    async fn live(&mut self) -> Result<End> {
        self.queue_up().await?;
        // Subscribed before the create, so that no event of the pod can be missed.
        let mut news = self.subscribe();
        news.opened().await;
        if let Some(uid) = self.options.uid.clone() {
            self.follow(&uid);
        } else {
            Box::pin(self.check_others(&news)).await?;
            if let Some(pod) = Box::pin(self.create()).await?
                && let Some(end) = self.see(pod)
            {
                return Ok(end);
            }
            if self.hold.unlabelled {
                news.read_always();
            }
        }
        self.observe(&mut news).await
    }

    /// What comes after the long wait: the outcome of a pod that has ended, or the error of one that is given up.
    async fn conclude(&mut self, ended: Result<End>, began: Instant) -> Result<Outcome> {
        let error = match ended {
            Ok(end) if end.verdict.blame() != Some(Blame::Cluster) => {
                let end = Box::pin(self.with_probes(end)).await;
                match self.finish(end, began).await {
                    Err(error) => error,
                    outcome => return outcome,
                }
            }
            Ok(end) => Error::Lost {
                object: self.object(),
                verdict: Box::new(end.verdict),
            },
            Err(error) => error,
        };
        Err(self.abandon(error).await)
    }

    /// Deletes what there is of a pod that has no outcome.
    async fn abandon(&self, error: Error) -> Error {
        self.steps.warn(&error.to_string());
        let is_over = matches!(error, Error::Lost { .. } | Error::NotStarted { .. });
        if self.created && self.options.keep && is_over {
            self.give_up().await;
        } else if self.created {
            match error {
                Error::Lost { .. } if !self.is_confirmed => self.delete(finish::ENDED).await,
                // It may still write to its folders, and a further attempt would meet it there.
                _ if self.has_another && attempts::worth_another(&error).is_some() => {
                    if let Err(unstopped) = Box::pin(self.stop_before_another()).await {
                        return unstopped;
                    }
                }
                _ => self.delete(finish::AT_ONCE).await,
            }
        }
        error
    }

    fn object(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn cancelled(&self) -> Error {
        Error::Cancelled {
            object: self.object(),
        }
    }
}

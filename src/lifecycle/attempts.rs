//! The attempts at a submission: what the cluster broke is tried again in a new pod, what the student or the course
//! broke never is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::other_attempts::{Beginning, check, settle};
use super::{Outcome, RunOptions, Stop, attempt};
use crate::cause::Cause;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::packed::Packed;
use crate::step::Steps;

/// The pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The same after a node refused a pod, drove it out or could not start it. The scheduler hears why with the kubelet's next word of its node,
/// which is due every 10 s (`nodeStatusUpdateFrequency`); until then it sends the next pod there too, to be refused as well.
const PAUSE_OF_A_NODE: Duration = Duration::from_secs(20);

type Prepare = dyn Fn(u32) -> BoxFuture<'static, Result<()>> + Send + Sync;

/// What has to be done before a further attempt, such as putting back folders that the pod before it has written to.
#[derive(Clone)]
pub struct BeforeAttempt(Arc<Prepare>);

impl BeforeAttempt {
    /// `prepare` is called with the number of the attempt, from 2, when nothing of the one before it runs any more; with
    /// that of the first where pods of other attempts were at work, when they are gone. An error ends the run.
    pub fn new(
        prepare: impl Fn(u32) -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(prepare))
    }
}

impl fmt::Debug for BeforeAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BeforeAttempt")
    }
}

/// Runs a pod once to its end, and deletes it. An end that is the cluster's fault is tried again in a new pod, named
/// after the attempt, up to `max_attempts` in all. Where a process that died left the pod of a later attempt at work,
/// that is adopted or stopped before anything else. `stop`, a [`Stop`] or a [`CancellationToken`], ends that early.
///
/// # Errors
/// What kept the pod from being run or judged, an end that is the cluster's fault included. A pod that failed by its
/// own fault, or by the course's, is an [`Outcome`].
pub fn run(
    cluster: &Cluster,
    manifest: impl Into<Packed>,
    options: impl Into<Arc<RunOptions>>,
    steps: &Steps,
    stop: impl Into<Stop>,
) -> impl Future<Output = Result<Outcome>> + Send {
    // Not an async function: what one is given stays in its future to the end, and thousands of pods wait in one.
    let (mut manifest, mut options, stop) = (manifest.into(), options.into(), stop.into());
    async move {
        let first = options.attempt;
        let last = first.saturating_add(options.max_attempts.saturating_sub(1));
        // What the first attempt adds to its own is not in it.
        let original = (options.attempt < last).then(|| manifest.clone());
        match Box::pin(settle(cluster, &manifest, &options, steps, &stop)).await? {
            Beginning::First => {}
            Beginning::Cleared => options.prepare().await?,
            Beginning::Later(attempt) => {
                Arc::make_mut(&mut options).attempt = attempt;
                manifest = manifest.for_attempt(attempt);
            }
        }
        loop {
            let has_another = options.attempt < last;
            let attempting = attempt(cluster, &mut manifest, &options, steps, &stop, has_another);
            let cause = match attempting.await {
                Err(error) if has_another => match worth_another(&error) {
                    Some(cause) => cause.clone(),
                    None => return Err(error),
                },
                ended => return ended,
            };
            pause(&cause, options.attempt - first, &stop.cancel).await;
            Arc::make_mut(&mut options).attempt += 1;
            manifest = original
                .as_ref()
                .map(|original| original.for_attempt(options.attempt))
                .unwrap_or_default();
            // The next attempt ends before it begins; who cancelled may use the folders by now.
            if !stop.cancel.is_cancelled() {
                // So may another run of the submission.
                Box::pin(check(cluster, &manifest, &options, steps, &stop)).await?;
                options.prepare().await?;
            }
        }
    }
}

impl RunOptions {
    /// Does what has to be done before the present attempt.
    async fn prepare(&self) -> Result<()> {
        match &self.before_attempt {
            Some(BeforeAttempt(prepare)) => prepare(self.attempt).await,
            None => Ok(()),
        }
    }
}

/// The cause of an end that another attempt may mend. A pod whose time to start is over is none: that is how long the caller
/// waits for a start, whatever keeps it.
pub(super) fn worth_another(error: &Error) -> Option<&Cause> {
    match error {
        Error::Lost { verdict, .. }
        | Error::NotStarted {
            verdict,
            limit: None,
            ..
        } => verdict.retryable().then_some(&verdict.cause),
        _ => None,
    }
}

/// Returns at once when the run is cancelled; the next attempt then ends before it begins.
async fn pause(cause: &Cause, attempts_before: u32, cancel: &CancellationToken) {
    let first = match cause {
        // What has no row of its own is mostly a node's word, such as `OutOfcpu`.
        Cause::Evicted
        | Cause::UnexpectedAdmissionError
        | Cause::RuntimeUnavailable
        | Cause::Other(_) => PAUSE_OF_A_NODE,
        _ => FIRST_PAUSE,
    };
    let pause = first * 2_u32.saturating_pow(attempts_before.min(5));
    let jittered = pause.mul_f64(rand::random_range(0.5..1.0));
    tokio::select! {
        () = tokio::time::sleep(jittered) => {}
        () = cancel.cancelled() => {}
    }
}

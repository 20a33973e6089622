//! After the end: the log, and the delete. Neither changes a verdict.

use std::pin::pin;

use kube::Api;
use tokio::time::{Duration, Instant, timeout};

use super::observe::{End, Remains};
use super::outcome::{Outcome, Timings};
use super::{Run, clock, outcome};
use crate::cause::Cause;
use crate::cluster::doomed::{ALLOWED_WITHIN, Doomed};
use crate::cluster::logs::{self, Read};
use crate::cluster::retry::{Failure, OUTAGE};
use crate::cluster::{News, Subscription, Turn};
use crate::error::Result;
use crate::pod_view::PodView;
use crate::verdict::{Verdict, failed_container, on_lost_node};

/// The grace of a pod whose containers have ended: there is nothing to wait for.
pub(crate) const ENDED: u32 = 0;
/// The grace of a pod that is stopped: what `kubectl delete --now` gives.
pub(crate) const AT_ONCE: u32 = 1;
/// How long a log may be asked for, and how long one that keeps coming is read.
const LOG_PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_LOG: Duration = Duration::from_mins(1);
/// How much sooner than the delete of a pod that runs its log is asked for; with two last looks less than a second.
const HEAD_START: Duration = Duration::from_millis(400);
/// How long the outcome waits for a delete that the API server does not answer; it goes on in the background.
const DELETE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a pod that was stopped may take to be gone before the outcome is told.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long after that a silent node may be found out: the node controller gives it 50 s (`node-monitor-grace-period` of
/// Kubernetes 1.32 and later; docs/pod-lives.md, fact 12).
const SILENCE_OF_NODE: Duration = Duration::from_secs(50);
/// How long the object of a pod that has ended may stay: its kubelet takes it away a second or two later, and a finalizer never.
const LINGERING: Duration = Duration::from_secs(4);
/// How often such a pod is read, besides what the watch tells.
const NEXT_LOOK: Duration = Duration::from_secs(2);

impl Run {
    /// Reads the log, deletes the pod, and puts the outcome together.
    ///
    /// # Errors
    /// [`Error::Lost`](crate::Error::Lost) for a pod that was stopped for its time on a node that was silent by then.
    pub(super) async fn finish(&mut self, end: End, began: Instant) -> Result<Outcome> {
        let seen_at = outcome::unix_time();
        let seen = Instant::now();
        let logs = match end.remains {
            Remains::Nothing => None,
            Remains::Ended => {
                let logs = self.read_log().await;
                if self.options.keep {
                    self.give_up().await;
                } else {
                    self.delete(ENDED).await;
                }
                logs
            }
            Remains::Running if self.options.keep => {
                let logs = self.read_log().await;
                self.give_up().await;
                logs
            }
            Remains::Running => {
                let (logs, lost) = self.read_log_and_stop(&end.verdict.cause).await;
                if let Some(verdict) = lost {
                    return Err(self.unconfirmed(verdict));
                }
                logs
            }
        };
        let timings = Timings::new(&self.clock, self.last.as_deref(), began, seen, seen_at);
        self.steps.info(&format!(
            "done: {} after {:.3} s",
            end.verdict.cause, timings.total
        ));
        Ok(Outcome::new(
            end.verdict,
            self.options.attempt,
            logs,
            timings,
            std::mem::take(&mut self.manifest),
            &self.uid,
            self.last.take(),
        ))
    }

    /// Reads the log while the pod stops: its time is over, whatever the log does. The log has a start, since a pod that ends
    /// at its first signal may be gone before a busy API server has looked at a request for it.
    ///
    /// The verdict, too, on one whose node was lost before its time was over.
    async fn read_log_and_stop(&mut self, cause: &Cause) -> (Option<String>, Option<Verdict>) {
        let news = self.overdue.take();
        let mut news = news.map_or_else(|| self.subscribe(), |news| *news);
        let mut reading = pin!(self.read_log());
        let (logs, is_over) = if let Ok(logs) = timeout(HEAD_START, &mut reading).await {
            (logs, self.stop_with(&mut news).await)
        } else {
            tokio::join!(reading, self.stop_with(&mut news))
        };
        let has_node = self
            .last
            .as_ref()
            .is_some_and(|pod| pod.spec.node_name.is_some());
        if is_over || *cause != Cause::DeadlineExceeded || !has_node {
            return (logs, None);
        }
        (logs, self.word_of_node(&mut news).await)
    }

    /// Waits for what the node controller says of a node that does not stop a pod: that it is silent. It takes up to 50 s to find
    /// out, so that a pod's time may be over before anybody knows that it has not run all of it.
    async fn word_of_node(&self, news: &mut Subscription) -> Option<Verdict> {
        let silent = async {
            // What was told while the pod was to stop is told no more.
            let mut told = news.read(STOP_PATIENCE).await.ok();
            loop {
                match told {
                    Some(News::Pod(pod) | News::Read(pod)) if pod.uid() == &*self.uid => {
                        if let Some(verdict) = on_lost_node(&pod) {
                            return Some(verdict);
                        }
                        if pod.is_terminal() {
                            return None;
                        }
                    }
                    Some(News::Gone(Some(pod))) if pod.uid() == &*self.uid => {
                        return on_lost_node(&pod);
                    }
                    Some(News::Read(_) | News::Gone(_)) => return None,
                    Some(News::Pod(_)) | None => {}
                }
                told = Some(news.next(self.options.poll_interval).await);
            }
        };
        tokio::select! {
            verdict = timeout(SILENCE_OF_NODE, silent) => verdict.ok().flatten(),
            () = self.cancel.cancelled() => None,
        }
    }

    /// The log of the container that decided; `None` when it cannot be had, which fails nothing.
    async fn read_log(&self) -> Option<String> {
        if self.options.log_limit == 0 {
            return None;
        }
        let asked = Instant::now();
        let mut part = None;
        let mut broke_off = String::new();
        // One that broke off at once is read once more, from its beginning.
        for _ in 0..2 {
            match self.ask_for_log().await {
                Ok(Read::Whole(log)) => return Some(log),
                Ok(Read::Part(log, failure)) => {
                    broke_off = format!("the log cannot be read to its end: {failure}");
                    part = Some(log);
                }
                Err(failure) => {
                    broke_off = format!("the log cannot be read: {failure}");
                    break;
                }
            }
            if asked.elapsed() >= LOG_PATIENCE {
                break;
            }
        }
        self.steps.warn(&broke_off);
        part
    }

    async fn ask_for_log(&self) -> Result<Read, Failure> {
        let (container, limit) = (self.log_container(), self.options.log_limit);
        let read = |client| async move {
            let pods = Api::namespaced(client, &self.namespace);
            let until = Instant::now() + LONGEST_LOG;
            logs::read(&pods, &self.name, container, limit, until).await
        };
        let turn = Turn::Log(LONGEST_LOG);
        self.connection.ask_by(turn, LOG_PATIENCE, read).await
    }

    /// The container that failed, else the container that `kubectl logs` would take.
    fn log_container(&self) -> Option<&str> {
        let failed = self.last.as_deref().and_then(failed_container);
        let failed = failed.map(|status| status.name.as_str());
        failed.or_else(|| self.manifest.default_container())
    }

    /// Deletes our pod; a pod that cannot be deleted is told of and fails nothing.
    pub(super) async fn delete(&self, grace: u32) {
        self.delete_pod(&self.uid, grace).await;
    }

    fn doomed(&self, uid: &str, grace: u32) -> Doomed {
        Doomed {
            namespace: self.namespace.as_ref().to_owned(),
            name: self.name.as_ref().to_owned(),
            uid: uid.to_owned(),
            grace,
        }
    }

    pub(super) async fn delete_pod(&self, uid: &str, grace: u32) {
        let doomed = self.doomed(uid, grace);
        match doomed.delete(&self.connection, DELETE_PATIENCE).await {
            Ok(()) => self.steps.info("deleted"),
            Err(failure) if failure.is_transient() => {
                self.steps.warn(&format!(
                    "the pod could not be deleted yet, and that is tried again until it is: {failure}"
                ));
                doomed.delete_in_background(&self.connection, self.steps.clone());
            }
            Err(failure) if failure.is_of_access() => {
                self.steps.warn(&format!(
                    "the pod may not be deleted, and is left behind unless that is allowed within {} minutes: {failure}",
                    ALLOWED_WITHIN.as_secs() / 60
                ));
                doomed.delete_in_background(&self.connection, self.steps.clone());
            }
            Err(failure) => self.steps.warn(&format!(
                "the pod may not be deleted and is left behind: {failure}"
            )),
        }
    }

    /// Stops a pod that runs, unless somebody has told it to go already, and waits until nothing of it runs any more: what comes
    /// next writes to the same folders. False where its node does not confirm that in time.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled).
    pub(super) async fn stop_surely(&self, pod: &PodView, why: &str) -> Result<bool> {
        // Before the delete, so that its end cannot be missed.
        let mut news = self.subscribe();
        let mut grace = pod.metadata.deletion_grace_period_seconds;
        if pod.metadata.deletion_timestamp.is_none() {
            self.steps.warn(why);
            self.delete_pod(pod.uid(), AT_ONCE).await;
            grace = Some(AT_ONCE.into());
        }
        let limit = clock::until_confirmed(grace);
        tokio::select! {
            is_over = self.wait_until(Until::Ended, &mut news, pod.uid(), limit) => Ok(is_over),
            () = self.cancel.cancelled() => Err(self.cancelled()),
        }
    }

    /// Stops our pod, whose run is to be repeated in another one. Where its node does not confirm that in time, it is gone or
    /// silent, and the object goes without grace, as with `kubectl delete --force`.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled); the error of an API server that does not take the delete: nobody knows then
    /// what still runs.
    pub(super) async fn stop_before_another(&self) -> Result<()> {
        let mut pod = self.last.as_deref().cloned().unwrap_or_default();
        if pod.is_terminal() {
            self.delete(ENDED).await;
            return Ok(());
        }
        pod.metadata.uid = Some(self.uid.as_ref().to_owned());
        let why = "stopping the pod, so that another one can take its place";
        if self.stop_surely(&pod, why).await? {
            return Ok(());
        }
        let forced = self.doomed(pod.uid(), ENDED);
        let deleting = forced.delete(&self.connection, OUTAGE);
        deleting.await.map_err(|failure| {
            failure.into_error("deleting pod", &self.object(), self.connection.server())
        })
    }

    /// Deletes a pod that runs, and waits a little until nothing of it runs any more. Subscribed before the delete, so that its
    /// end cannot be missed.
    async fn stop_with(&self, news: &mut Subscription) -> bool {
        self.delete(AT_ONCE).await;
        self.wait_until(Until::Gone, news, &self.uid, STOP_PATIENCE)
            .await
    }

    /// Waits until nothing of a pod that was told to go runs any more, so that nothing writes to its folders; false where nobody
    /// says so within `limit`. The watch tells; it is read besides, from time to time, in case that the watch is behind.
    async fn wait_until(
        &self,
        until: Until,
        news: &mut Subscription,
        uid: &str,
        limit: Duration,
    ) -> bool {
        let mut has_ended = false;
        let over = async {
            let mut ended = None;
            loop {
                let told = timeout(NEXT_LOOK, news.next(self.options.poll_interval)).await;
                let told = match told {
                    Ok(told) => Ok(told),
                    Err(_) => news.read(STOP_PATIENCE).await,
                };
                match told {
                    Ok(News::Pod(pod) | News::Read(pod)) if pod.uid() == uid => {
                        has_ended |= pod.is_terminal();
                        let ended = has_ended.then(|| *ended.get_or_insert_with(Instant::now));
                        let lingers = ended.is_some_and(|at| at.elapsed() >= LINGERING);
                        if lingers && until == Until::Ended {
                            return;
                        }
                    }
                    // Of one that had the name before.
                    Ok(News::Gone(Some(pod))) if pod.uid() != uid => {}
                    Ok(_) => return,
                    // Whoever may not read a pod cannot wait for it to be gone.
                    Err(Failure::Refused(_)) if until == Until::Gone => return,
                    Err(_) => {}
                }
            }
        };
        let is_over = timeout(limit, over).await.is_ok() || has_ended;
        if !is_over {
            self.steps
                .warn("the pod was told to stop and is still there");
        }
        is_over
    }
}

/// What is waited for of a pod that was told to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// All its containers have ended, as its phase tells, and the object is gone or has lingered: a finalizer may keep it.
    Ended,
    /// The object is gone.
    Gone,
}

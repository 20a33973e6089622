//! After the end: the log, and the delete. Neither changes a verdict.

use std::pin::pin;

use kube::Api;
use tokio::time::{Duration, Instant, timeout};

use super::observe::{End, Remains};
use super::outcome::{Outcome, Timings};
use super::{Run, outcome};
use crate::cluster::doomed::Doomed;
use crate::cluster::logs::{self, Read};
use crate::cluster::retry::Failure;
use crate::cluster::{News, Subscription};
use crate::verdict::failed_container;

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
/// How often such a pod is read, besides what the watch tells.
const NEXT_LOOK: Duration = Duration::from_secs(2);

impl Run {
    /// Reads the log, deletes the pod, and puts the outcome together.
    pub(super) async fn finish(&mut self, end: End, began: Instant) -> Outcome {
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
            Remains::Running => self.read_log_and_stop().await,
        };
        let timings = Timings::new(&self.clock, self.last.as_deref(), began, seen, seen_at);
        self.steps.info(&format!(
            "done: {} after {:.3} s",
            end.verdict.cause, timings.total
        ));
        Outcome::new(
            end.verdict,
            self.options.attempt,
            logs,
            timings,
            std::mem::take(&mut self.manifest),
            &self.uid,
            self.last.take(),
        )
    }

    /// Reads the log while the pod stops: its time is over, whatever the log does. The log has a start, since a pod that ends
    /// at its first signal may be gone before a busy API server has looked at a request for it.
    async fn read_log_and_stop(&mut self) -> Option<String> {
        let news = self.overdue.take();
        let news = news.map_or_else(|| self.subscribe(), |news| *news);
        let mut reading = pin!(self.read_log());
        if let Ok(logs) = timeout(HEAD_START, &mut reading).await {
            self.stop_with(news).await;
            return logs;
        }
        let (logs, ()) = tokio::join!(reading, self.stop_with(news));
        logs
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
        let asking = self
            .connection
            .ask_for_long(LOG_PATIENCE, LONGEST_LOG, read);
        asking.await
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

    pub(super) async fn delete_pod(&self, uid: &str, grace: u32) {
        let doomed = Doomed {
            namespace: self.namespace.as_ref().to_owned(),
            name: self.name.as_ref().to_owned(),
            uid: uid.to_owned(),
            grace,
        };
        match doomed.delete(&self.connection, DELETE_PATIENCE).await {
            Ok(()) => self.steps.info("deleted"),
            Err(failure) if failure.is_transient() => {
                self.steps.warn(&format!(
                    "the pod could not be deleted yet, and that is tried again until it is: {failure}"
                ));
                doomed.delete_in_background(&self.connection, self.steps.clone());
            }
            Err(failure) => self.steps.warn(&format!(
                "the pod may not be deleted and is left behind: {failure}"
            )),
        }
    }

    /// Deletes a pod that runs, and waits until nothing of it runs any more.
    pub(super) async fn stop(&self) {
        self.stop_with(self.subscribe()).await;
    }

    /// Subscribed before the delete, so that its end cannot be missed.
    async fn stop_with(&self, mut news: Subscription) {
        self.delete(AT_ONCE).await;
        self.wait_until_gone(&mut news, &self.uid).await;
    }

    /// Waits until a pod that was stopped is gone, so that nothing writes to its folders any more. The watch tells; it is
    /// read besides, from time to time, in case that the watch is behind.
    pub(super) async fn wait_until_gone(&self, news: &mut Subscription, uid: &str) {
        let is_gone = |news: &News| match news {
            News::Pod(pod) | News::Read(pod) => pod.uid() != uid,
            News::Gone(pod) => pod.as_ref().is_none_or(|pod| pod.uid() == uid),
        };
        let gone = async {
            loop {
                let told = timeout(NEXT_LOOK, news.next(self.options.poll_interval)).await;
                let told = match told {
                    Ok(told) => Ok(told),
                    Err(_) => news.read(STOP_PATIENCE).await,
                };
                match told {
                    Ok(told) if is_gone(&told) => return,
                    // Whoever may not read a pod cannot wait for it.
                    Err(Failure::Refused(_)) => return,
                    _ => {}
                }
            }
        };
        if timeout(STOP_PATIENCE, gone).await.is_err() {
            self.steps
                .warn("the pod was told to stop and is still there");
        }
    }
}

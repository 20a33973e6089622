//! After the end: the log, and the delete. Neither changes a verdict.

use kube::api::{DeleteParams, Preconditions};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::observe::{End, Remains};
use super::outcome::{Outcome, Timings};
use super::{Run, outcome};
use crate::cluster::logs;
use crate::cluster::retry::{Failure, OUTAGE, Patience, once};
use crate::pod_view::PodView;

/// The grace of a pod whose containers have ended: there is nothing to wait for.
pub(super) const ENDED: u32 = 0;
/// The grace of a pod that is stopped: what `kubectl delete --now` gives.
pub(super) const AT_ONCE: u32 = 1;
/// How long a log may be asked for before the outcome is told without it.
const LOG_PATIENCE: Duration = Duration::from_secs(10);
/// How long a pod that was stopped may take to be gone before the outcome is told.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Reads the log, deletes the pod, and puts the outcome together.
    pub(super) async fn finish(&mut self, end: End, began: Instant) -> Outcome {
        let seen_at = outcome::unix_time();
        let seen = Instant::now();
        let logs = match end.remains {
            Remains::Nothing => None,
            _ if self.options.log_limit == 0 => None,
            _ => self.read_log().await,
        };
        match end.remains {
            Remains::Nothing => {}
            _ if self.options.keep => {}
            Remains::Ended => self.delete(ENDED).await,
            Remains::Running => {
                self.delete(AT_ONCE).await;
                self.wait_until_gone(&self.uid).await;
            }
        }
        let timings = Timings::new(&self.clock, self.last.as_deref(), began, seen, seen_at);
        self.steps.info(&format!(
            "done: {} after {:.3} s",
            end.verdict.cause, timings.total
        ));
        Outcome::new(
            end.verdict,
            logs,
            timings,
            &self.manifest,
            &self.uid,
            self.last.as_deref(),
        )
    }

    /// The log of the container that decided; `None` when it cannot be had, which fails nothing.
    async fn read_log(&self) -> Option<String> {
        let pods = self.connection.pods(&self.namespace);
        let container = self.log_container();
        let mut patience = Patience::new(LOG_PATIENCE);
        loop {
            let failure =
                match logs::read(&pods, &self.name, container, self.options.log_limit).await {
                    Ok(log) => return Some(log),
                    Err(failure) => failure,
                };
            if let Err(failure) = patience.wait(failure).await {
                self.steps
                    .warn(&format!("the log cannot be read: {failure}"));
                return None;
            }
        }
    }

    /// The init container that failed, else the container that `kubectl logs` would take.
    fn log_container(&self) -> Option<&str> {
        let failed_init = self.last.as_deref().and_then(|pod: &PodView| {
            let failed = pod.init_containers().iter().find(|status| {
                let end = status
                    .state
                    .as_ref()
                    .and_then(|state| state.terminated.as_ref());
                end.is_some_and(|end| end.exit_code != 0)
            });
            failed.map(|status| status.name.as_str())
        });
        failed_init.or_else(|| self.manifest.default_container())
    }

    /// Deletes our pod; a pod that cannot be deleted is told of and fails nothing.
    pub(super) async fn delete(&self, grace: u32) {
        self.delete_pod(&self.uid, grace).await;
    }

    pub(super) async fn delete_pod(&self, uid: &str, grace: u32) {
        let pods = self.connection.pods(&self.namespace);
        let params = DeleteParams {
            grace_period_seconds: Some(grace),
            // Never the pod that took the name in the meantime.
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let mut patience = Patience::new(OUTAGE);
        loop {
            let failure = match once(pods.delete(&self.name, &params)).await {
                Ok(_) => return self.steps.info("deleted"),
                Err(Failure::Refused(status)) if matches!(status.code, 404 | 409) => return,
                Err(failure) => failure,
            };
            if let Err(failure) = patience.wait(failure).await {
                self.steps.warn(&format!(
                    "the pod could not be deleted and is left behind: {failure}"
                ));
                return;
            }
        }
    }

    /// Waits until a pod that was stopped is gone, so that nothing writes to its folders any more.
    pub(super) async fn wait_until_gone(&self, uid: &str) {
        let pods = self.connection.pods(&self.namespace);
        let gone = async {
            loop {
                match once(pods.get_opt(&self.name)).await {
                    Ok(Some(pod)) if pod.uid() == uid => sleep(Duration::from_millis(100)).await,
                    Ok(_) | Err(Failure::Refused(_)) => return,
                    Err(_) => sleep(Duration::from_millis(500)).await,
                }
            }
        };
        if timeout(STOP_PATIENCE, gone).await.is_err() {
            self.steps
                .warn("the pod was told to stop and is still there");
        }
    }
}

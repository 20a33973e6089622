//! From the create to the end: what the pod's states mean, and what is done when a limit passes.

use std::sync::Arc;

use tokio::time::{Duration, sleep_until};

use super::Run;
use super::clock::Expired;
use super::silence::Silence;
use super::trouble::Told;
use crate::cause::Cause;
use crate::cluster::retry::Failure;
use crate::cluster::{News, Subscription};
use crate::error::{Error, Result};
use crate::pod_view::PodView;
use crate::verdict::{State, Verdict, at_the_limit, deleted, judge, on_silent_node, work_done};
use crate::waiting::{never_started, unfinished_init};

/// The time in which a last look at the pod must be answered, when a limit has passed: if one answer hangs, the next keeps
/// the limit within a second.
pub(super) const LAST_LOOK: Duration = Duration::from_millis(400);
/// The same for every look after two unanswered ones: a server that is only slow is heard.
const LATER_LOOK: Duration = Duration::from_secs(5);

/// How a pod ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) verdict: Verdict,
    /// What is left of it.
    pub(super) remains: Remains,
}

/// What is left of a pod at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remains {
    /// The object, of which nothing runs any more.
    Ended,
    /// A pod that still runs and has to be stopped.
    Running,
    /// Nothing.
    Nothing,
}

/// What came of a last look.
pub(super) enum Look {
    /// The pod has ended.
    Ended(End),
    /// It has not.
    Goes,
    /// It may not be read, and has not ended as far as was told before.
    Refused(Failure),
    /// Nobody answered.
    Unanswered(Failure),
}

impl From<Option<End>> for Look {
    fn from(end: Option<End>) -> Self {
        end.map_or(Self::Goes, Self::Ended)
    }
}

impl Run {
    /// Waits until the pod has ended, and says how.
    pub(super) async fn observe(&mut self, news: &mut Subscription) -> Result<End> {
        let mut unanswered: Option<Silence> = None;
        news.expect(&self.uid);
        loop {
            let limit = self.clock.next();
            let passed = async {
                match limit {
                    Some((at, expired)) => {
                        sleep_until(unanswered.map_or(at, |silence| silence.next.max(at))).await;
                        expired
                    }
                    None => std::future::pending().await,
                }
            };
            let end = tokio::select! {
                biased;
                () = self.detach.asked() => match Box::pin(self.leave()).await {
                    Some(left) => return Err(left),
                    None => continue,
                },
                () = self.cancel.cancelled() => return Err(self.cancelled()),
                told = news.next(self.options.poll_interval) => {
                    if self.is_doubtful(&told) {
                        news.doubt();
                    }
                    self.hear(told)
                }
                expired = passed => {
                    // Boxed, as is a read: a pod that is waited for holds no request.
                    let is_silent = unanswered.is_some_and(|silence| silence.looks > 1);
                    let patience = if is_silent { LATER_LOOK } else { LAST_LOOK };
                    let (cancel, detach) = (self.cancel.clone(), self.detach.clone());
                    let look = tokio::select! {
                        biased;
                        // Heard above.
                        () = detach.asked() => continue,
                        () = cancel.cancelled() => return Err(self.cancelled()),
                        look = Box::pin(async {
                            if expired == Expired::Run && is_silent {
                                return self.stop_as_seen(news, patience).await;
                            }
                            match self.last_look(news, expired, patience).await {
                                // Perhaps by a server that has just begun and knows no Roles yet (kubernetes/kubernetes#121635).
                                Look::Refused(_) if expired == Expired::Run => {
                                    self.stop_as_seen(news, patience).await
                                }
                                look => look,
                            }
                        }) => look,
                    };
                    match look {
                        Look::Ended(end) => Some(end),
                        Look::Refused(failure)
                            if unanswered.is_none_or(|silence| !silence.is_over()) =>
                        {
                            unanswered = Some(self.bear_with(unanswered, failure)?);
                            continue;
                        }
                        // Whoever may not read a pod has to go by what was told before.
                        Look::Goes | Look::Refused(_) if self.clock.next() == limit => {
                            self.expire(expired)?
                        }
                        Look::Goes | Look::Refused(_) => None,
                        Look::Unanswered(failure) => {
                            unanswered = Some(self.bear_with(unanswered, failure)?);
                            continue;
                        }
                    }
                }
            };
            if let Some(end) = end {
                return Ok(self.explained(end));
            }
            // A watch that tells the same once more has not said that the limit has not passed.
            if self.clock.next() != limit {
                unanswered = None;
            }
        }
    }

    /// The watch may be behind, and the status may not say why a pod waits: the pod itself has the last word.
    async fn last_look(
        &mut self,
        news: &Subscription,
        expired: Expired,
        patience: Duration,
    ) -> Look {
        let events = async {
            let is_asked = match expired {
                Expired::Silence | Expired::Start => true,
                Expired::Patience => self.clock.goes_by_events(),
                _ => false,
            };
            if is_asked && self.is_in_trouble() {
                Some(self.read_events(patience).await)
            } else {
                // It will be looked at again.
                (expired == Expired::Silence).then_some(Told::Nothing)
            }
        };
        let pod = async {
            match expired {
                Expired::Silence => None,
                _ => Some(news.read_now(patience).await),
            }
        };
        let (told, events) = tokio::join!(pod, events);
        if let Some(told) = events
            && self.clock.hear_events(told)
            && let Some(waiting) = self.clock.waits_for()
        {
            self.steps.warn(&format!("waits: {}", waiting.verdict()));
        }
        told.map_or(Look::Goes, |told| self.take_look(told))
    }

    pub(super) async fn look_at_pod(&mut self, news: &Subscription, patience: Duration) -> Look {
        let told = news.read_now(patience).await;
        self.take_look(told)
    }

    fn take_look(&mut self, told: Result<News, Failure>) -> Look {
        match told {
            Ok(told) => Look::from(self.hear(told)),
            Err(failure @ Failure::Refused(_)) => Look::Refused(failure),
            Err(failure) => Look::Unanswered(failure),
        }
    }

    /// Whether the pod has a node that has not even made its sandbox: with an image that takes long to pull it has one.
    fn is_in_trouble(&self) -> bool {
        self.clock.scheduled.is_some() && self.last.as_ref().is_some_and(|pod| !pod.has_sandbox())
    }

    /// Whether a watch tells of another pod of the name: of one before ours, if the watch is late, or of one after it.
    fn is_doubtful(&self, news: &News) -> bool {
        matches!(news, News::Pod(pod) if pod.uid() != &*self.uid)
    }

    fn hear(&mut self, news: News) -> Option<End> {
        match news {
            News::Pod(pod) | News::Read(pod) if pod.uid() == &*self.uid => self.see(pod),
            // A pod of the same name that went before ours.
            News::Gone(Some(pod)) if pod.uid() != &*self.uid => None,
            News::Gone(pod) => Some(self.gone(pod)),
            // A pod of the same name that came after ours: ours is gone.
            News::Read(_) => Some(self.gone(None)),
            // One before or after ours: it is read.
            News::Pod(_) => None,
        }
    }

    pub(super) fn see(&mut self, pod: Arc<PodView>) -> Option<End> {
        if let Some(node) = &pod.spec.node_name
            && self.clock.schedule()
        {
            self.steps.info(&format!("scheduled to node {node}"));
        }
        if pod.metadata.deletion_timestamp.is_some() && self.overdue.is_none() {
            self.clock.go(pod.metadata.deletion_grace_period_seconds);
        }
        if pod.has_sandbox() {
            self.clock.overcome();
        }
        let state = judge(&pod, self.manifest.restarts());
        if state == State::Running {
            let held_up = never_started(&pod);
            if self.clock.hold_up(held_up.as_ref())
                && let Some(waiting) = held_up
            {
                let line = format!("a container of it waits: {}", waiting.verdict());
                self.steps.warn(&line);
            }
        }
        let state = self.with_what_it_waited_for(state);
        self.last = Some(pod);
        if self.clock.note(&state) {
            match &state {
                State::Gated(gated) => self.steps.info(&format!("queued: {}", gated.verdict())),
                State::Waiting(Some(waiting)) => {
                    self.steps.warn(&format!("waits: {}", waiting.verdict()));
                }
                State::Waiting(None) => {}
                State::Running => self.steps.info("running"),
                State::Ended { verdict, .. } => {
                    let line = format!("ended: {}", verdict.log_text());
                    self.steps.info(&line);
                }
            }
        }
        match state {
            State::Ended {
                verdict,
                certain: true,
            } => Some(End {
                verdict,
                remains: Remains::Ended,
            }),
            _ => None,
        }
    }

    /// A deadline of the pod's own that struck before anything ran is told with what the pod was seen to wait for until then: the
    /// last status does not say it any more.
    fn with_what_it_waited_for(&self, state: State) -> State {
        match state {
            State::Ended { verdict, certain }
                if verdict.cause == Cause::DeadlineExceededBeforeStart =>
            {
                let verdict = match self.start_verdict() {
                    Verdict {
                        cause: Cause::StartTimeout,
                        ..
                    } => verdict,
                    before => Verdict {
                        staff_text: format!(
                            "{}; until then: {}",
                            verdict.staff_text, before.staff_text
                        ),
                        cause: before.cause,
                        ..verdict
                    },
                };
                State::Ended { verdict, certain }
            }
            other => other,
        }
    }

    /// The pod's object is gone, and it was not us. What had ended before has its own verdict, all else is lost.
    fn gone(&mut self, pod: Option<Arc<PodView>>) -> End {
        if pod.is_some() {
            self.last = pod;
        }
        self.created = false;
        End {
            verdict: deleted(self.last.as_deref()),
            remains: Remains::Nothing,
        }
    }

    /// What follows from a limit that was passed; `None` where it was only time to look.
    fn expire(&mut self, expired: Expired) -> Result<Option<End>> {
        match expired {
            Expired::Silence => Ok(None),
            Expired::Going => Err(self.unconfirmed(deleted(self.last.as_deref()))),
            Expired::Run if let Some(verdict) = self.last.as_deref().and_then(on_silent_node) => {
                Err(self.unconfirmed(verdict))
            }
            Expired::Settling => {
                let state = self
                    .last
                    .as_ref()
                    .map(|pod| judge(pod, self.manifest.restarts()));
                let Some(State::Ended { verdict, .. }) = state else {
                    return Err(self.not_started(None));
                };
                Ok(Some(End {
                    verdict,
                    remains: Remains::Ended,
                }))
            }
            // Not the student's: a container of the pod never started.
            Expired::Run if self.clock.waits_for().is_some() => Err(self.not_started(None)),
            // The work was done in time; what goes on is a sidecar's.
            Expired::Run if let Some(verdict) = self.work_done() => Ok(Some(End {
                verdict,
                remains: Remains::Running,
            })),
            Expired::Run if let Some(verdict) = self.at_the_limit() => Ok(Some(End {
                verdict,
                remains: Remains::Running,
            })),
            Expired::Run => Ok(Some(self.stopped_for_its_time())),
            Expired::Start => Err(self.not_started(self.options.start_timeout)),
            Expired::Patience => Err(self.not_started(None)),
        }
    }

    fn work_done(&self) -> Option<Verdict> {
        work_done(self.last.as_deref()?, self.manifest.restarts())
    }

    fn at_the_limit(&self) -> Option<Verdict> {
        at_the_limit(self.last.as_deref()?, self.manifest.default_container()?)
    }

    /// The error of a pod whose end nobody will confirm. Its object goes without grace, as with `kubectl delete --force`.
    pub(super) fn unconfirmed(&mut self, verdict: Verdict) -> Error {
        self.is_confirmed = false;
        Error::Lost {
            object: self.object(),
            verdict: Box::new(verdict),
        }
    }

    fn start_verdict(&self) -> Verdict {
        let running = self
            .last
            .as_deref()
            .filter(|_| self.clock.waits_for().is_none());
        let of_init = running.and_then(unfinished_init);
        of_init.unwrap_or_else(|| self.clock.start_verdict())
    }

    fn not_started(&self, limit: Option<Duration>) -> Error {
        Error::NotStarted {
            object: self.object(),
            verdict: Box::new(self.start_verdict()),
            limit,
        }
    }
}

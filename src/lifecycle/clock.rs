//! The deadlines of a run: one clock for each phase, told by our own monotonic time alone.

use std::time::Duration;

use tokio::time::Instant;

use super::trouble::Told;
use crate::cause::Cause;
use crate::verdict::State;
use crate::waiting::Waiting;

/// How long the phase may take to follow the containers' end; a kubelet needs about a second.
const SETTLING: Duration = Duration::from_secs(5);
/// What the kubelet's own deadline leaves beyond ours, so that a pod is judged by one clock while anybody watches.
const SAFETY_MARGIN: Duration = Duration::from_secs(30);
/// How long a pod that somebody deletes may stay beyond its grace: then its node is silent, and nobody will confirm its end.
const CONFIRMATION: Duration = Duration::from_secs(30);
/// How long a pod with a node may say nothing of why it does not start, before its events are looked at, and how often
/// they are looked at then.
const SUSPICION: Duration = Duration::from_secs(5);
const NEXT_LOOK: Duration = Duration::from_secs(30);
/// The time to start that the kubelet's deadline allows for where the run has no limit of its own.
const USUAL_START: Duration = Duration::from_hours(1);

/// How long the end of a pod that was told to go with so many seconds of grace can be expected to be confirmed.
pub(super) fn until_confirmed(grace: Option<i64>) -> Duration {
    let grace = grace.and_then(|seconds| u64::try_from(seconds).ok());
    Duration::from_secs(grace.unwrap_or_default()) + CONFIRMATION
}

/// `activeDeadlineSeconds` for a pod: it ends the pod when the service that watches it is dead. The kubelet's clock
/// includes pulling the image, which is not the student's time, so it must be the longer one.
pub(super) fn safety_net(timeout: Duration, start_timeout: Option<Duration>) -> i64 {
    let whole = timeout + start_timeout.unwrap_or(USUAL_START) + SAFETY_MARGIN;
    // The API takes no more (core/v1, `PodSpec`).
    i64::from(i32::try_from(whole.as_secs()).unwrap_or(i32::MAX).max(1))
}

/// Which limit was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// The time to start.
    Start,
    /// The patience with what it waits for.
    Patience,
    /// The time in which a pod with a node should have said something.
    Silence,
    /// The time in which a deletion by somebody else should have been confirmed.
    Going,
    /// The time to run.
    Run,
    /// The time in which a phase should have confirmed what the containers said.
    Settling,
}

/// When each phase began, as far as it was seen.
#[derive(Debug)]
pub(super) struct Clock {
    start_timeout: Option<Duration>,
    timeout: Option<Duration>,
    /// Since when the pod queued that was not created yet.
    pub(super) queued: Option<Instant>,
    pub(super) created: Instant,
    pub(super) scheduled: Option<Instant>,
    pub(super) running: Option<Instant>,
    /// How long it ran before this run had it.
    ran_before: Duration,
    pub(super) ended: Option<Instant>,
    going: Option<Instant>,
    gated: Option<Instant>,
    gated_before: Duration,
    waiting: Option<(Waiting, Instant)>,
    /// What events say, where the status says nothing; and when to look at them.
    told_by_events: Option<(Waiting, Instant)>,
    next_look: Option<Instant>,
}

impl Clock {
    pub(super) fn new(start_timeout: Option<Duration>, timeout: Option<Duration>) -> Self {
        Self {
            start_timeout,
            timeout,
            queued: None,
            created: Instant::now(),
            scheduled: None,
            running: None,
            ran_before: Duration::ZERO,
            ended: None,
            going: None,
            gated: None,
            gated_before: Duration::ZERO,
            waiting: None,
            told_by_events: None,
            next_look: None,
        }
    }

    /// Notes that the pod queues, for a quota, a place or its create's turn.
    pub(super) fn queue(&mut self, since: Instant) {
        self.queued.get_or_insert(since);
    }

    /// Notes that the API server has accepted the pod.
    pub(super) fn create(&mut self) {
        self.created = Instant::now();
    }

    /// Notes that the pod has a node.
    pub(super) fn schedule(&mut self) -> bool {
        let first = self.scheduled.is_none();
        let at = *self.scheduled.get_or_insert_with(Instant::now);
        self.next_look.get_or_insert(at + SUSPICION);
        first
    }

    /// Notes how long the pod has run before it was adopted.
    pub(super) fn run_before(&mut self, ran: Duration) {
        self.ran_before = ran;
    }

    /// Notes that somebody else deletes the pod, with so many seconds of grace.
    pub(super) fn go(&mut self, grace: Option<i64>) {
        let until = Instant::now() + until_confirmed(grace);
        self.going.get_or_insert(until);
    }

    /// Notes what the pod's events say; true when it is a new cause.
    pub(super) fn hear_events(&mut self, told: Told) -> bool {
        let now = Instant::now();
        self.next_look = Some(now + NEXT_LOOK);
        match (&mut self.told_by_events, told) {
            (Some((known, _)), Told::Trouble(told)) if known.cause == told.cause => {
                *known = told;
                false
            }
            (known, Told::Trouble(told)) => {
                *known = Some((told, now));
                true
            }
            (_, Told::Overcome) => {
                self.overcome();
                false
            }
            // An event is forgotten by the API server after an hour; what it told still holds.
            (_, Told::Nothing) => false,
        }
    }

    /// Notes that the pod is past what only events tell.
    pub(super) fn overcome(&mut self) {
        self.told_by_events = None;
    }

    /// Whether events alone say what the pod waits for.
    pub(super) fn goes_by_events(&self) -> bool {
        self.waiting.is_none() && self.told_by_events.is_some()
    }

    /// Notes the pod's state; true when it is a new one that is worth a line.
    pub(super) fn note(&mut self, state: &State) -> bool {
        let now = Instant::now();
        if !matches!(state, State::Gated(_))
            && let Some(since) = self.gated.take()
        {
            self.gated_before += now - since;
        }
        if !matches!(state, State::Ended { .. }) {
            // It had only seemed so: a container is started again.
            self.ended = None;
        }
        match state {
            State::Gated(_) => {
                let first = self.gated.is_none();
                self.gated.get_or_insert(now);
                first
            }
            State::Waiting(None) => {
                self.waiting = None;
                false
            }
            State::Waiting(Some(waiting)) => self.wait(waiting),
            State::Running => {
                self.overcome();
                let first = self.running.is_none();
                self.running.get_or_insert(now);
                first
            }
            State::Ended { .. } => {
                let first = self.ended.is_none();
                self.ended.get_or_insert(now);
                first
            }
        }
    }

    /// Notes why a container of a pod that runs has never started; true when that is new.
    pub(super) fn hold_up(&mut self, held_up: Option<&Waiting>) -> bool {
        if let Some(waiting) = held_up {
            self.wait(waiting)
        } else {
            self.waiting = None;
            false
        }
    }

    fn wait(&mut self, waiting: &Waiting) -> bool {
        match &mut self.waiting {
            Some((known, _)) if waiting.adds_nothing_to(known) => false,
            Some((known, _)) if known.cause == waiting.cause => {
                known.message.clone_from(&waiting.message);
                false
            }
            known => {
                *known = Some((waiting.clone(), Instant::now()));
                true
            }
        }
    }

    /// What the pod waits for.
    pub(super) fn waits_for(&self) -> Option<&Waiting> {
        self.reason().map(|(waiting, _)| waiting)
    }

    /// The reason that the status gives, else the one that the events give, and since when.
    fn reason(&self) -> Option<&(Waiting, Instant)> {
        self.waiting.as_ref().or(self.told_by_events.as_ref())
    }

    /// What is next: a limit, or the time to look why a pod with a node says nothing.
    pub(super) fn next(&self) -> Option<(Instant, Expired)> {
        let is_starting = self
            .running
            .or(self.gated)
            .or(self.ended)
            .or(self.going)
            .is_none();
        let look = self
            .next_look
            .filter(|_| is_starting && self.waiting.is_none())
            .map(|at| (at, Expired::Silence));
        first([self.limit(), look])
    }

    /// The next limit, which ends the run where nothing else is heard, and when it is passed.
    pub(super) fn limit(&self) -> Option<(Instant, Expired)> {
        if let Some(ended) = self.ended {
            return Some((ended + SETTLING, Expired::Settling));
        }
        if let Some(at) = self.going {
            // Nothing ends it sooner than its grace: a further delete does not shorten one that a kubelet has begun
            // (docs/pod-lives.md, fact 23).
            return Some((at, Expired::Going));
        }
        let patience = self
            .reason()
            .and_then(|(waiting, since)| Some((*since + waiting.patience()?, Expired::Patience)));
        if let Some(running) = self.running {
            let left = self
                .timeout
                .map(|timeout| timeout.saturating_sub(self.ran_before));
            let run = left.map(|left| (running + left, Expired::Run));
            return first([run, patience]);
        }
        if self.gated.is_some() {
            return None;
        }
        let start = self
            .start_timeout
            .map(|limit| (self.created + self.gated_before + limit, Expired::Start));
        first([start, patience])
    }

    /// The verdict on a pod that did not start in time.
    pub(super) fn start_verdict(&self) -> crate::verdict::Verdict {
        use crate::verdict::{Phase, Verdict};
        match self.waits_for() {
            Some(waiting) => waiting.verdict(),
            None if self.scheduled.is_some() => Verdict::new(
                Phase::Pending,
                Cause::StartTimeout,
                "the pod has a node and no container of it was started; its image may take long to pull, and 'kubectl \
                 describe pod' of such a pod tells more",
            ),
            None => Verdict::new(
                Phase::Pending,
                Cause::StartTimeout,
                "no scheduler has looked at the pod",
            ),
        }
    }
}

/// The first of two that passes; of two at once the one that is named first.
fn first(limits: [Option<(Instant, Expired)>; 2]) -> Option<(Instant, Expired)> {
    limits.into_iter().flatten().min_by_key(|(at, _)| *at)
}

#[cfg(test)]
mod tests;

//! What must hold for every submission, whatever the cluster did.

use std::time::Duration;

use super::life::{Fate, Life, START_TIMEOUT, TIMEOUT};
use super::player::Truth;
use super::process::Leg;
use super::scene::Run;
use super::schedule::{Interruption, Kill, Schedule};
use kubegrader::cause::{Blame, Cause};
use kubegrader::embedded::faults::{Fault, Rule};
use kubegrader::verdict::Verdict;
use kubegrader::{Error, Outcome};

/// How much later than its time a limit may strike.
const LATE: Duration = Duration::from_secs(1);
/// How long an API server that is away at a limit is asked again, and one last request of it.
const OUTAGE: Duration = Duration::from_secs(62);

/// How long a run may take to end that was told to: a create, the look for what became of it, a delete, the pod's own end.
const ENDING: Duration = Duration::from_secs(60);

/// # Errors
/// What is wrong.
pub fn judge(run: &Run, schedule: &Schedule, interruption: Interruption) -> Result<(), String> {
    let last = run.legs.last().expect("a leg");
    let Some(outcome) = &last.outcome else {
        return Err("it has no outcome after ten minutes".to_owned());
    };
    let attempt = last_attempt(last);
    let life = &run.lives[attempt];
    judge_attempts(run, attempt, schedule, interruption)?;
    match outcome {
        Ok(outcome) => judge_outcome(life, outcome)?,
        Err(Error::Cancelled { .. }) if is_cancelled(last, interruption) => {}
        Err(Error::Lost { .. }) if attempt + 1 < run.lives.len() => {
            return Err(format!("{:?} is not tried again", life.fate));
        }
        Err(error) => judge_error(life, error, schedule)?,
    }
    for leg in &run.legs {
        for attempt in 0..=last_attempt(leg) {
            judge_limits(leg, attempt)?;
        }
        judge_ending(leg, interruption)?;
    }
    // Nobody can delete a pod whose delete fails for longer than anybody waits; then it must be told.
    let told = run.legs.iter().flat_map(|leg| &leg.steps);
    let is_told = told.clone().any(|(_, line)| line.contains("left behind"));
    let is_excused = is_told || waits_for_the_next_run(run);
    if run.is_left && !(schedule.is_severe && is_excused) {
        return Err("its pod is left behind".to_owned());
    }
    Ok(())
}

/// Whether its pod was left by the first run, and the second never learnt that it had it: the one after that takes it.
fn waits_for_the_next_run(run: &Run) -> bool {
    let [first, second] = &run.legs[..] else {
        return false;
    };
    let owns = |line: &str| line.contains(": created") || line.contains(": adopted");
    matches!(first.outcome, None | Some(Err(Error::Detached { .. })))
        && matches!(
            second.outcome,
            Some(Err(Error::Unreachable { .. } | Error::Api { .. }))
        )
        && !second.steps.iter().any(|(_, line)| owns(line))
}

fn is_cancelled(leg: &Leg, interruption: Interruption) -> bool {
    matches!(interruption, Interruption::Cancel(_)) && leg.interrupted.is_some()
}

/// A run that is cancelled ends soon.
fn judge_ending(leg: &Leg, interruption: Interruption) -> Result<(), String> {
    let Some((told, over)) = leg.interrupted.zip(leg.over) else {
        return Ok(());
    };
    let took = over.saturating_duration_since(told);
    if is_cancelled(leg, interruption) && took > ENDING {
        return Err(format!("it was cancelled and went on for {took:?}"));
    }
    Ok(())
}

/// The last attempt that a run says anything of, from 0.
fn last_attempt(leg: &Leg) -> usize {
    let attempts = leg.steps.iter().filter_map(|(_, line)| attempt_of(line));
    attempts.max().unwrap_or(0)
}

/// The attempt that a line is about, from 0.
fn attempt_of(line: &str) -> Option<usize> {
    let (_, rest) = line.split_once(", attempt ")?;
    let (number, _) = rest.split_once(',')?;
    number.parse().ok().map(|number: usize| number - 1)
}

/// Each attempt has one pod at most, a new one is made only where the cluster broke the one before, and no two run at once.
fn judge_attempts(
    run: &Run,
    last: usize,
    schedule: &Schedule,
    interruption: Interruption,
) -> Result<(), String> {
    let is_deleted = |life: &Life| life.fate == Fate::IsDeletedBySomeone;
    // Of a detached pod that somebody deletes nothing tells the next run which attempt it was.
    let is_detached = matches!(interruption, Interruption::Detach(..));
    let is_lost = is_detached && run.lives.iter().any(is_deleted);
    // A watch that is silent or late unnoticed knows nothing of a later attempt that another process has made since
    // (docs/reliability.md).
    let is_unknown = is_detached && schedule.rules.iter().any(is_late);
    for (attempt, truths) in run.truths.iter().enumerate() {
        // Who deletes a pod before anybody could learn that its create was done leaves nothing to know it by.
        let is_unknowable = is_lost || is_deleted(&run.lives[attempt]);
        let again = truths.windows(2).filter(|two| {
            !schedule
                .kill
                .is_some_and(|kill| may_be_made_anew(&two[0], &two[1], kill))
        });
        if again.count() > 0 && !is_unknowable && !is_unknown {
            return Err(format!(
                "{} pods were made for attempt {}",
                truths.len(),
                attempt + 1
            ));
        }
    }
    for attempt in 0..last {
        let fate = run.lives[attempt].fate;
        if !matches!(fate, Fate::IsEvicted | Fate::IsDeletedBySomeone) {
            return Err(format!("{fate:?} is tried again"));
        }
    }
    if is_unknown {
        return Ok(());
    }
    let all: Vec<&Truth> = run.truths.iter().flatten().collect();
    for (index, one) in all.iter().enumerate() {
        if all[index + 1..].iter().any(|other| ran_at_once(one, other)) {
            return Err("two pods of it ran at once".to_owned());
        }
    }
    Ok(())
}

fn is_late(rule: &Rule) -> bool {
    matches!(rule.fault, Fault::WatchStalled(_) | Fault::EventDelayed(_))
}

/// After a kill, a pod is made anew where the one before is not adopted: it had ended, nobody knows whether that was told
/// before; or it was told to go.
fn may_be_made_anew(before: &Truth, after: &Truth, kill: Kill) -> bool {
    let over = [before.ended, before.told_to_go, before.gone];
    let was_over = over.into_iter().flatten().any(|at| at <= after.created);
    was_over || !kill.adopt
}

fn ran_at_once(one: &Truth, other: &Truth) -> bool {
    let begins_in = |one: &Truth, other: &Truth| {
        let end = one.ended.or(one.gone);
        one.running
            .zip(other.running)
            .is_some_and(|(from, at)| from <= at && end.is_none_or(|end| at < end))
    };
    begins_in(one, other) || begins_in(other, one)
}

/// A pod that was judged is judged rightly, with no excuse.
fn judge_outcome(life: &Life, outcome: &Outcome) -> Result<(), String> {
    let cause = &outcome.verdict.cause;
    if *cause == life.cause() && outcome.verdict.blame() != Some(Blame::Cluster) {
        return Ok(());
    }
    Err(format!("{:?} is told as {cause}", life.fate))
}

/// A pod that was not judged: its own end was the cluster's or the course's, or the API kept it from being seen.
fn judge_error(life: &Life, error: &Error, schedule: &Schedule) -> Result<(), String> {
    let wrong = || Err(format!("{:?} is told as an error: {error}", life.fate));
    let expected = |verdict: &Verdict| verdict.cause == life.cause();
    match error {
        Error::Lost { verdict, .. } if expected(verdict) => Ok(()),
        Error::NotStarted { verdict, .. } if expected(verdict) && life.never_runs() => Ok(()),
        // Its state was not heard of in time.
        Error::NotStarted { verdict, .. }
            if verdict.cause == Cause::StartTimeout
                && (schedule.is_severe || life.fate == Fate::FindsNoNode) =>
        {
            Ok(())
        }
        Error::Unreachable { .. } if schedule.is_severe => Ok(()),
        Error::Api { verdict: None, .. } if schedule.is_severe => Ok(()),
        _ => wrong(),
    }
}

/// A limit strikes within a second, by the clock of who waits. Where the API server does not say then how the pod is,
/// that is told in time, and the server is asked for as long as an outage may last.
fn judge_limits(leg: &Leg, attempt: usize) -> Result<(), String> {
    let line = |words: &[&str]| {
        let found = leg.steps.iter().find(|(_, line)| {
            attempt_of(line) == Some(attempt) && words.iter().any(|word| line.contains(word))
        });
        found.map(|(at, _)| *at)
    };
    let within = |from: &[&str], to: &[&str], limit: Duration, what: &str| {
        let overrun = line(from)
            .zip(line(to))
            .map_or(Duration::ZERO, |(from, to)| {
                to.saturating_duration_since(from + limit)
            });
        if overrun > LATE {
            return Err(format!("{what} by {overrun:?}"));
        }
        Ok(())
    };
    let (created, running, not_started) = (": created", ": running", ": starting pod");
    let (over, too_long, ended) = (
        ": its time is over",
        ": the containers ran longer",
        ": ended",
    );
    // Who leaves a pod, or ends its run, is no excuse for one whose time was over before.
    let (detached, cancelled) = (": detached; ", ": cancelled; ");
    within(
        &[created],
        &[running, over, not_started, detached, cancelled],
        START_TIMEOUT,
        "the time to start was overrun",
    )?;
    within(
        &[running],
        &[ended, over, too_long, detached, cancelled],
        TIMEOUT,
        "the time to run was overrun",
    )?;
    within(
        &[over],
        &[not_started, too_long, ended, running],
        OUTAGE,
        "the patience with an outage was overrun",
    )
}

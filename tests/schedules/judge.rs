//! What must hold for every submission, whatever the cluster did.

use std::time::Duration;

use super::life::{Fate, Life, START_TIMEOUT, TIMEOUT};
use super::scene::Run;
use super::schedule::Schedule;
use kubegrader::cause::{Blame, Cause};
use kubegrader::verdict::Verdict;
use kubegrader::{Error, Outcome};

/// How much later than its time a limit may strike.
const LATE: Duration = Duration::from_secs(1);
/// How long an API server that is away at a limit is asked again, and one last request of it.
const OUTAGE: Duration = Duration::from_secs(62);

/// # Errors
/// What is wrong.
pub fn judge(run: &Run, schedule: &Schedule) -> Result<(), String> {
    let Some(outcome) = &run.outcome else {
        return Err("it has no outcome after ten minutes".to_owned());
    };
    let attempt = run
        .steps
        .iter()
        .filter_map(|(_, line)| attempt_of(line))
        .max()
        .unwrap_or(0);
    let life = &run.lives[attempt];
    judge_attempts(run, attempt)?;
    match outcome {
        Ok(outcome) => judge_outcome(life, outcome)?,
        Err(Error::Lost { .. }) if attempt + 1 < run.lives.len() => {
            return Err(format!("{:?} is not tried again", life.fate));
        }
        Err(error) => judge_error(life, error, schedule)?,
    }
    for attempt in 0..=attempt {
        judge_limits(run, attempt)?;
    }
    // Nobody can delete a pod whose delete fails for longer than anybody waits; then it must be told.
    let is_told = run
        .steps
        .iter()
        .any(|(_, line)| line.contains("left behind"));
    if run.is_left && !(schedule.is_severe && is_told) {
        return Err("its pod is left behind".to_owned());
    }
    Ok(())
}

/// The attempt that a line is about, from 0.
fn attempt_of(line: &str) -> Option<usize> {
    let (_, rest) = line.split_once(", attempt ")?;
    let (number, _) = rest.split_once(',')?;
    number.parse().ok().map(|number: usize| number - 1)
}

/// Each attempt has one pod at most, a new one is made only where the cluster broke the one before, and only when that
/// is gone.
fn judge_attempts(run: &Run, last: usize) -> Result<(), String> {
    for (attempt, truths) in run.truths.iter().enumerate() {
        if truths.len() > 1 {
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
        let first = run.truths[attempt].first();
        let next = run.truths[attempt + 1].first();
        let overlap = first.zip(next).is_some_and(|(first, next)| {
            let ended = first.ended.or(first.gone);
            next.running
                .is_some_and(|running| ended.is_none_or(|ended| ended > running))
        });
        if overlap {
            return Err("two pods of it ran at once".to_owned());
        }
    }
    Ok(())
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
fn judge_limits(run: &Run, attempt: usize) -> Result<(), String> {
    let line = |words: &[&str]| {
        let found = run.steps.iter().find(|(_, line)| {
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
    within(
        &[created],
        &[running, over, not_started],
        START_TIMEOUT,
        "the time to start was overrun",
    )?;
    within(
        &[running],
        &[ended, over, too_long],
        TIMEOUT,
        "the time to run was overrun",
    )?;
    within(
        &[over],
        &[not_started, too_long, ended],
        OUTAGE,
        "the patience with an outage was overrun",
    )
}

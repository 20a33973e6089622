//! What must hold for every submission, whatever the cluster did.

use std::time::Duration;

use kubegrader::cause::{Blame, Cause};
use kubegrader::verdict::Verdict;
use kubegrader::{Error, Outcome};
use tokio::time::Instant;

use super::known;
use super::life::{Fate, START_TIMEOUT, TIMEOUT};
use super::scene::Run;
use super::schedule::Schedule;

/// How much later than its time a limit may strike.
const LATE: Duration = Duration::from_secs(1);

/// # Errors
/// What is wrong.
pub fn judge(run: &Run, schedule: &Schedule) -> Result<(), String> {
    let Some(outcome) = &run.outcome else {
        return Err("it has no outcome after five minutes".to_owned());
    };
    match outcome {
        Ok(outcome) => judge_outcome(run, outcome, schedule)?,
        Err(error) => judge_error(run, error, schedule)?,
    }
    judge_limits(run)?;
    if run.truths.len() > 1 {
        return Err(format!("{} pods were made for it", run.truths.len()));
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

/// A pod that was judged is judged rightly, with no excuse.
fn judge_outcome(run: &Run, outcome: &Outcome, schedule: &Schedule) -> Result<(), String> {
    let cause = &outcome.verdict.cause;
    if *cause == run.life.cause() && outcome.verdict.blame() != Some(Blame::Cluster) {
        return Ok(());
    }
    if known::excuses(cause, schedule) {
        return Ok(());
    }
    Err(format!("{:?} is told as {cause}", run.life.fate))
}

/// A pod that was not judged: its own end was the cluster's or the course's, or the API kept it from being seen.
fn judge_error(run: &Run, error: &Error, schedule: &Schedule) -> Result<(), String> {
    let wrong = || Err(format!("{:?} is told as an error: {error}", run.life.fate));
    let expected = |verdict: &Verdict| verdict.cause == run.life.cause();
    match error {
        Error::Lost { verdict, .. } if expected(verdict) => Ok(()),
        Error::NotStarted { verdict, .. } if expected(verdict) && run.life.never_runs() => Ok(()),
        // Its state was not heard of in time.
        Error::NotStarted { verdict, .. }
            if verdict.cause == Cause::StartTimeout
                && (schedule.can_be_blind() || run.life.fate == Fate::FindsNoNode) =>
        {
            Ok(())
        }
        Error::Unreachable { .. } if schedule.is_severe => Ok(()),
        Error::Api { verdict: None, .. } if schedule.is_severe => Ok(()),
        _ => wrong(),
    }
}

/// No limit strikes more than a second late by the clock of who waits.
fn judge_limits(run: &Run) -> Result<(), String> {
    let line = |word: &str| {
        let found = run.steps.iter().find(|(_, line)| line.contains(word));
        found.map(|(at, _)| *at)
    };
    let within = |from: Option<Instant>, to: Option<Instant>, limit: Duration, what: &str| match (
        from, to,
    ) {
        (Some(from), Some(to)) if to - from > limit + LATE => Err(format!(
            "the time to {what} was overrun by {:?}",
            to - from - limit
        )),
        _ => Ok(()),
    };
    within(
        line(": created"),
        line(": starting pod"),
        START_TIMEOUT,
        "start",
    )?;
    within(
        line(": created"),
        line(": running").or(line(": starting pod")),
        START_TIMEOUT,
        "start",
    )?;
    within(line(": running"), line("ran longer than"), TIMEOUT, "run")
}

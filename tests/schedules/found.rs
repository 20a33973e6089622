//! What the schedules have found, each in its smallest form.

use std::time::Duration;

use kubegrader::embedded::History;
use kubegrader::embedded::faults::{Fault, Faults, Rule, Verb};

use super::life::{Fate, Life};
use super::scene::play;
use super::schedule::{Restart, Schedule};

/// One pod that runs well from the fifth second to the twentieth.
fn schedule(rules: Vec<Rule>) -> Schedule {
    Schedule {
        seed: 0,
        lives: vec![vec![Life {
            fate: Fate::Succeeds,
            starts: Duration::from_secs(5),
            runs: Duration::from_secs(15),
            settles: Duration::from_secs(1),
            bound: true,
        }]],
        rules,
        restarts: Vec::new(),
        clock_skew: 0,
        is_severe: false,
    }
}

async fn check(schedule: &Schedule) {
    if let Err(failure) = play(schedule, Faults::new(schedule.seed)).await {
        panic!("{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_nothing_happens_to_is_run_to_its_end() {
    check(&schedule(Vec::new())).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_blamed_for_a_deadline_that_passed_while_the_api_was_away() {
    let mut schedule = schedule(Vec::new());
    schedule.restarts.push(Restart {
        at: Duration::from_secs(10),
        history: History::Kept,
        downtime: Duration::from_secs(56),
    });
    check(&schedule).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_never_opens_and_one_refused_read_lose_no_submission() {
    check(&schedule(vec![
        Rule::new(Fault::Latency(Duration::from_hours(1))).verb(Verb::List),
        Rule::new(Fault::Refused).verb(Verb::Get).times(1),
    ]))
    .await;
}

/// In real time: without a pause no paused time would ever pass.
#[tokio::test]
async fn a_list_that_is_always_expired_is_not_asked_for_without_a_pause() {
    let faults = Faults::new(0);
    let schedule = schedule(vec![
        Rule::new(Fault::Gone(Duration::ZERO)).verb(Verb::List),
    ]);
    let playing = play(&schedule, faults.clone());
    // Whatever becomes of it: so long it is watched.
    let _ = tokio::time::timeout(Duration::from_secs(2), playing).await;
    let lists = faults
        .trace()
        .iter()
        .filter(|line| line.starts_with("list"))
        .count();
    assert!(lists < 50, "{lists} lists in two seconds");
}

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
        lives: vec![Life {
            fate: Fate::Succeeds,
            starts: Duration::from_secs(5),
            runs: Duration::from_secs(15),
            settles: Duration::from_secs(1),
            bound: true,
        }],
        rules,
        restarts: Vec::new(),
        clock_skew: 0,
        is_severe: false,
        is_strict: true,
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
#[ignore = "bug: an API server that is away when the limit passes makes it the student's fault"]
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
#[ignore = "bug: one 401 for a delete, as when a token is renewed, leaves the pod behind"]
async fn a_delete_that_is_refused_for_its_token_is_repeated() {
    check(&schedule(vec![
        Rule::new(Fault::Unauthorized).verb(Verb::Delete).times(1),
    ]))
    .await;
}

#[tokio::test(start_paused = true)]
#[ignore = "bug: while the first list is unanswered nobody reads the pods, and one look at the limit is all there is"]
async fn a_watch_that_never_opens_and_one_refused_read_lose_no_submission() {
    check(&schedule(vec![
        Rule::new(Fault::Latency(Duration::from_hours(1))).verb(Verb::List),
        Rule::new(Fault::Refused).verb(Verb::Get).times(1),
    ]))
    .await;
}

#[tokio::test(start_paused = true)]
#[ignore = "bug: one 401 for the read after an unanswered create, as when a token is renewed, ends the run"]
async fn a_read_after_an_unanswered_create_that_is_refused_for_its_token_is_repeated() {
    check(&schedule(vec![
        Rule::new(Fault::ResetAfter).verb(Verb::Create).times(1),
        Rule::new(Fault::Unauthorized).verb(Verb::Get).times(1),
    ]))
    .await;
}

/// In real time: without a pause no paused time would ever pass.
#[tokio::test]
#[ignore = "bug: a 410 is answered with the next request at once, however many came before"]
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

//! What the schedules have found, each in its smallest form.

use std::time::Duration;

use kubegrader::embedded::History;
use kubegrader::embedded::faults::{Fault, Faults, Rule, Verb};

use super::life::{Fate, Life};
use super::scene::play;
use super::schedule::{Interruption, Kill, Moment, Restart, Schedule};

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
        interruptions: vec![Interruption::None],
        kill: None,
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

/// Seed 1765.
#[tokio::test(start_paused = true)]
async fn a_detached_pod_whose_next_run_finds_no_server_waits_for_the_one_after() {
    let mut schedule = schedule(Vec::new());
    let at = Moment::After(Duration::from_secs(8));
    schedule.interruptions = vec![Interruption::Detach(at, Duration::from_secs(4))];
    schedule.restarts.push(Restart {
        at: Duration::from_secs(10),
        history: History::Kept,
        downtime: Duration::from_secs(56),
    });
    schedule.is_severe = true;
    check(&schedule).await;
}

/// Seed 339.
#[tokio::test(start_paused = true)]
async fn a_detach_while_the_server_is_away_holds_up_no_limit() {
    let mut schedule = schedule(Vec::new());
    schedule.lives[0][0].fate = Fate::RunsTooLong;
    schedule.lives[0][0].runs = Duration::from_hours(1);
    let at = Moment::After(Duration::from_secs(38));
    schedule.interruptions = vec![Interruption::Detach(at, Duration::from_secs(1))];
    schedule.restarts.push(Restart {
        at: Duration::from_secs(35),
        history: History::Kept,
        downtime: Duration::from_secs(56),
    });
    check(&schedule).await;
}

/// Seed 1870.
#[tokio::test(start_paused = true)]
async fn a_detach_while_the_server_is_away_holds_up_no_limit_of_a_pod_that_has_said_nothing() {
    let mut schedule = schedule(vec![Rule::new(Fault::Refused).verb(Verb::Patch)]);
    schedule.lives[0][0].starts = Duration::from_secs(12);
    let at = Moment::After(Duration::from_secs(5));
    schedule.interruptions = vec![Interruption::Detach(at, Duration::from_secs(13))];
    schedule.restarts.push(Restart {
        at: Duration::from_secs(10),
        history: History::Kept,
        downtime: Duration::from_secs(65),
    });
    schedule.is_severe = true;
    check(&schedule).await;
}

/// Seeds 5220, 6273 and 9178: what was asked of a server that was away has stopped nothing.
#[tokio::test(start_paused = true)]
async fn a_pod_that_somebody_deletes_while_the_server_is_away_was_not_stopped_for_its_time() {
    let mut schedule = schedule(Vec::new());
    let of = |fate| Life {
        fate,
        ..schedule.lives[0][0].clone()
    };
    schedule.lives = vec![vec![of(Fate::IsDeletedBySomeone), of(Fate::Succeeds)]];
    schedule.restarts.push(Restart {
        at: Duration::from_secs(15),
        history: History::Lost,
        downtime: Duration::from_secs(56),
    });
    check(&schedule).await;
}

/// Seeds 11978, 13262, 38108, 38432 and 39978.
#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_and_that_the_watch_shows_no_longer_is_gone_where_no_read_is_answered() {
    let mut schedule = schedule(vec![Rule::new(Fault::BadGateway).verb(Verb::Get)]);
    let of = |fate| Life {
        fate,
        ..schedule.lives[0][0].clone()
    };
    schedule.lives = vec![vec![of(Fate::IsDeletedBySomeone), of(Fate::Succeeds)]];
    check(&schedule).await;
}

/// Seed 2159.
#[tokio::test(start_paused = true)]
async fn an_earlier_pod_that_goes_makes_way_where_no_read_is_answered() {
    let mut schedule = schedule(vec![Rule::new(Fault::BadGateway).verb(Verb::Get).skip(2)]);
    let of = |fate| Life {
        fate,
        ..schedule.lives[0][0].clone()
    };
    schedule.lives = vec![vec![of(Fate::IsDeletedBySomeone), of(Fate::Succeeds)]];
    // The second attempt is there, and the process dies.
    schedule.kill = Some(Kill {
        at: Moment::After(Duration::from_secs(28)),
        pause: Duration::from_secs(3),
        adopt: false,
    });
    check(&schedule).await;
}

/// Seed 29001.
#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_again_and_again_lets_no_pod_wait_for_ever_that_cannot_be_read() {
    let error = Fault::InternalError { retry_after: None };
    let mut schedule = schedule(vec![
        Rule::new(error).verb(Verb::Get),
        Rule::new(Fault::Gone(Duration::from_secs(11))).verb(Verb::Watch),
    ]);
    schedule.lives[0][0].fate = Fate::HasAWrongImage;
    schedule.is_severe = true;
    check(&schedule).await;
}

/// Seed 32406.
#[tokio::test(start_paused = true)]
async fn a_create_that_hangs_has_no_longer_time_since_others_were_refused() {
    let down = Fault::Unavailable { retry_after: 1 };
    let hangs = Fault::Latency(Duration::from_hours(1));
    check(&schedule(vec![
        Rule::new(down).verb(Verb::Create).times(3),
        Rule::new(hangs).verb(Verb::Create).skip(3).times(1),
    ]))
    .await;
}

/// Seeds 4433 and 5183.
#[tokio::test(start_paused = true)]
async fn a_leftover_whose_delete_is_not_answered_makes_way_all_the_same() {
    let hangs = Fault::Latency(Duration::from_hours(1));
    let mut schedule = schedule(vec![Rule::new(hangs).verb(Verb::Delete).times(2)]);
    schedule.kill = Some(Kill {
        at: Moment::After(Duration::from_secs(10)),
        pause: Duration::from_secs(15),
        adopt: true,
    });
    check(&schedule).await;
}

/// Seed 627: nothing says any more that there was a second one.
#[tokio::test(start_paused = true)]
async fn a_submission_begins_anew_when_somebody_deletes_its_detached_second_attempt() {
    let mut schedule = schedule(Vec::new());
    let of = |fate| Life {
        fate,
        ..schedule.lives[0][0].clone()
    };
    schedule.lives = vec![vec![of(Fate::IsEvicted), of(Fate::IsDeletedBySomeone)]];
    // The second attempt is detached as soon as it is there.
    let at = Moment::Line(5);
    schedule.interruptions = vec![Interruption::Detach(at, Duration::from_secs(60))];
    check(&schedule).await;
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

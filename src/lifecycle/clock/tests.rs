//! The limits of a pod's phases, each at its moment. Under paused time.

use tokio::time::advance;

use super::*;
use crate::verdict::{Phase, Verdict};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn waiting(cause: Cause, message: &str) -> Waiting {
    Waiting {
        cause,
        message: message.to_owned(),
    }
}

fn waits(cause: Cause, message: &str) -> State {
    State::Waiting(Some(waiting(cause, message)))
}

fn gated() -> State {
    let message = "Scheduling is blocked due to non-empty scheduling gates";
    State::Gated(waiting(Cause::SchedulingGated, message))
}

fn ended() -> State {
    State::Ended {
        verdict: Verdict::new(Phase::Failed, Cause::Error, "exit code 1"),
        certain: false,
    }
}

/// In how many seconds the next limit passes, and which it is.
fn next(clock: &Clock) -> Option<(u64, Expired)> {
    let (at, expired) = clock.next()?;
    Some(((at - Instant::now()).as_secs(), expired))
}

#[test]
fn the_kubelets_deadline_leaves_time_to_start_and_half_a_minute_more() {
    assert_eq!(safety_net(seconds(300), Some(seconds(120))), 450);
    assert_eq!(safety_net(seconds(300), None), 300 + 3600 + 30);
}

#[tokio::test(start_paused = true)]
async fn the_time_to_start_begins_when_the_pod_is_accepted() {
    let mut clock = Clock::new(Some(seconds(30)), None);
    advance(seconds(100)).await;
    clock.create();
    assert_eq!(next(&clock), Some((30, Expired::Start)));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_quota_is_counted_from_its_first_refusal() {
    let mut clock = Clock::new(None, None);
    let first = Instant::now();
    clock.queue(Instant::now());
    advance(seconds(7)).await;
    clock.queue(Instant::now());
    assert_eq!(clock.queued, Some(first));
}

#[tokio::test(start_paused = true)]
async fn the_time_behind_gates_is_added_to_the_time_to_start() {
    let mut clock = Clock::new(Some(seconds(30)), None);
    assert!(clock.note(&gated()));
    assert_eq!(next(&clock), None);
    advance(seconds(10)).await;
    assert!(!clock.note(&gated()));
    advance(seconds(10)).await;
    clock.note(&State::Waiting(None));
    assert_eq!(next(&clock), Some((30, Expired::Start)));
    advance(seconds(5)).await;
    assert!(clock.note(&gated()));
    advance(seconds(40)).await;
    clock.note(&State::Waiting(None));
    assert_eq!(next(&clock), Some((25, Expired::Start)));
}

#[tokio::test(start_paused = true)]
async fn a_pod_with_a_node_is_looked_at_after_five_seconds_and_then_every_half_minute() {
    let mut clock = Clock::new(None, None);
    assert!(clock.schedule());
    assert_eq!(next(&clock), Some((5, Expired::Silence)));
    advance(seconds(5)).await;
    assert!(!clock.schedule());
    assert!(!clock.hear_events(Told::Nothing));
    assert_eq!(next(&clock), Some((30, Expired::Silence)));
    // A status that says why needs no events.
    clock.note(&waits(Cause::Unschedulable, "0/3 nodes are available"));
    assert_eq!(next(&clock), None);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_somebody_deletes_has_its_grace_and_half_a_minute() {
    for (grace, limit) in [(Some(20), 50), (Some(0), 30), (None, 30)] {
        let mut clock = Clock::new(None, Some(seconds(5)));
        clock.note(&State::Running);
        clock.go(grace);
        assert_eq!(next(&clock), Some((limit, Expired::Going)));
        advance(seconds(3)).await;
        clock.go(Some(100));
        assert_eq!(next(&clock), Some((limit - 3, Expired::Going)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_patience_counts_from_the_first_sight_of_a_cause_and_its_last_words_are_told() {
    let mut clock = Clock::new(None, None);
    assert!(clock.note(&waits(Cause::ErrImagePull, "not found")));
    advance(seconds(10)).await;
    assert!(!clock.note(&waits(Cause::ErrImagePull, "still not found")));
    assert_eq!(next(&clock), Some((20, Expired::Patience)));
    assert_eq!(
        clock.start_verdict().staff_text,
        "ErrImagePull: still not found"
    );
    assert!(clock.note(&waits(Cause::RegistryUnavailable, "connection refused")));
    assert_eq!(next(&clock), Some((300, Expired::Patience)));
}

#[tokio::test(start_paused = true)]
async fn what_events_say_counts_from_its_first_sight_and_outlives_them() {
    let mut clock = Clock::new(None, None);
    assert!(clock.hear_events(Told::Trouble(waiting(
        Cause::FailedMount,
        "secret not found"
    ))));
    advance(seconds(30)).await;
    let again = waiting(Cause::FailedMount, "secret still not found");
    assert!(!clock.hear_events(Told::Trouble(again.clone())));
    assert!(!clock.hear_events(Told::Nothing));
    assert_eq!(clock.waits_for(), Some(&again));
    advance(seconds(70)).await;
    assert!(!clock.hear_events(Told::Nothing));
    assert_eq!(next(&clock), Some((20, Expired::Patience)));
    let other = waiting(Cause::VolumeUnavailable, "timed out");
    assert!(clock.hear_events(Told::Trouble(other.clone())));
    assert_eq!(clock.waits_for(), Some(&other));
    // What the status says goes first.
    clock.note(&waits(Cause::CreateContainerError, "no such device"));
    assert_eq!(next(&clock), Some((30, Expired::Patience)));
}

#[tokio::test(start_paused = true)]
async fn what_the_kubelet_has_overcome_is_no_reason_any_more() {
    let mut clock = Clock::new(None, None);
    clock.schedule();
    let late = waiting(Cause::FailedMount, "configmap not found");
    clock.hear_events(Told::Trouble(late.clone()));
    assert!(clock.goes_by_events());
    assert!(!clock.hear_events(Told::Overcome));
    assert!(!clock.goes_by_events());
    assert_eq!(next(&clock), Some((30, Expired::Silence)));
    // Should it come back, it counts anew.
    advance(seconds(30)).await;
    assert!(clock.hear_events(Told::Trouble(late)));
    advance(seconds(100)).await;
    clock.hear_events(Told::Nothing);
    assert_eq!(next(&clock), Some((20, Expired::Patience)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_between_two_pulls_that_gives_no_reason_has_the_one_of_the_pull_before() {
    for (cause, message, patience) in [
        (Cause::ErrImagePull, "manifest unknown", 30),
        (Cause::RegistryUnavailable, "connection refused", 300),
    ] {
        let mut clock = Clock::new(None, None);
        let pause = waits(
            Cause::RegistryUnavailable,
            "Back-off pulling image \"r/i:1\"",
        );
        assert!(clock.note(&pause));
        advance(seconds(15)).await;
        let said = cause != Cause::RegistryUnavailable;
        assert_eq!(clock.note(&waits(cause.clone(), message)), said);
        advance(seconds(12)).await;
        assert!(!clock.note(&pause));
        let before = if said { 12 } else { 27 };
        assert_eq!(next(&clock), Some((patience - before, Expired::Patience)));
        assert_eq!(clock.waits_for(), Some(&waiting(cause, message)));
    }
    // As tests/statuses/image-not-found.json of Kubernetes 1.34: such a pause says why, and what it says is new.
    let mut clock = Clock::new(None, None);
    clock.note(&waits(Cause::RegistryUnavailable, "connection refused"));
    let why = "Back-off pulling image \"r/i:1\": ErrImagePull: rpc error: code = NotFound desc = r/i:1: not found";
    assert!(clock.note(&waits(Cause::ErrImagePull, why)));
    assert_eq!(next(&clock), Some((30, Expired::Patience)));
}

#[tokio::test(start_paused = true)]
async fn a_running_pod_has_its_time_and_one_whose_containers_ended_five_seconds() {
    let mut clock = Clock::new(Some(seconds(30)), Some(seconds(60)));
    clock.schedule();
    assert!(clock.note(&State::Running));
    advance(seconds(10)).await;
    assert!(!clock.note(&State::Running));
    assert_eq!(next(&clock), Some((50, Expired::Run)));
    assert!(clock.note(&ended()));
    advance(seconds(1)).await;
    assert!(!clock.note(&ended()));
    assert_eq!(next(&clock), Some((4, Expired::Settling)));
}

#[tokio::test(start_paused = true)]
async fn without_limits_a_pod_may_run_as_long_as_it_likes() {
    let mut clock = Clock::new(None, None);
    assert_eq!(next(&clock), None);
    clock.note(&State::Running);
    assert_eq!(next(&clock), None);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_did_not_start_says_how_far_it_came() {
    let mut clock = Clock::new(Some(seconds(30)), None);
    let text = |clock: &Clock| clock.start_verdict().staff_text;
    assert_eq!(text(&clock), "no scheduler has looked at the pod");
    clock.schedule();
    assert!(
        text(&clock).starts_with("the pod has a node and no container of it was started"),
        "{}",
        text(&clock)
    );
}

//! An API server that is away when a limit passes: nobody is blamed for an end that nobody has seen. Under paused time.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::embedded::{EmbeddedCluster, History};
use kubegrader::lifecycle::Stop;
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::support::{PODS, delete, get, patch, without_kubelet};

const LIMIT: Duration = Duration::from_secs(60);

fn cluster(embedded: &EmbeddedCluster) -> Cluster {
    let service = ServiceBuilder::new()
        .layer(embedded.faults().layer())
        .service(embedded.router())
        .map_request(|request: Request<kube::client::Body>| request.map(Body::new));
    Cluster::with_service(service)
}

async fn run_pod(embedded: &EmbeddedCluster) -> Result<Outcome, Error> {
    let options = RunOptions {
        timeout: Some(LIMIT),
        ..RunOptions::default()
    };
    run_with(embedded, options).await
}

async fn run_with(embedded: &EmbeddedCluster, options: RunOptions) -> Result<Outcome, Error> {
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let manifest = Manifest::new(pod).unwrap();
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    run(&cluster(embedded), manifest, options, &steps, cancel).await
}

async fn state(embedded: &EmbeddedCluster, phase: &str, state: Value) {
    let status = json!({"status": {"phase": phase, "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
    }]}});
    let path = format!("{PODS}/p/status");
    let (code, answer) = patch(
        &embedded.router(),
        &path,
        "application/merge-patch+json",
        &status,
    )
    .await;
    assert_eq!(code, 200, "{answer}");
}

/// The API server goes away for so long a second before the limit; the pod then ends well, or runs on.
async fn with_an_outage(downtime: Duration, ends: bool) -> (Result<Outcome, Error>, Duration) {
    let embedded = without_kubelet();
    let began = Instant::now();
    let playing = async {
        while get(&embedded.router(), &format!("{PODS}/p")).await.0 != 200 {
            sleep(Duration::from_millis(5)).await;
        }
        state(&embedded, "Running", json!({"running": {}})).await;
        sleep(LIMIT.checked_sub(Duration::from_secs(1)).unwrap()).await;
        embedded.restart(History::Kept, downtime);
        if ends {
            let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
            state(&embedded, "Succeeded", ended).await;
        }
    };
    let (ended, ()) = tokio::join!(run_pod(&embedded), playing);
    let took = began.elapsed();
    // What could not be deleted is deleted when the server is back.
    sleep(downtime + Duration::from_mins(2)).await;
    assert_eq!(get(&embedded.router(), PODS).await.1["items"], json!([]));
    (ended, took)
}

#[tokio::test(start_paused = true)]
async fn a_good_end_that_an_outage_hides_at_the_limit_is_told_when_the_server_is_back() {
    let (ended, took) = with_an_outage(Duration::from_secs(45), true).await;
    assert_eq!(ended.unwrap().verdict.cause, Cause::Completed);
    assert!(took < Duration::from_secs(110), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_still_runs_after_the_outage_is_stopped_for_its_time() {
    let (ended, took) = with_an_outage(Duration::from_secs(45), false).await;
    assert_eq!(ended.unwrap().verdict.cause, Cause::DeadlineExceeded);
    assert!(took < Duration::from_secs(125), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_end_is_told_as_such_and_blames_no_student() {
    let (ended, took) = with_an_outage(Duration::from_mins(10), true).await;
    let error = ended.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Unreachable {
                step: "reading pod",
                ..
            }
        ),
        "{error}"
    );
    assert!(took < Duration::from_secs(135), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn one_refused_read_at_the_limit_loses_nothing() {
    let embedded = without_kubelet();
    let faults = embedded.faults();
    faults.add(Rule::new(Fault::WatchStalled(Duration::ZERO)).verb(Verb::Watch));
    faults.add(Rule::new(Fault::Refused).verb(Verb::Get).times(1));
    let playing = async {
        while get(&embedded.router(), &format!("{PODS}/p")).await.0 != 200 {
            sleep(Duration::from_millis(5)).await;
        }
        let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        state(&embedded, "Succeeded", ended).await;
    };
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let options = RunOptions {
        start_timeout: Some(Duration::from_secs(5)),
        ..RunOptions::default()
    };
    let manifest = Manifest::new(pod).unwrap();
    let cluster = cluster(&embedded);
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running = run(&cluster, manifest, options, &steps, cancel);
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_answered_410_again_and_again_is_not_asked_without_a_pause() {
    let embedded = without_kubelet();
    embedded
        .faults()
        .add(Rule::new(Fault::Gone(Duration::ZERO)).verb(Verb::List));
    let playing = async {
        while get(&embedded.router(), &format!("{PODS}/p")).await.0 != 200 {
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_secs(30)).await;
        let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        state(&embedded, "Succeeded", ended).await;
    };
    let (outcome, ()) = tokio::join!(run_pod(&embedded), playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    let lists = embedded
        .faults()
        .trace()
        .iter()
        .filter(|line| line.starts_with("list"))
        .count();
    assert!(lists < 30, "{lists} lists");
}

/// Runs a pod whose limit's looks meet a fault; a second before it the pod's state changes.
async fn with_slow_looks(
    embedded: &EmbeddedCluster,
    fault: Rule,
    phase: &str,
    told: Value,
) -> (Outcome, Duration) {
    let began = Instant::now();
    let playing = async {
        while get(&embedded.router(), &format!("{PODS}/p")).await.0 != 200 {
            sleep(Duration::from_millis(5)).await;
        }
        state(embedded, "Running", json!({"running": {}})).await;
        sleep(LIMIT.checked_sub(Duration::from_secs(1)).unwrap()).await;
        embedded.faults().add(fault);
        state(embedded, phase, told).await;
    };
    let (ended, ()) = tokio::join!(run_pod(embedded), playing);
    let took = began.elapsed();
    assert_eq!(get(&embedded.router(), PODS).await.1["items"], json!([]));
    (ended.unwrap(), took)
}

#[tokio::test(start_paused = true)]
async fn a_limit_whose_first_look_is_never_answered_is_passed_by_less_than_a_second() {
    let hangs = Rule::new(Fault::Latency(Duration::from_hours(1)))
        .verb(Verb::Get)
        .times(1);
    let running = json!({"running": {}});
    let (outcome, took) = with_slow_looks(&without_kubelet(), hangs, "Running", running).await;
    assert_eq!(outcome.verdict.cause, Cause::DeadlineExceeded);
    assert!(
        took >= LIMIT && took < LIMIT + Duration::from_secs(1),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_no_read_shows_is_stopped_within_a_second_of_its_limit_as_it_was_last_seen() {
    let (embedded, began) = (without_kubelet(), Instant::now());
    let hangs = Rule::new(Fault::Latency(Duration::from_hours(1))).verb(Verb::Get);
    let running = json!({"running": {}});
    let gone = async {
        sleep(LIMIT.checked_sub(Duration::from_secs(1)).unwrap()).await;
        while get(&embedded.router(), &format!("{PODS}/p")).await.0 == 200 {
            sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    };
    let ((outcome, took), gone) =
        tokio::join!(with_slow_looks(&embedded, hangs, "Running", running), gone);
    assert_eq!(outcome.verdict.cause, Cause::DeadlineExceeded);
    assert!(
        gone >= LIMIT && gone < LIMIT + Duration::from_secs(1),
        "{gone:?}"
    );
    // Its log hangs as well.
    assert!(took < LIMIT + Duration::from_secs(12), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_good_end_that_nobody_saw_is_not_deleted_for_the_limit() {
    let embedded = without_kubelet();
    let silent = Rule::new(Fault::WatchStalled(Duration::from_secs(1))).verb(Verb::Watch);
    embedded.faults().add(silent);
    let hangs = Rule::new(Fault::Latency(Duration::from_hours(1)))
        .verb(Verb::Get)
        .times(4);
    let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    let (outcome, took) = with_slow_looks(&embedded, hangs, "Succeeded", ended).await;
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert_eq!(outcome.logs.as_deref(), Some(""));
    assert!(took < LIMIT + Duration::from_secs(30), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_by_a_delete_of_its_limit_whose_answer_was_lost_is_not_told_as_deleted_by_others()
 {
    let embedded = without_kubelet();
    let lost = Rule::new(Fault::ResetAfter).verb(Verb::Delete).times(1);
    embedded.faults().add(lost);
    let hangs = Rule::new(Fault::Latency(Duration::from_hours(1)))
        .verb(Verb::Get)
        .times(2);
    let running = json!({"running": {}});
    let (outcome, took) = with_slow_looks(&embedded, hangs, "Running", running).await;
    assert_eq!(outcome.verdict.cause, Cause::DeadlineExceeded);
    assert!(took < LIMIT + Duration::from_secs(3), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_somebody_else_has_deleted_unseen_is_not_told_as_one_that_ran_too_long() {
    let embedded = without_kubelet();
    let silent = Rule::new(Fault::WatchStalled(Duration::from_secs(1))).verb(Verb::Watch);
    embedded.faults().add(silent);
    let playing = async {
        while get(&embedded.router(), &format!("{PODS}/p")).await.0 != 200 {
            sleep(Duration::from_millis(5)).await;
        }
        state(&embedded, "Running", json!({"running": {}})).await;
        sleep(LIMIT.checked_sub(Duration::from_secs(1)).unwrap()).await;
        let hangs = Rule::new(Fault::Latency(Duration::from_hours(1)));
        embedded.faults().add(hangs.verb(Verb::Get).times(2));
        delete(&embedded.router(), &format!("{PODS}/p"), &json!({})).await;
    };
    let (ended, ()) = tokio::join!(run_pod(&embedded), playing);
    let error = ended.unwrap_err();
    assert_eq!(error.verdict().unwrap().cause, Cause::Deleted, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_two_seconds_for_an_answer_at_the_limit_is_heard() {
    let embedded = without_kubelet();
    let silent = Rule::new(Fault::WatchStalled(Duration::from_secs(1))).verb(Verb::Watch);
    embedded.faults().add(silent);
    let slow = Rule::new(Fault::Latency(Duration::from_secs(2))).verb(Verb::Get);
    let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    let (outcome, took) = with_slow_looks(&embedded, slow, "Succeeded", ended).await;
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert!(took < LIMIT + Duration::from_secs(10), "{took:?}");
}

/// A run that is stopped while a look at its limit hangs, and how long it took to end then.
async fn stopped_while_a_look_hangs(stop: impl FnOnce(&Stop)) -> (Error, Duration) {
    let embedded = without_kubelet();
    let told = Stop::from(CancellationToken::new());
    let playing = async {
        while get(&embedded.router(), &format!("{PODS}/p")).await.0 != 200 {
            sleep(Duration::from_millis(5)).await;
        }
        state(&embedded, "Running", json!({"running": {}})).await;
        let hangs = || Rule::new(Fault::Latency(Duration::from_hours(1)));
        embedded.faults().add(hangs().verb(Verb::Get));
        embedded.faults().add(hangs().verb(Verb::Delete).times(1));
        sleep(LIMIT + Duration::from_secs(1)).await;
        stop(&told);
        Instant::now()
    };
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let options = RunOptions {
        submission: Some("7".to_owned()),
        timeout: Some(LIMIT),
        ..RunOptions::default()
    };
    let (cluster, steps) = (cluster(&embedded), Steps::default());
    let manifest = Manifest::new(pod).unwrap();
    let running = async {
        let ended = run(&cluster, manifest, options, &steps, told.clone()).await;
        (ended, Instant::now())
    };
    let ((ended, at), stopped) = tokio::join!(running, playing);
    (ended.unwrap_err(), at.duration_since(stopped))
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_an_answer_at_its_limit_is_cancelled_at_once() {
    let (error, took) = stopped_while_a_look_hangs(|stop| stop.cancel.cancel()).await;
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_an_answer_at_its_limit_is_detached_at_once() {
    let (error, took) = stopped_while_a_look_hangs(|stop| stop.detach.asked.cancel()).await;
    assert!(matches!(error, Error::Detached { .. }), "{error}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_pod_whose_time_is_over_is_read_before_the_pod_can_be_gone() {
    let embedded = without_kubelet();
    // This pod has no node and is gone as soon as it is deleted.
    let late = Rule::new(Fault::Latency(Duration::from_millis(200))).path(&format!("{PODS}/p/log"));
    let running = json!({"running": {}});
    let (outcome, took) = with_slow_looks(&embedded, late, "Running", running).await;
    assert_eq!(outcome.verdict.cause, Cause::DeadlineExceeded);
    assert_eq!(outcome.logs.as_deref(), Some(""));
    assert!(took < LIMIT + Duration::from_secs(1), "{took:?}");
}

/// An API server that has just begun and knows no Roles yet forbids everything for a while.
#[tokio::test(start_paused = true)]
async fn a_server_that_forbids_all_when_a_limit_passes_blames_nobody() {
    let run_limit = RunOptions {
        timeout: Some(LIMIT),
        ..RunOptions::default()
    };
    let kept = RunOptions {
        keep: true,
        ..run_limit.clone()
    };
    let start_limit = RunOptions {
        start_timeout: Some(LIMIT),
        ..RunOptions::default()
    };
    for options in [run_limit, kept, start_limit] {
        let embedded = without_kubelet();
        let forbid = |verb, times| {
            let rule = Rule::new(Fault::Forbidden).verb(verb).path("/api/v1/");
            embedded.faults().add(rule.times(times));
        };
        // The pod is read again and again.
        forbid(Verb::List, 1_000_000);
        let runs = options.start_timeout.is_none();
        let is_kept = options.keep;
        let playing = async {
            while get(&embedded.router(), &format!("{PODS}/p")).await.0 != 200 {
                sleep(Duration::from_millis(5)).await;
            }
            if runs {
                state(&embedded, "Running", json!({"running": {}})).await;
            }
            sleep(LIMIT.checked_sub(Duration::from_millis(100)).unwrap()).await;
            forbid(Verb::Get, 6);
            forbid(Verb::Delete, 6);
            let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
            state(&embedded, "Succeeded", ended).await;
        };
        let (ended, ()) = tokio::join!(run_with(&embedded, options), playing);
        assert_eq!(ended.unwrap().verdict.cause, Cause::Completed);
        sleep(Duration::from_mins(4)).await;
        let left = get(&embedded.router(), PODS).await.1;
        assert_eq!(
            left["items"].as_array().unwrap().len(),
            usize::from(is_kept)
        );
    }
}

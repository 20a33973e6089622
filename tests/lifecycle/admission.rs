//! A create that the API server refuses: a quota, Pod Security, a webhook, missing rights. Under paused time.
//!
//! The refusals were recorded on Kubernetes 1.34, in `refusals/`, but for a webhook's, which is as in its documentation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Method, Request, Response};
use kubegrader::cause::{Blame, Cause};
use kubegrader::cluster::Cluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::support::door::Door;
use crate::support::owners::{claim, dead, owned};
use crate::support::played::{self, appears, manifest, succeed};
use crate::support::{create, without_kubelet};

const CREATE: &str = "/namespaces/default/pods";
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/refusals");
/// The one that is waited for.
const USED_UP: &str = "quota-used-up";

/// A `Status` that the API server answered.
fn recorded(case: &str) -> Value {
    let path = format!("{RECORDINGS}/{case}.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "code": code,
    })
}

/// Runs the pod, which ends well as soon as it is there, after so many refusals; with how many creates, and what is told of the queue.
async fn run_pod(door: &Door, refusals: usize) -> (Result<Outcome, Error>, usize, Vec<String>) {
    let embedded = without_kubelet();
    let cluster = door.cluster(&embedded);
    let lines = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
    let told = std::sync::Arc::clone(&lines);
    let steps = Steps::new(move |_, line| {
        if line.contains("queued: ") {
            told.lock().unwrap().push(line.to_owned());
        }
    });
    let (options, cancel) = (RunOptions::default(), CancellationToken::new());
    let running = run(&cluster, manifest(), options, &steps, cancel);
    let playing = async {
        while door.count(&Method::POST, "/pods") <= refusals {
            sleep(Duration::from_millis(20)).await;
        }
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = timeout(Duration::from_mins(10), running) => ended.expect("an end within ten minutes"),
        () = playing => unreachable!("it plays for ever"),
    };
    let lines = lines.lock().unwrap().clone();
    (ended, door.count(&Method::POST, "/pods"), lines)
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_used_up_is_waited_for_with_growing_pauses() {
    let door = Door::default().answer(Method::POST, CREATE, 6, &recorded(USED_UP));
    let began = Instant::now();
    let (outcome, creates, lines) = run_pod(&door, 6).await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert_eq!(creates, 7);
    let [line] = &lines[..] else {
        panic!("it is told once: {lines:?}")
    };
    assert!(
        line.contains("queued: the namespace's quota is used up: 403: pods \"p\" is forbidden"),
        "{line}"
    );
    // 1, 2, 4, 8, 15 and 15 seconds, with jitter between the half and the whole of each.
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(22_500) && took < Duration::from_secs(46),
        "{took:?}"
    );
    let rest = took.as_secs_f64() - outcome.timings.queued;
    assert!(rest < 0.4, "{rest} s are not told as queued");
}

/// What is told of a refusal: the verdict, or the error.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    cause: Option<String>,
    blame: Option<String>,
    retryable: Option<bool>,
    student: Option<String>,
    staff: Option<String>,
    error: Option<String>,
}

impl Row {
    fn of(error: &Error) -> Self {
        let Some(verdict) = error.verdict() else {
            return Self {
                error: Some(error.to_string()),
                ..Self::default()
            };
        };
        Self {
            cause: Some(verdict.cause.to_string()),
            blame: verdict.blame().map(|blame| blame.as_str().to_owned()),
            retryable: Some(verdict.retryable()),
            student: Some(verdict.student_text().to_owned()),
            staff: Some(verdict.staff_text.clone()),
            error: None,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_recorded_refusal_is_told_as_its_row_says() {
    let table: BTreeMap<String, Row> =
        serde_saphyr::from_str(include_str!("../refusals.yaml")).unwrap();
    let mut told = BTreeMap::new();
    for file in std::fs::read_dir(RECORDINGS).unwrap() {
        let path = file.unwrap().path();
        let case = path.file_stem().unwrap().to_string_lossy().into_owned();
        if case == USED_UP {
            continue;
        }
        let answer = recorded(&case);
        let door = Door::default().answer(Method::POST, CREATE, 1000, &answer);
        let (ended, creates, queued) = run_pod(&door, 1000).await;
        told.insert(case.clone(), Row::of(&ended.unwrap_err()));
        assert_eq!(told.get(&case), table.get(&case), "{case}, and its row");
        let is_asked_again = answer["code"] == 500;
        let is_looked_for = door.count(&Method::GET, "/pods/p") > 0;
        assert_eq!(
            (creates > 1, is_looked_for, queued),
            (is_asked_again, is_asked_again, Vec::new()),
            "{case}"
        );
    }
    assert!(told.keys().eq(table.keys()), "a row has no recording");
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_denies_is_the_courses_whatever_code_and_words_it_chooses() {
    let webhook = "admission webhook \"pods.example.com\" denied the request: no image of yours";
    let strange_quota =
        "admission webhook \"pods.example.com\" denied the request: exceeded quota: yours";
    let policy = "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'small' with binding 'small' denied request: too large";
    for (code, reason, message) in [
        (400, "BadRequest", webhook),
        (400, "BadRequest", strange_quota),
        (409, "Conflict", webhook),
        (401, "Unauthorized", webhook),
        (413, "RequestEntityTooLarge", policy),
    ] {
        let answer = status(code, reason, message);
        let door = Door::default().answer(Method::POST, CREATE, 1000, &answer);
        let began = Instant::now();
        let (ended, creates, queued) = run_pod(&door, 1000).await;
        let error = ended.unwrap_err();
        let verdict = error.verdict().unwrap();
        assert_eq!(
            (&verdict.cause, verdict.blame()),
            (&Cause::Rejected, Some(Blame::Course)),
            "{answer}"
        );
        let looks = door.count(&Method::GET, "/pods/p");
        assert_eq!((creates, looks, queued), (1, 0, Vec::new()), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(1), "{answer}");
    }
}

/// A server looks at the quota before it looks at the name: the last place may be this pod's.
#[tokio::test(start_paused = true)]
async fn a_create_that_was_applied_and_fills_the_quota_is_found_and_has_its_limit() {
    let embedded = without_kubelet();
    let (router, creates) = (embedded.router(), Arc::new(AtomicUsize::new(0)));
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let is_create = request.method() == Method::POST && request.uri().path().ends_with("/pods");
        let number = if is_create {
            creates.fetch_add(1, Ordering::SeqCst)
        } else {
            0
        };
        let router = router.clone();
        async move {
            if is_create && number > 0 {
                return Ok(answer(&recorded(USED_UP)));
            }
            let applied = router.oneshot(request.map(Body::new)).await;
            if is_create {
                return Ok(answer(&status(
                    500,
                    "InternalError",
                    "etcdserver: request timed out",
                )));
            }
            applied
        }
    });
    let cluster = Cluster::with_client(kube::Client::new(service, "default"), "in-process");
    let options = RunOptions {
        timeout: Some(Duration::from_secs(3)),
        ..RunOptions::default()
    };
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running = run(&cluster, manifest(), options, &steps, cancel);
    let playing = async {
        appears(&embedded, "p").await;
        played::run(&embedded, "p").await;
        let began = Instant::now();
        played::until(&embedded, "p", |pod| pod["code"] == 404).await;
        began.elapsed()
    };
    let (outcome, took) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::DeadlineExceeded);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

fn answer(status: &Value) -> Response<Body> {
    let code = u16::try_from(status["code"].as_u64().unwrap()).unwrap();
    let answer = Response::builder().status(code);
    let answer = answer.header("content-type", "application/json");
    answer.body(Body::from(status.to_string())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_earlier_runs_pod_that_fills_the_quota_is_stopped_and_not_waited_for() {
    let embedded = without_kubelet();
    let mut left = owned("p", "a", &claim(&dead()));
    left["spec"]["nodeName"] = json!("n");
    create(&embedded.router(), &left).await;
    played::run(&embedded, "p").await;
    // One answer while it is there, and one before the quota has noticed that it is gone.
    let door = Door::default().answer(Method::POST, CREATE, 2, &recorded(USED_UP));
    let cluster = door.cluster(&embedded);
    let options = RunOptions {
        submission: Some("7".to_owned()),
        adopt: false,
        ..RunOptions::default()
    };
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running = run(&cluster, manifest(), options, &steps, cancel);
    let playing = async {
        let began = Instant::now();
        played::is_told_to_go(&embedded, "p").await;
        let took = began.elapsed();
        played::goes(&embedded, "p").await;
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
        took
    };
    let (outcome, took) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(door.count(&Method::POST, "/pods"), 3);
}

/// How two pods end of which the second meets so many refusals for want of rights.
async fn after_one_that_was_accepted(refusals: u64) -> (Result<Outcome, Error>, Duration) {
    let embedded = without_kubelet();
    let forbidden = Rule::new(Fault::Forbidden)
        .verb(Verb::Create)
        .path("/api/v1/");
    embedded.faults().add(forbidden.skip(1).times(refusals));
    let cluster = Door::default().cluster(&embedded);
    let one = async || {
        let (steps, cancel) = (Steps::default(), CancellationToken::new());
        let running = run(&cluster, manifest(), RunOptions::default(), &steps, cancel);
        let playing = async {
            appears(&embedded, "p").await;
            succeed(&embedded, "p").await;
            std::future::pending().await
        };
        tokio::select! {
            ended = running => ended,
            () = playing => unreachable!("it plays for ever"),
        }
    };
    one().await.unwrap();
    let began = Instant::now();
    (one().await, began.elapsed())
}

/// As an API server answers that has just begun and knows no Roles yet.
#[tokio::test(start_paused = true)]
async fn rights_that_there_were_before_are_believed_for_as_long_as_an_outage() {
    let (outcome, _) = after_one_that_was_accepted(3).await;
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    let (ended, took) = after_one_that_was_accepted(1000).await;
    assert!(
        matches!(ended, Err(Error::Api { code: 403, .. })),
        "{ended:?}"
    );
    assert!((20..=32).contains(&took.as_secs()), "{took:?}");
}

//! A create that the API server refuses: a quota, Pod Security, a webhook, missing rights. Under paused time.
//!
//! The refusals were recorded on Kubernetes 1.34, in `refusals/`, but for a webhook's, which is as in its documentation.

use std::collections::BTreeMap;

use axum::http::Method;
use kubegrader::cause::{Blame, Cause};
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::played::{appears, manifest, succeed};
use crate::support::without_kubelet;

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

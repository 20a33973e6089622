//! A create that the API server refuses: a quota, Pod Security, a webhook, missing rights. Under paused time.
//!
//! The refusals are those of Kubernetes 1.34, but for the webhook's, which is as in its documentation.

use axum::http::Method;
use kubegrader::cause::{Blame, Cause};
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::played::{appears, manifest, succeed};
use crate::support::without_kubelet;

const CREATE: &str = "/namespaces/default/pods";
const FULL: &str = "pods \"p\" is forbidden: exceeded quota: course, requested: pods=1, used: pods=1, limited: pods=1";

fn status(code: u16, reason: &str, message: &str, details: &Value) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
        "details": details, "code": code,
    })
}

fn forbidden(message: &str) -> Value {
    status(
        403,
        "Forbidden",
        message,
        &json!({"name": "p", "kind": "pods"}),
    )
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
    assert!(
        ended.is_ok() || door.count(&Method::GET, "/pods/p") == 0,
        "a pod that was refused is looked for"
    );
    let lines = lines.lock().unwrap().clone();
    (ended, door.count(&Method::POST, "/pods"), lines)
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_used_up_is_waited_for_with_growing_pauses() {
    let door = Door::default().answer(Method::POST, CREATE, 6, &forbidden(FULL));
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

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_told_at_once_and_blamed_on_who_can_mend_it() {
    let quota = Some((Cause::QuotaExceeded, Some(Blame::Cluster)));
    let rejected = Some((Cause::Rejected, Some(Blame::Course)));
    let pod = json!({"name": "p", "kind": "pods"});
    let never = "pods \"p\" is forbidden: exceeded quota: course, requested: requests.cpu=4, used: requests.cpu=0, \
                 limited: requests.cpu=2";
    let must_specify =
        "pods \"p\" is forbidden: failed quota: course: must specify requests.cpu for: c";
    let security = "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true (pod or \
                    container \"c\" must set securityContext.runAsNonRoot=true)";
    let invalid = "Pod \"p\" is invalid: spec.restartPolicy: Unsupported value: \"Nie\": supported values: \"Always\", \
                   \"OnFailure\", \"Never\"";
    let webhook = "admission webhook \"pods.example.com\" denied the request: no image of yours";
    let strange_quota =
        "admission webhook \"pods.example.com\" denied the request: exceeded quota: yours";
    let policy = "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'small' with binding 'small' denied request: too large";
    let rights = "pods is forbidden: User \"nobody\" cannot create resource \"pods\" in API group \"\" in the namespace \
                  \"default\"";
    let no_namespace = "namespaces \"default\" not found";
    for (answer, verdict) in [
        (status(403, "Forbidden", never, &pod), quota),
        (
            status(403, "Forbidden", must_specify, &pod),
            rejected.clone(),
        ),
        (status(403, "Forbidden", security, &pod), rejected.clone()),
        (
            status(
                422,
                "Invalid",
                invalid,
                &json!({"name": "p", "kind": "Pod"}),
            ),
            rejected.clone(),
        ),
        (
            status(400, "BadRequest", webhook, &json!({})),
            rejected.clone(),
        ),
        (
            status(400, "BadRequest", strange_quota, &json!({})),
            rejected.clone(),
        ),
        // A webhook chooses its code.
        (
            status(409, "Conflict", webhook, &json!({})),
            rejected.clone(),
        ),
        (
            status(401, "Unauthorized", webhook, &json!({})),
            rejected.clone(),
        ),
        (status(413, "RequestEntityTooLarge", policy, &pod), rejected),
        (
            status(403, "Forbidden", rights, &json!({"kind": "pods"})),
            None,
        ),
        (
            status(
                404,
                "NotFound",
                no_namespace,
                &json!({"name": "default", "kind": "namespaces"}),
            ),
            None,
        ),
    ] {
        let door = Door::default().answer(Method::POST, CREATE, 1000, &answer);
        let began = Instant::now();
        let (ended, creates, lines) = run_pod(&door, 1000).await;
        let error = ended.unwrap_err();
        let told = error
            .verdict()
            .map(|verdict| (verdict.cause.clone(), verdict.blame()));
        assert_eq!(told, verdict, "{answer}");
        assert_eq!((creates, lines), (1, Vec::new()), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(1), "{answer}");
    }
}

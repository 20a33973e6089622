//! A create that fails, or whose answer is lost: exactly one pod is made, and nobody else's is touched. Under paused time.

use axum::http::Method;
use kubegrader::cause::Cause;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::listening::listening;
use crate::support::owners::{claim, dead, owned};
use crate::support::played::{
    self, appears, goes, is_told_to_go, manifest, names, read, status, succeed, terminated,
};
use crate::support::{create, without_kubelet};

const CREATE: &str = "/namespaces/default/pods";

/// As etcd's time-out is told.
fn down() -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "etcdserver: request timed out", "code": 500,
    })
}

/// How submission 7 ends, which is not adopted, and the lines that are told.
async fn run_pod(door: &Door, embedded: &EmbeddedCluster) -> (Result<Outcome, Error>, String) {
    let cluster = door.cluster(embedded);
    let (steps, lines) = listening();
    let options = RunOptions {
        submission: Some("7".to_owned()),
        adopt: false,
        ..RunOptions::default()
    };
    let running = run(
        &cluster,
        manifest(),
        options,
        &steps,
        CancellationToken::new(),
    );
    let ended = timeout(Duration::from_mins(10), running).await;
    let lines = lines.lock().unwrap().clone();
    (ended.expect("an end within ten minutes"), lines)
}

#[tokio::test(start_paused = true)]
async fn a_create_that_succeeds_at_the_second_try_is_not_looked_for() {
    let embedded = without_kubelet();
    let door = Door::default().answer(Method::POST, CREATE, 1, &down());
    let ending = async {
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let ((outcome, lines), ()) = tokio::join!(run_pod(&door, &embedded), ending);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(door.count(&Method::GET, "/pods/p"), 1, "the log alone");
    assert_eq!(lines.matches("created").count(), 1, "{lines}");
    assert_eq!(door.count(&Method::POST, "fieldManager=kubegrader"), 2);
}

/// What a proxy between says of itself.
fn welcome() -> Value {
    json!({"code": 200, "welcome": "to the portal"})
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_pod_is_not_taken_for_a_create() {
    let embedded = without_kubelet();
    let door = Door::default().answer(Method::POST, CREATE, 1, &welcome());
    let ending = async {
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let ((outcome, _), ()) = tokio::join!(run_pod(&door, &embedded), ending);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(names(&embedded).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_object_of_kubernetes_is_not_taken_for_a_delete() {
    let embedded = without_kubelet();
    let door = Door::default().answer(Method::DELETE, "/pods/p", 1, &welcome());
    let ending = async {
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let ((outcome, _), ()) = tokio::join!(run_pod(&door, &embedded), ending);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(door.count(&Method::DELETE, "/pods/p"), 2);
    assert_eq!(names(&embedded).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_create_that_was_given_up_and_made_no_pod_leaves_none_behind() {
    let embedded = without_kubelet();
    let door = Door::default().answer(Method::POST, CREATE, 1000, &down());
    let (ended, lines) = run_pod(&door, &embedded).await;
    assert!(
        matches!(ended, Err(Error::Api { code: 500, .. })),
        "{ended:?}"
    );
    assert_eq!(door.count(&Method::GET, "/pods/p"), 1);
    assert!(!lines.contains("left behind"), "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_was_given_up_and_may_have_made_a_pod_says_so() {
    let embedded = without_kubelet();
    let door = Door::default()
        .answer(Method::POST, CREATE, 1000, &down())
        .forbid(Method::GET, "/pods/p");
    let (ended, lines) = run_pod(&door, &embedded).await;
    assert!(
        matches!(ended, Err(Error::Api { code: 500, .. })),
        "{ended:?}"
    );
    let told = "a pod may have been left behind: 403: ";
    assert_eq!(lines.matches(told).count(), 1, "{lines}");
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_pod_of_the_name_outlives_a_create_that_was_given_up() {
    let embedded = without_kubelet();
    let mut pod = owned("p", "b", &claim(&dead()));
    pod["metadata"]["labels"]["kubegrader.io/submission"] = json!("8");
    let before = create(&embedded.router(), &pod).await;
    let door = Door::default().answer(Method::POST, CREATE, 1000, &down());
    let (ended, _) = run_pod(&door, &embedded).await;
    assert!(
        matches!(ended, Err(Error::Api { code: 500, .. })),
        "{ended:?}"
    );
    assert_eq!(read(&embedded, "p").await, before);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_go_is_waited_for_as_long_as_an_outage_and_named() {
    let embedded = without_kubelet();
    let mut pod = owned("p", "a", &claim(&dead()));
    pod["spec"]["nodeName"] = json!("n");
    create(&embedded.router(), &pod).await;
    let began = Instant::now();
    let (ended, _) = run_pod(&Door::default(), &embedded).await;
    assert_eq!(
        ended.unwrap_err().to_string(),
        "creating pod default/p: AlreadyExists (409): object is being deleted: pods \"p\" already exists. Something keeps \
         the old pod, such as its finalizers or its node: see 'kubectl get pod -o yaml'"
    );
    assert_eq!(names(&embedded).await, ["p"]);
    // Its second of grace and half a minute, and then as long as an outage.
    assert!(
        (55..70).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_finished_pod_that_its_finalizers_keep_is_told_to_go_once() {
    let embedded = without_kubelet();
    let mut pod = owned("p", "a", &claim(&dead()));
    pod["metadata"]["finalizers"] = json!(["example.com/keeps"]);
    create(&embedded.router(), &pod).await;
    succeed(&embedded, "p").await;
    let door = Door::default();
    let (ended, lines) = run_pod(&door, &embedded).await;
    assert!(
        matches!(ended, Err(Error::Api { code: 409, .. })),
        "{ended:?}"
    );
    assert_eq!(door.count(&Method::DELETE, "/pods/p"), 1, "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_webhooks_hold_up_for_longer_than_an_answer_may_take_succeeds_all_the_same() {
    let embedded = without_kubelet();
    let slow = Fault::Latency(Duration::from_secs(13));
    embedded.faults().add(Rule::new(slow).verb(Verb::Create));
    let ending = async {
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let door = Door::default();
    let ((outcome, _), ()) = tokio::join!(run_pod(&door, &embedded), ending);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_while_webhooks_hold_its_create_up_ends_at_once() {
    let embedded = without_kubelet();
    let hangs = Fault::Latency(Duration::from_hours(1));
    embedded.faults().add(Rule::new(hangs).verb(Verb::Create));
    let cluster = Door::default().cluster(&embedded);
    let (steps, cancel) = (listening().0, CancellationToken::new());
    let running = run(
        &cluster,
        manifest(),
        RunOptions::default(),
        &steps,
        cancel.clone(),
    );
    let cancelling = async {
        sleep(Duration::from_secs(25)).await;
        cancel.cancel();
        Instant::now()
    };
    let (ended, cancelled) = tokio::join!(running, cancelling);
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    assert!(cancelled.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_labels_admission_takes_off_is_read_and_its_limit_holds() {
    let embedded = without_kubelet();
    let door = Door::default().without_labels();
    let cluster = door.cluster(&embedded);
    let (steps, lines) = listening();
    let options = RunOptions {
        timeout: Some(Duration::from_secs(3)),
        ..RunOptions::default()
    };
    let running = run(
        &cluster,
        manifest(),
        options,
        &steps,
        CancellationToken::new(),
    );
    let playing = async {
        appears(&embedded, "p").await;
        played::run(&embedded, "p").await;
        Instant::now()
    };
    let (outcome, ran) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::DeadlineExceeded);
    assert!(
        ran.elapsed() < Duration::from_secs(5),
        "{:?}",
        ran.elapsed()
    );
    let told = "admission has taken off the label kubegrader.io/instance";
    assert_eq!(lines.lock().unwrap().matches(told).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_pod_that_makes_way_is_not_that_of_the_pod_after_it() {
    let embedded = without_kubelet();
    let mut pod = owned("p", "a", &claim(&dead()));
    pod["spec"]["nodeName"] = json!("n");
    let before = create(&embedded.router(), &pod).await;
    played::run(&embedded, "p").await;
    let playing = async {
        is_told_to_go(&embedded, "p").await;
        // Longer than anybody waits for it to be gone.
        sleep(Duration::from_secs(15)).await;
        succeed(&embedded, "p").await;
        sleep(Duration::from_secs(1)).await;
        goes(&embedded, "p").await;
        played::until(&embedded, "p", |pod| {
            pod["kind"] == "Pod" && pod["metadata"]["uid"] != before["metadata"]["uid"]
        })
        .await;
        played::set(&embedded, "p", &status("Failed", &terminated(3, "Error"))).await;
    };
    let door = Door::default();
    let ((outcome, _), ()) = tokio::join!(run_pod(&door, &embedded), playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Error);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_by_a_pod_that_may_not_be_read_is_told_at_once() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    let door = Door::default().forbid(Method::GET, "/pods/p");
    let (ended, _) = run_pod(&door, &embedded).await;
    assert!(
        matches!(
            ended,
            Err(Error::Api {
                step: "reading pod",
                code: 403,
                ..
            })
        ),
        "{ended:?}"
    );
    assert_eq!(door.count(&Method::POST, "/pods?"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_another_instance_submission_or_attempt_is_a_strangers() {
    for label in ["instance", "submission", "attempt"] {
        let embedded = without_kubelet();
        let mut pod = owned("p", "a", &claim(&dead()));
        pod["metadata"]["labels"][format!("kubegrader.io/{label}")] = json!("8");
        let before = create(&embedded.router(), &pod).await;
        let (ended, _) = run_pod(&Door::default(), &embedded).await;
        assert!(
            matches!(ended, Err(Error::NameTaken { .. })),
            "{label}: {ended:?}"
        );
        assert_eq!(read(&embedded, "p").await, before);
    }
}

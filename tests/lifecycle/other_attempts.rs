//! A service that died during a later attempt: the next run finds that attempt's pod, so that two pods never write to the
//! same folders. Under paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request};
use futures::FutureExt;
use kubegrader::cause::{Blame, Cause};
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::lifecycle::BeforeAttempt;
use kubegrader::step::Steps;
use kubegrader::{Cluster, Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::owners::{alive, another, claim, dead, owned};
use crate::support::played::{
    self, appears, changes_hands, goes, is_told_to_go, names, read, succeed, until,
};
use crate::support::{PODS, create, delete, without_kubelet};

/// The pod of a later attempt at submission 7, on a node, of this owner.
async fn leave(embedded: &EmbeddedCluster, attempt: u32, owner: &Value) -> Value {
    let mut pod = owned(&format!("p-attempt-{attempt}"), "a", owner);
    pod["metadata"]["labels"]["kubegrader.io/attempt"] = json!(attempt.to_string());
    pod["spec"]["nodeName"] = json!("n");
    create(&embedded.router(), &pod).await
}

/// Attempts that were prepared, in order.
type Prepared = Arc<Mutex<Vec<u32>>>;

fn options(adopt: bool, prepared: &Prepared) -> RunOptions {
    let prepared = Arc::clone(prepared);
    let note = move |attempt| {
        prepared.lock().unwrap().push(attempt);
        std::future::ready(Ok(())).boxed()
    };
    RunOptions {
        submission: Some("7".to_owned()),
        max_attempts: 3,
        before_attempt: Some(BeforeAttempt::new(note)),
        adopt,
        ..RunOptions::default()
    }
}

async fn run_pod(cluster: &Cluster, options: RunOptions) -> Result<Outcome, Error> {
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    run(cluster, played::manifest(), options, &steps, cancel).await
}

/// One door for each way to find a pod: by the watch, and by its name where watching is forbidden.
fn doors() -> [Door; 2] {
    let list = "/namespaces/default/pods";
    [
        Door::default(),
        Door::default().forbid_end(Method::GET, list),
    ]
}

#[tokio::test(start_paused = true)]
async fn the_pod_of_a_later_attempt_is_adopted_and_the_run_goes_on_from_there() {
    for door in doors() {
        let embedded = without_kubelet();
        let left = leave(&embedded, 2, &claim(&dead())).await;
        played::run(&embedded, "p-attempt-2").await;
        let cluster = door.cluster(&embedded);
        let prepared = Prepared::default();
        let running = run_pod(&cluster, options(true, &prepared));
        let ending = async {
            changes_hands(&embedded, "p-attempt-2").await;
            succeed(&embedded, "p-attempt-2").await;
        };
        let (outcome, ()) = tokio::join!(running, ending);
        let outcome = outcome.unwrap();
        assert_eq!(
            (outcome.verdict.cause.clone(), outcome.attempt),
            (Cause::Completed, 2)
        );
        assert_eq!(outcome.pod()["metadata"]["uid"], left["metadata"]["uid"]);
        assert!(prepared.lock().unwrap().is_empty());
        assert_eq!(names(&embedded).await, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_adopted_attempt_that_the_cluster_breaks_leaves_those_that_are_left() {
    let embedded = without_kubelet();
    leave(&embedded, 2, &claim(&dead())).await;
    let cluster = Door::default().cluster(&embedded);
    let prepared = Prepared::default();
    let running = run_pod(&cluster, options(true, &prepared));
    let playing = async {
        changes_hands(&embedded, "p-attempt-2").await;
        let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
        played::set(&embedded, "p-attempt-2", &evicted).await;
        appears(&embedded, "p-attempt-3").await;
        played::set(&embedded, "p-attempt-3", &evicted).await;
    };
    let (ended, ()) = tokio::join!(running, playing);
    assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
    assert_eq!(*prepared.lock().unwrap(), [3]);
}

#[tokio::test(start_paused = true)]
async fn where_the_folders_were_laid_anew_a_later_attempts_pod_is_gone_before_the_first_is_made() {
    for door in doors() {
        let embedded = without_kubelet();
        leave(&embedded, 2, &claim(&dead())).await;
        played::run(&embedded, "p-attempt-2").await;
        let cluster = door.cluster(&embedded);
        let prepared = Prepared::default();
        let running = run_pod(&cluster, options(false, &prepared));
        let playing = async {
            is_told_to_go(&embedded, "p-attempt-2").await;
            // It writes on for as long as its node lets it.
            sleep(Duration::from_secs(3)).await;
            assert_eq!(names(&embedded).await, ["p-attempt-2"]);
            assert!(prepared.lock().unwrap().is_empty());
            goes(&embedded, "p-attempt-2").await;
            appears(&embedded, "p").await;
            assert_eq!(*prepared.lock().unwrap(), [1]);
            succeed(&embedded, "p").await;
        };
        let (outcome, ()) = tokio::join!(running, playing);
        let outcome = outcome.unwrap();
        assert_eq!(
            (outcome.verdict.cause.clone(), outcome.attempt),
            (Cause::Completed, 1)
        );
        assert_eq!(names(&embedded).await, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_later_attempts_the_newest_is_adopted_and_the_other_stopped() {
    let embedded = without_kubelet();
    for attempt in [2, 3] {
        leave(&embedded, attempt, &claim(&dead())).await;
        played::run(&embedded, &format!("p-attempt-{attempt}")).await;
    }
    let cluster = Door::default().cluster(&embedded);
    let running = run_pod(&cluster, options(true, &Prepared::default()));
    let playing = async {
        is_told_to_go(&embedded, "p-attempt-2").await;
        goes(&embedded, "p-attempt-2").await;
        changes_hands(&embedded, "p-attempt-3").await;
        succeed(&embedded, "p-attempt-3").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().attempt, 3);
}

#[tokio::test(start_paused = true)]
async fn a_later_attempt_of_a_process_that_lives_is_not_touched_and_no_pod_is_made_beside_it() {
    for adopt in [true, false] {
        let embedded = without_kubelet();
        let living = claim(&alive());
        let before = leave(&embedded, 2, &living).await;
        let cluster = Door::default().cluster(&embedded);
        let ended = run_pod(&cluster, options(adopt, &Prepared::default())).await;
        let error = ended.unwrap_err();
        assert!(
            matches!(&error, Error::NameTaken { object, .. } if object == "default/p-attempt-2"),
            "{error}"
        );
        assert_eq!(names(&embedded).await, ["p-attempt-2"]);
        assert_eq!(read(&embedded, "p-attempt-2").await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn what_writes_nothing_or_is_another_submissions_is_left_alone() {
    let embedded = without_kubelet();
    leave(&embedded, 2, &claim(&dead())).await;
    succeed(&embedded, "p-attempt-2").await;
    for (name, label) in [
        ("q-attempt-2", "kubegrader.io/submission"),
        ("r-attempt-2", "kubegrader.io/instance"),
    ] {
        let mut pod = owned(name, "a", &claim(&dead()));
        pod["metadata"]["labels"][label] = json!("8");
        pod["metadata"]["labels"]["kubegrader.io/attempt"] = json!("2");
        create(&embedded.router(), &pod).await;
    }
    let cluster = Door::default().cluster(&embedded);
    let running = run_pod(&cluster, options(true, &Prepared::default()));
    let playing = async {
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().attempt, 1);
    assert_eq!(
        names(&embedded).await,
        ["p-attempt-2", "q-attempt-2", "r-attempt-2"]
    );
}

#[tokio::test(start_paused = true)]
async fn where_pods_are_watched_a_run_without_predecessors_asks_nothing_for_them() {
    let embedded = without_kubelet();
    let door = Door::default();
    let cluster = door.cluster(&embedded);
    for _ in 0..3 {
        let running = run_pod(&cluster, options(true, &Prepared::default()));
        let playing = async {
            appears(&embedded, "p").await;
            succeed(&embedded, "p").await;
        };
        let (outcome, ()) = tokio::join!(running, playing);
        outcome.unwrap();
        until(&embedded, "p", |pod| pod["code"] == 404).await;
    }
    let (log, all) = (
        door.count(&Method::GET, "/pods/p/log"),
        door.count(&Method::GET, "/pods/"),
    );
    assert_eq!((log, all), (3, 3), "only the logs are read by name");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_open_already_knows_the_pods_that_came_later_and_those_that_went() {
    let embedded = without_kubelet();
    let door = Door::default();
    let cluster = door.cluster(&embedded);
    let first = RunOptions {
        submission: Some("1".to_owned()),
        ..options(true, &Prepared::default())
    };
    let running = run_pod(&cluster, first);
    let playing = async {
        appears(&embedded, "p").await;
        leave(&embedded, 2, &claim(&dead())).await;
        leave(&embedded, 3, &claim(&dead())).await;
        goes(&embedded, "p-attempt-3").await;
        played::run(&embedded, "p-attempt-2").await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    outcome.unwrap();
    let running = run_pod(&cluster, options(true, &Prepared::default()));
    let ending = async {
        changes_hands(&embedded, "p-attempt-2").await;
        succeed(&embedded, "p-attempt-2").await;
    };
    let (outcome, ()) = tokio::join!(running, ending);
    assert_eq!(outcome.unwrap().attempt, 2);
    assert_eq!(door.count(&Method::GET, "/pods/p-attempt-3"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_later_attempts_pod_that_changes_while_it_is_taken_over_is_stopped_all_the_same() {
    let embedded = without_kubelet();
    leave(&embedded, 2, &claim(&dead())).await;
    let status = json!({"status": {"message": "meanwhile"}});
    let change = Request::patch(format!("{PODS}/p-attempt-2/status"))
        .header(CONTENT_TYPE, "application/merge-patch+json")
        .body(Body::from(status.to_string()))
        .unwrap();
    let door = Door::default().overtaken(Method::PATCH, vec![change]);
    let cluster = door.cluster(&embedded);
    let lines = Arc::<Mutex<String>>::default();
    let told = Arc::clone(&lines);
    let steps = Steps::new(move |_, line: String| told.lock().unwrap().push_str(&line));
    let (options, cancel) = (
        options(false, &Prepared::default()),
        CancellationToken::new(),
    );
    let running = run(&cluster, played::manifest(), options, &steps, cancel);
    let playing = async {
        is_told_to_go(&embedded, "p-attempt-2").await;
        assert_eq!(names(&embedded).await, ["p-attempt-2"]);
        goes(&embedded, "p-attempt-2").await;
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(door.count(&Method::PATCH, "/pods/p-attempt-2"), 2);
    let told = "submission 7, attempt 2, pod default/p-attempt-2: stopping the pod of another attempt, which an earlier run \
                left at work";
    assert!(lines.lock().unwrap().contains(told), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn another_submissions_pod_that_takes_a_later_attempts_name_meanwhile_is_not_touched() {
    let embedded = without_kubelet();
    leave(&embedded, 2, &claim(&dead())).await;
    let deletion = Request::delete(format!("{PODS}/p-attempt-2?gracePeriodSeconds=0"));
    let mut other = owned("p-attempt-2", "b", &claim(&dead()));
    other["metadata"]["labels"]["kubegrader.io/submission"] = json!("8");
    let creation = Request::post(PODS)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(other.to_string()))
        .unwrap();
    let meanwhile = vec![deletion.body(Body::empty()).unwrap(), creation];
    let cluster = Door::default()
        .overtaken(Method::PATCH, meanwhile)
        .cluster(&embedded);
    let running = run_pod(&cluster, options(false, &Prepared::default()));
    let playing = async {
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    let left = read(&embedded, "p-attempt-2").await;
    assert_eq!(left["metadata"]["labels"]["kubegrader.io/owner"], "b");
    assert_eq!(left["metadata"]["deletionTimestamp"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_later_attempts_pod_is_stopped_though_the_answer_to_its_taking_is_lost() {
    let embedded = without_kubelet();
    leave(&embedded, 2, &claim(&dead())).await;
    played::run(&embedded, "p-attempt-2").await;
    let rule = Rule::new(Fault::ResetAfter).verb(Verb::Patch).times(1);
    embedded.faults().add(rule);
    let cluster = Door::default().cluster(&embedded);
    let running = run_pod(&cluster, options(false, &Prepared::default()));
    let playing = async {
        is_told_to_go(&embedded, "p-attempt-2").await;
        goes(&embedded, "p-attempt-2").await;
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().attempt, 1);
}

/// As `kubectl drain` tells a pod to go whose process ignores its signal.
async fn told_to_go(embedded: &EmbeddedCluster, name: &str, grace: u32) {
    let path = format!("{PODS}/{name}");
    let (code, answer) = delete(
        &embedded.router(),
        &path,
        &json!({"gracePeriodSeconds": grace}),
    )
    .await;
    assert_eq!(code, 200, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_later_attempts_pod_that_is_going_is_waited_for_as_long_as_its_grace() {
    let embedded = without_kubelet();
    leave(&embedded, 2, &claim(&dead())).await;
    played::run(&embedded, "p-attempt-2").await;
    told_to_go(&embedded, "p-attempt-2", 25).await;
    let cluster = Door::default().cluster(&embedded);
    let prepared = Prepared::default();
    let running = run_pod(&cluster, options(false, &prepared));
    let playing = async {
        sleep(Duration::from_secs(26)).await;
        assert_eq!(names(&embedded).await, ["p-attempt-2"]);
        assert!(prepared.lock().unwrap().is_empty());
        goes(&embedded, "p-attempt-2").await;
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().attempt, 1);
    assert_eq!(*prepared.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn beside_a_later_attempts_pod_whose_node_does_not_stop_it_no_other_is_made() {
    let embedded = without_kubelet();
    leave(&embedded, 2, &claim(&dead())).await;
    played::run(&embedded, "p-attempt-2").await;
    let cluster = Door::default().cluster(&embedded);
    let prepared = Prepared::default();
    let error = run_pod(&cluster, options(false, &prepared))
        .await
        .unwrap_err();
    let verdict = error.verdict().expect("a verdict");
    assert_eq!(
        (&verdict.cause, verdict.blame()),
        (&Cause::NodeLost, Some(Blame::Cluster))
    );
    assert!(error.to_string().contains("default/p-attempt-2"), "{error}");
    assert_eq!(names(&embedded).await, ["p-attempt-2"]);
    assert!(prepared.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_later_attempts_pod_that_has_ended_and_is_kept_by_a_finalizer_holds_nobody_up() {
    let embedded = without_kubelet();
    leave(&embedded, 2, &claim(&dead())).await;
    played::run(&embedded, "p-attempt-2").await;
    told_to_go(&embedded, "p-attempt-2", 25).await;
    let cluster = Door::default().cluster(&embedded);
    let running = run_pod(&cluster, options(false, &Prepared::default()));
    let playing = async {
        sleep(Duration::from_secs(1)).await;
        let ended = played::status("Failed", &played::terminated(137, "Error"));
        played::set(&embedded, "p-attempt-2", &ended).await;
        let at = Instant::now();
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
        at.elapsed()
    };
    let (outcome, took) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().attempt, 1);
    // It is given some seconds to be gone, as it is for the most part.
    assert!((4..8).contains(&took.as_secs()), "{took:?}");
}

/// An API server that has just begun and knows no Roles yet: what it forbids is no word that there is nothing.
#[tokio::test(start_paused = true)]
async fn beside_a_later_attempts_pod_that_may_not_be_read_just_now_no_other_is_made() {
    let embedded = without_kubelet();
    for verb in [Verb::List, Verb::Watch] {
        embedded
            .faults()
            .add(Rule::new(Fault::Forbidden).verb(verb).path("/api/v1/"));
    }
    let cluster = Door::default().cluster(&embedded);
    let first = RunOptions {
        submission: Some("1".to_owned()),
        ..options(false, &Prepared::default())
    };
    let running = run_pod(&cluster, first);
    let playing = async {
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    // Since then it is known that pods may be created.
    tokio::join!(running, playing).0.unwrap();
    leave(&embedded, 2, &claim(&dead())).await;
    played::run(&embedded, "p-attempt-2").await;
    for (verb, times) in [(Verb::Get, 12), (Verb::Create, 6), (Verb::Delete, 1)] {
        let rule = Rule::new(Fault::Forbidden).verb(verb).path("/api/v1/");
        embedded.faults().add(rule.times(times));
    }
    let running = run_pod(&cluster, options(false, &Prepared::default()));
    let playing = async {
        is_told_to_go(&embedded, "p-attempt-2").await;
        assert_eq!(names(&embedded).await, ["p-attempt-2"]);
        goes(&embedded, "p-attempt-2").await;
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_paused_before_its_next_attempt_makes_no_pod_beside_another_runs() {
    let embedded = without_kubelet();
    let first = Door::default().cluster(&embedded).owned_by(another());
    let second = Door::default().cluster(&embedded).owned_by(another());
    let prepared = Prepared::default();
    let paused = run_pod(&first, options(false, &prepared));
    let playing = async {
        appears(&embedded, "p").await;
        let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
        played::set(&embedded, "p", &evicted).await;
        until(&embedded, "p", |pod| pod["code"] == 404).await;
        let other = run_pod(&second, options(false, &Prepared::default()));
        let ending = async {
            appears(&embedded, "p").await;
            played::run(&embedded, "p").await;
            // Longer than any pause before a second attempt.
            sleep(Duration::from_secs(60)).await;
            let beside = names(&embedded).await;
            succeed(&embedded, "p").await;
            beside
        };
        tokio::join!(other, ending)
    };
    let (ended, (other, beside)) = tokio::join!(paused, playing);
    assert_eq!(beside, ["p"]);
    assert_eq!(other.unwrap().verdict.cause, Cause::Completed);
    assert!(matches!(ended, Err(Error::NameTaken { .. })), "{ended:?}");
    // The other one's pod was at work in the folders.
    assert!(prepared.lock().unwrap().is_empty());
    assert_eq!(names(&embedded).await, [""; 0]);
}

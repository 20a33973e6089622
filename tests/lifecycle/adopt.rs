//! The pod of an earlier run of the same submission and attempt: who may take it, and who gets it.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Method, Request, header::CONTENT_TYPE};
use kubegrader::cause::Cause;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::lifecycle::Stop;
use kubegrader::manifest::Manifest;
use kubegrader::owner::Process;
use kubegrader::reap::{Action, ReapOptions, reap};
use kubegrader::step::Steps;
use kubegrader::{Cluster, Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::support::door::Door;
use crate::support::listening::listening;
use crate::support::owners::{alive, claim, dead, far, living, owned};
use crate::support::{PODS, create, get, patch, without_kubelet};

const MERGE: &str = "application/merge-patch+json";

/// Submission 7, first attempt.
fn options(adopt: bool) -> RunOptions {
    RunOptions {
        submission: Some("7".to_owned()),
        adopt,
        ..RunOptions::default()
    }
}

async fn run_pod(
    cluster: &Cluster,
    options: RunOptions,
    steps: &Steps,
    stop: impl Into<Stop>,
) -> Result<Outcome, Error> {
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    run(cluster, Manifest::new(pod).unwrap(), options, steps, stop).await
}

async fn pod(embedded: &EmbeddedCluster) -> Value {
    get(&embedded.router(), &format!("{PODS}/p")).await.1
}

async fn until(embedded: &EmbeddedCluster, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let pod = pod(embedded).await;
        if wanted(&pod) {
            return pod;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn set_status(embedded: &EmbeddedCluster, phase: &str, state: Value) {
    let status = json!({"status": {"phase": phase, "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
    }]}});
    let path = format!("{PODS}/p/status");
    let (code, answer) = patch(&embedded.router(), &path, MERGE, &status).await;
    assert_eq!(code, 200, "{answer}");
}

async fn succeed(embedded: &EmbeddedCluster) {
    let state = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    set_status(embedded, "Succeeded", state).await;
}

fn owner_of(pod: &Value) -> &str {
    pod["metadata"]["labels"]["kubegrader.io/owner"]
        .as_str()
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn the_pod_of_a_process_that_lives_is_neither_adopted_nor_replaced() {
    for adopt in [true, false] {
        let embedded = without_kubelet();
        let owner = alive();
        let before = create(&embedded.router(), &owned("p", "a", &claim(&owner))).await;
        let cluster = Door::default().cluster(&embedded);
        let error = run_pod(&cluster, options(adopt), &Steps::default(), Stop::default())
            .await
            .unwrap_err();
        let pid = owner.pid;
        let text = format!(
            "creating pod default/p: a pod of this name is there already and does not belong to this submission (it is \
             of this submission, and its owner lives: process {pid} of this machine runs)"
        );
        assert!(error.to_string().starts_with(&text), "{error}");
        assert_eq!(pod(&embedded).await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_run_of_the_same_process_does_not_take_the_firsts_pod() {
    let embedded = without_kubelet();
    let cluster = Door::default().cluster(&embedded);
    let steps = Steps::default();
    let first = run_pod(&cluster, options(true), &steps, Stop::default());
    let second = async {
        until(&embedded, |pod| pod["kind"] == "Pod").await;
        let error = run_pod(&cluster, options(true), &steps, Stop::default())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::NameTaken { .. }), "{error}");
        succeed(&embedded).await;
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.unwrap().verdict.cause, Cause::Completed);
}

#[tokio::test(start_paused = true)]
async fn who_adopts_a_pod_owns_it() {
    for gone in [dead(), far()] {
        let embedded = without_kubelet();
        create(&embedded.router(), &owned("p", "a", &claim(&gone))).await;
        let process = living();
        let cluster = Door::default()
            .cluster(&embedded)
            .owned_by(Arc::clone(&process));
        let steps = Steps::default();
        let running = run_pod(&cluster, options(true), &steps, Stop::default());
        let watching = async {
            let adopted = until(&embedded, |pod| owner_of(pod) != "a").await;
            assert_eq!(owner_of(&adopted), process.id());
            let text = adopted["metadata"]["annotations"]["kubegrader.io/owner-claim"]
                .as_str()
                .unwrap();
            let claim: Value = serde_json::from_str(text).unwrap();
            assert_eq!(claim["process"]["pid"], process.identity().unwrap().pid);
            assert_ne!(
                adopted["metadata"]["labels"]["kubegrader.io/run"],
                "run-of-a"
            );
            succeed(&embedded).await;
        };
        let (outcome, ()) = tokio::join!(running, watching);
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
        assert_eq!(pod(&embedded).await["code"], 404);
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_that_adopt_a_pod_exactly_one_gets_it() {
    for adopt in [true, false] {
        let embedded = without_kubelet();
        create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
        let clusters: Vec<_> = (0..8)
            .map(|_| Door::default().cluster(&embedded).owned_by(living()))
            .collect();
        let steps = Steps::default();
        let runs = clusters
            .iter()
            .map(|cluster| run_pod(cluster, options(adopt), &steps, Stop::default()));
        let ending = async {
            // All have tried by then.
            sleep(Duration::from_secs(60)).await;
            succeed(&embedded).await;
        };
        let (ended, ()) = tokio::join!(futures::future::join_all(runs), ending);
        let taken = ended
            .iter()
            .filter(|ended| matches!(ended, Err(Error::NameTaken { .. })));
        assert_eq!(taken.count(), 7, "{ended:?}");
        let judged = ended.iter().filter(|ended| ended.is_ok());
        assert_eq!(judged.count(), 1, "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_with_update_and_without_patch_is_enough_to_adopt() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    let door = Door::default().forbid(Method::PATCH, "/pods/p");
    let cluster = door.cluster(&embedded).owned_by(living());
    let steps = Steps::default();
    let running = run_pod(&cluster, options(true), &steps, Stop::default());
    let watching = async {
        until(&embedded, |pod| owner_of(pod) != "a").await;
        succeed(&embedded).await;
    };
    let (outcome, ()) = tokio::join!(running, watching);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(door.count(&Method::PUT, "/pods/p"), 1);
}

#[tokio::test(start_paused = true)]
async fn without_patch_and_update_a_pod_is_adopted_and_the_missing_verb_is_told() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    // It has ended its work before it is adopted, and nothing about it will change any more.
    let state = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    set_status(&embedded, "Running", state).await;
    let door = Door::default()
        .forbid(Method::PATCH, "/pods/p")
        .forbid(Method::PUT, "/pods/p");
    let cluster = door.cluster(&embedded).owned_by(living());
    let (steps, lines) = listening();
    let outcome = run_pod(&cluster, options(true), &steps, Stop::default()).await;
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    let lines = lines.lock().unwrap();
    assert_eq!(
        lines.matches("Allow \"patch\" on \"pods\"").count(),
        1,
        "{lines}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_finished_under_an_owner_that_died_is_run_again() {
    let embedded = without_kubelet();
    let before = create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    succeed(&embedded).await;
    let cluster = Door::default().cluster(&embedded);
    let steps = Steps::default();
    let running = run_pod(&cluster, options(true), &steps, Stop::default());
    let watching = async {
        until(&embedded, |pod| {
            pod["kind"] == "Pod" && pod["metadata"]["uid"] != before["metadata"]["uid"]
        })
        .await;
        succeed(&embedded).await;
    };
    let (outcome, ()) = tokio::join!(running, watching);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
}

/// Runs the pod in one process until it is as `reach` makes it, and detaches it there. What the server does to requests happens to
/// this process's too.
async fn detached_at<F: Future<Output = ()>>(
    embedded: &EmbeddedCluster,
    reach: impl Fn() -> F,
) -> Arc<Process> {
    let process = living();
    let cluster = Door::default()
        .cluster(embedded)
        .owned_by(Arc::clone(&process));
    let (stop, steps) = (Stop::default(), Steps::default());
    let running = run_pod(&cluster, options(true), &steps, stop.clone());
    let detaching = async {
        until(embedded, |pod| pod["kind"] == "Pod").await;
        reach().await;
        stop.detach.asked.cancel();
    };
    let (ended, ()) = tokio::join!(running, detaching);
    let error = ended.unwrap_err();
    assert!(matches!(error, Error::Detached { .. }), "{error}");
    process
}

#[tokio::test(start_paused = true)]
async fn a_detached_pod_stays_and_the_next_run_adopts_it_at_whatever_point_it_is() {
    for (point, ends_before) in [("pending", false), ("running", false), ("running", true)] {
        let embedded = without_kubelet();
        detached_at(&embedded, async || {
            if point == "running" {
                set_status(&embedded, "Running", json!({"running": {}})).await;
            }
        })
        .await;
        let left = pod(&embedded).await;
        assert_eq!(owner_of(&left), "detached");
        let annotations = &left["metadata"]["annotations"];
        assert_eq!(annotations["kubegrader.io/owner-claim"], Value::Null);
        // No reaper takes it.
        let cluster = Door::default().cluster(&embedded).owned_by(living());
        let report = reap(&cluster, &ReapOptions::default(), &Steps::default()).await;
        assert_eq!(report.unwrap()[0].action, Action::Left);
        if ends_before {
            succeed(&embedded).await;
        }
        let steps = Steps::default();
        let running = run_pod(&cluster, options(true), &steps, Stop::default());
        let ending = async {
            if !ends_before {
                until(&embedded, |pod| owner_of(pod) != "detached").await;
                succeed(&embedded).await;
            }
        };
        let (outcome, ()) = tokio::join!(running, ending);
        let outcome = outcome.unwrap();
        assert_eq!(outcome.verdict.cause, Cause::Completed);
        assert_eq!(outcome.pod()["metadata"]["uid"], left["metadata"]["uid"]);
        assert_eq!(pod(&embedded).await["code"], 404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_pod_whose_folders_were_laid_anew_is_replaced() {
    let embedded = without_kubelet();
    detached_at(&embedded, async || {}).await;
    let left = pod(&embedded).await;
    let cluster = Door::default().cluster(&embedded).owned_by(living());
    let steps = Steps::default();
    let running = run_pod(&cluster, options(false), &steps, Stop::default());
    let ending = async {
        until(&embedded, |pod| {
            pod["kind"] == "Pod" && pod["metadata"]["uid"] != left["metadata"]["uid"]
        })
        .await;
        succeed(&embedded).await;
    };
    let (outcome, ()) = tokio::join!(running, ending);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
}

/// The answer to the request by which the next run takes a pod is lost, and the pod is its own from then on.
fn takes_without_an_answer(embedded: &EmbeddedCluster) {
    let rule = Rule::new(Fault::ResetAfter).verb(Verb::Patch).times(1);
    embedded.faults().add(rule);
}

#[tokio::test(start_paused = true)]
async fn a_detached_pod_is_replaced_or_adopted_though_the_answer_to_its_taking_is_lost() {
    for (adopt, ends_before) in [(false, false), (false, true), (true, false), (true, true)] {
        let embedded = without_kubelet();
        detached_at(&embedded, async || {
            set_status(&embedded, "Running", json!({"running": {}})).await;
        })
        .await;
        if ends_before {
            succeed(&embedded).await;
        }
        let left = pod(&embedded).await;
        takes_without_an_answer(&embedded);
        let cluster = Door::default().cluster(&embedded).owned_by(living());
        let steps = Steps::default();
        let running = run_pod(&cluster, options(adopt), &steps, Stop::default());
        let ending = async {
            let is_new = |pod: &Value| pod["metadata"]["uid"] != left["metadata"]["uid"];
            if adopt && !ends_before {
                until(&embedded, |pod| owner_of(pod) != "detached").await;
                sleep(Duration::from_secs(30)).await;
                succeed(&embedded).await;
            } else if !adopt {
                until(&embedded, |pod| pod["kind"] == "Pod" && is_new(pod)).await;
                succeed(&embedded).await;
            }
        };
        let (outcome, ()) = tokio::join!(running, ending);
        let outcome = outcome.unwrap();
        assert_eq!(outcome.verdict.cause, Cause::Completed);
        let is_same = outcome.pod()["metadata"]["uid"] == left["metadata"]["uid"];
        assert_eq!(is_same, adopt, "adopt {adopt}, ends before {ends_before}");
        assert_eq!(pod(&embedded).await["code"], 404);
    }
}

#[tokio::test(start_paused = true)]
async fn what_finished_under_an_owner_that_died_is_run_again_though_an_answer_is_lost() {
    let embedded = without_kubelet();
    let left = create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    succeed(&embedded).await;
    takes_without_an_answer(&embedded);
    let cluster = Door::default().cluster(&embedded).owned_by(living());
    let steps = Steps::default();
    let running = run_pod(&cluster, options(true), &steps, Stop::default());
    let ending = async {
        until(&embedded, |pod| {
            pod["kind"] == "Pod" && pod["metadata"]["uid"] != left["metadata"]["uid"]
        })
        .await;
        succeed(&embedded).await;
    };
    let (outcome, ()) = tokio::join!(running, ending);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
}

/// It ended when it was this run's, so that nobody has been told of it.
#[tokio::test(start_paused = true)]
async fn what_ends_while_the_answer_to_its_taking_is_lost_is_told() {
    let embedded = without_kubelet();
    let left = create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    set_status(&embedded, "Running", json!({"running": {}})).await;
    takes_without_an_answer(&embedded);
    let cluster = Door::default().cluster(&embedded).owned_by(living());
    let steps = Steps::default();
    let running = run_pod(&cluster, options(true), &steps, Stop::default());
    let ending = async {
        until(&embedded, |pod| owner_of(pod) != "a").await;
        succeed(&embedded).await;
    };
    let (outcome, ()) = tokio::join!(running, ending);
    assert_eq!(
        outcome.unwrap().pod()["metadata"]["uid"],
        left["metadata"]["uid"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_while_it_takes_a_pod_over_deletes_it() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    takes_without_an_answer(&embedded);
    let cluster = Door::default().cluster(&embedded).owned_by(living());
    let (steps, stop) = (Steps::default(), Stop::default());
    let running = run_pod(&cluster, options(true), &steps, stop.clone());
    let cancelling = async {
        until(&embedded, |pod| owner_of(pod) != "a").await;
        stop.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(running, cancelling);
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    assert_eq!(pod(&embedded).await["code"], 404);
}

#[tokio::test(start_paused = true)]
async fn the_time_before_an_adoption_counts_though_the_answer_to_it_is_lost() {
    let hour = Duration::from_hours(1);
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    set_status(&embedded, "Running", json!({"running": {}})).await;
    takes_without_an_answer(&embedded);
    let now = "Fri, 02 Jan 2026 10:50:00 GMT";
    let door = Door::default().at(now).written(writers("status"));
    let cluster = door.cluster(&embedded).owned_by(living());
    let options = RunOptions {
        timeout: Some(hour),
        ..options(true)
    };
    let began = Instant::now();
    let ended = run_pod(&cluster, options, &Steps::default(), Stop::default()).await;
    assert_eq!(ended.unwrap().verdict.cause, Cause::DeadlineExceeded);
    let took = began.elapsed();
    let left = Duration::from_mins(10);
    assert!(
        (left..left + Duration::from_secs(20)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_detached_by_requests_that_nobody_answered_is_left() {
    let embedded = without_kubelet();
    let rule = Rule::new(Fault::ResetAfter).verb(Verb::Patch);
    embedded.faults().add(rule);
    detached_at(&embedded, async || {}).await;
    embedded.faults().clear();
    let left = pod(&embedded).await;
    assert_eq!(owner_of(&left), "detached");
    let cluster = Door::default().cluster(&embedded).owned_by(living());
    let steps = Steps::default();
    let running = run_pod(&cluster, options(true), &steps, Stop::default());
    let ending = async {
        until(&embedded, |pod| owner_of(pod) != "detached").await;
        succeed(&embedded).await;
    };
    let (outcome, ()) = tokio::join!(running, ending);
    assert_eq!(
        outcome.unwrap().pod()["metadata"]["uid"],
        left["metadata"]["uid"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_leave_its_pod_goes_on() {
    let forbidding = Door::default()
        .forbid(Method::PATCH, "/pods/p")
        .forbid(Method::PUT, "/pods/p");
    let nameless = RunOptions::default();
    for (door, options, told) in [
        (forbidding, options(true), "Allow \"patch\" on \"pods\""),
        (Door::default(), nameless, "the run names no submission"),
    ] {
        let embedded = without_kubelet();
        let cluster = door.cluster(&embedded);
        let (steps, lines) = listening();
        let stop = Stop::default();
        let running = run_pod(&cluster, options, &steps, stop.clone());
        let detaching = async {
            until(&embedded, |pod| pod["kind"] == "Pod").await;
            stop.detach.ask();
            while !stop.detach.is_refused() {
                sleep(Duration::from_millis(10)).await;
            }
            succeed(&embedded).await;
        };
        let (outcome, ()) = tokio::join!(running, detaching);
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
        let lines = lines.lock().unwrap().clone();
        assert_eq!(lines.matches(told).count(), 1, "{lines}");
        assert_eq!(pod(&embedded).await["code"], 404);
    }
}

/// Its events are looked at 5 s after it has a node, which ends no run.
#[tokio::test(start_paused = true)]
async fn a_pod_that_says_nothing_of_its_start_is_detached_however_long_the_server_takes() {
    let embedded = without_kubelet();
    let down = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 503, "reason": "ServiceUnavailable",
        "message": "the server is currently unable to handle the request"});
    let door = Door::default().answer(Method::PATCH, "/pods/p", 7, &down);
    let cluster = door.cluster(&embedded).owned_by(living());
    let (stop, steps) = (Stop::default(), Steps::default());
    let on_node = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i:1"}]}});
    let manifest = Manifest::new(on_node).unwrap();
    let running = run(&cluster, manifest, options(true), &steps, stop.clone());
    let running = timeout(Duration::from_mins(1), running);
    let detaching = async {
        until(&embedded, |pod| pod["kind"] == "Pod").await;
        sleep(Duration::from_millis(4800)).await;
        stop.detach.asked.cancel();
    };
    let (ended, ()) = tokio::join!(running, detaching);
    assert!(
        matches!(ended, Ok(Err(Error::Detached { .. }))),
        "{ended:?}"
    );
    assert_eq!(owner_of(&pod(&embedded).await), "detached");
    assert_eq!(door.count(&Method::PATCH, "/pods/p"), 8);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_changes_between_read_and_put_hinders_neither_detach_nor_adoption() {
    let embedded = without_kubelet();
    let overtaken = |by: &str| {
        let status = json!({"status": {"message": by}});
        let change = Request::patch(format!("{PODS}/p/status"))
            .header(CONTENT_TYPE, MERGE)
            .body(Body::from(status.to_string()))
            .unwrap();
        Door::default()
            .forbid(Method::PATCH, "/pods/p")
            .overtaken(Method::PUT, vec![change])
    };
    let steps = Steps::default();
    let door = overtaken("while it is detached");
    let stop = Stop::default();
    stop.detach.asked.cancel();
    let cluster = door.cluster(&embedded).owned_by(living());
    let error = run_pod(&cluster, options(true), &steps, stop)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Detached { .. }), "{error}");
    assert_eq!(door.count(&Method::PUT, "/pods/p"), 2);
    let left = pod(&embedded).await;
    assert_eq!(owner_of(&left), "detached");
    assert_eq!(left["metadata"]["annotations"], Value::Null);

    let door = overtaken("while it is adopted");
    let cluster = door.cluster(&embedded).owned_by(living());
    let running = run_pod(&cluster, options(true), &steps, Stop::default());
    let ending = async {
        until(&embedded, |pod| owner_of(pod) != "detached").await;
        succeed(&embedded).await;
    };
    let (outcome, ()) = tokio::join!(running, ending);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(door.count(&Method::PUT, "/pods/p"), 2);
}

/// What Kubernetes 1.34 notes of the writers of a pod that runs since 10:00:00 and was marked at 10:50:00.
fn writers(status: &str) -> Value {
    let by = |manager: &str, subresource: Option<&str>, time: &str| {
        json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1",
            "fieldsV1": {}, "subresource": subresource})
    };
    json!([
        by("kubegrader", None, "2026-01-02T09:59:50Z"),
        by("kubelet", Some(status), "2026-01-02T10:00:00Z"),
        by("unknown", None, "2026-01-02T10:50:00Z"),
    ])
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_pod_ran_before_it_was_adopted_counts() {
    let now = "Fri, 02 Jan 2026 10:50:00 GMT";
    let hour = Duration::from_hours(1);
    for (door, left) in [
        // Fifty minutes of its hour are over.
        (
            Door::default().at(now).written(writers("status")),
            Duration::from_mins(10),
        ),
        // A server that notes no writers, or tells no time: nobody pays for that.
        (Door::default().at(now), hour),
        (Door::default().written(writers("status")), hour),
        (Door::default().at(now).written(writers("scale")), hour),
    ] {
        let embedded = without_kubelet();
        create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
        set_status(&embedded, "Running", json!({"running": {}})).await;
        let cluster = door.cluster(&embedded).owned_by(living());
        let options = RunOptions {
            timeout: Some(hour),
            ..options(true)
        };
        let began = Instant::now();
        let ended = run_pod(&cluster, options, &Steps::default(), Stop::default()).await;
        assert_eq!(ended.unwrap().verdict.cause, Cause::DeadlineExceeded);
        // A pod that is stopped has ten seconds to be gone; no kubelet is here to end it.
        let took = began.elapsed();
        assert!(
            (left..left + Duration::from_secs(12)).contains(&took),
            "{took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_happened_to_a_pod_that_only_waited_before_it_was_adopted_takes_nothing_from_its_time()
{
    let hour = Duration::from_hours(1);
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    // A status was written fifty minutes ago: the pod was pulling its image.
    let now = "Fri, 02 Jan 2026 10:50:00 GMT";
    let door = Door::default().at(now).written(writers("status"));
    let cluster = door.cluster(&embedded).owned_by(living());
    let options = RunOptions {
        timeout: Some(hour),
        ..options(true)
    };
    let steps = Steps::default();
    let running = async {
        let ended = run_pod(&cluster, options, &steps, Stop::default()).await;
        (ended.unwrap().verdict.cause, Instant::now())
    };
    let starting = async {
        until(&embedded, |pod| {
            !owner_of(pod).is_empty() && owner_of(pod) != "a"
        })
        .await;
        set_status(&embedded, "Running", json!({"running": {}})).await;
        Instant::now()
    };
    let ((cause, ended), began) = tokio::join!(running, starting);
    assert_eq!(cause, Cause::DeadlineExceeded);
    let ran = ended - began;
    assert!(
        (hour..hour + Duration::from_secs(12)).contains(&ran),
        "{ran:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_kept_for_the_caller_names_no_owner_from_its_end_on_and_is_not_reaped() {
    for door in [
        Door::default(),
        Door::default().forbid(Method::PATCH, "/pods/p"),
    ] {
        let embedded = without_kubelet();
        let process = living();
        let cluster = door.cluster(&embedded).owned_by(Arc::clone(&process));
        let outcome = keep(&embedded, &cluster, &Steps::default(), process.id()).await;
        assert_eq!(outcome.verdict.cause, Cause::Completed);
        assert_eq!(owner_of(&pod(&embedded).await), "");
        let report = reap(&cluster, &ReapOptions::default(), &Steps::default())
            .await
            .unwrap();
        assert_eq!(report[0].action, Action::Left);
        assert_eq!(report[0].reason, "it names no owner");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_pod_that_may_not_be_changed_is_left_by_its_process_and_that_is_told() {
    let embedded = without_kubelet();
    let process = living();
    let door = Door::default()
        .forbid(Method::PATCH, "/pods/p")
        .forbid(Method::PUT, "/pods/p");
    let cluster = door.cluster(&embedded).owned_by(Arc::clone(&process));
    let lines = Arc::<Mutex<String>>::default();
    let noted = Arc::clone(&lines);
    let steps = Steps::new(move |_, line: String| noted.lock().unwrap().push_str(&line));
    keep(&embedded, &cluster, &steps, process.id()).await;
    assert_eq!(owner_of(&pod(&embedded).await), process.id());
    let reaped = reap(&cluster, &ReapOptions::default(), &steps).await;
    assert!(reaped.unwrap().iter().all(|one| one.action == Action::Left));
    assert_eq!(pod(&embedded).await["kind"], "Pod");
    let lines = lines.lock().unwrap();
    let hint = "is deleted when this process is gone: Allow \"patch\" on \"pods\"";
    assert!(lines.contains(hint), "{lines}");
}

/// The outcome of a kept pod that succeeds, and was this owner's until then.
async fn keep(
    embedded: &EmbeddedCluster,
    cluster: &Cluster,
    steps: &Steps,
    owner: &str,
) -> Outcome {
    let options = RunOptions {
        keep: true,
        ..options(true)
    };
    let running = run_pod(cluster, options, steps, Stop::default());
    let ending = async {
        until(embedded, |pod| pod["kind"] == "Pod").await;
        // Should the process be killed now, the pod is reaped.
        assert_eq!(owner_of(&pod(embedded).await), owner);
        succeed(embedded).await;
    };
    let (outcome, ()) = tokio::join!(running, ending);
    outcome.unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_detaches_a_run_before_its_pod_is_there_detaches_it_when_it_is() {
    let embedded = without_kubelet();
    let cluster = Door::default().cluster(&embedded).owned_by(living());
    let stop = Stop::default();
    stop.detach.asked.cancel();
    let began = Instant::now();
    let error = run_pod(&cluster, options(true), &Steps::default(), stop)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Detached { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(owner_of(&pod(&embedded).await), "detached");
}

#[tokio::test(start_paused = true)]
async fn a_submission_costs_three_requests_and_the_owner_none_more() {
    let embedded = without_kubelet();
    let door = Door::default();
    let cluster = door.cluster(&embedded);
    for number in 0..20 {
        let options = RunOptions {
            submission: Some(number.to_string()),
            reap: true,
            ..RunOptions::default()
        };
        let steps = Steps::default();
        let running = run_pod(&cluster, options, &steps, Stop::default());
        let ending = async {
            until(&embedded, |pod| pod["kind"] == "Pod").await;
            succeed(&embedded).await;
        };
        let (outcome, ()) = tokio::join!(running, ending);
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    }
    let counts = [
        door.count(&Method::POST, "/pods"),
        door.count(&Method::GET, "/log"),
        door.count(&Method::DELETE, "/pods/"),
        door.count(&Method::GET, "/pods/p") - door.count(&Method::GET, "/log"),
        door.count(&Method::GET, "/pods?") - door.count(&Method::GET, "watch=true"),
        // Asked for once, and there are none.
        door.count(&Method::POST, "/leases"),
    ];
    assert_eq!(counts, [20, 20, 20, 0, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn leases_that_are_forbidden_are_asked_for_again_after_five_minutes_and_told_once() {
    let embedded = without_kubelet();
    let door = Door::default().forbid(Method::POST, "/leases");
    let cluster = door.cluster(&embedded).owned_by(living());
    let (steps, lines) = listening();
    for (pause, asked) in [(0, 1), (4, 1), (2, 2)] {
        sleep(Duration::from_mins(pause)).await;
        let running = run_pod(&cluster, RunOptions::default(), &steps, Stop::default());
        let ending = async {
            until(&embedded, |pod| pod["kind"] == "Pod").await;
            succeed(&embedded).await;
        };
        let (outcome, ()) = tokio::join!(running, ending);
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
        assert_eq!(door.count(&Method::POST, "/leases"), asked);
    }
    let told = lines
        .lock()
        .unwrap()
        .matches("Leases are forbidden")
        .count();
    assert_eq!(told, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_owners_lease_cannot_be_read_is_adopted_or_replaced_after_three_minutes() {
    let down = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "etcdserver: request timed out", "code": 500});
    for adopt in [true, false] {
        let embedded = without_kubelet();
        let claim = json!({"process": far(), "lease": true});
        let before = create(&embedded.router(), &owned("p", "a", &claim)).await;
        let door = Door::default().answer(Method::GET, "/leases/kubegrader-a", 10_000, &down);
        let cluster = door.cluster(&embedded).owned_by(living());
        let (steps, lines) = listening();
        let began = Instant::now();
        let running = run_pod(&cluster, options(adopt), &steps, Stop::default());
        let watching = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                let pod = pod(&embedded).await;
                let is_new = pod["metadata"]["uid"] != before["metadata"]["uid"];
                if pod["kind"] == "Pod" && owner_of(&pod) != "a" && is_new != adopt {
                    break;
                }
            }
            succeed(&embedded).await;
            began.elapsed()
        };
        let (outcome, took) = tokio::join!(running, watching);
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
        assert!(
            took >= Duration::from_mins(3) && took < Duration::from_secs(200),
            "{took:?}"
        );
        let told = "the pod is there already, and its Lease kubegrader-a could not be read";
        let lines = lines.lock().unwrap();
        assert_eq!(lines.matches(told).count(), 1, "{lines}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_gone_while_it_is_detached_is_lost() {
    let embedded = without_kubelet();
    let path = format!("{PODS}/p?gracePeriodSeconds=0");
    let deletion = Request::delete(path).body(Body::empty()).unwrap();
    let door = Door::default()
        .forbid(Method::PATCH, "/pods/p")
        .overtaken(Method::PATCH, vec![deletion]);
    let cluster = door.cluster(&embedded);
    let (stop, (steps, lines)) = (Stop::default(), listening());
    stop.detach.asked.cancel();
    let ended = run_pod(&cluster, options(true), &steps, stop).await;
    assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
    let told = "the pod is not detached: it has changed or is gone\n";
    let lines = lines.lock().unwrap();
    assert_eq!(lines.matches(told).count(), 1, "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_somebody_else_made_under_the_name_is_not_marked_by_a_detach() {
    let embedded = without_kubelet();
    let path = format!("{PODS}/p?gracePeriodSeconds=0");
    let deletion = Request::delete(path).body(Body::empty()).unwrap();
    let others =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let creation = Request::post(PODS)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(others.to_string()))
        .unwrap();
    let door = Door::default()
        .forbid(Method::PATCH, "/pods/p")
        .overtaken(Method::PATCH, vec![deletion, creation]);
    let cluster = door.cluster(&embedded);
    let stop = Stop::default();
    stop.detach.asked.cancel();
    let ended = run_pod(&cluster, options(true), &Steps::default(), stop).await;
    assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
    let left = pod(&embedded).await;
    assert_eq!(left["metadata"]["name"], "p", "{left}");
    assert_eq!(left["metadata"]["labels"], Value::Null);
    assert_eq!(door.count(&Method::PUT, "/pods/p"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_once_hinders_no_detach() {
    let embedded = without_kubelet();
    let down = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "etcdserver: request timed out", "code": 500});
    let door =
        Door::default()
            .forbid(Method::PATCH, "/pods/p")
            .answer(Method::GET, "/pods/p", 1, &down);
    let cluster = door.cluster(&embedded);
    let stop = Stop::default();
    stop.detach.asked.cancel();
    let ended = run_pod(&cluster, options(true), &Steps::default(), stop).await;
    assert!(matches!(ended, Err(Error::Detached { .. })), "{ended:?}");
    assert_eq!(owner_of(&pod(&embedded).await), "detached");
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_annotations_has_none_after_it_was_detached_by_a_put() {
    let embedded = without_kubelet();
    let door = Door::default().forbid(Method::PATCH, "/pods/p");
    let cluster = door.cluster(&embedded);
    let (stop, steps) = (Stop::default(), Steps::default());
    let detach = stop.detach.asked.clone();
    let running = run_pod(&cluster, options(true), &steps, stop);
    let playing = async {
        until(&embedded, |pod| pod["kind"] == "Pod").await;
        let none = json!({"metadata": {"annotations": null}});
        patch(&embedded.router(), &format!("{PODS}/p"), MERGE, &none).await;
        detach.cancel();
    };
    let (ended, ()) = tokio::join!(running, playing);
    assert!(matches!(ended, Err(Error::Detached { .. })), "{ended:?}");
    let left = pod(&embedded).await;
    assert_eq!(owner_of(&left), "detached");
    assert_eq!(left["metadata"]["annotations"], Value::Null);
}

//! What a run makes of the news of its pod: of one that went before it, came after it, is gone or says nothing. Under
//! paused time.

use std::sync::{Arc, Mutex};

use axum::http::{Method, Request};
use kubegrader::cause::{Blame, Cause};
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Cluster, Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::{Layer as _, ServiceExt as _};

use crate::support::door::Door;
use crate::support::listening::listening;
use crate::support::owners::{claim, dead, owned};
use crate::support::played::{
    self, appears, goes, is_told_to_go, read, status, succeed, terminated,
};
use crate::support::{PODS, create, delete, without_kubelet};

/// A pod that has its node from the beginning, so that its deletion waits for that node.
fn on_node() -> Manifest {
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "nodeName": "n", "containers": [{"name": "c", "image": "i:1"}],
    }});
    Manifest::new(pod).unwrap()
}

async fn run_pod(
    cluster: &Cluster,
    manifest: Manifest,
    options: RunOptions,
) -> Result<Outcome, Error> {
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running = run(cluster, manifest, options, &steps, cancel);
    let ended = timeout(Duration::from_mins(10), running).await;
    ended.expect("an end within ten minutes")
}

fn judged(ended: &Result<Outcome, Error>) -> Option<(Cause, Option<Blame>)> {
    let verdict = match ended {
        Ok(outcome) => Some(&outcome.verdict),
        Err(error) => error.verdict(),
    };
    verdict.map(|verdict| (verdict.cause.clone(), verdict.blame()))
}

fn cluster(embedded: &EmbeddedCluster, rule: Rule) -> Cluster {
    embedded.faults().add(rule);
    Cluster::with_client(embedded.client("default"), "in-process")
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_has_its_sandbox_may_say_nothing_for_a_minute_and_its_events_are_not_read() {
    let embedded = without_kubelet();
    let door = Door::default();
    let cluster = door.cluster(&embedded);
    let running = run_pod(&cluster, on_node(), RunOptions::default());
    let pulling = async {
        appears(&embedded, "p").await;
        let mut pulling = status(
            "Pending",
            &json!({"waiting": {"reason": "ContainerCreating"}}),
        );
        pulling["conditions"] = json!([{"type": "PodReadyToStartContainers", "status": "True"}]);
        played::set(&embedded, "p", &pulling).await;
        sleep(Duration::from_mins(1)).await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, pulling);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(door.count(&Method::GET, "/events"), 0);
    assert_eq!(door.count(&Method::GET, "/pods/p"), 1, "the log alone");
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_came_late_does_not_count_against_a_long_pull_of_the_image() {
    let late = "MountVolume.SetUp failed for volume \"course\" : configmap \"course\" not found";
    for kubelet_tells_of_sandbox in [true, false] {
        let embedded = without_kubelet();
        let cluster = Cluster::with_client(embedded.client("default"), "in-process");
        let running = run_pod(&cluster, on_node(), RunOptions::default());
        let playing = async {
            let pod = appears(&embedded, "p").await;
            let creating = json!({"waiting": {"reason": "ContainerCreating"}});
            let mut pulling = status("Pending", &creating);
            played::set(&embedded, "p", &pulling).await;
            let mut event = played::event(&pod, "Warning", "FailedMount", late);
            event["lastTimestamp"] = json!("2026-01-01T00:00:03Z");
            played::tell(&embedded, &event).await;
            // Read after five seconds.
            sleep(Duration::from_secs(10)).await;
            if kubelet_tells_of_sandbox {
                pulling["conditions"] =
                    json!([{"type": "PodReadyToStartContainers", "status": "True"}]);
                played::set(&embedded, "p", &pulling).await;
            } else {
                let mut event = played::event(&pod, "Normal", "Pulling", "Pulling image \"i:1\"");
                event["lastTimestamp"] = json!("2026-01-01T00:00:10Z");
                played::tell(&embedded, &event).await;
            }
            sleep(Duration::from_mins(8)).await;
            succeed(&embedded, "p").await;
        };
        let (ended, ()) = tokio::join!(running, playing);
        assert_eq!(
            judged(&ended),
            Some((Cause::Completed, None)),
            "{kubelet_tells_of_sandbox}: {ended:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_comes_between_two_looks_at_the_events_is_seen_at_the_end_of_the_patience() {
    let late = "MountVolume.SetUp failed for volume \"course\" : configmap \"course\" not found";
    let embedded = without_kubelet();
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let running = run_pod(&cluster, on_node(), RunOptions::default());
    let playing = async {
        let pod = appears(&embedded, "p").await;
        let mut event = played::event(&pod, "Warning", "FailedMount", late);
        event["lastTimestamp"] = json!("2026-01-01T00:00:03Z");
        played::tell(&embedded, &event).await;
        // Read after 5, 35, 65 and 95 seconds; the patience ends after 125.
        sleep(Duration::from_secs(110)).await;
        let mut event = played::event(&pod, "Normal", "Pulling", "Pulling image \"i:1\"");
        event["lastTimestamp"] = json!("2026-01-01T00:01:50Z");
        played::tell(&embedded, &event).await;
        sleep(Duration::from_mins(5)).await;
        succeed(&embedded, "p").await;
    };
    let (ended, ()) = tokio::join!(running, playing);
    assert_eq!(judged(&ended), Some((Cause::Completed, None)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn events_that_may_not_be_read_are_asked_for_once_and_those_that_cannot_just_now_again() {
    let missing = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the server could not find the requested resource", "code": 404,
    });
    for (door, told, asked) in [
        (Door::default().forbid(Method::GET, "/events"), 1, 1),
        // After 5, 35, 65 and 95 seconds.
        (
            Door::default().answer(Method::GET, "/events", 1, &missing),
            0,
            4,
        ),
    ] {
        let embedded = without_kubelet();
        let cluster = door.cluster(&embedded);
        let lines = Arc::<Mutex<String>>::default();
        let noted = Arc::clone(&lines);
        let steps = Steps::new(move |_, line: String| noted.lock().unwrap().push_str(&line));
        let (options, cancel) = (RunOptions::default(), CancellationToken::new());
        let running = run(&cluster, on_node(), options, &steps, cancel);
        let playing = async {
            appears(&embedded, "p").await;
            sleep(Duration::from_secs(100)).await;
            succeed(&embedded, "p").await;
        };
        let (outcome, ()) = tokio::join!(running, playing);
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
        let line = "Add the verb \"list\" on \"events\" to the Role";
        let lines = lines.lock().unwrap();
        assert_eq!(lines.matches(line).count(), told, "{lines}");
        assert_eq!(door.count(&Method::GET, "/events"), asked);
    }
}

/// A Role may be mended, and an API server that has just begun may have known none yet.
#[tokio::test(start_paused = true)]
async fn events_that_may_not_be_read_are_asked_for_again_after_five_minutes_and_told_once() {
    let embedded = without_kubelet();
    let door = Door::default().forbid(Method::GET, "/events");
    let cluster = door.cluster(&embedded);
    let (steps, lines) = listening();
    let (options, cancel) = (RunOptions::default(), CancellationToken::new());
    let running = run(&cluster, on_node(), options, &steps, cancel);
    let playing = async {
        appears(&embedded, "p").await;
        sleep(Duration::from_secs(400)).await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    let line = "Add the verb \"list\" on \"events\" to the Role";
    let lines = lines.lock().unwrap();
    assert_eq!(lines.matches(line).count(), 1, "{lines}");
    assert_eq!(door.count(&Method::GET, "/events"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_name_is_another_pods_by_now_was_deleted() {
    let embedded = without_kubelet();
    // Between two reads of it the one goes and the other comes.
    let cluster = cluster(&embedded, Rule::new(Fault::Forbidden).verb(Verb::List));
    let running = run_pod(&cluster, on_node(), RunOptions::default());
    let replacing = async {
        appears(&embedded, "p").await;
        played::run(&embedded, "p").await;
        sleep(Duration::from_secs(20)).await;
        goes(&embedded, "p").await;
        create(&embedded.router(), &owned("p", "b", &claim(&dead()))).await
    };
    let (ended, other) = tokio::join!(running, replacing);
    assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
    assert_eq!(judged(&ended), Some((Cause::Deleted, Some(Blame::Cluster))));
    assert_eq!(read(&embedded, "p").await, other);
}

/// A cluster on which somebody deletes the run's pod and takes its name before the create is answered.
fn taken_over(embedded: &EmbeddedCluster) -> Cluster {
    let router = embedded.router();
    let faulty = embedded.faults().layer().layer(router.clone());
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (router, faulty) = (router.clone(), faulty.clone());
        async move {
            let creates = request.method() == Method::POST && request.uri().path() == PODS;
            let answer = faulty.oneshot(request).await;
            if creates {
                delete(
                    &router,
                    &format!("{PODS}/p"),
                    &json!({"gracePeriodSeconds": 0}),
                )
                .await;
                create(&router, &owned("p", "b", &claim(&dead()))).await;
                // The watch tells of it meanwhile.
                sleep(Duration::from_secs(1)).await;
            }
            answer
        }
    });
    Cluster::with_client(kube::Client::new(service, "default"), "in-process")
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_name_was_another_pods_before_any_news_of_it_was_deleted() {
    for rule in [None, Some(Rule::new(Fault::Forbidden).verb(Verb::List))] {
        let embedded = without_kubelet();
        if let Some(rule) = rule {
            embedded.faults().add(rule);
        }
        let cluster = taken_over(&embedded);
        let ended = run_pod(&cluster, played::manifest(), RunOptions::default()).await;
        assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
        assert_eq!(judged(&ended), Some((Cause::Deleted, Some(Blame::Cluster))));
        // The other one is left alone.
        let labels = &read(&embedded, "p").await["metadata"]["labels"];
        assert_eq!(labels["kubegrader.io/owner"], "b");
    }
}

#[tokio::test(start_paused = true)]
async fn late_news_of_the_pod_before_it_is_not_the_pods_own() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("p", "a", &claim(&dead()))).await;
    played::set(&embedded, "p", &status("Failed", &terminated(3, "Error"))).await;
    let late = Fault::EventDelayed(Duration::from_secs(3));
    let cluster = cluster(&embedded, Rule::new(late).verb(Verb::Watch));
    let options = RunOptions {
        submission: Some("7".to_owned()),
        ..RunOptions::default()
    };
    let before = read(&embedded, "p").await["metadata"]["uid"].clone();
    let running = run_pod(&cluster, played::manifest(), options);
    let ending = async {
        played::until(&embedded, "p", |pod| {
            pod["kind"] == "Pod" && pod["metadata"]["uid"] != before
        })
        .await;
        sleep(Duration::from_secs(20)).await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, ending);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
}

/// How a run ends whose pod is deleted by force when its container is in this state.
async fn deleted_when(
    cluster: &Cluster,
    embedded: &EmbeddedCluster,
    state: Value,
) -> Result<Outcome, Error> {
    let running = run_pod(cluster, played::manifest(), RunOptions::default());
    let playing = async {
        appears(embedded, "p").await;
        played::set(embedded, "p", &status("Running", &state)).await;
        sleep(Duration::from_secs(1)).await;
        goes(embedded, "p").await;
    };
    tokio::join!(running, playing).0
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_had_ended_when_it_was_found_gone_has_the_verdict_of_its_end() {
    let embedded = without_kubelet();
    let cluster = cluster(&embedded, Rule::new(Fault::Forbidden).verb(Verb::List));
    let ended = deleted_when(&cluster, &embedded, terminated(3, "Error")).await;
    assert_eq!(judged(&ended), Some((Cause::Error, Some(Blame::Student))));
    assert_eq!(ended.unwrap().logs, None);
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_init_container_had_failed_when_it_was_found_gone_has_that_verdict() {
    let embedded = without_kubelet();
    let cluster = cluster(&embedded, Rule::new(Fault::Forbidden).verb(Verb::List));
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "initContainers": [{"name": "setup", "image": "i:1"}], "containers": [{"name": "c", "image": "i:1"}],
    }});
    let manifest = Manifest::new(pod).unwrap();
    let running = run_pod(&cluster, manifest, RunOptions::default());
    let playing = async {
        appears(&embedded, "p").await;
        let mut failed = status(
            "Pending",
            &json!({"waiting": {"reason": "PodInitializing"}}),
        );
        failed["initContainerStatuses"] = json!([{
            "name": "setup", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": terminated(3, "Error"),
        }]);
        played::set(&embedded, "p", &failed).await;
        sleep(Duration::from_secs(1)).await;
        goes(&embedded, "p").await;
    };
    let (ended, ()) = tokio::join!(running, playing);
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(
        judged(&ended),
        Some((Cause::InitContainerError, Some(Blame::Course)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_deleted_before_its_phase_told_its_end_is_lost() {
    for state in [terminated(137, "Error"), played::running()] {
        let embedded = without_kubelet();
        let cluster = Door::default().cluster(&embedded);
        let ended = deleted_when(&cluster, &embedded, state).await;
        assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
        assert_eq!(judged(&ended), Some((Cause::Deleted, Some(Blame::Cluster))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_ran_when_it_was_found_gone_is_lost() {
    let embedded = without_kubelet();
    let cluster = cluster(&embedded, Rule::new(Fault::Forbidden).verb(Verb::List));
    let ended = deleted_when(&cluster, &embedded, played::running()).await;
    assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
    assert_eq!(judged(&ended), Some((Cause::Deleted, Some(Blame::Cluster))));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_no_node_confirms_is_given_up_half_a_minute_after_its_grace() {
    let embedded = without_kubelet();
    let cluster = Door::default().cluster(&embedded);
    let running = run_pod(&cluster, on_node(), RunOptions::default());
    let began = Instant::now();
    let playing = async {
        appears(&embedded, "p").await;
        played::run(&embedded, "p").await;
        let path = format!("{PODS}/p");
        delete(
            &embedded.router(),
            &path,
            &json!({"gracePeriodSeconds": 20}),
        )
        .await;
    };
    let (ended, ()) = tokio::join!(running, playing);
    assert!(matches!(ended, Err(Error::Lost { .. })), "{ended:?}");
    assert_eq!(judged(&ended), Some((Cause::Deleted, Some(Blame::Cluster))));
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(50) && took < Duration::from_secs(52),
        "{took:?}"
    );
    // Its object went by force.
    assert_eq!(read(&embedded, "p").await["code"], 404);
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_a_silent_node_is_lost_at_its_limit_and_one_that_is_not_ready_has_had_its_time() {
    let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason});
    let lost = (Cause::NodeLost, Some(Blame::Cluster));
    let late = (Cause::DeadlineExceeded, Some(Blame::Student));
    for (ready, containers_ready, verdict) in [
        // As the node controller marks the pods of a node that it does not hear of.
        (condition("Ready", "False", ""), "True", lost),
        // As a kubelet tells that a container is not ready.
        (
            condition("Ready", "False", "ContainersNotReady"),
            "False",
            late.clone(),
        ),
        (
            condition("Ready", "False", "ReadinessGatesNotReady"),
            "True",
            late.clone(),
        ),
        (condition("Ready", "False", ""), "False", late),
    ] {
        let embedded = without_kubelet();
        let cluster = Door::default().cluster(&embedded);
        let options = RunOptions {
            timeout: Some(Duration::from_mins(1)),
            ..RunOptions::default()
        };
        let running = run_pod(&cluster, played::manifest(), options);
        let playing = async {
            appears(&embedded, "p").await;
            let mut status = status("Running", &played::running());
            status["conditions"] =
                json!([ready, condition("ContainersReady", containers_ready, "")]);
            played::set(&embedded, "p", &status).await;
        };
        let (ended, ()) = tokio::join!(running, playing);
        assert_eq!(judged(&ended), Some(verdict), "{ready}");
    }
}

/// The node controller needs up to 50 s to find out that a node is silent.
#[tokio::test(start_paused = true)]
async fn a_pod_whose_node_is_found_silent_soon_after_its_limit_is_lost_and_one_that_is_only_slow_to_stop_is_not()
 {
    let lost = (Cause::NodeLost, Some(Blame::Cluster));
    let late = (Cause::DeadlineExceeded, Some(Blame::Student));
    // Ten seconds after the delete the outcome of a pod that has stopped is told.
    for (is_silent, found, verdict) in
        [(true, 5, lost.clone()), (true, 20, lost), (false, 20, late)]
    {
        let embedded = without_kubelet();
        let cluster = Door::default().cluster(&embedded);
        let options = RunOptions {
            timeout: Some(Duration::from_mins(1)),
            ..RunOptions::default()
        };
        let running = run_pod(&cluster, on_node(), options);
        let playing = async {
            appears(&embedded, "p").await;
            let mut status = status("Running", &played::running());
            let condition = |kind: &str, status: &str| json!({"type": kind, "status": status});
            status["conditions"] = json!([
                condition("Ready", "True"),
                condition("ContainersReady", "True")
            ]);
            played::set(&embedded, "p", &status).await;
            sleep(Duration::from_secs(59)).await;
            is_told_to_go(&embedded, "p").await;
            sleep(Duration::from_secs(found)).await;
            if is_silent {
                status["conditions"][0]["status"] = json!("False");
                played::set(&embedded, "p", &status).await;
            } else {
                goes(&embedded, "p").await;
            }
            Instant::now()
        };
        let (ended, known) = tokio::join!(running, playing);
        assert_eq!(judged(&ended), Some(verdict));
        assert!(known.elapsed() < Duration::from_secs(6));
        // Nobody else takes it away.
        assert_eq!(read(&embedded, "p").await["code"], 404);
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_read_a_pod_does_not_wait_for_it_to_be_gone() {
    let embedded = without_kubelet();
    let door = Door::default().forbid(Method::GET, "/pods/p");
    let cluster = door.cluster(&embedded);
    let options = RunOptions {
        timeout: Some(Duration::from_mins(1)),
        log_limit: 0,
        ..RunOptions::default()
    };
    let running = run_pod(&cluster, on_node(), options);
    let playing = async {
        appears(&embedded, "p").await;
        played::run(&embedded, "p").await;
        sleep(Duration::from_secs(58)).await;
        is_told_to_go(&embedded, "p").await;
        Instant::now()
    };
    let (ended, told) = tokio::join!(running, playing);
    assert_eq!(
        judged(&ended),
        Some((Cause::DeadlineExceeded, Some(Blame::Student)))
    );
    assert!(
        told.elapsed() < Duration::from_secs(5),
        "{:?}",
        told.elapsed()
    );
}

//! One pod from create to delete on the embedded API server, under paused time, with faults between.

use std::time::Duration;

use axum::http::Method;
use kubegrader::cause::{Blame, Cause};
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::{PODS, call, get, patch, without_kubelet};

/// It is never answered, as far as anybody waits.
const HANGS: Fault = Fault::Latency(Duration::from_hours(1));
/// No answer from the API server, but one from its storage that has trouble.
const STORAGE: Fault = Fault::InternalError { retry_after: None };
const SHUTTING_DOWN: Fault = Fault::Unavailable { retry_after: 1 };

/// A client of the embedded server whose requests meet these faults.
fn cluster<const N: usize>(embedded: &EmbeddedCluster, rules: [Rule; N]) -> Cluster {
    rules
        .into_iter()
        .for_each(|rule| embedded.faults().add(rule));
    Cluster::with_client(embedded.client("default"), "in-process")
}

fn manifest(changes: Value) -> Manifest {
    let mut pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    pod["spec"]
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    Manifest::new(pod).unwrap()
}

async fn run_pod(cluster: &Cluster, spec: Value, options: RunOptions) -> Result<Outcome, Error> {
    run(
        cluster,
        manifest(spec),
        options,
        &Steps::default(),
        CancellationToken::new(),
    )
    .await
}

async fn pods(embedded: &EmbeddedCluster) -> Vec<Value> {
    let (_, list) = get(&embedded.router(), PODS).await;
    list["items"].as_array().unwrap().clone()
}

/// Plays the kubelet: as soon as the pod is there, its status becomes this.
fn play(embedded: &EmbeddedCluster, status: Value) -> tokio::task::JoinHandle<()> {
    let embedded = embedded.clone();
    tokio::spawn(async move {
        while pods(&embedded).await.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
        let path = format!("{PODS}/p/status");
        let (code, _) = patch(
            &embedded.router(),
            &path,
            "application/merge-patch+json",
            &json!({"status": status}),
        )
        .await;
        assert_eq!(code, 200);
    })
}

fn succeeded() -> Value {
    json!({"phase": "Succeeded", "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
    }]})
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_status_is_set_by_anybody_is_run_to_its_end_and_deleted() {
    let embedded = without_kubelet();
    let playing = play(&embedded, succeeded());
    let outcome = run_pod(&cluster(&embedded, []), json!({}), RunOptions::default())
        .await
        .unwrap();
    playing.await.unwrap();
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_create_that_fails_for_a_while_is_repeated() {
    for fault in [
        Fault::Refused,
        Fault::BadGateway,
        SHUTTING_DOWN,
        STORAGE,
        HANGS,
    ] {
        let embedded = without_kubelet();
        let faults = [Rule::new(fault).verb(Verb::Create).times(2)];
        let playing = play(&embedded, succeeded());
        let outcome = run_pod(
            &cluster(&embedded, faults),
            json!({}),
            RunOptions::default(),
        )
        .await;
        playing.await.unwrap();
        assert_eq!(
            outcome.unwrap().verdict.cause,
            Cause::Completed,
            "{fault:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_is_lost_makes_no_second_pod() {
    let embedded = without_kubelet();
    let faults = [Rule::new(Fault::ResetAfter).verb(Verb::Create).times(1)];
    let playing = play(&embedded, succeeded());
    let outcome = run_pod(
        &cluster(&embedded, faults),
        json!({}),
        RunOptions::default(),
    )
    .await
    .unwrap();
    playing.await.unwrap();
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_stays_away_is_told_after_half_a_minute() {
    let embedded = without_kubelet();
    let faults = [Rule::new(Fault::Refused).verb(Verb::Create)];
    let began = Instant::now();
    let error = run_pod(
        &cluster(&embedded, faults),
        json!({}),
        RunOptions::default(),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unreachable {
                step: "creating pod",
                ..
            }
        ),
        "{error}"
    );
    assert!(began.elapsed() > Duration::from_secs(25) && began.elapsed() < Duration::from_secs(35));
}

#[tokio::test(start_paused = true)]
async fn a_proxys_html_page_is_told_in_words() {
    let embedded = without_kubelet();
    let faults = [Rule::new(Fault::BadGateway).verb(Verb::Create)];
    let error = run_pod(
        &cluster(&embedded, faults),
        json!({}),
        RunOptions::default(),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "creating pod default/p: Bad Gateway (502): 502 Bad Gateway 502 Bad Gateway nginx"
    );
}

#[tokio::test(start_paused = true)]
async fn neither_a_log_nor_a_delete_that_fails_spoils_a_success() {
    for fault in [STORAGE, Fault::Refused, Fault::ResetAfter] {
        let embedded = without_kubelet();
        let faults = [
            Rule::new(fault).verb(Verb::Log),
            Rule::new(fault).verb(Verb::Delete).times(2),
        ];
        let playing = play(&embedded, succeeded());
        let outcome = run_pod(
            &cluster(&embedded, faults),
            json!({}),
            RunOptions::default(),
        )
        .await
        .unwrap();
        playing.await.unwrap();
        assert_eq!(
            (outcome.verdict.cause, outcome.logs),
            (Cause::Completed, None),
            "{fault:?}"
        );
        assert_eq!(pods(&embedded).await, Vec::<Value>::new(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_start_is_given_up_within_a_second_of_its_time_and_deleted() {
    let embedded = without_kubelet();
    let began = Instant::now();
    let options = RunOptions {
        start_timeout: seconds(30),
        ..RunOptions::default()
    };
    let error = run_pod(&cluster(&embedded, []), json!({}), options)
        .await
        .unwrap_err();
    assert_eq!(error.verdict().unwrap().cause, Cause::StartTimeout);
    assert!(
        began.elapsed() >= Duration::from_secs(30) && began.elapsed() < Duration::from_secs(31)
    );
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_runs_too_long_is_stopped_within_a_second_of_its_time_and_is_the_students() {
    let embedded = without_kubelet();
    let running = json!({"phase": "Running", "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}},
    }]});
    let playing = play(&embedded, running);
    let began = Instant::now();
    let options = RunOptions {
        timeout: seconds(60),
        ..RunOptions::default()
    };
    let outcome = run_pod(&cluster(&embedded, []), json!({}), options)
        .await
        .unwrap();
    playing.await.unwrap();
    assert_eq!(
        (outcome.verdict.cause.clone(), outcome.verdict.blame()),
        (Cause::DeadlineExceeded, Some(Blame::Student))
    );
    assert!(
        began.elapsed() >= Duration::from_secs(60) && began.elapsed() < Duration::from_secs(61)
    );
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn time_behind_a_scheduling_gate_does_not_count() {
    let embedded = without_kubelet();
    let gated = json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]});
    let playing = play(&embedded, gated);
    let began = Instant::now();
    let options = RunOptions {
        start_timeout: seconds(30),
        ..RunOptions::default()
    };
    let cluster = cluster(&embedded, []);
    let running = run_pod(&cluster, json!({}), options);
    let ending = async {
        sleep(Duration::from_secs(3600)).await;
        let path = format!("{PODS}/p/status");
        patch(
            &embedded.router(),
            &path,
            "application/merge-patch+json",
            &json!({"status": succeeded()}),
        )
        .await;
    };
    let (outcome, ()) = tokio::join!(running, ending);
    playing.await.unwrap();
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert!(began.elapsed() >= Duration::from_secs(3600));
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_hiccups_is_waited_for_and_a_wrong_name_is_not() {
    let waiting = |reason: &str, message: &str| {
        json!({"containerStatuses": [{
            "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}},
        }]})
    };
    for (status, cause, patience) in [
        (
            waiting("InvalidImageName", "couldn't parse image name"),
            Cause::InvalidImageName,
            0,
        ),
        (
            waiting(
                "ErrImagePull",
                "rpc error: code = NotFound desc = not found",
            ),
            Cause::ErrImagePull,
            30,
        ),
        (
            waiting(
                "ImagePullBackOff",
                "failed to do request: connection refused",
            ),
            Cause::RegistryUnavailable,
            300,
        ),
    ] {
        let embedded = without_kubelet();
        let playing = play(&embedded, status);
        let began = Instant::now();
        let error = run_pod(&cluster(&embedded, []), json!({}), RunOptions::default())
            .await
            .unwrap_err();
        playing.await.unwrap();
        assert_eq!(error.verdict().unwrap().cause, cause);
        assert_eq!(began.elapsed().as_secs(), patience, "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exit_code_waits_for_the_phase_which_may_acquit_the_student() {
    let embedded = without_kubelet();
    let mut status = succeeded();
    status["phase"] = json!("Running");
    status["containerStatuses"][0]["state"]["terminated"] =
        json!({"exitCode": 137, "reason": "Error"});
    let playing = play(&embedded, status);
    let cluster = cluster(&embedded, []);
    let running = run_pod(&cluster, json!({}), RunOptions::default());
    let evicting = async {
        sleep(Duration::from_secs(1)).await;
        let path = format!("{PODS}/p/status");
        let evicted = json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}});
        patch(
            &embedded.router(),
            &path,
            "application/merge-patch+json",
            &evicted,
        )
        .await;
    };
    let (outcome, ()) = tokio::join!(running, evicting);
    playing.await.unwrap();
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert_eq!(
        error
            .verdict()
            .map(|verdict| (verdict.cause.clone(), verdict.blame())),
        Some((Cause::Evicted, Some(Blame::Cluster)))
    );
}

/// Cancels a run as soon as its pod is there.
async fn assert_cancelled_without_a_pod(embedded: &EmbeddedCluster, cluster: &Cluster) {
    let cancel = CancellationToken::new();
    let steps = Steps::default();
    let running = run(
        cluster,
        manifest(json!({})),
        RunOptions::default(),
        &steps,
        cancel.clone(),
    );
    let cancelling = async {
        while pods(embedded).await.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(running, cancelling);
    assert!(
        matches!(outcome, Err(Error::Cancelled { .. })),
        "{outcome:?}"
    );
    assert_eq!(pods(embedded).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_deletes_its_pod_even_while_the_answer_to_its_create_is_lost() {
    let embedded = without_kubelet();
    let faults = [Rule::new(Fault::ResetAfter).verb(Verb::Create).times(1)];
    assert_cancelled_without_a_pod(&embedded, &cluster(&embedded, faults)).await;
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_given_up_leaves_no_pod_although_it_was_applied() {
    let embedded = without_kubelet();
    let faults = [
        Rule::new(Fault::ResetAfter).verb(Verb::Create).times(1),
        Rule::new(Fault::Refused).verb(Verb::Get).times(3),
    ];
    assert_cancelled_without_a_pod(&embedded, &cluster(&embedded, faults)).await;
}

#[tokio::test(start_paused = true)]
async fn a_finished_pod_of_the_same_submission_is_replaced_and_a_strangers_is_not() {
    let embedded = without_kubelet();
    let labels = json!({"kubegrader.io/instance": "default", "kubegrader.io/submission": "7", "kubegrader.io/attempt": "1"});
    for (labels, taken) in [(labels, false), (json!({"app": "other"}), true)] {
        let old = json!({"metadata": {"name": "p", "labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
        let (code, _) = call(
            &embedded.router(),
            Method::POST,
            PODS,
            "application/json",
            old.to_string(),
        )
        .await;
        assert_eq!(code, 201);
        let path = format!("{PODS}/p/status");
        patch(
            &embedded.router(),
            &path,
            "application/merge-patch+json",
            &json!({"status": succeeded()}),
        )
        .await;
        let cluster = cluster(&embedded, []);
        let options = RunOptions {
            submission: Some("7".to_owned()),
            start_timeout: seconds(1),
            ..RunOptions::default()
        };
        let error = run_pod(&cluster, json!({"schedulerName": "none"}), options)
            .await
            .unwrap_err();
        assert_eq!(matches!(error, Error::NameTaken { .. }), taken, "{error}");
        assert_eq!(pods(&embedded).await.len(), usize::from(taken));
    }
}

/// A pod that somebody else has created; gives its uid.
async fn created_elsewhere(embedded: &EmbeddedCluster) -> String {
    let body = manifest(json!({})).to_value().to_string();
    let (code, pod) = call(
        &embedded.router(),
        Method::POST,
        PODS,
        "application/json",
        body,
    )
    .await;
    assert_eq!(code, 201, "{pod}");
    pod["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_there_already_is_followed_to_its_end_without_a_label_and_deleted() {
    let embedded = without_kubelet();
    let options = RunOptions {
        uid: Some(created_elsewhere(&embedded).await),
        ..RunOptions::default()
    };
    let cluster = cluster(&embedded, []);
    let playing = async {
        // Long after the watch has shown that it knows nothing of the pod.
        sleep(Duration::from_secs(60)).await;
        play(&embedded, succeeded()).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(run_pod(&cluster, json!({}), options), playing);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    // As its creator sent it: nothing of this run is in it.
    let metadata = &outcome.pod()["metadata"];
    assert_eq!(metadata["namespace"], "default");
    assert_eq!(metadata["labels"], Value::Null);
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
    let sent = cluster.requests().counts();
    assert!(sent.contains(&("create", 0)), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_followed_pod_that_is_gone_is_told_as_lost() {
    let embedded = without_kubelet();
    let options = RunOptions {
        uid: Some("no-such-uid".to_owned()),
        ..RunOptions::default()
    };
    let error = run_pod(&cluster(&embedded, []), json!({}), options).await;
    assert!(matches!(error, Err(Error::Lost { .. })), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_made_anew_of_its_parts_has_the_same_pod() {
    let embedded = without_kubelet();
    let cluster = cluster(&embedded, []);
    let playing = play(&embedded, succeeded());
    let first = run_pod(&cluster, json!({}), RunOptions::default())
        .await
        .unwrap();
    playing.await.unwrap();
    let anew = |pod: Value| {
        let verdict = first.verdict.clone();
        Outcome::of_pod(
            verdict,
            first.attempt,
            first.logs.clone(),
            first.timings,
            pod,
        )
    };
    let again = anew(first.pod()).pod();
    assert_eq!(again, first.pod());
    assert_eq!(again["status"]["phase"], "Succeeded");
    // Of a pod that was never seen only what was sent is known.
    let mut sent = manifest(json!({})).to_value();
    sent["metadata"]["uid"] = json!("u");
    assert_eq!(anew(sent.clone()).pod(), sent);
}

#[tokio::test(start_paused = true)]
async fn a_kept_pod_is_left_to_the_caller_and_its_log_with_it() {
    let embedded = without_kubelet();
    let options = RunOptions {
        keep: true,
        log_limit: 0,
        ..RunOptions::default()
    };
    let playing = play(&embedded, succeeded());
    let cluster = cluster(&embedded, []);
    let outcome = run_pod(&cluster, json!({}), options).await.unwrap();
    playing.await.unwrap();
    assert_eq!(outcome.logs, None);
    assert_eq!(pods(&embedded).await.len(), 1);
    let sent = cluster.requests().counts();
    assert!(
        sent.contains(&("log", 0)) && sent.contains(&("delete", 0)),
        "{sent:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_kept_pod_that_does_not_start_is_left_and_one_that_is_cancelled_is_not() {
    let embedded = without_kubelet();
    let options = RunOptions {
        keep: true,
        start_timeout: seconds(3),
        ..RunOptions::default()
    };
    let cluster = cluster(&embedded, []);
    let error = run_pod(&cluster, json!({}), options.clone()).await;
    assert!(matches!(error, Err(Error::NotStarted { .. })), "{error:?}");
    assert_eq!(pods(&embedded).await.len(), 1);
    let (code, _) = call(
        &embedded.router(),
        Method::DELETE,
        &format!("{PODS}/p"),
        "application/json",
        json!({"gracePeriodSeconds": 0}).to_string(),
    )
    .await;
    assert_eq!(code, 200);

    let cancel = CancellationToken::new();
    let steps = Steps::default();
    let running = run(
        &cluster,
        manifest(json!({})),
        options,
        &steps,
        cancel.clone(),
    );
    let cancelling = async {
        while pods(&embedded).await.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
        cancel.cancel();
    };
    let (error, ()) = tokio::join!(running, cancelling);
    assert!(matches!(error, Err(Error::Cancelled { .. })), "{error:?}");
    assert_eq!(pods(&embedded).await, Vec::<Value>::new());
}

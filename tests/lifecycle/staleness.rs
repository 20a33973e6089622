//! The gauge that tells for how long pods have been run without a live watch, and the list that finds what a watch
//! missed. Under paused time.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::support::{PODS, get, patch, without_kubelet};

fn cluster(embedded: &EmbeddedCluster) -> Cluster {
    let service = ServiceBuilder::new()
        .layer(embedded.faults().layer())
        .service(embedded.router())
        .map_request(|request: Request<kube::client::Body>| request.map(Body::new));
    Cluster::with_service(service)
}

fn manifest() -> Manifest {
    Manifest::new(
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}),
    )
    .unwrap()
}

async fn succeed(embedded: &EmbeddedCluster) {
    let status = json!({"status": {"phase": "Succeeded", "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
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

#[tokio::test(start_paused = true)]
async fn staleness_grows_while_watching_is_forbidden_and_is_zero_again_when_it_is_allowed() {
    let embedded = without_kubelet();
    embedded
        .faults()
        .add(Rule::new(Fault::Forbidden).verb(Verb::List));
    let cluster = cluster(&embedded);
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running = run(&cluster, manifest(), RunOptions::default(), &steps, cancel);
    let looking = async {
        assert_eq!(cluster.staleness(), Duration::ZERO);
        sleep(Duration::from_mins(1)).await;
        let stale = cluster.staleness();
        assert!(
            stale > Duration::from_secs(55) && stale < Duration::from_secs(65),
            "{stale:?}"
        );
        embedded.faults().clear();
        sleep(Duration::from_mins(6)).await;
        assert_eq!(cluster.staleness(), Duration::ZERO);
        succeed(&embedded).await;
    };
    let (outcome, ()) = tokio::join!(running, looking);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
}

/// How long after it an end is seen, where the watch has this fault from its beginning.
async fn seen_after(fault: Fault) -> Duration {
    let embedded = without_kubelet();
    embedded
        .faults()
        .add(Rule::new(fault).verb(Verb::Watch).times(1));
    let cluster = cluster(&embedded);
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let running = run(&cluster, manifest(), RunOptions::default(), &steps, cancel);
    let ending = async {
        sleep(Duration::from_secs(1)).await;
        succeed(&embedded).await;
        Instant::now()
    };
    let (outcome, ended) = tokio::join!(running, ending);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(
        get(&embedded.router(), PODS).await.1["items"],
        Value::Array(vec![])
    );
    ended.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_open_and_silent_is_found_out_within_35_seconds() {
    let took = seen_after(Fault::WatchStalled(Duration::ZERO)).await;
    assert!(took <= Duration::from_secs(36), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_closed_or_compacted_goes_on_within_seconds() {
    for fault in [
        Fault::WatchClosed(Duration::ZERO),
        Fault::Gone(Duration::ZERO),
    ] {
        let took = seen_after(fault).await;
        assert!(took <= Duration::from_secs(3), "{fault:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_never_comes_is_made_good_by_the_next_list() {
    let took = seen_after(Fault::EventDelayed(Duration::from_hours(24))).await;
    assert!(took <= Duration::from_mins(7), "{took:?}");
}

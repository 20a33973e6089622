//! A server that says when to come again is not asked before. Under paused time.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::faults::{Fault, Faults, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{RunOptions, run};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower::ServiceExt as _;

use crate::support::{PODS, get, without_kubelet};

/// How long it takes until the pod is there, when its first create meets this fault.
async fn created_after(fault: Fault) -> Duration {
    let embedded = without_kubelet();
    let faults = Faults::new(1);
    faults.add(Rule::new(fault).verb(Verb::Create).times(1));
    let service = ServiceBuilder::new()
        .layer(faults.layer())
        .service(embedded.router())
        .map_request(|request: Request<kube::client::Body>| request.map(Body::new));
    let cluster = Cluster::with_service(service);
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let cancel = CancellationToken::new();
    let began = Instant::now();
    let creating = async {
        while get(&embedded.router(), &format!("{PODS}/p")).await.0 != 200 {
            sleep(Duration::from_millis(50)).await;
        }
        let took = began.elapsed();
        cancel.cancel();
        took
    };
    let steps = Steps::default();
    let manifest = Manifest::new(pod).unwrap();
    let running = run(
        &cluster,
        manifest,
        RunOptions::default(),
        &steps,
        cancel.clone(),
    );
    tokio::join!(running, creating).1
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_server_names_is_waited_for_whether_in_a_header_or_in_the_status() {
    for fault in [
        // The header alone, over plain text.
        Fault::TooManyRequests { retry_after: 7 },
        // The header, over a Status.
        Fault::Unavailable { retry_after: 7 },
        // Both.
        Fault::InternalError {
            retry_after: Some(7),
        },
    ] {
        let took = created_after(fault).await;
        assert!(
            took >= Duration::from_secs(7) && took < Duration::from_secs(8),
            "{fault:?}: {took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_names_no_time_is_asked_again_soon() {
    for fault in [
        Fault::InternalError { retry_after: None },
        Fault::BadGateway,
    ] {
        let took = created_after(fault).await;
        assert!(took < Duration::from_secs(1), "{fault:?}: {took:?}");
    }
}

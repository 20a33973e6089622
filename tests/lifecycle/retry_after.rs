//! A server that says when to come again is not asked before. Under paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response};
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Faults, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, RunOptions, run};
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
    appears_after(&embedded, &Cluster::with_service(service)).await
}

async fn appears_after(embedded: &EmbeddedCluster, cluster: &Cluster) -> Duration {
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
        cluster,
        manifest,
        RunOptions::default(),
        &steps,
        cancel.clone(),
    );
    tokio::join!(running, creating).1
}

/// The same with a 503 that names a date.
async fn created_after_a_date(date: &'static str, retry_after: &'static str) -> Duration {
    let embedded = without_kubelet();
    let busy = Arc::new(AtomicBool::new(true));
    let router = embedded.router();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (router, busy) = (router.clone(), Arc::clone(&busy));
        async move {
            if request.method() == Method::POST
                && request.uri().path() == PODS
                && busy.swap(false, Ordering::SeqCst)
            {
                let answer = Response::builder().status(503).header("Date", date);
                let answer = answer.header("Retry-After", retry_after);
                return Ok(answer.body(Body::from("come again")).unwrap());
            }
            router.oneshot(request.map(Body::new)).await
        }
    });
    appears_after(&embedded, &Cluster::with_service(service)).await
}

#[tokio::test(start_paused = true)]
async fn a_date_as_a_proxy_may_send_it_is_waited_for_too() {
    let now = "Sat, 28 Nov 2026 10:00:00 GMT";
    let took = created_after_a_date(now, "Sat, 28 Nov 2026 10:00:09 GMT").await;
    assert!(
        took >= Duration::from_secs(9) && took < Duration::from_secs(10),
        "{took:?}"
    );
    let past = created_after_a_date(now, "Sat, 28 Nov 2026 09:00:00 GMT").await;
    assert!(past < Duration::from_secs(1), "{past:?}");
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

#[tokio::test(start_paused = true)]
async fn a_time_longer_than_an_outage_is_waited_for_too() {
    let took = created_after(Fault::Unavailable { retry_after: 45 }).await;
    assert!(
        took >= Duration::from_secs(45) && took < Duration::from_secs(47),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_more_time_for_ever_is_given_up() {
    // The longer it asks for at a time, the later: six minutes at most.
    for (retry_after, least, most) in [(1, 25, 45), (50, 120, 360)] {
        let took = refused_after(retry_after).await;
        let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
        assert!(took > least && took < most, "{retry_after} s: {took:?}");
    }
}

/// How long it takes until a create is given up that is told each time to come again after so many seconds.
async fn refused_after(retry_after: u32) -> Duration {
    let embedded = without_kubelet();
    let faults = Faults::new(1);
    faults.add(Rule::new(Fault::Unavailable { retry_after }).verb(Verb::Create));
    let service = ServiceBuilder::new()
        .layer(faults.layer())
        .service(embedded.router())
        .map_request(|request: Request<kube::client::Body>| request.map(Body::new));
    let cluster = Cluster::with_service(service);
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let (began, steps) = (Instant::now(), Steps::default());
    let (manifest, cancel) = (Manifest::new(pod).unwrap(), CancellationToken::new());
    let ended = run(&cluster, manifest, RunOptions::default(), &steps, cancel).await;
    assert!(
        matches!(ended, Err(Error::Api { code: 503, .. })),
        "{ended:?}"
    );
    began.elapsed()
}

/// Watching is forbidden, and the server has too many requests.
#[tokio::test(start_paused = true)]
async fn a_pod_is_not_read_before_the_time_that_the_server_names() {
    let embedded = without_kubelet();
    let faults = Faults::new(1);
    faults.add(Rule::new(Fault::Forbidden).verb(Verb::List));
    faults.add(
        Rule::new(Fault::TooManyRequests { retry_after: 30 })
            .verb(Verb::Get)
            .skip(1),
    );
    let service = ServiceBuilder::new()
        .layer(faults.layer())
        .service(embedded.router())
        .map_request(|request: Request<kube::client::Body>| request.map(Body::new));
    let cluster = Cluster::with_service(service);
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let (manifest, steps) = (Manifest::new(pod).unwrap(), Steps::default());
    let cancel = CancellationToken::new();
    let running = run(
        &cluster,
        manifest,
        RunOptions::default(),
        &steps,
        cancel.clone(),
    );
    let waiting = async {
        sleep(Duration::from_secs(100)).await;
        let trace = faults.trace();
        cancel.cancel();
        trace.iter().filter(|line| line.starts_with("get")).count()
    };
    let (_, reads) = tokio::join!(running, waiting);
    // The one that is answered, and those after 0, 30, 60 and 90 seconds.
    assert!((4..=5).contains(&reads), "{reads} reads");
}

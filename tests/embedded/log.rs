//! Logs: order, bytes, long lines and bounds; tests/contract/ has the rest.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kubegrader::embedded::{EmbeddedCluster, Options};

use crate::support::{PODS, create, is_finished, script, text, until};

async fn finished(body: &serde_json::Value) -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(Options::default());
    create(&cluster.router(), body).await;
    let pods: Api<Pod> = Api::default_namespaced(cluster.client("default"));
    until(&pods, "a", is_finished).await;
    cluster
}

async fn log(cluster: &EmbeddedCluster, query: &str) -> (u16, String) {
    text(&cluster.router(), &format!("{PODS}/a/log{query}")).await
}

#[tokio::test]
async fn both_streams_come_in_the_order_of_their_writes() {
    let cluster = finished(&script("a", "echo 1; echo 2 >&2; echo 3; printf 4")).await;
    assert_eq!(log(&cluster, "").await, (200, "1\n2\n3\n4".to_owned()));
}

#[tokio::test]
async fn bytes_that_are_no_text_come_as_they_are() {
    let cluster = finished(&script("a", "printf '\\377\\000\\n'")).await;
    let router = cluster.router();
    let request = axum::http::Request::builder()
        .uri(format!("{PODS}/a/log"))
        .body(axum::body::Body::empty());
    let answer = tower::ServiceExt::oneshot(router, request.expect("a request"))
        .await
        .expect("infallible");
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .expect("a body")
        .to_bytes();
    assert_eq!(body.as_ref(), b"\xff\x00\n");
}

#[tokio::test]
async fn a_long_line_stays_one_line() {
    let cluster = finished(&script(
        "a",
        "head -c 50000 /dev/zero | tr '\\0' x; echo; echo end",
    ))
    .await;
    let (_, text) = log(&cluster, "").await;
    assert_eq!(text, format!("{}\nend\n", "x".repeat(50_000)));
}

#[tokio::test]
async fn an_endless_log_is_bounded_and_keeps_its_end() {
    let cluster = finished(&script("a", "yes 0123456789 | head -n 1400000; echo end")).await;
    let (_, text) = log(&cluster, "").await;
    assert!(text.ends_with("end\n"));
    // One file of at most 50 MiB, of which a quarter is text: the rest are time stamps. A file that is not
    // full yet is kept whole, as on a real node.
    assert!(text.len() < 14_000_000, "{}", text.len());
    let followed = log(&cluster, "?follow=true&tailLines=1").await;
    assert_eq!(followed.1, "end\n");
}

#[tokio::test]
async fn a_log_of_ten_seconds_is_whole() {
    let cluster = finished(&script("a", "seq 300000")).await;
    let (_, text) = log(&cluster, "").await;
    let mut lines = text.lines();
    // More than a file of 10 MiB, which nobody looked at yet.
    if text.starts_with("1\n") {
        assert_eq!(lines.clone().count(), 300_000);
    }
    assert_eq!(lines.next_back(), Some("300000"));
}

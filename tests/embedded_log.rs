//! Logs: order, tail, limit, time stamps, follow, bounds, and the real server's refusals.
mod support;

use std::time::Duration;

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use kubegrader::embedded::{EmbeddedCluster, Options};
use serde_json::json;
use support::{PODS, create, get, is_finished, script, text, until, without_kubelet};

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
async fn tail_and_limit_cut() {
    let cluster = finished(&script("a", "echo one; echo two; echo three")).await;
    assert_eq!(log(&cluster, "?tailLines=2").await.1, "two\nthree\n");
    assert_eq!(log(&cluster, "?tailLines=0").await.1, "");
    assert_eq!(log(&cluster, "?limitBytes=5").await.1, "one\nt");
    assert_eq!(log(&cluster, "?tailLines=1&limitBytes=2").await.1, "th");
    assert_eq!(
        log(&cluster, "?sinceSeconds=1000").await.1,
        "one\ntwo\nthree\n"
    );
}

#[tokio::test]
async fn time_stamps_have_nine_digits() {
    let cluster = finished(&script("a", "echo one")).await;
    let (_, text) = log(&cluster, "?timestamps=true").await;
    let (stamp, line) = text.split_once(' ').expect("a stamp");
    assert_eq!(line, "one\n");
    assert_eq!(stamp.len(), "2026-11-24T05:32:51.378224112Z".len());
    assert!(stamp.ends_with('Z'), "{stamp}");
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
async fn a_followed_log_ends_with_its_container() {
    let cluster = EmbeddedCluster::start(Options::default());
    create(
        &cluster.router(),
        &script("a", "for i in 1 2 3; do echo $i; sleep 0.2; done"),
    )
    .await;
    let pods: Api<Pod> = Api::default_namespaced(cluster.client("default"));
    until(&pods, "a", |pod| support::phase(pod) == "Running").await;
    let follow = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let lines = pods.log_stream("a", &follow).await.expect("a log").lines();
    let lines: Vec<String> = tokio::time::timeout(Duration::from_secs(20), lines.try_collect())
        .await
        .expect("in time")
        .expect("lines");
    assert_eq!(lines, ["1", "2", "3"]);
}

#[tokio::test]
async fn an_endless_log_is_bounded_and_keeps_its_end() {
    let cluster = finished(&script("a", "yes 0123456789 | head -c 33000000; echo end")).await;
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

#[tokio::test]
async fn a_container_must_be_named_when_there_are_several() {
    let mut body = script("a", "echo c");
    body["spec"]["containers"] = json!([
        {"name": "c", "image": "x:1", "command": ["echo", "c"]}, {"name": "d", "image": "x:1", "command": ["echo", "d"]},
    ]);
    let cluster = finished(&body).await;
    let router = cluster.router();
    let (code, status) = get(&router, &format!("{PODS}/a/log")).await;
    let message = "a container name must be specified for pod a, choose one of: [c d]";
    assert_eq!((code, status["message"].as_str()), (400, Some(message)));
    let (code, status) = get(&router, &format!("{PODS}/a/log?container=zzz")).await;
    assert_eq!(
        (code, status["message"].as_str()),
        (400, Some("container zzz is not valid for pod a"))
    );
    assert_eq!(log(&cluster, "?container=d").await.1, "d\n");
    let (code, status) = get(&router, &format!("{PODS}/a/log?container=d&previous=true")).await;
    let message = "previous terminated container \"d\" in pod \"a\" not found";
    assert_eq!((code, status["message"].as_str()), (400, Some(message)));
}

#[tokio::test]
async fn a_container_that_waits_has_no_log() {
    let mut body = script("a", "echo never");
    body["spec"]["initContainers"] = json!([{"name": "i", "image": "x:1", "command": ["false"]}]);
    let cluster = finished(&body).await;
    let (code, status) = get(&cluster.router(), &format!("{PODS}/a/log")).await;
    let message = "container \"c\" in pod \"a\" is waiting to start: PodInitializing";
    assert_eq!((code, status["message"].as_str()), (400, Some(message)));
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_a_node_has_no_content() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    assert_eq!(
        text(&router, &format!("{PODS}/a/log")).await,
        (204, String::new())
    );
}

#[tokio::test(start_paused = true)]
async fn impossible_options_are_refused() {
    let router = without_kubelet().router();
    let (code, status) = get(&router, &format!("{PODS}/a/log?tailLines=-1")).await;
    let message = "PodLogOptions \"a\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!((code, status["message"].as_str()), (422, Some(message)));
    let (code, status) = get(&router, &format!("{PODS}/a/log?limitBytes=0")).await;
    let message =
        "PodLogOptions \"a\" is invalid: limitBytes: Invalid value: 0: must be greater than 0";
    assert_eq!((code, status["message"].as_str()), (422, Some(message)));
}

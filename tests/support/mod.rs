//! What the tests of the embedded cluster share.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod door;
pub mod listening;
pub mod owners;
pub mod played;
pub mod raw;
pub mod scene;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header::CONTENT_TYPE};
use futures::StreamExt;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kubegrader::embedded::{EmbeddedCluster, Options};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

/// Real processes on a busy machine may need this long.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

pub const PODS: &str = "/api/v1/namespaces/default/pods";

/// A cluster on which no pod runs.
pub fn without_kubelet() -> EmbeddedCluster {
    EmbeddedCluster::start(Options {
        kubelet: false,
        ..Options::default()
    })
}

/// A pod of one container that runs a shell script once.
pub fn script(name: &str, script: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "containers": [
            {"name": "c", "image": "x:1", "command": ["sh", "-c", script]},
        ]},
    })
}

pub fn pod(value: &Value) -> Pod {
    serde_json::from_value(value.clone()).expect("a pod")
}

/// One request: its code and its JSON body (`Null` for none).
pub async fn call(
    router: &Router,
    method: Method,
    path: &str,
    media: &str,
    body: impl Into<Body>,
) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, media);
    let request = request.body(body.into()).expect("a request");
    let answer = router.clone().oneshot(request).await.expect("infallible");
    let code = answer.status().as_u16();
    let bytes = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub async fn get(router: &Router, path: &str) -> (u16, Value) {
    call(router, Method::GET, path, "application/json", Body::empty()).await
}

pub async fn post(router: &Router, path: &str, body: &Value) -> (u16, Value) {
    call(
        router,
        Method::POST,
        path,
        "application/json",
        body.to_string(),
    )
    .await
}

pub async fn delete(router: &Router, path: &str, body: &Value) -> (u16, Value) {
    call(
        router,
        Method::DELETE,
        path,
        "application/json",
        body.to_string(),
    )
    .await
}

pub async fn patch(router: &Router, path: &str, media: &str, body: &Value) -> (u16, Value) {
    call(router, Method::PATCH, path, media, body.to_string()).await
}

/// Creates a pod that must be accepted.
pub async fn create(router: &Router, body: &Value) -> Value {
    let (code, created) = post(router, PODS, body).await;
    assert_eq!(code, 201, "{created}");
    created
}

/// The text of a pod's log.
pub async fn text(router: &Router, path: &str) -> (u16, String) {
    let request = Request::builder()
        .uri(path)
        .body(Body::empty())
        .expect("a request");
    let answer = router.clone().oneshot(request).await.expect("infallible");
    let code = answer.status().as_u16();
    let bytes = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (code, String::from_utf8_lossy(&bytes).into_owned())
}

/// The events of a watch until it ends: type, and name or reason.
pub async fn events(router: &Router, path: &str) -> Vec<(String, String)> {
    whole_events(router, path).await.iter().map(short).collect()
}

pub fn short(event: &Value) -> (String, String) {
    let object = &event["object"];
    let name = object["metadata"]["name"]
        .as_str()
        .or(object["reason"].as_str())
        .unwrap_or_default();
    (
        event["type"].as_str().unwrap_or_default().to_owned(),
        name.to_owned(),
    )
}

pub async fn whole_events(router: &Router, path: &str) -> Vec<Value> {
    let request = Request::builder()
        .uri(path)
        .body(Body::empty())
        .expect("a request");
    let answer = router.clone().oneshot(request).await.expect("infallible");
    let mut lines = Vec::new();
    let mut body = answer.into_body().into_data_stream();
    while let Some(chunk) = body.next().await {
        lines.extend_from_slice(&chunk.expect("a chunk"));
    }
    let lines = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).expect("an event"))
        .collect()
}

/// Polls until the pod is as wanted.
pub async fn until(pods: &Api<Pod>, name: &str, wanted: impl Fn(&Pod) -> bool) -> Pod {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pod = pods.get(name).await.expect("the pod");
        if wanted(&pod) {
            return pod;
        }
        assert!(
            Instant::now() < deadline,
            "{}",
            serde_json::to_string_pretty(&pod.status).expect("JSON")
        );
        sleep(POLL).await;
    }
}

/// Polls until something holds.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(POLL).await;
    }
}

pub fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

pub fn is_finished(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Is there a living process with this text in its command line?
pub fn runs(marker: &str) -> bool {
    let Ok(folders) = std::fs::read_dir("/proc") else {
        return false;
    };
    folders.flatten().any(|folder| {
        let line = std::fs::read(folder.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    })
}

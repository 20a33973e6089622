//! A pod on a cluster that runs none, whose life the test plays.

use std::time::Duration;

use axum::http::Method;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::manifest::Manifest;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{PODS, call, delete, get, patch};

/// How long anything is waited for. Under paused time that is soon over.
const PATIENCE: Duration = Duration::from_mins(30);
const SHORTEST_LOOK: Duration = Duration::from_millis(5);

/// The manifest of the pod `p`, of one container.
pub fn manifest() -> Manifest {
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    Manifest::new(pod).unwrap()
}

/// The state of a container that runs.
pub fn running() -> Value {
    json!({"running": {}})
}

/// The state of a container that ended well.
pub fn completed() -> Value {
    terminated(0, "Completed")
}

/// The state of a container that ended.
pub fn terminated(code: i32, reason: &str) -> Value {
    json!({"terminated": {"exitCode": code, "reason": reason}})
}

/// A Pod's status with one container in this state.
pub fn status(phase: &str, state: &Value) -> Value {
    json!({"phase": phase, "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
    }]})
}

/// A pod as it is, or the answer that there is none.
pub async fn read(embedded: &EmbeddedCluster, name: &str) -> Value {
    get(&embedded.router(), &format!("{PODS}/{name}")).await.1
}

/// Waits until a pod is as wanted, or fails.
pub async fn until(
    embedded: &EmbeddedCluster,
    name: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let began = Instant::now();
    loop {
        let pod = read(embedded, name).await;
        if wanted(&pod) {
            return pod;
        }
        assert!(began.elapsed() < PATIENCE, "it never came: {pod}");
        // Paused time passes by reads alone: what is waited for for minutes is not read ten thousand times.
        sleep(SHORTEST_LOOK.max(began.elapsed() / 300)).await;
    }
}

/// Waits until a pod that the owner `a` had is another's.
pub async fn changes_hands(embedded: &EmbeddedCluster, name: &str) {
    let owner = |pod: &Value| pod["metadata"]["labels"]["kubegrader.io/owner"].clone();
    until(embedded, name, |pod| owner(pod) != "a").await;
}

/// Waits until a pod has been told to go.
pub async fn is_told_to_go(embedded: &EmbeddedCluster, name: &str) {
    until(embedded, name, |pod| {
        pod["metadata"]["deletionTimestamp"].is_string()
    })
    .await;
}

/// Takes a pod away, as a kubelet does when nothing of it runs any more.
pub async fn goes(embedded: &EmbeddedCluster, name: &str) {
    let path = format!("{PODS}/{name}");
    delete(&embedded.router(), &path, &json!({"gracePeriodSeconds": 0})).await;
}

/// Waits until a pod is there.
pub async fn appears(embedded: &EmbeddedCluster, name: &str) -> Value {
    until(embedded, name, |pod| pod["kind"] == "Pod").await
}

/// Writes a pod's status, as a kubelet does.
pub async fn set(embedded: &EmbeddedCluster, name: &str, status: &Value) {
    let path = format!("{PODS}/{name}/status");
    let body = json!({"status": status});
    let merge = "application/merge-patch+json";
    let (code, answer) = patch(&embedded.router(), &path, merge, &body).await;
    assert_eq!(code, 200, "{answer}");
}

/// Makes a pod run.
pub async fn run(embedded: &EmbeddedCluster, name: &str) {
    set(embedded, name, &status("Running", &running())).await;
}

/// Makes a pod succeed.
pub async fn succeed(embedded: &EmbeddedCluster, name: &str) {
    set(embedded, name, &status("Succeeded", &completed())).await;
}

/// The names of all pods.
pub async fn names(embedded: &EmbeddedCluster) -> Vec<String> {
    let (_, list) = get(&embedded.router(), PODS).await;
    let items = list["items"].as_array().unwrap();
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    items.iter().map(name).collect()
}

/// An event about a pod, as a kubelet makes it.
pub fn event(pod: &Value, kind: &str, reason: &str, message: &str) -> Value {
    let metadata = &pod["metadata"];
    json!({
        "metadata": {"generateName": "event.", "namespace": metadata["namespace"]},
        "type": kind, "reason": reason, "message": message,
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"],
        },
        "source": {"component": "kubelet"},
    })
}

/// Tells an event.
pub async fn tell(embedded: &EmbeddedCluster, event: &Value) {
    let path = "/api/v1/namespaces/default/events";
    let (router, body) = (embedded.router(), event.to_string());
    let (code, answer) = call(&router, Method::POST, path, "application/json", body).await;
    assert_eq!(code, 201, "{answer}");
}

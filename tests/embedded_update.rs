//! PUT and PATCH: conflicts, what may change, and the kinds of patches.
mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{PODS, call, create, get, patch, script, without_kubelet};

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON: &str = "application/json-patch+json";

async fn put(router: &axum::Router, path: &str, body: &Value) -> (u16, Value) {
    call(
        router,
        Method::PUT,
        path,
        "application/json",
        body.to_string(),
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn an_update_from_an_old_version_is_a_conflict() {
    let router = without_kubelet().router();
    let mut pod = create(&router, &script("a", "true")).await;
    pod["metadata"]["labels"] = json!({"x": "1"});
    let path = format!("{PODS}/a");
    assert_eq!(put(&router, &path, &pod).await.0, 200);
    let (code, status) = put(&router, &path, &pod).await;
    let message = "Operation cannot be fulfilled on pods \"a\": the object has been modified; please apply your changes to the latest version and try again";
    assert_eq!((code, status["message"].as_str()), (409, Some(message)));
    assert_eq!(status["details"], json!({"name": "a", "kind": "pods"}));
}

#[tokio::test(start_paused = true)]
async fn an_update_that_changes_nothing_makes_no_new_version() {
    let router = without_kubelet().router();
    let pod = create(&router, &script("a", "true")).await;
    let (code, answer) = put(&router, &format!("{PODS}/a"), &pod).await;
    assert_eq!(
        (code, &answer["metadata"]["resourceVersion"]),
        (200, &pod["metadata"]["resourceVersion"])
    );
}

#[tokio::test(start_paused = true)]
async fn a_spec_cannot_change_but_for_a_few_fields() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    let path = format!("{PODS}/a");
    let (code, status) = patch(
        &router,
        &path,
        MERGE,
        &json!({"spec": {"restartPolicy": "Always"}}),
    )
    .await;
    assert_eq!(code, 422);
    let message = status["message"].as_str().expect("a message");
    assert!(
        message.starts_with(
            "Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields other than"
        ),
        "{message}"
    );
    let (code, pod) = patch(
        &router,
        &path,
        MERGE,
        &json!({"spec": {"activeDeadlineSeconds": 5}}),
    )
    .await;
    assert_eq!(
        (code, pod["metadata"]["generation"].as_i64()),
        (200, Some(2))
    );
}

#[tokio::test(start_paused = true)]
async fn the_status_changes_only_through_its_own_path() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    let path = format!("{PODS}/a");
    let change = json!({"metadata": {"labels": {"x": "1"}}, "status": {"message": "hey"}});
    let (_, pod) = patch(&router, &path, MERGE, &change).await;
    assert_eq!(pod["status"]["message"], Value::Null);
    let (_, pod) = patch(&router, &format!("{path}/status"), MERGE, &change).await;
    assert_eq!(
        pod["status"],
        json!({"phase": "Pending", "qosClass": "BestEffort", "message": "hey"})
    );
}

#[tokio::test(start_paused = true)]
async fn a_strategic_merge_joins_lists_by_name() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    let path = format!("{PODS}/a");
    let (code, pod) = patch(
        &router,
        &path,
        STRATEGIC,
        &json!({"spec": {"containers": [{"name": "c", "image": "x:2"}]}}),
    )
    .await;
    assert_eq!(
        (code, pod["spec"]["containers"][0]["image"].as_str()),
        (200, Some("x:2"))
    );
    assert_eq!(
        pod["spec"]["containers"][0]["command"],
        json!(["sh", "-c", "true"])
    );
    let condition =
        |name: &str| json!({"status": {"conditions": [{"type": name, "status": "True"}]}});
    for name in ["One", "Two", "One"] {
        patch(
            &router,
            &format!("{path}/status"),
            STRATEGIC,
            &condition(name),
        )
        .await;
    }
    let (_, pod) = get(&router, &path).await;
    assert_eq!(
        pod["status"]["conditions"].as_array().map(Vec::len),
        Some(2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_json_patch_applies_or_is_refused() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    let path = format!("{PODS}/a");
    let add = json!([{"op": "add", "path": "/metadata/labels", "value": {"x": "1"}}]);
    let (code, pod) = patch(&router, &path, JSON, &add).await;
    assert_eq!(
        (code, pod["metadata"]["labels"]["x"].as_str()),
        (200, Some("1"))
    );
    let (code, status) = patch(
        &router,
        &path,
        JSON,
        &json!([{"op": "remove", "path": "/metadata/foo"}]),
    )
    .await;
    let message = "the server rejected our request due to an error in our request";
    assert_eq!((code, status["message"].as_str()), (422, Some(message)));
}

#[tokio::test(start_paused = true)]
async fn another_name_or_uid_is_refused() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    let path = format!("{PODS}/a");
    let (code, status) = patch(&router, &path, MERGE, &json!({"metadata": {"name": "x"}})).await;
    let message = "the name of the object (x) does not match the name on the URL (a)";
    assert_eq!((code, status["message"].as_str()), (400, Some(message)));
    let mut body = script("a", "true");
    body["metadata"]["uid"] = json!("abc");
    let (code, status) = put(&router, &path, &body).await;
    assert_eq!((code, status["reason"].as_str()), (409, Some("Conflict")));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kind_of_patch_is_refused() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    let (code, status) = patch(
        &router,
        &format!("{PODS}/a"),
        "application/json",
        &json!({}),
    )
    .await;
    assert_eq!(
        (code, status["message"].as_str()),
        (415, Some("415: Unsupported Media Type"))
    );
}

//! Lists: selectors, pages and versions.
mod support;

use serde_json::{Value, json};
use support::{PODS, create, get, script, without_kubelet};

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().expect("a name"))
        .collect()
}

fn labelled(name: &str, labels: Value) -> Value {
    let mut pod = script(name, "true");
    pod["metadata"]["labels"] = labels;
    pod
}

async fn selected(parameter: &str) -> Vec<String> {
    let router = without_kubelet().router();
    create(
        &router,
        &labelled("a", json!({"lecture": "one", "tier": "x"})),
    )
    .await;
    create(&router, &labelled("b", json!({"lecture": "two"}))).await;
    create(&router, &labelled("c", json!({}))).await;
    let (code, list) = get(&router, &format!("{PODS}?{parameter}")).await;
    assert_eq!(code, 200, "{list}");
    names(&list).into_iter().map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn label_selectors_select() {
    assert_eq!(selected("labelSelector=lecture%3Done").await, ["a"]);
    assert_eq!(selected("labelSelector=lecture%3D%3Done,tier").await, ["a"]);
    assert_eq!(selected("labelSelector=lecture!%3Done").await, ["b", "c"]);
    assert_eq!(
        selected("labelSelector=lecture+in+(one,two)").await,
        ["a", "b"]
    );
    assert_eq!(
        selected("labelSelector=lecture+notin+(one)").await,
        ["b", "c"]
    );
    assert_eq!(selected("labelSelector=!lecture").await, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn field_selectors_select() {
    assert_eq!(selected("fieldSelector=metadata.name%3Db").await, ["b"]);
    assert_eq!(
        selected("fieldSelector=metadata.name!%3Db,status.phase%3DPending").await,
        ["a", "c"]
    );
    assert_eq!(
        selected("fieldSelector=spec.nodeName%3Dembedded").await,
        [""; 0]
    );
}

#[tokio::test(start_paused = true)]
async fn a_selector_that_cannot_be_read_is_refused() {
    let router = without_kubelet().router();
    let (code, status) = get(&router, &format!("{PODS}?labelSelector=a+in")).await;
    let message = "unable to parse requirement: found '' expected: '('";
    assert_eq!((code, status["message"].as_str()), (400, Some(message)));
    let (code, status) = get(&router, &format!("{PODS}?fieldSelector=foo%3Dbar")).await;
    assert_eq!(
        (code, status["message"].as_str()),
        (400, Some("field label not supported: foo"))
    );
}

#[tokio::test(start_paused = true)]
async fn pages_show_one_version_of_the_list() {
    let router = without_kubelet().router();
    for name in ["a", "b", "d"] {
        create(&router, &script(name, "true")).await;
    }
    let (_, first) = get(&router, &format!("{PODS}?limit=2")).await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    create(&router, &script("c", "true")).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let (_, second) = get(&router, &format!("{PODS}?limit=2&continue={token}")).await;
    assert_eq!(names(&second), ["d"]);
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_of_the_future_is_a_timeout() {
    let (code, status) = get(
        &without_kubelet().router(),
        &format!("{PODS}?resourceVersion=99999999"),
    )
    .await;
    assert_eq!(code, 504);
    assert_eq!(
        status["message"],
        "Timeout: Too large resource version: 99999999, current: 4"
    );
    assert_eq!(status["details"]["retryAfterSeconds"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_namespace_has_an_empty_list() {
    let (code, list) = get(
        &without_kubelet().router(),
        "/api/v1/namespaces/nonono/pods",
    )
    .await;
    assert_eq!((code, names(&list).len()), (200, 0));
}

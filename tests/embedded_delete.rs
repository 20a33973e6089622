//! Deleting pods: grace, preconditions, repetition. Numbers and texts as a Kubernetes 1.34 answers.
mod support;

use serde_json::{Value, json};
use support::{PODS, call, create, delete, get, patch, post, script, without_kubelet};

/// A pod that somebody else's node would run: nobody answers its deletion.
async fn bound(router: &axum::Router, name: &str) -> Value {
    let mut body = script(name, "true");
    body["spec"]["nodeName"] = json!("elsewhere");
    create(router, &body).await
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_a_node_goes_at_once_and_is_the_answer() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    let (code, pod) = delete(&router, &format!("{PODS}/a"), &json!({})).await;
    assert_eq!((code, pod["kind"].as_str()), (200, Some("Pod")));
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(pod["metadata"]["generation"], 2);
    // One version for the mark, one for the end.
    assert_eq!(pod["metadata"]["resourceVersion"], "7");
    assert_eq!(get(&router, &format!("{PODS}/a")).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_bound_pod_gets_its_grace_and_a_later_delete_can_only_shorten_it() {
    let router = without_kubelet().router();
    bound(&router, "a").await;
    let path = format!("{PODS}/a");
    let grace = |pod: &Value| pod["metadata"]["deletionGracePeriodSeconds"].clone();
    assert_eq!(
        grace(
            &delete(&router, &path, &json!({"gracePeriodSeconds": 6}))
                .await
                .1
        ),
        6
    );
    assert_eq!(grace(&delete(&router, &path, &json!({})).await.1), 6);
    assert_eq!(
        grace(
            &delete(&router, &path, &json!({"gracePeriodSeconds": 60}))
                .await
                .1
        ),
        6
    );
    let shortened = delete(&router, &path, &json!({"gracePeriodSeconds": 4}))
        .await
        .1;
    assert_eq!(grace(&shortened), 4);
    assert_eq!(shortened["metadata"]["generation"], 2);
    assert_eq!(
        grace(
            &delete(&router, &path, &json!({"gracePeriodSeconds": 0}))
                .await
                .1
        ),
        0
    );
    assert_eq!(get(&router, &path).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn the_grace_is_the_pods_own_unless_the_query_says_another() {
    let router = without_kubelet().router();
    bound(&router, "a").await;
    bound(&router, "b").await;
    let (_, pod) = delete(&router, &format!("{PODS}/a"), &json!({})).await;
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 30);
    let path = format!("{PODS}/b?gracePeriodSeconds=7");
    let (_, pod) = call(
        &router,
        axum::http::Method::DELETE,
        &path,
        "application/json",
        "",
    )
    .await;
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 7);
}

#[tokio::test(start_paused = true)]
async fn preconditions_protect_another_pod_of_the_same_name() {
    let router = without_kubelet().router();
    let pod = create(&router, &script("a", "true")).await;
    let uid = pod["metadata"]["uid"].as_str().expect("a uid");
    let (code, status) = delete(
        &router,
        &format!("{PODS}/a"),
        &json!({"preconditions": {"uid": "abc"}}),
    )
    .await;
    assert_eq!(code, 409);
    let message = format!(
        "Operation cannot be fulfilled on Pod \"a\": the UID in the precondition (abc) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
    );
    assert_eq!(status["message"], message);
    let stale = json!({"preconditions": {"resourceVersion": "1"}});
    let (code, status) = delete(&router, &format!("{PODS}/a"), &stale).await;
    let message = "Operation cannot be fulfilled on Pod \"a\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (5). The object might have been modified";
    assert_eq!((code, status["message"].as_str()), (409, Some(message)));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_deletes_nothing() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    let (code, pod) = delete(&router, &format!("{PODS}/a"), &json!({"dryRun": ["All"]})).await;
    assert_eq!(
        (code, pod["metadata"]["resourceVersion"].as_str()),
        (200, Some("5"))
    );
    assert_eq!(get(&router, &format!("{PODS}/a")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_not_there_is_not_found() {
    let (code, status) = delete(
        &without_kubelet().router(),
        &format!("{PODS}/nope"),
        &json!({}),
    )
    .await;
    assert_eq!(
        (code, status["message"].as_str()),
        (404, Some("pods \"nope\" not found"))
    );
    assert_eq!(status["details"], json!({"name": "nope", "kind": "pods"}));
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_holds_a_pod_until_it_is_removed() {
    let router = without_kubelet().router();
    let mut body = script("a", "true");
    body["metadata"]["finalizers"] = json!(["a/b"]);
    create(&router, &body).await;
    let path = format!("{PODS}/a");
    delete(&router, &path, &json!({})).await;
    assert_eq!(get(&router, &path).await.0, 200);
    patch(
        &router,
        &path,
        "application/merge-patch+json",
        &json!({"metadata": {"finalizers": null}}),
    )
    .await;
    assert_eq!(get(&router, &path).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_selection_of_pods_is_deleted_together() {
    let router = without_kubelet().router();
    for (name, lecture) in [("a", "one"), ("b", "two"), ("c", "one")] {
        let mut body = script(name, "true");
        body["metadata"]["labels"] = json!({"lecture": lecture});
        create(&router, &body).await;
    }
    let (code, list) = delete(
        &router,
        &format!("{PODS}?labelSelector=lecture%3Done"),
        &json!({}),
    )
    .await;
    assert_eq!(
        (code, list["items"].as_array().map(Vec::len)),
        (200, Some(2))
    );
    let (_, left) = get(&router, PODS).await;
    assert_eq!(left["items"][0]["metadata"]["name"], "b");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_with_its_pods_and_takes_no_new_ones() {
    let router = without_kubelet().router();
    let (code, _) = post(
        &router,
        "/api/v1/namespaces",
        &json!({"metadata": {"name": "course"}}),
    )
    .await;
    assert_eq!(code, 201);
    let mut body = script("held", "true");
    body["metadata"]["finalizers"] = json!(["a/b"]);
    assert_eq!(
        post(&router, "/api/v1/namespaces/course/pods", &body)
            .await
            .0,
        201
    );
    let (_, namespace) = delete(&router, "/api/v1/namespaces/course", &json!({})).await;
    assert_eq!(namespace["status"]["phase"], "Terminating");
    let (code, status) = post(
        &router,
        "/api/v1/namespaces/course/pods",
        &script("late", "true"),
    )
    .await;
    let message = "pods \"late\" is forbidden: unable to create new content in namespace course because it is being terminated";
    assert_eq!((code, status["message"].as_str()), (403, Some(message)));
    let held = "/api/v1/namespaces/course/pods/held";
    patch(
        &router,
        held,
        "application/merge-patch+json",
        &json!({"metadata": {"finalizers": null}}),
    )
    .await;
    assert_eq!(get(&router, "/api/v1/namespaces/course").await.0, 404);
}

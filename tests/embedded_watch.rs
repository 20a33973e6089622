//! Watches: where they begin, what they show, and how they end. All under a paused clock.
mod support;

use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kubegrader::embedded::{EmbeddedCluster, Options};
use serde_json::json;
use support::{PODS, create, delete, events, patch, script, whole_events, without_kubelet};
use tokio::time::{Instant, timeout};

const MERGE: &str = "application/merge-patch+json";

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(word, name)| ((*word).to_owned(), (*name).to_owned()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_nowhere_begins_with_the_pods_of_now() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    for version in ["", "&resourceVersion=0"] {
        let seen = events(
            &router,
            &format!("{PODS}?watch=true&timeoutSeconds=1{version}"),
        )
        .await;
        assert_eq!(seen, pairs(&[("ADDED", "a")]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_version_shows_what_came_after() {
    let router = without_kubelet().router();
    let created = create(&router, &script("a", "true")).await;
    let version = created["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version")
        .to_owned();
    patch(
        &router,
        &format!("{PODS}/a"),
        MERGE,
        &json!({"metadata": {"labels": {"x": "y"}}}),
    )
    .await;
    delete(&router, &format!("{PODS}/a"), &json!({})).await;
    let seen = events(
        &router,
        &format!("{PODS}?watch=true&resourceVersion={version}&timeoutSeconds=1"),
    )
    .await;
    // The second MODIFIED is the deletion's mark, as on a real server.
    assert_eq!(
        seen,
        pairs(&[("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "a")])
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_begins_or_stops_to_match_appears_and_goes() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    for value in [json!("yes"), json!("no"), json!("yes")] {
        patch(
            &router,
            &format!("{PODS}/a"),
            MERGE,
            &json!({"metadata": {"labels": {"mine": value}}}),
        )
        .await;
    }
    let path =
        format!("{PODS}?watch=true&resourceVersion=4&labelSelector=mine%3Dyes&timeoutSeconds=1");
    let seen = whole_events(&router, &path).await;
    let words: Vec<_> = seen
        .iter()
        .map(|event| event["type"].as_str().expect("a type"))
        .collect();
    assert_eq!(words, ["ADDED", "DELETED", "ADDED"]);
    assert_eq!(seen[1]["object"]["metadata"]["labels"]["mine"], "yes");
    assert_eq!(seen[1]["object"]["metadata"]["resourceVersion"], "7");
}

#[tokio::test(start_paused = true)]
async fn initial_events_end_with_a_marked_bookmark() {
    let router = without_kubelet().router();
    create(&router, &script("a", "true")).await;
    let path = format!(
        "{PODS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    );
    let seen = whole_events(&router, &path).await;
    assert_eq!(seen.len(), 2);
    let expected = json!({"type": "BOOKMARK", "object": {
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"resourceVersion": "5", "annotations": {"k8s.io/initial-events-end": "true"}},
        "spec": {"containers": null}, "status": {},
    }});
    assert_eq!(seen[1], expected);
}

#[tokio::test(start_paused = true)]
async fn initial_events_need_a_version_match() {
    let (code, status) = support::get(
        &without_kubelet().router(),
        &format!("{PODS}?watch=true&sendInitialEvents=true"),
    )
    .await;
    assert_eq!(code, 422);
    let message = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    assert_eq!(status["message"], message);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_no_longer_kept_is_expired() {
    let cluster = EmbeddedCluster::start(Options {
        kubelet: false,
        history: 2,
        ..Options::default()
    });
    let router = cluster.router();
    for name in ["a", "b", "c", "d"] {
        create(&router, &script(name, "true")).await;
    }
    let seen = whole_events(
        &router,
        &format!("{PODS}?watch=true&resourceVersion=1&timeoutSeconds=1"),
    )
    .await;
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version: 1 (6)", "reason": "Expired", "code": 410,
    });
    assert_eq!(seen, [json!({"type": "ERROR", "object": status})]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_gets_a_bookmark_a_minute() {
    let router = without_kubelet().router();
    let path = format!("{PODS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=200");
    let began = Instant::now();
    let seen = events(&router, &path).await;
    assert_eq!(began.elapsed().as_secs(), 200);
    assert_eq!(seen, pairs(&[("BOOKMARK", ""); 3]));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_cluster_ends_its_watches() {
    let cluster = without_kubelet();
    let router = cluster.router();
    let watching =
        tokio::spawn(async move { events(&router, &format!("{PODS}?watch=true")).await });
    tokio::task::yield_now().await;
    cluster.stop().await;
    let ended = timeout(Duration::from_secs(1), watching)
        .await
        .expect("in time")
        .expect("no panic");
    assert_eq!(ended, []);
}

#[tokio::test(start_paused = true)]
async fn the_kube_watcher_follows_a_pod_for_hours() {
    let cluster = without_kubelet();
    let router = cluster.router();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client("default"));
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let mut stream = Box::pin(watcher(pods.clone(), config).applied_objects());
        create(&router, &script("late", "true")).await;
        let seen = stream.try_next().await.expect("no error").expect("a pod");
        assert_eq!(seen.metadata.name.as_deref(), Some("late"));
        assert!(
            timeout(Duration::from_hours(3), stream.try_next())
                .await
                .is_err()
        );
        delete(&router, &format!("{PODS}/late"), &json!({})).await;
    }
}

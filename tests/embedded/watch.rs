//! Watches over hours and out of what is kept, under a paused clock; tests/contract/ has the rest.

use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kubegrader::embedded::{EmbeddedCluster, Options};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::support::{PODS, create, delete, events, script, whole_events, without_kubelet};

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(word, name)| ((*word).to_owned(), (*name).to_owned()))
        .collect()
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
async fn a_quiet_watch_gets_a_bookmark_a_minute_and_one_before_its_end() {
    let router = without_kubelet().router();
    let path = format!("{PODS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=200");
    let began = Instant::now();
    let seen = events(&router, &path).await;
    assert_eq!(began.elapsed().as_secs(), 200);
    assert_eq!(seen, pairs(&[("BOOKMARK", ""); 4]));
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

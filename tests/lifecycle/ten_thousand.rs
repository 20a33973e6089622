//! Ten thousand pods at once in one process. Under paused time.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use kubegrader::cause::Cause;
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{RunOptions, run};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::door::Door;
use crate::support::played::{names, succeed};
use crate::support::without_kubelet;

const PODS: usize = 10_000;

#[tokio::test(start_paused = true)]
async fn ten_thousand_pods_at_once_all_succeed_with_three_requests_each_and_one_watch() {
    let embedded = without_kubelet();
    let door = Door::default();
    let cluster = Arc::new(door.cluster(&embedded));
    let mut runs = JoinSet::new();
    for number in 0..PODS {
        let pod = json!({
            "metadata": {"name": format!("p{number}")},
            "spec": {"containers": [{"name": "c", "image": "i:1"}]},
        });
        let (cluster, manifest) = (Arc::clone(&cluster), Manifest::new(pod).unwrap());
        runs.spawn(async move {
            let options = RunOptions {
                reap: false,
                ..RunOptions::default()
            };
            let cancel = CancellationToken::new();
            run(&cluster, manifest, options, &Steps::default(), cancel).await
        });
    }
    let asked = |method: Method, part| door.count(&method, part);
    let last = Instant::now() + Duration::from_mins(10);
    while asked(Method::POST, "/pods") < PODS {
        assert!(Instant::now() < last, "{}", asked(Method::POST, "/pods"));
        sleep(Duration::from_secs(1)).await;
    }
    // Paused time passes when nobody has anything left to do.
    sleep(Duration::from_secs(1)).await;
    for number in 0..PODS {
        succeed(&embedded, &format!("p{number}")).await;
    }
    while let Some(ended) = runs.join_next().await {
        let outcome = ended.unwrap().unwrap();
        assert_eq!(outcome.verdict.cause, Cause::Completed);
    }
    assert_eq!(names(&embedded).await, [""; 0]);
    assert_eq!(asked(Method::POST, "/pods"), PODS);
    assert_eq!(asked(Method::GET, "/log"), PODS);
    assert_eq!(asked(Method::DELETE, "/pods/"), PODS);
    assert_eq!(asked(Method::GET, "watch=true"), 1);
    // The list that the watch begins with, the list of each five minutes, and one request for the Lease, which there is not.
    let all = asked(Method::GET, "") + asked(Method::POST, "") + asked(Method::DELETE, "");
    assert!(all <= 3 * PODS + 5, "{all}");
}

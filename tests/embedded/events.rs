//! How events are recorded: what is counted, what becomes one, what is dropped.

use kubegrader::embedded::{EmbeddedCluster, EventType, Report, Reporter};
use serde_json::{Value, json};

use crate::support::{create, delete, get, pod, post, script, without_kubelet};

const EVENTS: &str = "/api/v1/namespaces/default/events";

fn by_kubelet(message: &str) -> Report<'_> {
    Report {
        type_: EventType::Warning,
        reason: "Failed",
        message,
        reporter: Reporter::Component {
            component: "kubelet",
            host: "embedded",
        },
        field_path: Some("spec.containers{c}"),
    }
}

async fn events(cluster: &EmbeddedCluster) -> Vec<Value> {
    let (code, mut list) = get(&cluster.router(), EVENTS).await;
    assert_eq!(code, 200);
    serde_json::from_value(list["items"].take()).expect("items")
}

/// The parts of an event that aggregation changes.
fn counted(event: &Value) -> (Option<&str>, Option<i64>) {
    (event["message"].as_str(), event["count"].as_i64())
}

#[tokio::test(start_paused = true)]
async fn the_same_again_is_counted() {
    let cluster = without_kubelet();
    let pod = pod(&create(&cluster.router(), &script("a", "true")).await);
    for _ in 0..3 {
        cluster.record_event(&pod, &by_kubelet("Error: ErrImagePull"));
    }
    let events = events(&cluster).await;
    assert_eq!(
        events.iter().map(counted).collect::<Vec<_>>(),
        [(Some("Error: ErrImagePull"), Some(3))]
    );
}

#[tokio::test(start_paused = true)]
async fn the_tenth_of_many_alike_becomes_one_with_all_that_follow() {
    let cluster = without_kubelet();
    let pod = pod(&create(&cluster.router(), &script("a", "true")).await);
    for number in 1..=12 {
        cluster.record_event(&pod, &by_kubelet(&format!("try {number}")));
    }
    let events = events(&cluster).await;
    assert_eq!(events.len(), 10);
    assert_eq!(counted(&events[0]), (Some("try 1"), Some(1)));
    assert_eq!(
        counted(&events[9]),
        (Some("(combined from similar events): try 12"), Some(3))
    );
}

#[tokio::test(start_paused = true)]
async fn the_scheduler_counts_in_a_series() {
    let cluster = without_kubelet();
    let pod = pod(&create(&cluster.router(), &script("a", "true")).await);
    let report = Report {
        reporter: Reporter::Scheduler {
            action: "Scheduling",
        },
        reason: "FailedScheduling",
        field_path: None,
        ..by_kubelet("0/1 nodes are available")
    };
    cluster.record_event(&pod, &report);
    let message = "0/1 nodes are available: too busy";
    cluster.record_event(&pod, &Report { message, ..report });
    let events = events(&cluster).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["series"]["count"], 2);
    assert_eq!(events[0]["message"], "0/1 nodes are available");
    assert_eq!(
        (&events[0]["firstTimestamp"], &events[0]["source"]),
        (&Value::Null, &json!({}))
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_is_forgotten_after_an_hour() {
    let cluster = without_kubelet();
    let pod = pod(&create(&cluster.router(), &script("a", "true")).await);
    cluster.record_event(&pod, &by_kubelet("old"));
    cluster.record_event(&pod, &by_kubelet("again"));
    tokio::time::advance(std::time::Duration::from_mins(59)).await;
    cluster.record_event(&pod, &by_kubelet("again"));
    tokio::time::advance(std::time::Duration::from_mins(2)).await;
    cluster.record_event(&pod, &by_kubelet("new"));
    let events = events(&cluster).await;
    assert_eq!(
        events.iter().map(counted).collect::<Vec<_>>(),
        [(Some("again"), Some(2)), (Some("new"), Some(1))]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_recorded_in_a_namespace_that_went() {
    let cluster = without_kubelet();
    let router = cluster.router();
    let namespace = json!({"metadata": {"name": "course"}});
    assert_eq!(post(&router, "/api/v1/namespaces", &namespace).await.0, 201);
    let path = "/api/v1/namespaces/course/pods";
    let (code, created) = post(&router, path, &script("a", "true")).await;
    assert_eq!(code, 201);
    let pod = pod(&created);
    cluster.record_event(&pod, &by_kubelet("before"));
    delete(&router, "/api/v1/namespaces/course", &json!({})).await;
    cluster.record_event(&pod, &by_kubelet("after"));
    let (code, list) = get(&router, "/api/v1/events").await;
    assert_eq!((code, &list["items"]), (200, &json!([])));
}

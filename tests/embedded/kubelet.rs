//! Pods as processes: the order of statuses, exit codes, deadlines, deletion and restarts.
//! The expected statuses are those of lives recorded on a Kubernetes 1.34.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::support::scene::{Scene, ended, first, waiting};
use crate::support::{PODS, phase, script, whole_events};

/// Phase, container states and unready conditions of each version of a pod.
fn life(events: &[Value]) -> Vec<String> {
    let line = |event: &Value| {
        let object = &event["object"];
        let state = |one: &Value| {
            let (word, state) = one["state"]
                .as_object()
                .and_then(|all| all.iter().next())
                .expect("a state");
            let detail = state["reason"].as_str().unwrap_or_default();
            format!(
                " {}:{word}:{detail}",
                one["name"].as_str().unwrap_or_default()
            )
        };
        let all =
            ["initContainerStatuses", "containerStatuses"].map(|key| object["status"][key].clone());
        let states: String = all
            .iter()
            .filter_map(Value::as_array)
            .flatten()
            .map(state)
            .collect();
        let conditions = object["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let ready = |one: &Value| one["status"] == "True";
        let yes: String = conditions
            .iter()
            .map(|one| if ready(one) { '+' } else { '-' })
            .collect();
        let phase = object["status"]["phase"].as_str().unwrap_or_default();
        let node = if object["spec"]["nodeName"].is_string() {
            "bound"
        } else {
            "free"
        };
        format!(
            "{} {node} {phase}{states} {yes}",
            event["type"].as_str().unwrap_or_default()
        )
    };
    events.iter().map(line).collect()
}

#[tokio::test]
async fn a_life_shows_the_statuses_of_a_real_kubelet_in_its_order() {
    let scene = Scene::new();
    let mut body = script("a", "sleep 0.3");
    body["spec"]["initContainers"] =
        json!([{"name": "i", "image": "x:1", "command": ["sh", "-c", "sleep 0.1"]}]);
    scene.finished(&body).await;
    let path = format!("{PODS}?watch=true&resourceVersion=2&timeoutSeconds=1");
    let events = whole_events(&scene.cluster.router(), &path).await;
    // The signs are PodReadyToStartContainers, Initialized, Ready, ContainersReady, PodScheduled.
    let expected = [
        "ADDED free Pending ",
        "MODIFIED bound Pending +",
        "MODIFIED bound Pending i:waiting:PodInitializing c:waiting:PodInitializing ----+",
        "MODIFIED bound Pending i:running: c:waiting:PodInitializing +---+",
        "MODIFIED bound Pending i:terminated:Completed c:waiting:PodInitializing ++--+",
        "MODIFIED bound Running i:terminated:Completed c:running: +++++",
        "MODIFIED bound Running i:terminated:Completed c:terminated:Completed ++--+",
        "MODIFIED bound Succeeded i:terminated:Completed c:terminated:Completed -+--+",
    ];
    assert_eq!(life(&events), expected);
}

#[tokio::test]
async fn an_exit_code_is_the_pods_end() {
    let scene = Scene::new();
    let pod = scene.finished(&script("a", "exit 3")).await;
    assert_eq!(phase(&pod), "Failed");
    let ended = ended(&pod);
    assert_eq!(
        (ended.exit_code, ended.reason.as_deref()),
        (3, Some("Error"))
    );
}

#[tokio::test]
async fn a_signal_is_128_and_its_number() {
    let scene = Scene::new();
    let pod = scene.finished(&script("a", "kill -9 $$$$")).await;
    assert_eq!(ended(&pod).exit_code, 137);
}

#[tokio::test]
async fn a_failed_init_container_fails_the_pod_and_the_rest_never_runs() {
    let scene = Scene::new();
    let mut body = script("a", "true");
    body["spec"]["initContainers"] =
        json!([{"name": "i", "image": "x:1", "command": ["sh", "-c", "exit 4"]}]);
    let pod = scene.finished(&body).await;
    assert_eq!(phase(&pod), "Failed");
    assert_eq!(waiting(&pod).reason.as_deref(), Some("PodInitializing"));
}

#[tokio::test]
async fn a_deadline_ends_the_pod() {
    let scene = Scene::new();
    let mut body = script("a", "sleep 600");
    body["spec"]["activeDeadlineSeconds"] = json!(1);
    let pod = scene.finished(&body).await;
    let status = pod.status.clone().unwrap_or_default();
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    assert_eq!(status.reason.as_deref(), Some("DeadlineExceeded"));
    let message = "Pod was active on the node longer than the specified deadline";
    assert_eq!(status.message.as_deref(), Some(message));
    assert_eq!(ended(&pod).exit_code, 143);
}

#[tokio::test]
async fn a_deleted_pod_has_its_grace_to_end_well() {
    let scene = Scene::new();
    scene
        .create(&script(
            "a",
            "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done",
        ))
        .await;
    scene.until("a", |pod| phase(pod) == "Running").await;
    let mut ready = false;
    while !ready {
        ready = scene.log("a").await == "ready\n";
    }
    scene
        .pods
        .delete("a", &DeleteParams::default())
        .await
        .expect("deleted");
    let gone = kube::runtime::wait::await_condition(
        scene.pods.clone(),
        "a",
        kube::runtime::conditions::is_deleted(""),
    );
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .expect("in time")
        .expect("watched");
    let path = format!("{PODS}?watch=true&resourceVersion=2&timeoutSeconds=1");
    let events = whole_events(&scene.cluster.router(), &path).await;
    let expected = [
        "MODIFIED bound Running c:running: +++++",
        "MODIFIED bound Running c:running: +++++",
        "MODIFIED bound Failed c:terminated:Error -+--+",
        "MODIFIED bound Failed c:terminated:Error -+--+",
        "DELETED bound Failed c:terminated:Error -+--+",
    ];
    let seen = life(&events);
    assert_eq!(seen[seen.len() - expected.len()..], expected);
    let last = &events[events.len() - 1]["object"];
    assert_eq!(last["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(
        last["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"],
        5
    );
}

#[tokio::test]
async fn a_failed_container_runs_again_under_on_failure() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let mut body = script(
        "a",
        &format!(
            "test -e {0} || {{ touch {0}; echo first; exit 1; }}; echo second",
            mark.display()
        ),
    );
    body["spec"]["restartPolicy"] = json!("OnFailure");
    let pod = scene.finished(&body).await;
    assert_eq!(phase(&pod), "Succeeded");
    let status = first(&pod);
    assert_eq!(status.restart_count, 1);
    let last = status
        .last_state
        .and_then(|state| state.terminated)
        .expect("a last state");
    assert_eq!(last.exit_code, 1);
    assert_eq!(scene.log("a").await, "second\n");
    let previous = kube::api::LogParams {
        previous: true,
        ..Default::default()
    };
    assert_eq!(
        scene.pods.logs("a", &previous).await.expect("a log"),
        "first\n"
    );
}

#[tokio::test]
async fn the_last_words_of_a_failure_become_its_message() {
    let scene = Scene::new();
    let mut body = script("a", "echo one; printf two; exit 1");
    body["spec"]["containers"][0]["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    assert_eq!(
        ended(&scene.finished(&body).await).message.as_deref(),
        Some("one\ntwo")
    );
}

#[tokio::test]
async fn a_pod_of_another_scheduler_or_behind_a_gate_waits() {
    let scene = Scene::new();
    let mut other = script("other", "true");
    other["spec"]["schedulerName"] = json!("nobody");
    scene.create(&other).await;
    let mut gated = script("gated", "true");
    gated["spec"]["schedulingGates"] = json!([{"name": "g"}]);
    scene.create(&gated).await;
    let mut picky = script("picky", "true");
    picky["spec"]["nodeSelector"] = json!({"x": "y"});
    scene.create(&picky).await;
    let reason = |pod: &Pod| {
        let conditions = pod
            .status
            .clone()
            .unwrap_or_default()
            .conditions
            .unwrap_or_default();
        conditions
            .into_iter()
            .find(|one| one.type_ == "PodScheduled")
            .and_then(|one| one.reason)
    };
    let picky = scene.until("picky", |pod| reason(pod).is_some()).await;
    assert_eq!(reason(&picky).as_deref(), Some("Unschedulable"));
    // The later pod was looked at, so the earlier ones were too.
    let gated = scene.pods.get("gated").await.expect("the pod");
    assert_eq!(reason(&gated).as_deref(), Some("SchedulingGated"));
    let other = scene.pods.get("other").await.expect("the pod");
    assert_eq!(other.spec.and_then(|spec| spec.node_name), None);
}

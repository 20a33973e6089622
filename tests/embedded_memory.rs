//! Memory limits: kept by the kernel in a group where this process may make groups, else by looking.
mod support;

use std::path::PathBuf;
use std::process::Command;

use kubegrader::embedded::Means;
use serde_json::{Value, json};
use support::scene::{Scene, ended, first};
use support::{eventually, phase, script};

const WATCHED: Means = Means {
    namespaces: true,
    cgroups: false,
};

/// A program that takes memory without end.
const GREEDY: &str = "exec tail /dev/zero";

fn limited(name: &str, text: &str, limit: &str) -> Value {
    let mut body = script(name, text);
    body["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": limit}});
    body
}

/// The memory groups of all embedded clusters on this machine.
fn groups() -> Vec<PathBuf> {
    let mut command = Command::new("find");
    command.args(["/sys/fs/cgroup", "-type", "d", "-name", "kubegrader-*"]);
    let found = command.output().expect("find runs").stdout;
    let text = String::from_utf8_lossy(&found);
    text.lines().map(PathBuf::from).collect()
}

#[tokio::test]
async fn a_container_over_its_limit_is_killed_for_its_memory() {
    for means in [Means::default(), WATCHED] {
        let scene = Scene::with(means);
        let pod = scene.finished(&limited("a", GREEDY, "30Mi")).await;
        assert_eq!(phase(&pod), "Failed");
        let ended = ended(&pod);
        assert_eq!(
            (ended.exit_code, ended.reason.as_deref()),
            (137, Some("OOMKilled"))
        );
    }
}

#[tokio::test]
async fn a_limit_holds_in_a_view_too() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("a folder");
    let mut body = limited("a", GREEDY, "30Mi");
    body["spec"]["volumes"] = json!([{"name": "v", "hostPath": {"path": folder.path()}}]);
    body["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "v", "mountPath": folder.path()}]);
    let pod = scene.finished(&body).await;
    assert_eq!(ended(&pod).reason.as_deref(), Some("OOMKilled"));
}

#[tokio::test]
async fn a_container_below_its_limit_ends_well() {
    for means in [Means::default(), WATCHED] {
        let scene = Scene::with(means);
        let text = "id -u; exec head -c 1000000 /dev/zero | tail -c 1 | wc -c";
        let mut body = limited("a", text, "256Mi");
        let me = rustix::process::geteuid();
        let user = if me.is_root() { 12345 } else { me.as_raw() };
        body["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": user});
        let pod = scene.finished(&body).await;
        assert_eq!(ended(&pod).reason.as_deref(), Some("Completed"));
        assert_eq!(scene.log("a").await, format!("{user}\n1\n"));
    }
}

/// What one process shares with its children is counted once.
#[tokio::test]
async fn forks_that_share_their_memory_are_within_the_limit() {
    let scene = Scene::with(WATCHED);
    let text = "import os, time\nblock = bytearray(40_000_000)\n\
                for _ in range(6):\n    if os.fork() == 0:\n        time.sleep(1)\n        os._exit(0)\n\
                for _ in range(6):\n    os.wait()\n";
    let mut body = limited("a", "", "150Mi");
    body["spec"]["containers"][0]["command"] = json!(["python3", "-c", text]);
    let pod = scene.finished(&body).await;
    assert_eq!(ended(&pod).reason.as_deref(), Some("Completed"));
}

/// A kubelet without a limit on a container's processes leaves the rest of them alone (cgroup v1), or kills all
/// of them together (v2); looking on, all are killed.
#[tokio::test]
async fn a_child_over_the_limit_marks_its_container() {
    let child = "(exec tail /dev/zero); exit 0";
    let scene = Scene::with(WATCHED);
    let pod = scene.finished(&limited("a", child, "30Mi")).await;
    assert_eq!(ended(&pod).reason.as_deref(), Some("OOMKilled"));
    assert_eq!(ended(&pod).exit_code, 137);

    let scene = Scene::new();
    let pod = scene.finished(&limited("a", child, "30Mi")).await;
    assert_eq!(ended(&pod).reason.as_deref(), Some("OOMKilled"));
    assert!(matches!(ended(&pod).exit_code, 0 | 137));
}

#[tokio::test]
async fn a_container_with_back_off_keeps_the_reason_of_its_last_run() {
    let scene = Scene::new();
    let mut body = limited("a", GREEDY, "30Mi");
    body["spec"]["restartPolicy"] = json!("OnFailure");
    scene.create(&body).await;
    let pod = scene.until("a", |pod| first(pod).restart_count == 1).await;
    let last = first(&pod).last_state.and_then(|state| state.terminated);
    assert_eq!(
        last.and_then(|last| last.reason).as_deref(),
        Some("OOMKilled")
    );
}

#[tokio::test]
async fn no_group_is_left_behind() {
    let before = groups();
    let scene = Scene::new();
    scene.finished(&limited("a", "true", "64Mi")).await;
    scene.create(&limited("b", "sleep 600", "64Mi")).await;
    scene.until("b", |pod| phase(pod) == "Running").await;
    let own: Vec<PathBuf> = groups()
        .into_iter()
        .filter(|group| !before.contains(group))
        .collect();
    scene.cluster.stop().await;
    drop(scene);
    eventually("a memory group is left", || {
        own.iter().all(|group| !group.exists())
    })
    .await;
}

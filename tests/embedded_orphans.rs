//! What becomes of containers when the process that holds their cluster is killed.
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;
use support::scene::Scene;
use support::{eventually, phase, runs, script};

const MARKER: &str = "KUBEGRADER_TEST_MARKER";

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
async fn holds_a_cluster_until_it_is_killed() {
    let Ok(marker) = std::env::var(MARKER) else {
        return;
    };
    let scene = Scene::new();
    let text = format!(
        "setsid sh -c 'sleep 600; : {marker}' & env -i sh -c 'sleep 600; : {marker}' & trap '' TERM; sleep 600; : {marker}"
    );
    let mut body = script("a", &text);
    body["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "100Mi"}});
    scene.create(&body).await;
    scene.until("a", |pod| phase(pod) == "Running").await;
    println!("pod runs");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn no_container_outlives_a_killed_server() {
    let marker = format!("{:x}", rand::random::<u64>());
    let mut server = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "holds_a_cluster_until_it_is_killed",
            "--exact",
            "--nocapture",
        ])
        .env(MARKER, &marker)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let said = lines
        .map_while(Result::ok)
        .any(|line| line.contains("pod runs"));
    assert!(said);
    eventually("the pod's processes do not run", || runs(&marker)).await;
    let folder = private_folder(&marker);
    assert!(folder.is_dir(), "{}", folder.display());
    server.kill().expect("killed");
    server.wait().expect("waited for");
    eventually("a process is left behind", || !runs(&marker)).await;
    eventually("the private folder is left behind", || !folder.exists()).await;
}

/// The folder of the cluster whose container has this marker in its command line.
fn private_folder(marker: &str) -> std::path::PathBuf {
    let environments = std::fs::read_dir("/proc")
        .expect("a folder")
        .flatten()
        .filter(|process| {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(marker)
        })
        .filter_map(|process| std::fs::read(process.path().join("environ")).ok());
    let texts = environments.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let homes = texts.filter_map(|text| {
        let home = text.split('\0').find_map(|one| one.strip_prefix("HOME="))?;
        home.contains("kubegrader-").then(|| home.to_owned())
    });
    let home = homes.into_iter().next().expect("a home");
    // The folder of the run is in the pod's, which is in the cluster's.
    let root = std::path::Path::new(&home).ancestors().nth(2);
    root.expect("a folder").to_owned()
}

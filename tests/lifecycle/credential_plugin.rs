//! A credential plugin that is asked again in the middle of a request: nothing else waits for it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kubegrader::cluster::{Cluster, Options};
use kubegrader::manifest::Manifest;
use kubegrader::{RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::support::listening::listening;
use crate::support::without_kubelet;

/// A kubeconfig whose token is always about to expire, and whose plugin does this from its second call on, before it prints one.
fn with_a_plugin(kubeconfig: &Path, folder: &Path, later: &str) -> PathBuf {
    let mut config: Value =
        serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let user = &mut config["users"][0]["user"];
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": user["token"], "expirationTimestamp": "2020-01-01T00:00:00Z"},
    });
    let (script, called) = (folder.join("plugin"), folder.join("called"));
    let text = format!(
        "#!/bin/sh\n[ ! -e '{called}' ] || {{ {later}; }}\n: > '{called}'\ncat <<'EOF'\n{credential}\nEOF\n",
        called = called.display(),
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    *user = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": script, "interactiveMode": "Never",
        "env": [{"name": "AAD_CLIENT_SECRET", "value": "hunter2"}],
    }});
    let path = folder.join("with-a-plugin");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_plugin_that_is_slow_holds_up_nothing_but_its_request() {
    let embedded = without_kubelet();
    let folder = tempfile::tempdir().unwrap();
    let server = embedded.serve(&folder.path().join("server")).await.unwrap();
    let cluster = Cluster::new(Options {
        kubeconfig: Some(with_a_plugin(&server.kubeconfig, folder.path(), "sleep 1")),
        ..Options::default()
    });
    let connection = cluster.connect().await.unwrap();

    let began = Instant::now();
    let asking = tokio::spawn(async move {
        let pods = connection.pods("default");
        pods.get_opt("p").await
    });
    // On the thread that the request is on too.
    let ticking = tokio::spawn(async move {
        let mut latest = Duration::ZERO;
        while !asking.is_finished() {
            let before = Instant::now();
            sleep(Duration::from_millis(10)).await;
            latest = latest.max(before.elapsed());
        }
        (asking.await.unwrap(), latest)
    });
    let (answer, latest) = ticking.await.unwrap();
    assert!(answer.unwrap().is_none());
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "no plugin was asked"
    );
    assert!(latest < Duration::from_millis(700), "{latest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_plugin_that_fails_later_is_told_without_what_it_was_given_and_what_it_printed() {
    let embedded = without_kubelet();
    let folder = tempfile::tempdir().unwrap();
    let server = embedded.serve(&folder.path().join("server")).await.unwrap();
    let fails = "echo out-hunter3; echo err-hunter4 >&2; exit 7";
    let cluster = Cluster::new(Options {
        kubeconfig: Some(with_a_plugin(&server.kubeconfig, folder.path(), fails)),
        ..Options::default()
    });
    cluster.connect().await.unwrap();
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let (steps, lines) = listening();
    let (options, cancel) = (RunOptions::default(), CancellationToken::new());
    let stopping = cancel.clone();
    let running = run(
        &cluster,
        Manifest::new(pod).unwrap(),
        options,
        &steps,
        cancel,
    );
    let waiting = async {
        while !lines.lock().unwrap().contains("create failed") {
            sleep(Duration::from_millis(20)).await;
        }
        stopping.cancel();
    };
    let (ended, ()) = tokio::join!(running, waiting);
    let told = format!("{}{}", lines.lock().unwrap(), ended.unwrap_err());
    let problem = "the credential plugin failed (exit status: 7)";
    for line in [
        "create failed and is tried again: ",
        "watching pods failed and is tried again: ",
    ] {
        assert!(told.contains(&format!("{line}{problem}")), "{told}");
    }
    for secret in ["hunter2", "hunter3", "hunter4"] {
        assert!(!told.contains(secret), "{told}");
    }
}

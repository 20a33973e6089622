//! From a container's spec to a process: command, environment, mounts and user, honoured or refused.

use serde_json::json;

use crate::support::scene::{Scene, ended};
use crate::support::script;

#[tokio::test]
async fn a_missing_executable_is_a_start_error_in_the_runtimes_words() {
    let scene = Scene::new();
    for (name, command, what) in [
        (
            "a",
            "nosuch",
            "exec: \"nosuch\": executable file not found in $PATH",
        ),
        (
            "b",
            "/no/such",
            "exec: \"/no/such\": stat /no/such: no such file or directory",
        ),
        (
            "c",
            "/etc/passwd",
            "exec: \"/etc/passwd\": permission denied",
        ),
    ] {
        let mut body = script(name, "true");
        body["spec"]["containers"][0]["command"] = json!([command]);
        let pod = scene.finished(&body).await;
        let ended = ended(&pod);
        assert_eq!(
            (ended.exit_code, ended.reason.as_deref()),
            (128, Some("StartError"))
        );
        let message = format!(
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {what}: unknown"
        );
        assert_eq!(ended.message, Some(message));
    }
}

#[tokio::test]
async fn a_container_sees_its_own_environment_and_not_the_servers() {
    let scene = Scene::new();
    let mut body = script(
        "a",
        "env | cut -d= -f1 | grep -vxE 'PWD|SHLVL|_|OLDPWD' | sort; echo $GREETING",
    );
    body["spec"]["containers"][0]["env"] = json!([
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "GREETING", "value": "hello $(WHO) $(NOBODY) $$(WHO)"},
    ]);
    scene.finished(&body).await;
    let expected = "GREETING\nHOME\nHOSTNAME\nKUBEGRADER_CONTAINER\nPATH\nTMPDIR\nWHO\nhello a $(NOBODY) $(WHO)\n";
    assert_eq!(scene.log("a").await, expected);
}

#[tokio::test]
async fn args_without_a_command_are_the_command() {
    let scene = Scene::new();
    let mut body = script("a", "");
    body["spec"]["containers"][0] =
        json!({"name": "c", "image": "x:1", "args": ["echo", "as", "args"]});
    scene.finished(&body).await;
    assert_eq!(scene.log("a").await, "as args\n");
}

#[tokio::test]
async fn a_container_becomes_another_user_only_under_root() {
    let scene = Scene::new();
    let mut body = script(
        "a",
        "id -u; id -g; id -G; touch $TMPDIR/mine && echo written",
    );
    body["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 12345});
    if rustix::process::geteuid().is_root() {
        scene.finished(&body).await;
        assert_eq!(scene.log("a").await, "12345\n12345\n12345\nwritten\n");
    } else {
        let message = scene.refused(&body).await;
        assert!(
            message.starts_with("container \"c\" asks for user 12345"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_container_that_must_not_be_root_is_refused_under_root() {
    let scene = Scene::new();
    let mut body = script("a", "true");
    body["spec"]["securityContext"] = json!({"runAsNonRoot": true, "runAsUser": 0});
    let message = scene.refused(&body).await;
    assert!(
        message.starts_with("container's runAsUser breaks non-root policy (pod: \"a_default("),
        "{message}"
    );
}

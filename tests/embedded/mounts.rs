//! Volumes and mounts: what a container sees of them, what a kubelet says of those that cannot be had, and
//! that nothing of this machine's own files is changed for them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use kube::api::DeleteParams;
use kubegrader::embedded::Means;
use serde_json::{Value, json};

use crate::support::scene::{Scene, ended, waiting};
use crate::support::{eventually, phase, script};

/// Does this machine let us make mount namespaces? Asked without what is tested.
fn has_namespaces() -> bool {
    let tried = |options: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(options).args(["--mount", "true"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    tried(&[]) || tried(&["--user", "--map-root-user"])
}

/// A pod with one volume, mounted as told.
fn mounting(name: &str, text: &str, volume: &Value, mounts: &Value) -> Value {
    let mut body = script(name, text);
    let mut volume = volume.clone();
    volume["name"] = json!("v");
    body["spec"]["volumes"] = json!([volume]);
    body["spec"]["containers"][0]["volumeMounts"] = mounts.clone();
    body
}

fn host_path(path: &Path) -> Value {
    json!({"hostPath": {"path": path}})
}

const NO_NAMESPACES: Means = Means {
    namespaces: false,
    cgroups: true,
};

#[tokio::test]
async fn a_mount_at_the_path_of_its_source_is_honoured_everywhere() {
    for means in [Means::default(), NO_NAMESPACES] {
        let scene = Scene::with(means);
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("submission");
        let body = mounting(
            "a",
            &format!("echo done > {}/result", target.display()),
            &host_path(folder.path()),
            &json!([{"name": "v", "mountPath": target, "subPath": "submission"}]),
        );
        assert_eq!(phase(&scene.finished(&body).await), "Succeeded");
        let written = std::fs::read_to_string(target.join("result")).expect("a file");
        assert_eq!(written, "done\n");
    }
}

#[tokio::test]
async fn without_namespaces_other_mounts_are_refused_with_advice() {
    let scene = Scene::with(NO_NAMESPACES);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let why = "pods run as local processes here, without a file system of their own";
    for (name, volume, mount, message) in [
        (
            "elsewhere",
            host_path(path),
            json!({"mountPath": "/data"}),
            format!(
                "a volume cannot be mounted at \"/data\": {why}, so mountPath must be the path of its source, \"{}\"",
                path.display()
            ),
        ),
        (
            "read-only",
            host_path(path),
            json!({"mountPath": path, "readOnly": true}),
            format!(
                "\"{}\" cannot be mounted read-only: {why}; leave readOnly out",
                path.display()
            ),
        ),
        (
            "empty",
            json!({"emptyDir": {}}),
            json!({"mountPath": "/scratch"}),
            format!(
                "a volume of the pod's own cannot be mounted at \"/scratch\": {why}; use $TMPDIR, a private folder that goes with the pod"
            ),
        ),
    ] {
        let mut mount = mount;
        mount["name"] = json!("v");
        let body = mounting(name, "true", &volume, &json!([mount]));
        assert_eq!(scene.refused(&body).await, message);
    }
}

#[tokio::test]
async fn a_volume_is_seen_at_a_path_that_this_machine_does_not_have() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("with space"), "text\n").expect("written");
    let body = mounting(
        "a",
        "cat '/kubegrader-no-such/deep er/with space' /kubegrader-file; echo new > '/kubegrader-no-such/deep er/new'; ls -d /usr/bin /proc/self/status",
        &host_path(folder.path()),
        &json!([
            {"name": "v", "mountPath": "/kubegrader-no-such/deep er"},
            {"name": "v", "mountPath": "/kubegrader-file", "subPath": "with space"},
        ]),
    );
    let pod = scene.finished(&body).await;
    assert_eq!(
        scene.log("a").await,
        "text\ntext\n/proc/self/status\n/usr/bin\n"
    );
    assert_eq!(phase(&pod), "Succeeded");
    let written = std::fs::read_to_string(folder.path().join("new")).expect("a file");
    assert_eq!(written, "new\n");
    assert!(!Path::new("/kubegrader-no-such").exists());
    assert!(!Path::new("/kubegrader-file").exists());
}

#[tokio::test]
async fn a_mount_hides_what_was_there_only_for_its_container() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    std::fs::create_dir(&source).expect("made");
    std::fs::create_dir(&target).expect("made");
    std::fs::write(target.join("own"), "").expect("written");
    let beside = target.join("missing/file");
    let mut body = mounting(
        "a",
        &format!(
            "ls {0}; ls {0}/missing; cat {0}/missing/file",
            target.display()
        ),
        &host_path(&source),
        &json!([{"name": "v", "mountPath": beside, "subPath": "text"}]),
    );
    std::fs::write(source.join("text"), "bound\n").expect("written");
    scene.finished(&body).await;
    assert_eq!(scene.log("a").await, "missing\nown\nfile\nbound\n");
    assert!(!target.join("missing").exists());
    body = mounting(
        "b",
        &format!("ls {}", target.display()),
        &host_path(&source),
        &json!([{"name": "v", "mountPath": target}]),
    );
    scene.finished(&body).await;
    assert_eq!(scene.log("b").await, "text\n");
    assert!(target.join("own").exists());
}

#[tokio::test]
async fn an_empty_dir_belongs_to_the_pods_containers_and_goes_with_the_pod() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let mut body = mounting(
        "a",
        "stat -c %a /scratch; cat /scratch/note; touch /read-only/x; df --output=target /scratch | tail -1",
        &json!({"emptyDir": {}}),
        &json!([
            {"name": "v", "mountPath": "/scratch"},
            {"name": "v", "mountPath": "/read-only", "readOnly": true},
        ]),
    );
    body["spec"]["initContainers"] = json!([{
        "name": "i", "image": "x:1", "command": ["sh", "-c", "echo hello > /elsewhere/note"],
        "volumeMounts": [{"name": "v", "mountPath": "/elsewhere"}],
    }]);
    scene.finished(&body).await;
    assert_eq!(
        scene.log("a").await,
        "777\nhello\ntouch: cannot touch '/read-only/x': Read-only file system\n/scratch\n"
    );
}

/// The layout of a life that was recorded on a real node: mounts of one volume inside another, and of a file.
#[tokio::test]
async fn mounts_nest_whatever_their_order_in_the_spec() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "text\n").expect("written");
    let mut body = script("a", "ls /a /a/b /e; cat /a/f; echo x > /a/b/new; ls /a/b");
    body["spec"]["volumes"] = json!([
        {"name": "e", "emptyDir": {}},
        {"name": "h", "hostPath": {"path": folder.path()}},
    ]);
    body["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "e", "mountPath": "/a/b"},
        {"name": "h", "mountPath": "/a/f", "subPath": "file"},
        {"name": "e", "mountPath": "/a"},
        {"name": "e", "mountPath": "/e"},
    ]);
    scene.finished(&body).await;
    assert_eq!(
        scene.log("a").await,
        "/a:\nb\nf\n\n/a/b:\nb\nf\n\n/e:\nb\nf\ntext\nb\nf\nnew\n"
    );
}

#[tokio::test]
async fn nothing_is_made_in_a_volume_of_this_machine_for_a_mount_inside_it() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("a folder");
    let body = mounting(
        "a",
        "true",
        &host_path(folder.path()),
        &json!([
            {"name": "v", "mountPath": "/outer"},
            {"name": "v", "mountPath": "/outer/inner"},
        ]),
    );
    let ended = ended(&scene.finished(&body).await);
    assert_eq!(ended.reason.as_deref(), Some("StartError"));
    let message = ended.message.unwrap_or_default();
    let advice = format!("make \"{}/inner\" there first", folder.path().display());
    assert!(message.contains(&advice), "{message}");
    assert!(!folder.path().join("inner").exists());
}

#[tokio::test]
async fn a_sub_path_is_made_with_its_variables_and_never_leads_out_of_its_volume() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut body = mounting(
        "a",
        "touch /v/mark",
        &host_path(path),
        &json!([{"name": "v", "mountPath": "/v", "subPathExpr": "$(NAME)/x"}]),
    );
    body["spec"]["containers"][0]["env"] =
        json!([{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);
    scene.finished(&body).await;
    assert!(path.join("a/x/mark").exists());

    body["metadata"]["name"] = json!("unknown");
    body["spec"]["containers"][0]["env"] = json!([]);
    assert_eq!(scene.refused(&body).await, "missing value for NAME");

    std::os::unix::fs::symlink("/etc", path.join("link")).expect("a link");
    let body = mounting(
        "escapes",
        "true",
        &host_path(path),
        &json!([{"name": "v", "mountPath": "/v", "subPath": "link"}]),
    );
    let message = "failed to prepare subPath for volumeMount \"v\" of container \"c\"";
    assert_eq!(scene.refused(&body).await, message);
}

#[tokio::test]
async fn the_program_and_the_working_directory_are_those_of_the_view() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("run.sh");
    std::fs::write(&program, "#!/bin/sh\npwd; echo \"$0\"; exit 3\n").expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("set");
    let mut body = mounting(
        "a",
        "",
        &host_path(folder.path()),
        &json!([{"name": "v", "mountPath": "/course"}]),
    );
    body["spec"]["containers"][0]["command"] = json!(["/course/run.sh"]);
    body["spec"]["containers"][0]["workingDir"] = json!("/course");
    let pod = scene.finished(&body).await;
    assert_eq!(scene.log("a").await, "/course\n/course/run.sh\n");
    assert_eq!(ended(&pod).exit_code, 3);

    body["metadata"]["name"] = json!("b");
    body["spec"]["containers"][0]["workingDir"] = json!("/course/nowhere");
    let pod = scene.finished(&body).await;
    assert_eq!(ended(&pod).reason.as_deref(), Some("StartError"));
}

#[tokio::test]
async fn the_environment_of_a_view_is_the_containers_own() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let mut body = mounting(
        "a",
        "",
        &json!({"emptyDir": {}}),
        &json!([{"name": "v", "mountPath": "/tmp"}]),
    );
    let container = &mut body["spec"]["containers"][0];
    // No shell, which would add variables by itself.
    container["command"] = json!(["env"]);
    container["env"] = json!([
        {"name": "SHLVL", "value": "own value"},
        {"name": "QUOTED", "value": "it's \"$HOME\"\nand `more`"},
    ]);
    scene.finished(&body).await;
    let log = scene.log("a").await;
    let mut lines: Vec<&str> = log
        .lines()
        .filter(|line| !line.starts_with("KUBEGRADER_CONTAINER=") && !line.starts_with("PATH="))
        .collect();
    lines.sort_unstable();
    // A mount at /tmp hides the private folder, which is below it.
    let expected = [
        "HOME=/",
        "HOSTNAME=a",
        "QUOTED=it's \"$HOME\"",
        "SHLVL=own value",
        "TMPDIR=/tmp",
        "and `more`",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_process_in_a_view_keeps_its_user_and_has_no_more_rights() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let mut body = mounting(
        "a",
        "id -u; grep CapEff /proc/self/status; umount /v 2>&1 | wc -l",
        &json!({"emptyDir": {}}),
        &json!([{"name": "v", "mountPath": "/v"}]),
    );
    let me = rustix::process::geteuid().as_raw();
    let user = if me == 0 { 12345 } else { me };
    body["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": user});
    scene.finished(&body).await;
    let expected = format!("{user}\nCapEff:\t0000000000000000\n1\n");
    assert_eq!(scene.log("a").await, expected);
}

#[tokio::test]
async fn a_process_in_a_view_gets_its_signals_and_leaves_nobody_behind() {
    if !has_namespaces() {
        return;
    }
    let scene = Scene::new();
    let marker = format!("{:x}", rand::random::<u64>());
    let mut body = mounting(
        "a",
        &format!(
            "setsid sh -c 'sleep 600; : {marker}' & trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"
        ),
        &json!({"emptyDir": {}}),
        &json!([{"name": "v", "mountPath": "/v"}]),
    );
    body["metadata"]["finalizers"] = json!(["kubegrader.test/keep"]);
    scene.create(&body).await;
    scene.until("a", |pod| phase(pod) == "Running").await;
    let mut ready = false;
    while !ready {
        ready = scene.log("a").await == "ready\n" && crate::support::runs(&marker);
    }
    scene
        .pods
        .delete("a", &DeleteParams::default())
        .await
        .expect("deleted");
    eventually("the session outlives its container", || {
        !crate::support::runs(&marker)
    })
    .await;
    let pod = scene.until("a", crate::support::is_finished).await;
    assert_eq!(ended(&pod).exit_code, 7);
}

/// The words are those of a real kubelet's events; the pod goes on when the folder is there.
#[tokio::test]
async fn a_pod_waits_for_its_host_path() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("later");
    let body = mounting(
        "a",
        "true",
        &json!({"hostPath": {"path": path, "type": "Directory"}}),
        &json!([{"name": "v", "mountPath": path}]),
    );
    scene.create(&body).await;
    let pod = scene
        .until("a", |pod| {
            waiting(pod).reason.as_deref() == Some("ContainerCreating")
        })
        .await;
    let conditions = pod.status.and_then(|status| status.conditions);
    let ready_to_start = conditions
        .into_iter()
        .flatten()
        .find(|one| one.type_ == "PodReadyToStartContainers");
    assert_eq!(
        ready_to_start.map(|one| one.status).as_deref(),
        Some("False")
    );
    std::fs::create_dir(&path).expect("made");
    let pod = scene.until("a", crate::support::is_finished).await;
    assert_eq!(phase(&pod), "Succeeded");
}

#[tokio::test]
async fn a_volume_that_is_not_supported_is_refused_with_advice() {
    let scene = Scene::new();
    for (name, volume, message) in [
        (
            "nfs",
            json!({"nfs": {"server": "s", "path": "/"}}),
            "volume \"v\" of kind nfs is not supported here: use hostPath or emptyDir",
        ),
        (
            "memory",
            json!({"emptyDir": {"medium": "Memory"}}),
            "volume \"v\": medium of an emptyDir is not honoured here, where it is a folder on this machine's disk; leave medium out",
        ),
    ] {
        let body = mounting(
            name,
            "true",
            &volume,
            &json!([{"name": "v", "mountPath": "/v"}]),
        );
        assert_eq!(scene.refused(&body).await, message);
    }
}

//! The variables of a container. The expected values are those of a real node with the same pod.

use serde_json::json;

use crate::support::scene::Scene;
use crate::support::script;

#[tokio::test]
async fn fields_and_resources_become_variables() {
    let scene = Scene::new();
    let mut body = script("a", "env | grep '^V_' | sort");
    body["metadata"]["labels"] = json!({"a/b": "lab"});
    body["metadata"]["annotations"] = json!({"n": "ann"});
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let resource = |name: &str, resource: &str, divisor: &str| json!({"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}}});
    let container = &mut body["spec"]["containers"][0];
    container["resources"] =
        json!({"limits": {"memory": "64Mi", "cpu": "250m"}, "requests": {"memory": "1000k"}});
    container["env"] = json!([
        resource("V_A", "limits.memory", "0"),
        resource("V_B", "limits.memory", "1Mi"),
        resource("V_C", "limits.cpu", "0"),
        resource("V_D", "limits.cpu", "1m"),
        resource("V_E", "requests.memory", "1Ki"),
        resource("V_F", "requests.cpu", "1m"),
        field("V_H", "metadata.labels['a/b']"),
        field("V_I", "metadata.annotations['n']"),
        field("V_J", "metadata.labels['none']"),
        field("V_L", "spec.serviceAccountName"),
    ]);
    scene.finished(&body).await;
    let expected = "V_A=67108864\nV_B=64\nV_C=1\nV_D=250\nV_E=977\nV_F=250\nV_H=lab\nV_I=ann\nV_J=\nV_L=default\n";
    assert_eq!(scene.log("a").await, expected);
}

#[tokio::test]
async fn a_limit_that_is_not_set_is_the_machines_own() {
    let scene = Scene::new();
    let mut body = script(
        "a",
        "test $CPU = $(nproc) && echo $REQUEST $((MEMORY / 1024))",
    );
    let resource = |name: &str, resource: &str| json!({"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource}}});
    body["spec"]["containers"][0]["env"] = json!([
        resource("CPU", "limits.cpu"),
        resource("MEMORY", "limits.memory"),
        resource("REQUEST", "requests.memory"),
    ]);
    scene.finished(&body).await;
    let machine = std::fs::read_to_string("/proc/meminfo").expect("a file");
    let total = machine
        .lines()
        .find(|line| line.starts_with("MemTotal:"))
        .and_then(|line| line.split_whitespace().nth(1))
        .expect("a number");
    assert_eq!(scene.log("a").await, format!("0 {total}\n"));
}

#[tokio::test]
async fn what_is_optional_and_missing_is_left_out() {
    let scene = Scene::new();
    let mut body = script("a", "echo ${A-unset} $B");
    body["spec"]["containers"][0]["envFrom"] = json!([
        {"configMapRef": {"name": "nosuch", "optional": true}},
        {"prefix": "P_", "secretRef": {"name": "nosuch", "optional": true}},
    ]);
    body["spec"]["containers"][0]["env"] = json!([
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "nosuch", "key": "k", "optional": true}}},
        {"name": "B", "value": "x$(A)y"},
    ]);
    scene.finished(&body).await;
    assert_eq!(scene.log("a").await, "unset x$(A)y\n");
}

#[tokio::test]
async fn what_would_change_a_container_and_is_not_done_is_refused() {
    let scene = Scene::new();
    let probe = json!({"exec": {"command": ["true"]}});
    for (name, field, value) in [
        ("liveness", "livenessProbe", probe.clone()),
        ("hook", "lifecycle", json!({"preStop": probe})),
        ("tty", "tty", json!(true)),
        ("log", "terminationMessagePath", json!("/tmp/words")),
    ] {
        let mut body = script(name, "true");
        body["spec"]["containers"][0][field] = value;
        let message = format!(
            "{field} is not supported here, where pods run as local processes: leave it out"
        );
        assert_eq!(scene.refused(&body).await, message);
    }
}

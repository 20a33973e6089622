//! Creating pods: defaults, names and refusals. Every expected text was read from a Kubernetes 1.34.
mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{PODS, call, create, get, post, script, without_kubelet};

async fn refused(path: &str, body: Value) -> (u16, Value) {
    let (code, mut status) = post(&without_kubelet().router(), path, &body).await;
    (code, status["message"].take())
}

fn causes(status: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = status["details"]["causes"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    all.iter()
        .map(|one| (text(&one["field"]), text(&one["message"])))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_new_pod_gets_the_servers_defaults() {
    let body =
        json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "x"}]}});
    let mut pod = create(&without_kubelet().router(), &body).await;
    let metadata = pod["metadata"].take();
    assert_eq!(metadata["generation"], 1);
    assert_eq!(metadata["namespace"], "default");
    let wait = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
    let expected = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": null,
        "spec": {
            "containers": [{
                "name": "c", "image": "x", "imagePullPolicy": "Always", "resources": {},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default", "serviceAccount": "default", "securityContext": {},
            "schedulerName": "default-scheduler", "priority": 0, "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
            "tolerations": [wait("node.kubernetes.io/not-ready"), wait("node.kubernetes.io/unreachable")],
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    });
    assert_eq!(pod, expected);
}

#[tokio::test(start_paused = true)]
async fn generate_name_appends_five_characters() {
    let body = json!({"metadata": {"generateName": "gen-"}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}});
    let pod = create(&without_kubelet().router(), &body).await;
    let name = pod["metadata"]["name"].as_str().expect("a name");
    let letters = name.strip_prefix("gen-").expect("the prefix");
    assert_eq!(letters.len(), 5);
    assert!(
        letters
            .chars()
            .all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c))
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_a_name_is_refused() {
    let body = json!({"spec": {"containers": [{"name": "c", "image": "x:1"}]}});
    let (code, status) = post(&without_kubelet().router(), PODS, &body).await;
    assert_eq!(code, 422);
    let expected = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Pod \"\" is invalid: metadata.name: Required value: name or generateName is required",
        "reason": "Invalid",
        "details": {"kind": "Pod", "causes": [{
            "reason": "FieldValueRequired", "message": "Required value: name or generateName is required",
            "field": "metadata.name",
        }]},
        "code": 422,
    });
    assert_eq!(status, expected);
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_a_pod_is_named_at_once() {
    let body = json!({"metadata": {"name": "a"}, "spec": {
        "restartPolicy": "Sometimes", "activeDeadlineSeconds": 0,
        "volumes": [
            {"name": "v"}, {"name": ""}, {"name": "w", "emptyDir": {}, "hostPath": {"path": "/x"}},
            {"name": "w", "emptyDir": {}}, {"name": "hp", "hostPath": {"path": ""}},
            {"name": "p", "persistentVolumeClaim": {"claimName": ""}},
        ],
        "containers": [
            {"name": "c", "image": "x", "imagePullPolicy": "X",
             "env": [{"name": ""}, {"name": "1=a", "value": "x"}, {"name": "b", "valueFrom": {}}],
             "volumeMounts": [
                {"name": "nope", "mountPath": "/a"}, {"name": "w", "mountPath": "/a"},
                {"name": "w", "mountPath": "/z", "subPath": "../x"},
             ]},
            {"name": "c", "image": ""},
        ],
    }});
    let (code, status) = post(&without_kubelet().router(), PODS, &body).await;
    assert_eq!(code, 422);
    let expected = [
        ("spec.volumes[1].name", "Required value"),
        (
            "spec.volumes[2].hostPath",
            "Forbidden: may not specify more than 1 volume type",
        ),
        ("spec.volumes[4].hostPath.path", "Required value"),
        (
            "spec.volumes[5].persistentVolumeClaim.claimName",
            "Required value",
        ),
        ("spec.containers[0].env[0].name", "Required value"),
        (
            "spec.containers[0].env[1].name",
            "Invalid value: \"1=a\": a valid environment variable name must consist only of printable ASCII characters other than '='",
        ),
        (
            "spec.containers[0].env[2].valueFrom",
            "Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        ),
        (
            "spec.containers[0].volumeMounts[0].name",
            "Not found: \"nope\"",
        ),
        (
            "spec.containers[0].volumeMounts[1].mountPath",
            "Invalid value: \"/a\": must be unique",
        ),
        (
            "spec.containers[0].volumeMounts.subPath",
            "Invalid value: \"../x\": must not contain '..'",
        ),
        (
            "spec.containers[0].imagePullPolicy",
            "Unsupported value: \"X\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
        ),
        ("spec.containers[1].name", "Duplicate value: \"c\""),
        ("spec.containers[1].image", "Required value"),
        (
            "spec.restartPolicy",
            "Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ),
        (
            "spec.activeDeadlineSeconds",
            "Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
    ];
    let expected: Vec<_> = expected
        .map(|(field, message)| (field.to_owned(), message.to_owned()))
        .into();
    assert_eq!(causes(&status), expected);
}

#[tokio::test(start_paused = true)]
async fn bad_names_are_refused_in_kubernetes_words() {
    let body = json!({"metadata": {"name": "Bad_Name"}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}});
    let message = "Pod \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    assert_eq!(refused(PODS, body).await, (422, json!(message)));
}

#[tokio::test(start_paused = true)]
async fn a_label_that_is_no_label_is_refused() {
    let mut body = script("a", "true");
    body["metadata"]["labels"] = json!({"ok": "-bad value"});
    let message = "Pod \"a\" is invalid: metadata.labels: Invalid value: \"-bad value\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    assert_eq!(refused(PODS, body).await, (422, json!(message)));
}

#[tokio::test(start_paused = true)]
async fn a_second_pod_of_the_same_name_is_refused() {
    let router = without_kubelet().router();
    create(&router, &script("twice", "true")).await;
    let (code, status) = post(&router, PODS, &script("twice", "true")).await;
    assert_eq!(code, 409);
    assert_eq!(status["reason"], "AlreadyExists");
    assert_eq!(status["message"], "pods \"twice\" already exists");
    assert_eq!(status["details"], json!({"name": "twice", "kind": "pods"}));
}

#[tokio::test(start_paused = true)]
async fn a_pod_in_an_unknown_namespace_is_refused() {
    let message = json!("namespaces \"nonono\" not found");
    let path = "/api/v1/namespaces/nonono/pods";
    assert_eq!(refused(path, script("a", "true")).await, (404, message));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_answers_and_stores_nothing() {
    let router = without_kubelet().router();
    let (code, pod) = post(
        &router,
        &format!("{PODS}?dryRun=All"),
        &script("dry", "true"),
    )
    .await;
    assert_eq!((code, pod["metadata"]["name"].as_str()), (201, Some("dry")));
    assert_eq!(get(&router, &format!("{PODS}/dry")).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_quantity_that_is_none_is_a_bad_request() {
    let mut body = script("a", "true");
    body["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "lots"}});
    let message = "Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    assert_eq!(refused(PODS, body).await, (400, json!(message)));
}

#[tokio::test(start_paused = true)]
async fn strict_validation_names_unknown_fields() {
    let mut body = script("a", "true");
    body["spec"]["containers"][0]["imag"] = json!("x");
    let message = "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.containers[0].imag\"";
    assert_eq!(
        refused(&format!("{PODS}?fieldValidation=Strict"), body).await,
        (400, json!(message))
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_of_three_mebibytes_is_too_large() {
    let router = without_kubelet().router();
    let body = " ".repeat(3_300_000);
    let (code, status) = call(&router, Method::POST, PODS, "application/json", body).await;
    assert_eq!(code, 413);
    assert_eq!(
        status["message"],
        "Request entity too large: limit is 3145728"
    );
    assert_eq!(status["reason"], "RequestEntityTooLarge");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_another_type_is_refused() {
    let (code, status) = call(
        &without_kubelet().router(),
        Method::POST,
        PODS,
        "text/plain",
        "{}",
    )
    .await;
    assert_eq!(
        (code, status["reason"].as_str()),
        (415, Some("UnsupportedMediaType"))
    );
}

#[tokio::test(start_paused = true)]
async fn paths_and_methods_that_do_not_exist_are_refused() {
    let router = without_kubelet().router();
    let (code, status) = get(&router, "/api/v1/namespaces/default/foos").await;
    assert_eq!(
        (code, status["message"].as_str()),
        (
            404,
            Some("the server could not find the requested resource")
        )
    );
    let (code, status) = call(&router, Method::PUT, PODS, "application/json", "{}").await;
    let message = "the server does not allow this method on the requested resource";
    assert_eq!((code, status["message"].as_str()), (405, Some(message)));
}

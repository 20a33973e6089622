//! A submission's pod from the executor's traits.

use kubegrader::request::Request;
use serde_json::{Value, json};

fn request(changes: Value) -> Result<Value, String> {
    let mut request = json!({
        "name": "autograde-job-alice-7",
        "image": "algebra_image",
        "image_pull_policy": "Always",
        "args": ["grader-convert", "autograde"],
        "working_dir": "/",
        "env": [{"name": "ASSIGNMENT_SETTINGS", "value": "{}"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "grader"}}],
        "volume_mounts": [{"name": "data", "mountPath": "/srv/in", "subPath": "in/submission_7"}],
        "run_as_user": 1000,
    });
    request
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    let request: Request = serde_json::from_value(request).unwrap();
    request
        .manifest()
        .map(|manifest| manifest.to_value())
        .map_err(|error| error.to_string())
}

#[test]
fn the_pod_is_grader_service_0_12_5s() {
    // What make_pod of grader-service 0.12.5 gives for the same arguments, as the API receives it.
    let expected = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "autograde-job-alice-7", "labels": {}, "annotations": {}},
        "spec": {
            "containers": [{
                "name": "autograde",
                "image": "algebra_image",
                "imagePullPolicy": "Always",
                "workingDir": "/",
                "args": ["grader-convert", "autograde"],
                "env": [{"name": "ASSIGNMENT_SETTINGS", "value": "{}"}],
                "resources": {},
                "securityContext": {"runAsUser": 1000},
                "volumeMounts": [{"name": "data", "mountPath": "/srv/in", "subPath": "in/submission_7"}],
            }],
            "restartPolicy": "Never",
            "securityContext": {},
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "grader"}}],
        },
    });
    assert_eq!(request(json!({})).unwrap(), expected);
}

#[test]
fn snake_case_and_camel_case_make_the_same_volume() {
    let camel = request(
        json!({"volumes": [{"name": "data", "hostPath": {"path": "/srv", "type": "Directory"}}]}),
    );
    let snake = request(
        json!({"volumes": [{"name": "data", "host_path": {"path": "/srv", "type": "Directory"}}]}),
    );
    assert_eq!(
        camel.unwrap()["spec"]["volumes"],
        snake.unwrap()["spec"]["volumes"]
    );
    let claim = request(
        json!({"volumes": [{"name": "data", "persistent_volume_claim": {"claim_name": "grader", "read_only": null}}]}),
    );
    assert_eq!(
        claim.unwrap()["spec"]["volumes"],
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "grader"}}])
    );
}

#[test]
fn a_misspelt_field_is_an_error_and_not_dropped() {
    let error = request(
        json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimNmae": "grader"}}]}),
    );
    assert_eq!(
        error.unwrap_err(),
        "volumes[0].persistentVolumeClaim.claimNmae: there is no such field"
    );
    let error = request(json!({"volumes": [{"name": "data", "host_pth": {"path": "/"}}]}));
    assert_eq!(
        error.unwrap_err(),
        "volumes[0].hostPth: there is no such field"
    );
}

#[test]
fn a_volume_without_a_name_is_told_with_what_to_write() {
    for volume in [
        json!({}),
        json!({"persistentVolumeClaim": {"claimName": "grader"}}),
    ] {
        let error = request(json!({"volumes": [volume]})).unwrap_err();
        assert!(
            error.starts_with(
                "volumes[0].name: the volume has no name. Set KubeAutogradeExecutor.volume"
            ),
            "{error}"
        );
    }
}

#[test]
fn a_mount_of_a_volume_that_is_not_there_is_told() {
    let error = request(json!({"volumes": [{"name": "stuff", "emptyDir": {}}]})).unwrap_err();
    assert!(
        error.contains(
            r#"/srv/in is to come from a volume "data", and the volumes are called ["stuff"]"#
        ),
        "{error}"
    );
}

#[test]
fn two_volumes_of_one_name_are_told() {
    let error = request(
        json!({"volumes": [{"name": "data", "emptyDir": {}}, {"name": "data", "emptyDir": {}}]}),
    );
    assert_eq!(
        error.unwrap_err(),
        r#"volumes[1].name: "data" is the name of two volumes"#
    );
}

#[test]
fn pull_secrets_are_names_or_objects() {
    let pod = request(json!({"image_pull_secrets": ["registry", {"name": "other"}]})).unwrap();
    assert_eq!(
        pod["spec"]["imagePullSecrets"],
        json!([{"name": "registry"}, {"name": "other"}])
    );
}

#[test]
fn tolerations_and_node_selector_reach_the_pod() {
    let pod = request(json!({
        "tolerations": [{"key": "grading", "operator": "Exists", "toleration_seconds": 5}],
        "node_selector": {"my_pool": "grading"},
    }))
    .unwrap();
    assert_eq!(
        pod["spec"]["tolerations"],
        json!([{"key": "grading", "operator": "Exists", "tolerationSeconds": 5}])
    );
    assert_eq!(pod["spec"]["nodeSelector"], json!({"my_pool": "grading"}));
}

#[test]
fn keys_that_a_site_chose_keep_their_underscores() {
    let labels = json!({"my_key": "1"});
    let pod = request(json!({
        "labels": labels,
        "volumes": [{"name": "data", "csi": {"driver": "x", "volume_attributes": {"my_key": "1"}}}],
    }))
    .unwrap();
    assert_eq!(pod["metadata"]["labels"], labels);
    assert_eq!(pod["spec"]["volumes"][0]["csi"]["volumeAttributes"], labels);
}

#[test]
fn an_impossible_image_is_refused_before_a_pod_is_made() {
    let error = request(json!({"image": "Algebra_image"})).unwrap_err();
    assert!(
        error.starts_with("image \"Algebra_image\" cannot be: "),
        "{error}"
    );
}

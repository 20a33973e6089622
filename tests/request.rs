//! A submission's pod from the executor's traits.

use kubegrader::mounts;
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
fn a_misspelt_field_with_an_empty_value_is_an_error_too() {
    for (volume, field) in [
        (json!({"name": "data", "emptyDirr": {}}), "emptyDirr"),
        (json!({"name": "data", "empty_dirr": {}}), "emptyDirr"),
        (json!({"name": "data", "itmes": []}), "itmes"),
        (
            json!({"name": "data", "emptyDir": {"a/b~c": {}}}),
            "emptyDir.a/b~c",
        ),
    ] {
        assert_eq!(
            request(json!({"volumes": [volume]})).unwrap_err(),
            format!("volumes[0].{field}: there is no such field")
        );
    }
}

#[test]
fn an_empty_value_of_a_field_that_there_is_means_what_kubernetes_says_it_means() {
    let volumes = json!([
        {"name": "data", "emptyDir": {}},
        {"name": "settings", "configMap": {"name": "settings", "items": []}},
    ]);
    let pod = request(json!({"volumes": volumes})).unwrap();
    assert_eq!(
        pod["spec"]["volumes"][0],
        json!({"name": "data", "emptyDir": {}})
    );
    assert_eq!(pod["spec"]["volumes"][1]["configMap"]["name"], "settings");
}

#[test]
fn a_value_of_a_wrong_kind_is_told_by_its_kind_alone() {
    for (value, kind) in [
        (json!("hunter2, expected"), "string"),
        (json!(271_828), "integer"),
        (json!(true), "boolean"),
        (json!(["hunter2"]), "sequence"),
    ] {
        let error = request(json!({"extra_pod_config": {"nodeSelector": value}})).unwrap_err();
        assert_eq!(
            error,
            format!("extra_pod_config: invalid type: {kind}, expected a map")
        );
    }
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
    let mut pod = request(json!({"volumes": [{"name": "stuff", "emptyDir": {}}]})).unwrap();
    let error = mounts::check_all(&pod).unwrap_err().to_string();
    assert!(
        error.contains(
            r#"/srv/in is to come from a volume "data", and the volumes are called ["stuff"]"#
        ),
        "{error}"
    );
    // A hook has mended it.
    pod["spec"]["volumes"][0]["name"] = json!("data");
    assert_eq!(
        mounts::check_all(&pod).map_err(|error| error.to_string()),
        Ok(())
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
fn an_impossible_image_is_left_to_the_hook_that_may_replace_it() {
    let pod = request(json!({"image": "Algebra_image"})).unwrap();
    assert_eq!(container(&pod)["image"], "Algebra_image");
}

/// The one container of a pod.
fn container(pod: &Value) -> &Value {
    &pod["spec"]["containers"][0]
}

#[test]
fn restricted_is_what_the_pod_security_standard_of_that_name_asks_for() {
    // kubernetes.io, Pod Security Standards, Restricted: the four fields of a container.
    let pod = request(json!({"security": "restricted"})).unwrap();
    assert_eq!(
        container(&pod)["securityContext"],
        json!({
            "runAsUser": 1000,
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    );
    assert_eq!(pod["spec"]["automountServiceAccountToken"], json!(false));
    assert_eq!(pod["spec"]["securityContext"], json!({}));
}

#[test]
fn baseline_leaves_root_and_its_capabilities_to_the_image() {
    let pod = request(json!({"security": "baseline", "run_as_user": 0})).unwrap();
    assert_eq!(
        container(&pod)["securityContext"],
        json!({
            "runAsUser": 0,
            "allowPrivilegeEscalation": false,
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    );
    assert_eq!(pod["spec"]["automountServiceAccountToken"], json!(false));
}

#[test]
fn a_service_account_is_mounted_as_kubespawner_does() {
    let pod = request(json!({"security": "restricted", "service_account": "grading"})).unwrap();
    assert_eq!(pod["spec"]["serviceAccountName"], json!("grading"));
    assert_eq!(pod["spec"].get("automountServiceAccountToken"), None);
}

#[test]
fn resources_are_quantities_of_kubernetes() {
    let resources = json!({"cpu_limit": 1.5, "cpu_guarantee": 1.0, "mem_limit": 536_870_912, "mem_guarantee": 1});
    let pod = request(json!({"resources": resources})).unwrap();
    assert_eq!(
        container(&pod)["resources"],
        json!({
            "limits": {"cpu": "1500m", "memory": "536870912"},
            "requests": {"cpu": "1", "memory": "1"},
        })
    );
}

#[test]
fn a_guarantee_above_its_limit_is_told() {
    let error = request(json!({"resources": {"mem_limit": 5, "mem_guarantee": 6}}));
    assert_eq!(
        error.unwrap_err(),
        "mem_guarantee: 6 bytes are more than mem_limit, which is 5"
    );
    let error = request(json!({"resources": {"cpu_limit": 0.5, "cpu_guarantee": 1.0}}));
    assert_eq!(
        error.unwrap_err(),
        "cpu_guarantee: 1 cores are more than cpu_limit, which is 0.5"
    );
    let error = request(json!({"resources": {"cpu_limit": 0.0}}));
    assert_eq!(
        error.unwrap_err(),
        "cpu_limit: it is a number of cores from 0.001 on, or None"
    );
}

#[test]
fn account_priority_queue_and_group_reach_the_pod() {
    let pod = request(json!({
        "priority_class_name": "low",
        "queue_name": "grading",
        "fs_group": 100,
    }))
    .unwrap();
    assert_eq!(pod["spec"]["priorityClassName"], json!("low"));
    assert_eq!(pod["spec"]["securityContext"], json!({"fsGroup": 100}));
    assert_eq!(
        pod["metadata"]["labels"],
        json!({"kueue.x-k8s.io/queue-name": "grading"})
    );
}

#[test]
fn extra_configs_replace_whole_fields_in_either_spelling() {
    // KubeSpawner: update_k8s_model sets each attribute that is given, and merges nothing below it.
    let pod = request(json!({
        "security": "restricted",
        "priority_class_name": "low",
        "extra_pod_config": {"dns_policy": "Default", "hostIPC": false, "priorityClassName": null},
        "extra_container_config": {
            "env_from": [{"secret_ref": {"name": "licence"}}],
            "securityContext": {"runAsUser": 7},
        },
    }))
    .unwrap();
    assert_eq!(pod["spec"]["dnsPolicy"], json!("Default"));
    assert_eq!(pod["spec"]["hostIPC"], json!(false));
    assert_eq!(pod["spec"].get("priorityClassName"), None);
    let container = container(&pod);
    assert_eq!(container["securityContext"], json!({"runAsUser": 7}));
    assert_eq!(
        container["envFrom"],
        json!([{"secretRef": {"name": "licence"}}])
    );
    assert_eq!(container["name"], json!("autograde"));
    assert_eq!(container["volumeMounts"][0]["mountPath"], json!("/srv/in"));
}

#[test]
fn a_field_that_kubernetes_does_not_have_is_told_wherever_it_is() {
    for (changes, error) in [
        (
            json!({"extra_pod_config": {"dnsPolcy": "Default"}}),
            "extra_pod_config.dnsPolcy: there is no such field",
        ),
        (
            json!({"extra_container_config": {"lifecycle": {"preStopp": {"sleep": {"seconds": 1}}}}}),
            "extra_container_config.lifecycle.preStopp: there is no such field",
        ),
        (
            json!({"tolerations": [{"key": "a"}, {"kye": "b"}]}),
            "tolerations[1].kye: there is no such field",
        ),
    ] {
        assert_eq!(request(changes).unwrap_err(), error);
    }
}

#[test]
fn labels_that_no_server_takes_are_told() {
    for (changes, error) in [
        (
            json!({"labels": {"a b": "1"}}),
            "labels, key \"a b\": name part must consist of",
        ),
        (
            json!({"labels": {"a": "b c"}}),
            "labels[\"a\"]: a valid label must be",
        ),
        (
            json!({"node_selector": {"a": "/"}}),
            "node_selector[\"a\"]: a valid label must be",
        ),
        (
            json!({"annotations": {"/a": "anything at all"}}),
            "annotations, key \"/a\": prefix part",
        ),
        (
            json!({"queue_name": "A"}),
            "queue_name: a lowercase RFC 1123 subdomain",
        ),
    ] {
        let told = request(changes).unwrap_err();
        assert!(told.starts_with(error), "{told}");
    }
    assert!(request(json!({"annotations": {"Example.com/A": "anything at all"}})).is_ok());
}

#[test]
fn parts_are_checked_without_a_name_or_an_image() {
    let check = |parts: Value| {
        let request: Request = serde_json::from_value(parts).unwrap();
        request.check().map_err(|error| error.to_string())
    };
    assert_eq!(check(json!({})), Ok(()));
    assert_eq!(
        check(json!({"volume_mounts": [{"name": "elsewhere", "mountPath": "/a"}]})),
        Ok(())
    );
    assert_eq!(
        check(json!({"extra_pod_config": {"nodeNmae": "x"}})),
        Err("extra_pod_config.nodeNmae: there is no such field".to_owned())
    );
}

#[test]
fn python_spellings_of_names_in_capitals_are_understood() {
    // The attribute_map of the official client's models: all names below a PodSpec that are not plain camelCase.
    let pod = request(json!({
        "extra_pod_config": {
            "host_ipc": true,
            "host_pid": true,
            "set_hostname_as_fqdn": true,
            "volumes": [
                {"name": "data", "downward_api": {"default_mode": 256}},
                {"name": "a", "fc": {"target_wwns": ["x"]}},
                {"name": "b", "flocker": {"dataset_uuid": "x"}},
                {"name": "c", "scale_io": {"gateway": "g", "system": "s", "secret_ref": {"name": "n"}}},
            ],
        },
        "extra_container_config": {"lifecycle": {"post_start": {"_exec": {"command": ["true"]}}}},
    }))
    .unwrap();
    let spec = &pod["spec"];
    assert_eq!(spec["hostIPC"], json!(true));
    assert_eq!(spec["hostPID"], json!(true));
    assert_eq!(spec["setHostnameAsFQDN"], json!(true));
    assert_eq!(
        spec["volumes"][0]["downwardAPI"],
        json!({"defaultMode": 256})
    );
    assert_eq!(spec["volumes"][1]["fc"], json!({"targetWWNs": ["x"]}));
    assert_eq!(spec["volumes"][2]["flocker"], json!({"datasetUUID": "x"}));
    assert_eq!(
        spec["volumes"][3]["scaleIO"]["secretRef"],
        json!({"name": "n"})
    );
    assert_eq!(
        container(&pod)["lifecycle"],
        json!({"postStart": {"exec": {"command": ["true"]}}})
    );
}

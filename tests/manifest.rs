//! What a pod that runs once must be, and what is filled in.

use kubegrader::manifest::Manifest;
use serde_json::{Value, json};

fn pod(changes: Value) -> Result<Value, String> {
    let mut pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    pod.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    Manifest::new(pod)
        .map(|manifest| manifest.to_value())
        .map_err(|error| error.to_string())
}

#[test]
fn a_bare_pod_gets_kind_version_and_runs_once() {
    assert_eq!(
        pod(json!({})).unwrap(),
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"},
        })
    );
}

#[test]
fn fields_that_are_not_known_here_are_kept_for_the_server_to_judge() {
    let spec = json!({"containers": [{"name": "c", "image": "i", "fieldOfTomorrow": 1}], "restartPolicy": "Never"});
    assert_eq!(pod(json!({"spec": spec})).unwrap()["spec"], spec);
}

#[test]
fn a_pod_that_restarts_for_ever_is_refused() {
    let error = pod(json!({"spec": {"containers": [{"name": "c"}], "restartPolicy": "Always"}}))
        .unwrap_err();
    assert!(
        error.starts_with("spec.restartPolicy: a pod with \"Always\" never ends"),
        "{error}"
    );
}

#[test]
fn what_is_no_pod_is_refused_by_the_field_at_fault() {
    for (changes, field) in [
        (json!({"kind": "Job"}), "kind: "),
        (json!({"apiVersion": "v2"}), "apiVersion: "),
        (json!({"metadata": {}}), "metadata.name: "),
        (json!({"metadata": {"name": "No_Name"}}), "metadata.name: "),
        (json!({"metadata": "p"}), "metadata: "),
        (
            json!({"metadata": {"name": "p", "labels": ["a"]}}),
            "metadata.labels: ",
        ),
        (
            json!({"metadata": {"name": "p", "annotations": "a"}}),
            "metadata.annotations: ",
        ),
        (json!({"spec": {}}), "spec.containers: "),
        (json!({"spec": {"containers": []}}), "spec.containers: "),
    ] {
        let error = pod(changes.clone()).unwrap_err();
        assert!(error.starts_with(field), "{changes}: {error}");
    }
    assert!(
        Manifest::new(json!([1]))
            .unwrap_err()
            .to_string()
            .starts_with("pod: ")
    );
}

#[test]
fn a_generated_name_is_made_here_so_that_a_lost_answer_can_be_found() {
    let names: Vec<String> = (0..2)
        .map(|_| {
            pod(json!({"metadata": {"generateName": "run-"}})).unwrap()["metadata"]["name"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("run-") && name.len() == 9),
        "{names:?}"
    );
    assert_ne!(names[0], names[1]);
}

#[test]
fn what_a_server_had_filled_in_is_not_sent_again() {
    let pod = pod(json!({
        "metadata": {"name": "p", "uid": "u", "resourceVersion": "5"},
        "status": {"phase": "Succeeded"},
    }))
    .unwrap();
    assert_eq!(
        (pod["metadata"].clone(), pod.get("status")),
        (json!({"name": "p"}), None)
    );
}

#[test]
fn a_deadline_is_set_only_where_the_pod_has_none() {
    for (given, expected) in [(json!(null), 60), (json!(5), 5)] {
        let spec = json!({"containers": [{"name": "c"}], "activeDeadlineSeconds": given});
        let mut manifest = Manifest::new(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap();
        manifest.set_deadline(60);
        assert_eq!(
            manifest.to_value()["spec"]["activeDeadlineSeconds"],
            expected
        );
    }
}

/// "Individual container restart policy and rules" in Kubernetes' documentation, on by default from 1.35.
#[test]
fn a_container_with_a_restart_policy_of_its_own_may_be_started_again() {
    let restarts = |more: Value| {
        let mut container = json!({"name": "c", "image": "i:1"});
        for (key, value) in more.as_object().unwrap() {
            container[key] = value.clone();
        }
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [container]}});
        Manifest::new(pod).unwrap().restarts()
    };
    assert!(!restarts(json!({})));
    assert!(restarts(json!({"restartPolicy": "OnFailure"})));
    let rule = json!({"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}});
    assert!(restarts(json!({"restartPolicyRules": [rule]})));
}

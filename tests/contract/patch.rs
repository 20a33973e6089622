//! PATCH: merge, JSON and strategic merge, of a pod and of its status.

use serde_json::{Value, json};

use crate::scene::{Scene, text, version};

const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON: &str = "application/json-patch+json";

contract! {
    async fn a_merge_sets_and_removes(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["metadata"]["labels"] = json!({"old": "1", "kept": "1"});
        scene.create(&pod).await;
        let patch = json!({"metadata": {"labels": {"old": null, "new": "1"}, "annotations": {"a": "b"}}});
        let changed = scene.merge(&scene.pod("a"), &patch).await.expect(200);
        assert_eq!(changed["metadata"]["labels"], json!({"kept": "1", "new": "1"}));
        assert_eq!(changed["metadata"]["annotations"], json!({"a": "b"}));
        assert_eq!(changed["metadata"]["generation"], 1);
        let again = scene.merge(&scene.pod("a"), &patch).await.expect(200);
        assert_eq!(version(&again), version(&changed));
    }

    async fn a_merge_with_an_old_version_is_a_conflict(scene: &Scene) {
        let pod = scene.create(&scene.idle("a")).await;
        let patch = json!({"metadata": {"resourceVersion": version(&pod), "labels": {"x": "1"}}});
        scene.merge(&scene.pod("a"), &patch).await.expect(200);
        let patch = json!({"metadata": {"resourceVersion": version(&pod), "labels": {"x": "2"}}});
        let answer = scene.merge(&scene.pod("a"), &patch).await;
        let message = "Operation cannot be fulfilled on pods \"a\": the object has been modified; please apply your changes to the latest version and try again";
        assert_eq!(answer.refusal(), (409, message));
    }

    async fn what_must_not_change_is_refused(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let answer = scene.merge(&scene.pod("a"), &json!({"spec": {"restartPolicy": "Never"}})).await;
        assert_eq!((answer.code, text(&answer.json["reason"])), (422, "Invalid"));
        // A diff in Go's words follows on a real server.
        let start = "Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        assert!(answer.refusal().1.starts_with(start), "{}", answer.text);
        let causes = answer.causes();
        assert_eq!((causes.len(), causes[0].0, causes[0].1), (1, "FieldValueForbidden", "spec"));
        let containers = json!({"spec": {"containers": [{"name": "c", "image": "x:1"}, {"name": "d", "image": "x:1"}]}});
        let answer = scene.merge(&scene.pod("a"), &containers).await;
        let message = "Pod \"a\" is invalid: spec.containers: Forbidden: pod updates may not add or remove containers";
        assert_eq!(answer.refusal(), (422, message));
    }

    async fn a_deadline_may_be_set_and_shortened(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let deadline = |seconds: Value| json!({"spec": {"activeDeadlineSeconds": seconds}});
        let pod = scene.merge(&scene.pod("a"), &deadline(json!(50))).await.expect(200);
        assert_eq!((&pod["spec"]["activeDeadlineSeconds"], &pod["metadata"]["generation"]), (&json!(50), &json!(2)));
        let pod = scene.merge(&scene.pod("a"), &deadline(json!(5))).await.expect(200);
        assert_eq!(pod["metadata"]["generation"], 3);
        let answer = scene.merge(&scene.pod("a"), &deadline(json!(9))).await;
        let message = "Pod \"a\" is invalid: spec.activeDeadlineSeconds: Invalid value: 9: must be less than or equal to previous value";
        assert_eq!(answer.refusal(), (422, message));
        let answer = scene.merge(&scene.pod("a"), &deadline(Value::Null)).await;
        let message = "Pod \"a\" is invalid: spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value";
        assert_eq!(answer.refusal(), (422, message));
    }

    async fn tolerations_may_be_added_but_not_taken_away(scene: &Scene) {
        let pod = scene.create(&scene.idle("a")).await;
        let mut all = pod["spec"]["tolerations"].as_array().expect("a list").clone();
        all.push(json!({"key": "x", "operator": "Exists"}));
        let pod = scene.merge(&scene.pod("a"), &json!({"spec": {"tolerations": all}})).await.expect(200);
        assert_eq!(pod["spec"]["tolerations"].as_array().map(Vec::len), Some(3));
        let fewer = json!({"spec": {"tolerations": [all[0], all[1]]}});
        let answer = scene.merge(&scene.pod("a"), &fewer).await;
        assert_eq!(answer.refusal(), (422, "Pod \"a\" is invalid: spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"));
    }

    async fn an_invalid_label_is_refused(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let answer = scene.merge(&scene.pod("a"), &json!({"metadata": {"labels": {"x": "-"}}})).await;
        assert_eq!(answer.code, 422);
        assert_eq!(answer.causes()[0].1, "metadata.labels");
    }

    async fn a_strategic_merge_joins_lists_by_name(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["spec"]["containers"][0]["command"] = json!(["sleep"]);
        scene.create(&pod).await;
        let patch = json!({"spec": {"containers": [{"name": "c", "image": "x:2"}]}});
        let changed = scene.patch(&scene.pod("a"), STRATEGIC, &patch).await.expect(200);
        let container = &changed["spec"]["containers"][0];
        assert_eq!((text(&container["image"]), &container["command"]), ("x:2", &json!(["sleep"])));
        // A merge patch replaces the list as a whole, and the command with it.
        let answer = scene.merge(&scene.pod("a"), &patch).await;
        assert_eq!((answer.code, text(&answer.json["reason"])), (422, "Invalid"));
    }

    async fn a_strategic_merge_follows_its_directives(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["metadata"]["labels"] = json!({"x": "1", "y": "1"});
        pod["metadata"]["finalizers"] = json!(["a/b", "c/d"]);
        scene.create(&pod).await;
        let path = scene.pod("a");
        let patch = json!({"metadata": {"labels": {"$patch": "replace", "z": "1"}}});
        let changed = scene.patch(&path, STRATEGIC, &patch).await.expect(200);
        assert_eq!(changed["metadata"]["labels"], json!({"z": "1"}));
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b"]}});
        let changed = scene.patch(&path, STRATEGIC, &patch).await.expect(200);
        assert_eq!(changed["metadata"]["finalizers"], json!(["c/d"]));
        let patch = json!({"metadata": {"finalizers": ["e/f"]}});
        let changed = scene.patch(&path, STRATEGIC, &patch).await.expect(200);
        assert_eq!(changed["metadata"]["finalizers"].as_array().map(Vec::len), Some(2));
        let patch = json!({"metadata": {"finalizers": null}});
        let changed = scene.patch(&path, STRATEGIC, &patch).await.expect(200);
        assert_eq!(changed["metadata"]["finalizers"], Value::Null);
    }

    async fn conditions_of_a_status_are_joined_by_type(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let path = format!("{}/status", scene.pod("a"));
        let condition = |name: &str, status: &str| json!({"status": {"conditions": [{"type": name, "status": status}]}});
        for (name, status) in [("One", "True"), ("Two", "True"), ("One", "False")] {
            scene.patch(&path, STRATEGIC, &condition(name, status)).await.expect(200);
        }
        let pod = scene.get(&scene.pod("a")).await.expect(200);
        let conditions = pod["status"]["conditions"].as_array().expect("a list");
        let mut seen: Vec<_> = conditions.iter().map(|one| (text(&one["type"]), text(&one["status"]))).collect();
        seen.sort_unstable();
        assert_eq!(seen, [("One", "False"), ("Two", "True")]);
        let patch = json!({"status": {"conditions": [{"type": "Two", "$patch": "delete"}]}});
        let pod = scene.patch(&path, STRATEGIC, &patch).await.expect(200);
        assert_eq!(pod["status"]["conditions"].as_array().map(Vec::len), Some(1));
    }

    async fn a_pods_life_can_be_played_through_its_status(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let status = json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}});
        let path = format!("{}/status", scene.pod("a"));
        let pod = scene.merge(&path, &status).await.expect(200);
        assert_eq!((text(&pod["status"]["phase"]), text(&pod["status"]["reason"])), ("Failed", "Evicted"));
        assert_eq!(text(&pod["status"]["qosClass"]), "BestEffort");
    }

    async fn the_status_changes_only_through_its_own_path(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let patch = json!({"status": {"message": "hey"}, "metadata": {"labels": {"x": "1"}}});
        let pod = scene.merge(&scene.pod("a"), &patch).await.expect(200);
        assert_eq!((&pod["status"]["message"], &pod["metadata"]["labels"]), (&Value::Null, &json!({"x": "1"})));
        let patch = json!({"spec": {"activeDeadlineSeconds": 5}, "status": {"message": "hey"}});
        let pod = scene.merge(&format!("{}/status", scene.pod("a")), &patch).await.expect(200);
        assert_eq!((text(&pod["status"]["message"]), &pod["spec"]["activeDeadlineSeconds"]), ("hey", &Value::Null));
    }

    async fn a_json_patch_applies_or_is_refused(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let add = json!([{"op": "add", "path": "/metadata/labels", "value": {"x": "1"}}]);
        let pod = scene.patch(&scene.pod("a"), JSON, &add).await.expect(200);
        assert_eq!(pod["metadata"]["labels"], json!({"x": "1"}));
        let remove = json!([{"op": "remove", "path": "/metadata/foo"}]);
        let answer = scene.patch(&scene.pod("a"), JSON, &remove).await;
        assert_eq!(answer.refusal(), (422, "the server rejected our request due to an error in our request"));
        let test = json!([{"op": "test", "path": "/metadata/labels/x", "value": "2"}]);
        let answer = scene.patch(&scene.pod("a"), JSON, &test).await;
        assert_eq!(answer.refusal(), (422, "the server rejected our request due to an error in our request"));
    }

    async fn a_patch_that_is_none_is_refused(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let path = scene.pod("a");
        let answer = scene.patch(&path, "application/json", &json!({})).await;
        assert_eq!(answer.refusal(), (415, "415: Unsupported Media Type"));
        assert_eq!(text(&answer.json["reason"]), "UnsupportedMediaType");
        for (media, body, code, reason) in [
            ("application/merge-patch+json", json!([]), 400, "BadRequest"),
            (STRATEGIC, json!("x"), 400, "BadRequest"),
            (JSON, json!({"op": "add"}), 400, "BadRequest"),
            (JSON, json!([{"op": "fly", "path": "/x"}]), 422, "Invalid"),
        ] {
            let answer = scene.patch(&path, media, &body).await;
            assert_eq!((answer.code, text(&answer.json["reason"])), (code, reason), "{media}: {}", answer.text);
        }
        let answer = scene.merge(&path, &json!({"metadata": {"name": "x"}})).await;
        let message = "the name of the object (x) does not match the name on the URL (a)";
        assert_eq!(answer.refusal(), (400, message));
        let answer = scene.merge(&scene.pod("nope"), &json!({})).await;
        assert_eq!(answer.refusal(), (404, "pods \"nope\" not found"));
    }
}

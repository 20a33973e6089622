//! PUT of a pod and of its status.

use serde_json::{Value, json};

use crate::scene::{Scene, text, version};

contract! {
    async fn a_replacement_from_an_old_version_is_a_conflict(scene: &Scene) {
        let mut pod = scene.create(&scene.idle("a")).await;
        pod["metadata"]["labels"] = json!({"x": "1"});
        let changed = scene.put(&scene.pod("a"), &pod).await.expect(200);
        assert_eq!(changed["metadata"]["labels"], json!({"x": "1"}));
        assert_ne!(version(&changed), version(&pod));
        pod["metadata"]["labels"] = json!({"x": "2"});
        let answer = scene.put(&scene.pod("a"), &pod).await;
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "Operation cannot be fulfilled on pods \"a\": the object has been modified; please apply your changes to the latest version and try again",
            "reason": "Conflict", "details": {"name": "a", "kind": "pods"}, "code": 409,
        });
        assert_eq!((answer.code, answer.json), (409, expected));
    }

    async fn a_replacement_without_a_version_is_unconditional(scene: &Scene) {
        let mut pod = scene.create(&scene.idle("a")).await;
        let metadata = pod["metadata"].as_object_mut().expect("metadata");
        metadata.remove("resourceVersion");
        metadata.insert("annotations".to_owned(), json!({"a": "b"}));
        let changed = scene.put(&scene.pod("a"), &pod).await.expect(200);
        assert_eq!(changed["metadata"]["annotations"], json!({"a": "b"}));
    }

    async fn a_replacement_that_changes_nothing_makes_no_new_version(scene: &Scene) {
        let pod = scene.create(&scene.idle("a")).await;
        let same = scene.put(&scene.pod("a"), &pod).await.expect(200);
        assert_eq!(version(&same), version(&pod));
    }

    async fn another_name_or_uid_is_refused(scene: &Scene) {
        let pod = scene.create(&scene.idle("a")).await;
        let mut other = pod.clone();
        other["metadata"]["name"] = json!("x");
        let message = "the name of the object (x) does not match the name on the URL (a)";
        assert_eq!(scene.put(&scene.pod("a"), &other).await.refusal(), (400, message));
        other["metadata"]["name"] = json!("");
        let message = "the name of the object (a based on URL) was undeterminable: name must be provided";
        assert_eq!(scene.put(&scene.pod("a"), &other).await.refusal(), (400, message));
        let mut other = pod.clone();
        other["metadata"]["uid"] = json!("abc");
        let answer = scene.put(&scene.pod("a"), &other).await;
        let uid = text(&pod["metadata"]["uid"]);
        let message = format!("Operation cannot be fulfilled on pods \"a\": StorageError: invalid object, Code: 4, Key: /registry/pods/{}/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: abc, UID in object meta: {uid}", scene.namespace);
        assert_eq!(answer.refusal(), (409, message.as_str()));
    }

    async fn a_pod_that_is_not_there_is_not_made(scene: &Scene) {
        let answer = scene.put(&scene.pod("a"), &scene.idle("a")).await;
        assert_eq!(answer.refusal(), (404, "pods \"a\" not found"));
    }

    async fn the_image_may_change_and_makes_a_new_generation(scene: &Scene) {
        let mut pod = scene.create(&scene.idle("a")).await;
        pod["spec"]["containers"][0]["image"] = json!("x:2");
        let changed = scene.put(&scene.pod("a"), &pod).await.expect(200);
        assert_eq!(changed["spec"]["containers"][0]["image"], "x:2");
        assert_eq!(changed["metadata"]["generation"], 2);
    }

    async fn the_status_is_not_changed_with_the_pod(scene: &Scene) {
        let mut pod = scene.create(&scene.idle("a")).await;
        pod["status"]["message"] = json!("hey");
        let same = scene.put(&scene.pod("a"), &pod).await.expect(200);
        assert_eq!(same["status"]["message"], Value::Null);
    }

    async fn the_pod_is_not_changed_with_its_status(scene: &Scene) {
        let mut pod = scene.create(&scene.idle("a")).await;
        pod["status"]["message"] = json!("hey");
        pod["status"]["phase"] = json!("Running");
        pod["spec"]["containers"][0]["image"] = json!("x:2");
        pod["metadata"]["labels"] = json!({"x": "y"});
        let path = format!("{}/status", scene.pod("a"));
        let changed = scene.put(&path, &pod).await.expect(200);
        assert_eq!((text(&changed["status"]["message"]), text(&changed["status"]["phase"])), ("hey", "Running"));
        assert_eq!(changed["spec"]["containers"][0]["image"], "x:1");
        assert_eq!(changed["metadata"]["labels"], json!({"x": "y"}));
        assert_eq!(changed["metadata"]["generation"], 1);
        let answer = scene.put(&path, &pod).await;
        assert_eq!((answer.code, text(&answer.json["reason"])), (409, "Conflict"));
    }
}

//! Events: written by hand, and those that a pod's life leaves behind.

use serde_json::{Value, json};

use crate::scene::{Scene, names, plain, short, text, version};

fn event(scene: &Scene, name: &str, reason: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "involvedObject": {
            "kind": "Pod", "namespace": scene.namespace, "name": "a", "uid": "1234", "apiVersion": "v1",
            "fieldPath": "spec.containers{c}",
        },
        "reason": reason, "message": "It happened.", "type": "Normal", "count": 1,
        "source": {"component": "tester", "host": "here"},
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:01Z",
    })
}

contract! {
    async fn an_event_is_kept_as_it_was_written(scene: &Scene) {
        let created = scene.post(&scene.events(), &event(scene, "e", "Tested")).await.expect(201);
        let mut expected = event(scene, "e", "Tested");
        expected["kind"] = json!("Event");
        expected["apiVersion"] = json!("v1");
        expected["metadata"] = json!({"name": "e", "namespace": scene.namespace});
        expected["eventTime"] = Value::Null;
        expected["reportingComponent"] = json!("");
        expected["reportingInstance"] = json!("");
        assert_eq!(plain(&created), expected);
        assert_eq!(scene.get(&format!("{}/e", scene.events())).await.expect(200), created);
    }

    async fn field_selectors_select_events(scene: &Scene) {
        for (name, reason) in [("e", "Tested"), ("f", "Failed")] {
            scene.post(&scene.events(), &event(scene, name, reason)).await.expect(201);
        }
        let mut other = event(scene, "g", "Tested");
        other["involvedObject"]["uid"] = json!("other");
        other["type"] = json!("Warning");
        scene.post(&scene.events(), &other).await.expect(201);
        let expected: [(&str, &[&str]); 8] = [
            ("involvedObject.uid%3D1234", &["e", "f"]),
            ("involvedObject.name%3Da,involvedObject.kind%3DPod,reason%3DTested", &["e", "g"]),
            ("involvedObject.namespace%3Ddefault", &[]),
            ("involvedObject.fieldPath!%3Dspec.containers{c}", &[]),
            ("type%3DWarning", &["g"]),
            ("type!%3DNormal", &["g"]),
            ("source%3Dtester,metadata.name%3De", &["e"]),
            ("reportingComponent%3D,metadata.name%3De", &["e"]),
        ];
        for (selector, wanted) in expected {
            let selector = selector.replace('{', "%7B").replace('}', "%7D");
            let path = format!("{}?fieldSelector={selector}", scene.events());
            let found = scene.get(&path).await.expect(200);
            assert_eq!((text(&found["kind"]), names(&found)), ("EventList", wanted.to_vec()), "{selector}");
        }
        let path = "/api/v1/events?fieldSelector=involvedObject.uid%3Dother";
        assert_eq!(names(&scene.get(path).await.expect(200)), ["g"]);
    }

    async fn events_are_watched_counted_and_deleted(scene: &Scene) {
        let created = scene.post(&scene.events(), &event(scene, "e", "Tested")).await.expect(201);
        let path = format!("{}/e", scene.events());
        let again = scene.merge(&path, &json!({"count": 2})).await.expect(200);
        assert_eq!(again["count"], 2);
        let deleted = scene.delete(&path, &json!({})).await.expect(200);
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "e", "kind": "events", "uid": created["metadata"]["uid"]},
        });
        assert_eq!(deleted, expected);
        assert_eq!(scene.get(&path).await.refusal(), (404, "events \"e\" not found"));
        let query = format!("{}?watch=true&timeoutSeconds=1&resourceVersion={}", scene.events(), version(&created));
        assert_eq!(short(&scene.watch(&query).await), [("MODIFIED", "e"), ("DELETED", "e")]);
    }

    async fn a_collection_of_events_is_deleted_together(scene: &Scene) {
        for (name, reason) in [("e", "Tested"), ("f", "Failed")] {
            scene.post(&scene.events(), &event(scene, name, reason)).await.expect(201);
        }
        let path = format!("{}?fieldSelector=reason%3DTested", scene.events());
        let deleted = scene.delete(&path, &json!({})).await.expect(200);
        assert_eq!((text(&deleted["kind"]), names(&deleted)), ("EventList", vec!["e"]));
        assert_eq!(names(&scene.get(&scene.events()).await.expect(200)), ["f"]);
    }

    async fn events_that_break_the_rules_are_refused(scene: &Scene) {
        let mut bad = event(scene, "e", "Tested");
        bad["involvedObject"]["namespace"] = json!("other");
        let answer = scene.post(&scene.events(), &bad).await;
        let message = "Event \"e\" is invalid: involvedObject.namespace: Invalid value: \"other\": does not match event.namespace";
        assert_eq!(answer.refusal(), (422, message));
        let new = json!({
            "metadata": {"name": "e"}, "involvedObject": {"namespace": scene.namespace},
            "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal",
        });
        let answer = scene.post(&scene.events(), &new).await;
        let fields: Vec<_> = answer.causes().into_iter().map(|(reason, field, _)| (reason, field)).collect();
        let expected = [
            ("FieldValueRequired", "reportingComponent"), ("FieldValueInvalid", "reportingComponent"),
            ("FieldValueInvalid", "reportingComponent"), ("FieldValueRequired", "reportingInstance"),
            ("FieldValueRequired", "action"), ("FieldValueRequired", "reason"),
        ];
        assert_eq!((answer.code, fields), (422, expected.to_vec()));
        let answer = scene.get(&format!("{}?fieldSelector=message%3Dx", scene.events())).await;
        assert_eq!(answer.refusal(), (400, "field label not supported: message"));
    }

    async fn a_pod_that_is_bound_has_the_schedulers_event(scene: &Scene) {
        let pod = scene.finished(&scene.script("a", "true")).await;
        let uid = text(&pod["metadata"]["uid"]);
        let path = format!("{}?fieldSelector=involvedObject.uid%3D{uid},reason%3DScheduled", scene.events());
        let found = scene.until(&path, |list| !names(list).is_empty()).await;
        let one = &found["items"][0];
        let message = format!("Successfully assigned {}/a to {}", scene.namespace, text(&pod["spec"]["nodeName"]));
        assert_eq!((text(&one["message"]), text(&one["type"]), text(&one["action"])), (message.as_str(), "Normal", "Binding"));
        assert_eq!((text(&one["reportingComponent"]), &one["source"]), ("default-scheduler", &json!({})));
        assert_eq!((&one["count"], &one["firstTimestamp"]), (&Value::Null, &Value::Null));
        assert!(text(&one["metadata"]["name"]).starts_with("a."), "{one}");
        assert_eq!(text(&one["eventTime"]).len(), "2026-11-24T10:20:29.897373Z".len());
    }

    async fn a_pod_that_fits_nowhere_has_a_warning(scene: &Scene) {
        let mut pod = scene.script("a", "true");
        pod["spec"]["nodeSelector"] = json!({"no": "such-node"});
        scene.create(&pod).await;
        let path = format!("{}?fieldSelector=reason%3DFailedScheduling", scene.events());
        let found = scene.until(&path, |list| !names(list).is_empty()).await;
        let one = &found["items"][0];
        assert_eq!((text(&one["type"]), text(&one["action"])), ("Warning", "Scheduling"));
        let message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
        assert_eq!(text(&one["message"]), message);
    }
}

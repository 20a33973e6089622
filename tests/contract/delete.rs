//! DELETE of one pod and of many.

use http::Method;
use serde_json::{Value, json};

use crate::scene::{Scene, names, short, text, version};

fn grace(pod: &Value) -> &Value {
    &pod["metadata"]["deletionGracePeriodSeconds"]
}

contract! {
    async fn a_pod_without_a_node_goes_at_once_and_is_the_answer(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let pod = scene.delete(&scene.pod("a"), &json!({})).await.expect(200);
        assert_eq!((text(&pod["kind"]), grace(&pod), &pod["metadata"]["generation"]), ("Pod", &json!(0), &json!(2)));
        assert_ne!(text(&pod["metadata"]["deletionTimestamp"]), "");
        assert_eq!(scene.get(&scene.pod("a")).await.code, 404);
    }

    async fn a_bound_pod_gets_its_grace_which_can_only_be_shortened(scene: &Scene) {
        scene.create_bound("a").await;
        let path = scene.pod("a");
        for (options, expected) in [
            (json!({"gracePeriodSeconds": 60}), 60),
            (json!({}), 60),
            (json!({"gracePeriodSeconds": 90}), 60),
            (json!({"gracePeriodSeconds": 40}), 40),
        ] {
            let pod = scene.delete(&path, &options).await.expect(200);
            assert_eq!((grace(&pod), &pod["metadata"]["generation"]), (&json!(expected), &json!(2)), "{options}");
        }
        let pod = scene.delete(&path, &json!({"gracePeriodSeconds": 0})).await.expect(200);
        assert_eq!(grace(&pod), 0);
        assert_eq!(scene.get(&path).await.code, 404);
    }

    async fn the_grace_is_the_pods_own_unless_the_query_says_another(scene: &Scene) {
        scene.create_bound("a").await;
        scene.create_bound("b").await;
        assert_eq!(grace(&scene.delete(&scene.pod("a"), &json!({})).await.expect(200)), 30);
        let path = format!("{}?gracePeriodSeconds=70", scene.pod("b"));
        let answer = scene.send(Method::DELETE, &path, "application/json", "").await;
        assert_eq!(grace(&answer.expect(200)), 70);
    }

    async fn preconditions_protect_another_pod_of_the_same_name(scene: &Scene) {
        let pod = scene.create(&scene.idle("a")).await;
        let (uid, now) = (text(&pod["metadata"]["uid"]), version(&pod));
        let answer = scene.delete(&scene.pod("a"), &json!({"preconditions": {"uid": "abc"}})).await;
        let message = format!("Operation cannot be fulfilled on Pod \"a\": the UID in the precondition (abc) does not match the UID in record ({uid}). The object might have been deleted and then recreated");
        assert_eq!(answer.refusal(), (409, message.as_str()));
        assert_eq!(answer.json["details"], json!({"name": "a", "kind": "Pod"}));
        let answer = scene.delete(&scene.pod("a"), &json!({"preconditions": {"resourceVersion": "1"}})).await;
        let message = format!("Operation cannot be fulfilled on Pod \"a\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({now}). The object might have been modified");
        assert_eq!(answer.refusal(), (409, message.as_str()));
        let both = json!({"preconditions": {"uid": uid, "resourceVersion": now}});
        scene.delete(&scene.pod("a"), &both).await.expect(200);
    }

    async fn a_pod_that_is_not_there_is_not_found(scene: &Scene) {
        let answer = scene.delete(&scene.pod("nope"), &json!({})).await;
        assert_eq!(answer.refusal(), (404, "pods \"nope\" not found"));
        assert_eq!(answer.json["details"], json!({"name": "nope", "kind": "pods"}));
    }

    async fn a_finalizer_holds_a_pod_until_it_is_removed(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["metadata"]["finalizers"] = json!(["a/b"]);
        let created = scene.create(&pod).await;
        let path = scene.pod("a");
        scene.delete(&path, &json!({})).await.expect(200);
        let held = scene.get(&path).await.expect(200);
        assert_ne!(text(&held["metadata"]["deletionTimestamp"]), "");
        let answer = scene.merge(&path, &json!({"metadata": {"finalizers": ["a/b", "c/d"]}})).await;
        let message = "Pod \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"c/d\"}";
        assert_eq!(answer.refusal(), (422, message));
        scene.merge(&path, &json!({"metadata": {"finalizers": null}})).await.expect(200);
        assert_eq!(scene.get(&path).await.code, 404);
        let query = format!("{}?watch=true&timeoutSeconds=1&resourceVersion={}", scene.pods(), version(&created));
        let seen = scene.watch(&query).await;
        assert_eq!(short(&seen), [("MODIFIED", "a"), ("DELETED", "a")]);
    }

    async fn propagation_policies_are_taken_or_refused(scene: &Scene) {
        for (name, policy) in [("a", "Background"), ("b", "Foreground"), ("c", "Orphan")] {
            scene.create(&scene.idle(name)).await;
            let pod = scene.delete(&scene.pod(name), &json!({"propagationPolicy": policy})).await.expect(200);
            let expected = match policy {
                "Foreground" => json!(["foregroundDeletion"]),
                "Orphan" => json!(["orphan"]),
                _ => Value::Null,
            };
            assert_eq!(pod["metadata"]["finalizers"], expected, "{policy}");
        }
        scene.create(&scene.idle("d")).await;
        let answer = scene.delete(&scene.pod("d"), &json!({"propagationPolicy": "Odd"})).await;
        let message = "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Odd\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"";
        assert_eq!(answer.refusal(), (422, message));
        // The garbage collector takes those finalizers away when nothing depends on the pod.
        for name in ["b", "c"] {
            scene.until(&scene.pod(name), |answer| answer["code"] == 404).await;
        }
    }

    async fn a_selection_of_pods_is_deleted_together(scene: &Scene) {
        for (name, lecture) in [("a", "one"), ("b", "two"), ("c", "one")] {
            let mut pod = scene.idle(name);
            pod["metadata"]["labels"] = json!({"lecture": lecture});
            scene.create(&pod).await;
        }
        let path = format!("{}?labelSelector=lecture%3Done", scene.pods());
        let list = scene.delete(&path, &json!({})).await.expect(200);
        assert_eq!((text(&list["kind"]), names(&list)), ("PodList", vec!["a", "c"]));
        assert_eq!(names(&scene.get(&scene.pods()).await.expect(200)), ["b"]);
        let answer = scene.send(Method::DELETE, &scene.pods(), "application/json", "").await;
        assert_eq!(names(&answer.expect(200)), ["b"]);
        assert_eq!(names(&scene.get(&scene.pods()).await.expect(200)), [""; 0]);
    }

    async fn options_that_cannot_be_read_are_refused(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let answer = scene.delete(&scene.pod("a"), &json!({"kind": "Pod", "apiVersion": "v1"})).await;
        assert_eq!(answer.refusal(), (500, "no kind \"Pod\" is registered for version \"v1\" in scheme \"pkg/runtime/scheme.go:110\""));
        let answer = scene.delete(&scene.pod("a"), &json!({"gracePeriodSeconds": "x"})).await;
        assert_eq!((answer.code, text(&answer.json["status"])), (500, "Failure"), "{}", answer.text);
        let path = format!("{}?gracePeriodSeconds=x", scene.pod("a"));
        let answer = scene.send(Method::DELETE, &path, "application/json", "").await;
        assert_eq!(answer.refusal(), (400, "strconv.ParseInt: parsing \"x\": invalid syntax"));
        let both = json!({"orphanDependents": true, "propagationPolicy": "Background"});
        let answer = scene.delete(&scene.pod("a"), &both).await;
        let message = "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Background\": orphanDependents and deletionPropagation cannot be both set";
        assert_eq!(answer.refusal(), (422, message));
        assert_eq!(scene.get(&scene.pod("a")).await.code, 200);
    }

    async fn a_running_pod_ends_within_its_grace(scene: &Scene) {
        let created = scene.create(&scene.script("a", "trap 'exit 0' TERM; while :; do sleep 0.1; done")).await;
        scene.until(&scene.pod("a"), |pod| pod["status"]["phase"] == "Running").await;
        scene.delete(&scene.pod("a"), &json!({"gracePeriodSeconds": 20})).await.expect(200);
        scene.until(&scene.pod("a"), |answer| answer["code"] == 404).await;
        let path = format!("{}?watch=true&timeoutSeconds=1&resourceVersion={}", scene.pods(), version(&created));
        let seen = scene.watch(&path).await;
        let last = &seen.last().expect("events")["object"];
        assert_eq!(short(&seen).iter().filter(|(kind, _)| *kind == "DELETED").count(), 1);
        assert_eq!(text(&seen.last().expect("events")["type"]), "DELETED");
        assert_eq!((grace(last), text(&last["status"]["phase"])), (&json!(0), "Succeeded"));
    }
}

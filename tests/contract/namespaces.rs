//! Namespaces: made, read, labelled, watched and deleted with what is in them.

use serde_json::json;

use crate::scene::{Scene, names, plain, short, text, version};

const ALL: &str = "/api/v1/namespaces";

contract! {
    async fn a_namespace_has_its_name_as_a_label(scene: &Scene) {
        let namespace = scene.get(&scene.home()).await.expect(200);
        let name = &scene.namespace;
        let expected = json!({
            "kind": "Namespace", "apiVersion": "v1",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        });
        assert_eq!(plain(&namespace), expected);
    }

    async fn every_cluster_has_some(scene: &Scene) {
        let list = scene.get(ALL).await.expect(200);
        assert_eq!(text(&list["kind"]), "NamespaceList");
        let found = names(&list);
        for name in ["default", "kube-node-lease", "kube-public", "kube-system", &scene.namespace] {
            assert!(found.contains(&name), "{name}: {found:?}");
        }
        for name in ["default", "kube-system", "kube-public"] {
            let answer = scene.delete(&format!("{ALL}/{name}"), &json!({"dryRun": ["All"]})).await;
            let message = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
            assert_eq!(answer.refusal(), (403, message.as_str()));
        }
    }

    async fn names_that_are_none_or_taken_are_refused(scene: &Scene) {
        let answer = scene.post(ALL, &json!({"metadata": {"name": "a.b"}})).await;
        let message = "Namespace \"a.b\" is invalid: metadata.name: Invalid value: \"a.b\": must not contain dots";
        assert_eq!(answer.refusal(), (422, message));
        let answer = scene.post(ALL, &json!({"metadata": {"name": scene.namespace}})).await;
        let message = format!("namespaces \"{}\" already exists", scene.namespace);
        assert_eq!(answer.refusal(), (409, message.as_str()));
        let answer = scene.get(&format!("{ALL}/nonono")).await;
        assert_eq!(answer.refusal(), (404, "namespaces \"nonono\" not found"));
    }

    async fn a_namespace_is_selected_and_changed(scene: &Scene) {
        let changed = scene.merge(&scene.home(), &json!({"metadata": {"labels": {"of": scene.namespace}}})).await.expect(200);
        assert_eq!(changed["metadata"]["labels"], json!({"of": scene.namespace, "kubernetes.io/metadata.name": scene.namespace}));
        let found = scene.get(&format!("{ALL}?labelSelector=of%3D{}", scene.namespace)).await.expect(200);
        assert_eq!(names(&found), [scene.namespace.as_str()]);
        let query = format!("{ALL}?fieldSelector=metadata.name%3D{},status.phase%3DActive", scene.namespace);
        assert_eq!(names(&scene.get(&query).await.expect(200)), [scene.namespace.as_str()]);
        let mut whole = changed;
        whole["metadata"]["labels"] = json!({});
        let changed = scene.put(&scene.home(), &whole).await.expect(200);
        assert_eq!(changed["metadata"]["labels"], json!({"kubernetes.io/metadata.name": scene.namespace}));
    }

    async fn a_namespace_goes_with_what_is_in_it_and_takes_nothing_new(scene: &Scene) {
        let name = format!("{}-second", scene.namespace);
        let path = format!("{ALL}/{name}");
        let created = scene.post(ALL, &json!({"metadata": {"name": name}})).await.expect(201);
        let pods = format!("{path}/pods");
        let mut pod = scene.idle("held");
        pod["metadata"]["finalizers"] = json!(["a/b"]);
        // The account that pods need on a real cluster comes a moment after the namespace.
        let mut answer = scene.post(&pods, &pod).await;
        while answer.code == 403 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            answer = scene.post(&pods, &pod).await;
        }
        answer.expect(201);
        let marked = scene.delete(&path, &json!({})).await.expect(200);
        assert_eq!((text(&marked["kind"]), text(&marked["status"]["phase"])), ("Namespace", "Terminating"));
        assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], json!(null));
        let answer = scene.post(&pods, &scene.idle("late")).await;
        let message = format!("pods \"late\" is forbidden: unable to create new content in namespace {name} because it is being terminated");
        assert_eq!(answer.refusal(), (403, message.as_str()));
        let causes = [("NamespaceTerminating", "metadata.namespace", format!("namespace {name} is being terminated"))];
        let causes: Vec<_> = causes.iter().map(|(reason, field, message)| (*reason, *field, message.as_str())).collect();
        assert_eq!(answer.causes(), causes);
        scene.until(&format!("{pods}/held"), |pod| pod["metadata"]["deletionTimestamp"].is_string()).await;
        scene.merge(&format!("{pods}/held"), &json!({"metadata": {"finalizers": null}})).await.expect(200);
        scene.until(&path, |answer| answer["code"] == 404).await;
        let query = format!("{ALL}?watch=true&timeoutSeconds=1&resourceVersion={}&fieldSelector=metadata.name%3D{name}", version(&created));
        let seen = scene.watch(&query).await;
        assert_eq!(short(&seen).first(), Some(&("MODIFIED", name.as_str())));
        let last = seen.last().expect("events");
        assert_eq!(text(&last["type"]), "DELETED");
        let conditions = last["object"]["status"]["conditions"].as_array().expect("conditions");
        let emptied = conditions.iter().find(|one| one["type"] == "NamespaceContentRemaining").expect("the condition");
        assert_eq!((text(&emptied["status"]), text(&emptied["reason"])), ("False", "ContentRemoved"));
    }
}

//! What clients ask before they ask for pods.

use http::Method;
use serde_json::{Value, json};

use crate::scene::{Scene, text};

contract! {
    async fn the_version_is_that_of_kubernetes_1_34(scene: &Scene) {
        for path in ["/version", "/version/"] {
            let version = scene.get(path).await.expect(200);
            assert_eq!((text(&version["major"]), text(&version["minor"])), ("1", "34"));
            assert!(text(&version["gitVersion"]).starts_with("v1.34."), "{version}");
        }
    }

    async fn the_server_says_that_it_is_well(scene: &Scene) {
        for path in ["/healthz", "/livez", "/readyz"] {
            let answer = scene.get(path).await;
            assert_eq!((answer.code, answer.text.as_str()), (200, "ok"), "{path}");
        }
    }

    async fn groups_and_versions_are_listed(scene: &Scene) {
        for path in ["/api", "/api/"] {
            let versions = scene.get(path).await.expect(200);
            assert_eq!((text(&versions["kind"]), &versions["versions"]), ("APIVersions", &json!(["v1"])), "{path}");
        }
        let groups = scene.get("/apis").await.expect(200);
        assert_eq!((text(&groups["kind"]), text(&groups["apiVersion"])), ("APIGroupList", "v1"));
        let groups = groups["groups"].as_array().expect("groups");
        for (name, version) in [("authorization.k8s.io", "authorization.k8s.io/v1"), ("policy", "policy/v1")] {
            let versions = json!({"groupVersion": version, "version": "v1"});
            let group = json!({"name": name, "versions": [versions], "preferredVersion": versions});
            assert!(groups.contains(&group), "{name}: {groups:?}");
            let one = scene.get(&format!("/apis/{name}")).await.expect(200);
            assert_eq!((text(&one["kind"]), &one["preferredVersion"]), ("APIGroup", &versions));
        }
    }

    async fn resources_are_listed_with_their_verbs(scene: &Scene) {
        let list = scene.get("/api/v1").await.expect(200);
        assert_eq!((text(&list["kind"]), text(&list["groupVersion"])), ("APIResourceList", "v1"));
        let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let most = ["create", "delete", "get", "list", "patch", "update", "watch"];
        let expected = [
            ("pods", true, "Pod", json!(["po"]), json!(all)),
            ("pods/log", true, "Pod", Value::Null, json!(["get"])),
            ("pods/status", true, "Pod", Value::Null, json!(["get", "patch", "update"])),
            ("pods/eviction", true, "Eviction", Value::Null, json!(["create"])),
            ("events", true, "Event", json!(["ev"]), json!(all)),
            ("namespaces", false, "Namespace", json!(["ns"]), json!(most)),
            ("namespaces/status", false, "Namespace", Value::Null, json!(["get", "patch", "update"])),
        ];
        let resources = list["resources"].as_array().expect("resources");
        for (name, namespaced, kind, short_names, verbs) in expected {
            let one = resources.iter().find(|one| one["name"] == name).expect(name);
            assert_eq!((&one["namespaced"], text(&one["kind"])), (&json!(namespaced), kind), "{name}");
            assert_eq!((&one["shortNames"], &one["verbs"]), (&short_names, &verbs), "{name}");
        }
        let list = scene.get("/apis/authorization.k8s.io/v1").await.expect(200);
        let resources = list["resources"].as_array().expect("resources");
        let review = json!({
            "name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview", "namespaced": false,
            "kind": "SelfSubjectAccessReview", "verbs": ["create"],
        });
        assert!(resources.contains(&review), "{list}");
    }

    async fn schemas_are_listed(scene: &Scene) {
        let list = scene.get("/openapi/v3").await.expect(200);
        let url = text(&list["paths"]["api/v1"]["serverRelativeURL"]);
        assert!(url.starts_with("/openapi/v3/api/v1"), "{list}");
        let document = scene.get(url).await.expect(200);
        assert_eq!(text(&document["openapi"]), "3.0.0");
        let parameters = document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]["parameters"].as_array().expect("parameters");
        for name in ["dryRun", "fieldValidation"] {
            assert!(parameters.iter().any(|one| one["name"] == name), "{name}");
        }
        let pod = &document["components"]["schemas"]["io.k8s.api.core.v1.Pod"];
        assert_eq!(pod["x-kubernetes-group-version-kind"], json!([{"group": "", "version": "v1", "kind": "Pod"}]));
        let names: Vec<_> = pod["properties"].as_object().expect("properties").keys().collect();
        assert_eq!(names, ["apiVersion", "kind", "metadata", "spec", "status"]);
    }

    async fn paths_and_methods_that_do_not_exist_are_refused(scene: &Scene) {
        let path = format!("{}/foos", scene.home());
        let answer = scene.get(&path).await;
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "the server could not find the requested resource", "reason": "NotFound",
            "details": {}, "code": 404,
        });
        assert_eq!((answer.code, answer.json), (404, expected));
        let answer = scene.put(&scene.pods(), &json!({})).await;
        let message = "the server does not allow this method on the requested resource";
        assert_eq!(answer.refusal(), (405, message));
        let answer = scene.send(Method::HEAD, &scene.pods(), "application/json", "").await;
        assert_eq!(answer.code, 405);
        let answer = scene.get("/nonsense").await;
        assert_eq!((answer.code, answer.text.as_str()), (404, "404 page not found\n"));
    }
}

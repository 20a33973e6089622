//! GET of one pod.

use serde_json::json;

use crate::scene::Scene;

contract! {
    async fn a_pod_is_what_its_creation_answered(scene: &Scene) {
        let created = scene.create(&scene.idle("a")).await;
        let answer = scene.get(&scene.pod("a")).await;
        assert_eq!(answer.media, "application/json");
        assert_eq!(answer.expect(200), created);
    }

    async fn a_pod_that_is_not_there_is_not_found(scene: &Scene) {
        let answer = scene.get(&scene.pod("nope")).await;
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "pods \"nope\" not found", "reason": "NotFound",
            "details": {"name": "nope", "kind": "pods"}, "code": 404,
        });
        assert_eq!((answer.code, answer.json), (404, expected));
    }

    async fn a_status_is_read_with_its_pod(scene: &Scene) {
        let created = scene.create(&scene.idle("a")).await;
        let path = format!("{}/status", scene.pod("a"));
        assert_eq!(scene.get(&path).await.expect(200), created);
    }

    async fn any_version_is_good_for_a_get(scene: &Scene) {
        let created = scene.create(&scene.idle("a")).await;
        for version in ["0", "1"] {
            // A real server answers from its cache, which may not have the pod yet.
            let path = format!("{}?resourceVersion={version}", scene.pod("a"));
            assert_eq!(scene.until(&path, |pod| pod["kind"] == "Pod").await, created, "{version}");
        }
    }
}

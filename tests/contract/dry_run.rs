//! `dryRun=All`: the answer, and nothing else.

use http::Method;
use serde_json::json;

use crate::scene::{Scene, names, text, version};

contract! {
    async fn a_creation_answers_and_stores_nothing(scene: &Scene) {
        let path = format!("{}?dryRun=All", scene.pods());
        let pod = scene.post(&path, &scene.idle("a")).await.expect(201);
        assert_eq!((text(&pod["metadata"]["name"]), version(&pod)), ("a", ""));
        assert_ne!(text(&pod["metadata"]["uid"]), "");
        assert_eq!(scene.get(&scene.pod("a")).await.code, 404);
        scene.create(&scene.idle("a")).await;
        assert_eq!(scene.post(&path, &scene.idle("a")).await.code, 409);
        assert_eq!(scene.post(&path, &scene.idle("")).await.code, 422);
    }

    async fn a_change_answers_and_stores_nothing(scene: &Scene) {
        let created = scene.create(&scene.idle("a")).await;
        let path = format!("{}?dryRun=All", scene.pod("a"));
        let patch = json!({"metadata": {"labels": {"x": "y"}}});
        let changed = scene.merge(&path, &patch).await.expect(200);
        assert_eq!((&changed["metadata"]["labels"]["x"], version(&changed)), (&json!("y"), version(&created)));
        let mut pod = created.clone();
        pod["metadata"]["labels"] = json!({"x": "z"});
        let changed = scene.put(&path, &pod).await.expect(200);
        assert_eq!(changed["metadata"]["labels"]["x"], "z");
        assert_eq!(scene.get(&scene.pod("a")).await.expect(200), created);
    }

    async fn a_deletion_answers_and_deletes_nothing(scene: &Scene) {
        let created = scene.create(&scene.idle("a")).await;
        let answer = scene.delete(&scene.pod("a"), &json!({"dryRun": ["All"]})).await;
        assert_eq!(text(&answer.expect(200)["kind"]), "Pod");
        let path = format!("{}?dryRun=All", scene.pods());
        let answer = scene.send(Method::DELETE, &path, "application/json", "").await;
        assert_eq!(names(&answer.expect(200)), ["a"]);
        assert_eq!(scene.get(&scene.pod("a")).await.expect(200), created);
    }

    async fn another_word_is_refused(scene: &Scene) {
        let answer = scene.post(&format!("{}?dryRun=Some", scene.pods()), &scene.idle("a")).await;
        let message = "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"";
        assert_eq!(answer.refusal(), (422, message));
        let answer = scene.delete(&scene.pod("a"), &json!({"dryRun": ["Some"]})).await;
        let message = "DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"";
        assert_eq!(answer.refusal(), (422, message));
    }
}

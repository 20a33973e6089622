//! `pods/eviction`: a polite deletion, as `kubectl drain` asks for it.

use serde_json::{Value, json};

use crate::scene::{Scene, text};

fn eviction(name: &str) -> Value {
    json!({"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}})
}

contract! {
    async fn an_eviction_deletes_the_pod(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let path = format!("{}/eviction", scene.pod("a"));
        let answer = scene.post(&path, &eviction("a")).await;
        let success = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        assert_eq!((answer.code, answer.json), (201, success));
        assert_eq!(scene.get(&scene.pod("a")).await.code, 404);
    }

    async fn an_evicted_pod_says_why_it_is_disrupted(scene: &Scene) {
        scene.create_bound("a").await;
        let path = format!("{}/eviction", scene.pod("a"));
        scene.post(&path, &eviction("a")).await.expect(201);
        let pod = scene.get(&scene.pod("a")).await.expect(200);
        assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 30);
        let conditions = pod["status"]["conditions"].as_array().expect("conditions");
        let one = conditions.iter().find(|one| one["type"] == "DisruptionTarget").expect("the condition");
        assert_eq!(
            (text(&one["status"]), text(&one["reason"]), text(&one["message"])),
            ("True", "EvictionByEvictionAPI", "Eviction API: evicting")
        );
        assert_ne!(text(&one["lastTransitionTime"]), "");
    }

    async fn an_eviction_takes_the_options_of_a_deletion(scene: &Scene) {
        let pod = scene.create_bound("a").await;
        let path = format!("{}/eviction", scene.pod("a"));
        let mut body = eviction("a");
        body["deleteOptions"] = json!({"preconditions": {"uid": "x"}});
        let answer = scene.post(&path, &body).await;
        let message = format!("Operation cannot be fulfilled on Pod \"a\": the UID in the precondition (x) does not match the UID in record ({}). The object might have been deleted and then recreated", text(&pod["metadata"]["uid"]));
        assert_eq!(answer.refusal(), (409, message.as_str()));
        body["deleteOptions"] = json!({"gracePeriodSeconds": 50});
        scene.post(&path, &body).await.expect(201);
        let pod = scene.get(&scene.pod("a")).await.expect(200);
        assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 50);
    }

    async fn another_name_or_no_pod_is_refused(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let answer = scene.post(&format!("{}/eviction", scene.pod("a")), &eviction("b")).await;
        assert_eq!(answer.refusal(), (400, "name in URL does not match name in Eviction object"));
        let answer = scene.post(&format!("{}/eviction", scene.pod("b")), &eviction("b")).await;
        assert_eq!(answer.refusal(), (404, "pods \"b\" not found"));
    }

    async fn a_dry_run_evicts_nobody(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let path = format!("{}/eviction?dryRun=All", scene.pod("a"));
        scene.post(&path, &eviction("a")).await.expect(201);
        assert_eq!(scene.get(&scene.pod("a")).await.code, 200);
    }
}

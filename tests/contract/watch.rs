//! Watches: where they begin, what they show, how they end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::scene::{HISTORY, Scene, short, text, version};

async fn watch(scene: &Scene, query: &str) -> Vec<Value> {
    let path = format!("{}?watch=true&timeoutSeconds=1&{query}", scene.pods());
    scene.watch(&path).await
}

contract! {
    async fn from_nowhere_it_begins_with_the_pods_of_now(scene: &Scene) {
        let created = scene.create(&scene.idle("a")).await;
        for query in ["", "resourceVersion=0", "resourceVersion="] {
            let seen = watch(scene, query).await;
            assert_eq!(short(&seen), [("ADDED", "a")], "{query}");
            assert_eq!(seen[0]["object"], created);
        }
    }

    async fn from_a_version_it_shows_what_came_after(scene: &Scene) {
        let created = scene.create(&scene.idle("a")).await;
        scene.merge(&scene.pod("a"), &json!({"metadata": {"labels": {"x": "y"}}})).await.expect(200);
        scene.delete(&scene.pod("a"), &json!({})).await.expect(200);
        let seen = watch(scene, &format!("resourceVersion={}", version(&created))).await;
        // The second change is the mark of the deletion.
        assert_eq!(short(&seen), [("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]);
        let versions: Vec<u64> = seen.iter().map(|event| version(&event["object"]).parse().expect("a number")).collect();
        assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
        assert_eq!(seen[1]["object"]["metadata"]["deletionGracePeriodSeconds"], 0);
        assert_eq!(seen[2]["object"]["metadata"]["labels"], json!({"x": "y"}));
    }

    async fn a_pod_of_the_same_name_is_another_pod(scene: &Scene) {
        let first = scene.create(&scene.idle("a")).await;
        scene.delete(&scene.pod("a"), &json!({})).await.expect(200);
        let second = scene.create(&scene.idle("a")).await;
        let seen = watch(scene, &format!("resourceVersion={}", version(&first))).await;
        assert_eq!(short(&seen), [("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "a")]);
        assert_eq!(seen[1]["object"]["metadata"]["uid"], first["metadata"]["uid"]);
        assert_eq!(seen[2]["object"]["metadata"]["uid"], second["metadata"]["uid"]);
    }

    async fn a_change_comes_at_once(scene: &Scene) {
        let list = scene.get(&scene.pods()).await.expect(200);
        let path = format!("{}?watch=true&resourceVersion={}", scene.pods(), version(&list));
        let mut stream = scene.open_stream(&path).await;
        let created = scene.create(&scene.idle("a")).await;
        assert_eq!(stream.event().await, json!({"type": "ADDED", "object": created}));
        let changed = scene.merge(&scene.pod("a"), &json!({"metadata": {"labels": {"x": "y"}}})).await.expect(200);
        assert_eq!(stream.event().await, json!({"type": "MODIFIED", "object": changed}));
    }

    async fn a_pod_that_begins_or_stops_to_match_appears_and_goes(scene: &Scene) {
        let created = scene.create(&scene.idle("a")).await;
        let mut versions = Vec::new();
        for value in ["yes", "no", "yes"] {
            let labels = json!({"metadata": {"labels": {"mine": value}}});
            versions.push(version(&scene.merge(&scene.pod("a"), &labels).await.expect(200)).to_owned());
        }
        let seen = watch(scene, &format!("resourceVersion={}&labelSelector=mine%3Dyes", version(&created))).await;
        assert_eq!(short(&seen), [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]);
        // It goes as it was when it last matched, with the version of the change that ended it.
        assert_eq!(seen[1]["object"]["metadata"]["labels"]["mine"], "yes");
        assert_eq!(version(&seen[1]["object"]), versions[1]);
    }

    async fn one_pod_is_watched_by_its_name(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        scene.create(&scene.idle("b")).await;
        let seen = watch(scene, "fieldSelector=metadata.name%3Db").await;
        assert_eq!(short(&seen), [("ADDED", "b")]);
    }

    async fn initial_events_end_with_a_marked_bookmark(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let seen = watch(scene, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true").await;
        // Shortly before its end a watch gets one more bookmark.
        assert_eq!(short(&seen)[..2], [("ADDED", "a"), ("BOOKMARK", "")]);
        assert!(short(&seen)[2..].iter().all(|(kind, _)| *kind == "BOOKMARK"), "{seen:?}");
        let mut bookmark = seen[1].clone();
        assert_ne!(version(&bookmark["object"]), "");
        bookmark["object"]["metadata"]["resourceVersion"] = json!("");
        let expected = json!({"type": "BOOKMARK", "object": {
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"resourceVersion": "", "annotations": {"k8s.io/initial-events-end": "true"}},
            "spec": {"containers": null}, "status": {},
        }});
        assert_eq!(bookmark, expected);
    }

    async fn without_initial_events_it_begins_now(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let seen = watch(scene, "sendInitialEvents=false&resourceVersionMatch=NotOlderThan").await;
        assert_eq!(short(&seen), [("", ""); 0]);
    }

    async fn options_that_cannot_be_are_refused(scene: &Scene) {
        let expected = [
            ("resourceVersion=abc", 500, "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax"),
            ("sendInitialEvents=true", 422, "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
            ("sendInitialEvents=true&resourceVersionMatch=Exact", 422, "ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"]"),
            ("resourceVersionMatch=NotOlderThan", 422, "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"),
            ("resourceVersionMatch=Exact", 422, "ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided, resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"]"),
            ("continue=abc", 422, "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"),
            ("fieldSelector=foo%3Dbar", 400, "field label not supported: foo"),
            ("labelSelector=a+in", 400, "unable to parse requirement: found '' expected: '('"),
        ];
        for (query, code, message) in expected {
            let path = format!("{}?watch=true&timeoutSeconds=1&{query}", scene.pods());
            assert_eq!(scene.get(&path).await.refusal(), (code, message), "{query}");
        }
    }

    async fn a_version_that_is_no_longer_kept_is_expired(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        // The embedded cluster keeps the last changes. A real API server keeps at least a hundred of them, and those of
        // the last 75 seconds: on a new cluster it takes that long.
        let last = Instant::now() + Duration::from_secs(5 * 60);
        let mut seen = Vec::new();
        while !seen.first().is_some_and(|event: &Value| event["type"] == "ERROR") && Instant::now() < last {
            for number in 0..=HISTORY {
                let labels = json!({"metadata": {"labels": {"n": number.to_string()}}});
                scene.merge(&scene.pod("a"), &labels).await.expect(200);
            }
            seen = watch(scene, "resourceVersion=1").await;
        }
        assert_eq!(seen.len(), 1);
        let status = &seen[0]["object"];
        assert_eq!((text(&seen[0]["type"]), text(&status["reason"])), ("ERROR", "Expired"));
        assert_eq!((text(&status["kind"]), &status["code"]), ("Status", &json!(410)));
        assert!(text(&status["message"]).starts_with("too old resource version: 1 ("), "{status}");
    }

    async fn a_namespace_sees_only_its_own(scene: &Scene) {
        let list = scene.get("/api/v1/pods").await.expect(200);
        let other = format!("{}-other", scene.namespace);
        scene.post("/api/v1/namespaces", &json!({"metadata": {"name": other}})).await.expect(201);
        let path = format!("/api/v1/namespaces/{other}/pods?watch=true&timeoutSeconds=1&resourceVersion={}", version(&list));
        let pod = scene.idle("a");
        let (seen, created) = tokio::join!(scene.get(&path), scene.create(&pod));
        assert_eq!((seen.code, seen.text.as_str()), (200, ""), "{created}");
        scene.delete(&format!("/api/v1/namespaces/{other}"), &json!({})).await.expect(200);
    }
}

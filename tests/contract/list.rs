//! GET of a collection: selectors, pages, versions.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::scene::{HISTORY, Scene, names, text, version};

async fn three_pods(scene: &Scene) -> Value {
    let labels = [
        ("a", json!({"lecture": "one", "tier": "x", "week": "3"})),
        ("b", json!({"lecture": "two", "week": "10"})),
        ("c", json!({"week": "odd"})),
    ];
    let mut last = Value::Null;
    for (name, labels) in labels {
        let mut pod = scene.idle(name);
        pod["metadata"]["labels"] = labels;
        last = scene.create(&pod).await;
    }
    last
}

async fn list(scene: &Scene, query: &str) -> Value {
    let path = format!("{}?{query}", scene.pods());
    scene.get(&path).await.expect(200)
}

contract! {
    async fn a_list_has_its_items_in_the_order_of_their_names(scene: &Scene) {
        let empty = list(scene, "").await;
        assert_eq!((text(&empty["kind"]), text(&empty["apiVersion"])), ("PodList", "v1"));
        assert_eq!(empty["items"], json!([]));
        for name in ["b", "c", "a"] {
            scene.create(&scene.idle(name)).await;
        }
        let all = list(scene, "").await;
        assert_eq!(names(&all), ["a", "b", "c"]);
        assert_eq!((&all["items"][0]["kind"], &all["items"][0]["apiVersion"]), (&json!(null), &json!(null)));
        let everywhere = scene.get("/api/v1/pods").await.expect(200);
        let here = everywhere["items"].as_array().expect("items").iter();
        let here = here.filter(|pod| text(&pod["metadata"]["namespace"]) == scene.namespace);
        assert_eq!(here.count(), 3);
    }

    async fn label_selectors_select(scene: &Scene) {
        three_pods(scene).await;
        let expected: [(&str, &[&str]); 14] = [
            ("lecture%3Done", &["a"]),
            ("lecture%3D%3Done,tier", &["a"]),
            ("lecture!%3Done", &["b", "c"]),
            ("lecture+in+(one,two)", &["a", "b"]),
            ("lecture+in+(+one+,+none+)", &["a"]),
            ("lecture+notin+(one)", &["b", "c"]),
            ("lecture", &["a", "b"]),
            ("!lecture", &["c"]),
            ("!lecture,week", &["c"]),
            ("lecture%3D", &[]),
            ("week%3E3", &["b"]),
            ("week%3C10", &["a"]),
            ("week%3E2,week%3C9", &["a"]),
            ("tier%3Dy", &[]),
        ];
        for (selector, wanted) in expected {
            let found = list(scene, &format!("labelSelector={selector}")).await;
            assert_eq!(names(&found), wanted, "{selector}");
        }
    }

    async fn field_selectors_select(scene: &Scene) {
        three_pods(scene).await;
        let bound = scene.create_bound("d").await;
        assert_eq!(text(&bound["spec"]["nodeName"]), "no-such-node");
        let expected: [(&str, &[&str]); 9] = [
            ("metadata.name%3Db", &["b"]),
            ("metadata.name!%3Db,status.phase%3DPending", &["a", "c", "d"]),
            ("metadata.namespace%3Ddefault", &[]),
            ("spec.nodeName%3Dno-such-node", &["d"]),
            ("spec.nodeName%3D", &["a", "b", "c"]),
            ("spec.restartPolicy%3D%3DAlways,metadata.name%3Da", &["a"]),
            ("spec.schedulerName%3Dnobody,metadata.name%3Da", &["a"]),
            ("spec.serviceAccountName%3Ddefault,metadata.name%3Da", &["a"]),
            ("spec.hostNetwork%3Dtrue", &[]),
        ];
        for (selector, wanted) in expected {
            let found = list(scene, &format!("fieldSelector={selector}")).await;
            assert_eq!(names(&found), wanted, "{selector}");
        }
        let both = list(scene, "fieldSelector=metadata.name!%3Da&labelSelector=lecture").await;
        assert_eq!(names(&both), ["b"]);
    }

    async fn selectors_that_cannot_be_read_are_refused(scene: &Scene) {
        let expected = [
            ("labelSelector=a+in", "unable to parse requirement: found '' expected: '('"),
            ("labelSelector=a%3D%3D%3D", "unable to parse requirement: found '=', expected: identifier"),
            ("labelSelector=a,", "found '', expected: identifier after ','"),
            ("labelSelector=a)", "unable to parse requirement: found ')', expected: in, notin, =, ==, !=, gt, lt"),
            ("labelSelector=a%3Ex", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
            ("labelSelector=a+gt+1", "unable to parse requirement: found 'gt', expected: in, notin, =, ==, !=, gt, lt"),
            ("labelSelector=a%3D-b", "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"),
            ("labelSelector=-a", "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"),
            ("fieldSelector=foo", "invalid selector: 'foo'; can't understand 'foo'"),
            ("fieldSelector=foo%3Dbar", "field label not supported: foo"),
        ];
        for (query, message) in expected {
            let answer = scene.get(&format!("{}?{query}", scene.pods())).await;
            assert_eq!(answer.refusal(), (400, message), "{query}");
        }
    }

    async fn pages_show_one_version_of_the_list(scene: &Scene) {
        for name in ["a", "b", "d", "e", "f"] {
            scene.create(&scene.idle(name)).await;
        }
        let first = list(scene, "limit=2").await;
        assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));
        scene.create(&scene.idle("c")).await;
        scene.delete(&scene.pod("e"), &json!({})).await.expect(200);
        let next = text(&first["metadata"]["continue"]);
        let second = list(scene, &format!("limit=2&continue={next}")).await;
        assert_eq!((names(&second), &second["metadata"]["remainingItemCount"]), (vec!["d", "e"], &json!(1)));
        assert_eq!(version(&second), version(&first));
        let next = text(&second["metadata"]["continue"]);
        let last = list(scene, &format!("limit=2&continue={next}")).await;
        assert_eq!(names(&last), ["f"]);
        assert_eq!((&last["metadata"]["continue"], &last["metadata"]["remainingItemCount"]), (&json!(null), &json!(null)));
    }

    async fn a_page_with_a_selector_does_not_count_the_rest(scene: &Scene) {
        three_pods(scene).await;
        let first = list(scene, "limit=1&labelSelector=lecture").await;
        assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a"], &json!(null)));
        let next = text(&first["metadata"]["continue"]);
        let second = list(scene, &format!("limit=1&labelSelector=lecture&continue={next}")).await;
        assert_eq!(names(&second), ["b"]);
        // More objects follow, and whether one of them matches is found on the next page.
        let next = text(&second["metadata"]["continue"]);
        let third = list(scene, &format!("limit=1&labelSelector=lecture&continue={next}")).await;
        assert_eq!((names(&third), &third["metadata"]["continue"]), (vec![], &json!(null)));
    }

    async fn pages_cannot_be_combined_with_a_version(scene: &Scene) {
        three_pods(scene).await;
        let first = list(scene, "limit=1").await;
        let next = text(&first["metadata"]["continue"]);
        let answer = scene.get(&format!("{}?continue={next}&resourceVersion=1", scene.pods())).await;
        let message = "specifying resource version is not allowed when using continue";
        assert_eq!(answer.refusal(), (400, message));
        let query = format!("continue={next}&resourceVersion=0&resourceVersionMatch=NotOlderThan");
        let answer = scene.get(&format!("{}?{query}", scene.pods())).await;
        let message = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided";
        assert_eq!(answer.refusal(), (422, message));
        let answer = scene.get(&format!("{}?continue=abc", scene.pods())).await;
        assert_eq!((answer.code, text(&answer.json["reason"])), (400, "BadRequest"));
        let start = "invalid continue token: continue key is not valid: ";
        assert!(answer.refusal().1.starts_with(start), "{}", answer.text);
    }

    async fn a_list_is_never_older_than_asked(scene: &Scene) {
        let last = three_pods(scene).await;
        for query in [
            String::new(),
            "resourceVersion=0".to_owned(),
            "resourceVersion=1".to_owned(),
            format!("resourceVersion={}", version(&last)),
            format!("resourceVersion={}&resourceVersionMatch=NotOlderThan", version(&last)),
            "resourceVersion=0&resourceVersionMatch=NotOlderThan".to_owned(),
            "limit=-1".to_owned(),
        ] {
            let found = list(scene, &query).await;
            // A list from a real server's cache may be a moment behind only when any version will do.
            if !query.contains("=0") {
                assert_eq!(names(&found), ["a", "b", "c"], "{query}");
            }
            assert_ne!(version(&found), "", "{query}");
        }
    }

    async fn an_exact_version_shows_the_past(scene: &Scene) {
        let first = scene.create(&scene.idle("a")).await;
        scene.create(&scene.idle("b")).await;
        scene.delete(&scene.pod("a"), &json!({})).await.expect(200);
        let query = format!("resourceVersion={}&resourceVersionMatch=Exact", version(&first));
        let then = list(scene, &query).await;
        assert_eq!((names(&then), version(&then)), (vec!["a"], version(&first)));
    }

    async fn versions_that_cannot_be_had_are_refused(scene: &Scene) {
        let expected = [
            ("resourceVersion=abc", 400, "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax"),
            ("resourceVersion=-1", 400, "invalid resource version: resourceVersion: Invalid value: \"-1\": strconv.ParseUint: parsing \"-1\": invalid syntax"),
            ("limit=abc", 400, "strconv.ParseInt: parsing \"abc\": invalid syntax"),
            ("resourceVersionMatch=Exact", 422, "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"),
            ("resourceVersion=0&resourceVersionMatch=Exact", 422, "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""),
            ("resourceVersion=1&resourceVersionMatch=Odd", 422, "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Unsupported value: \"Odd\": supported values: \"Exact\", \"NotOlderThan\", \"\""),
            ("sendInitialEvents=true", 422, "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        ];
        for (query, code, message) in expected {
            let answer = scene.get(&format!("{}?{query}", scene.pods())).await;
            assert_eq!(answer.refusal(), (code, message), "{query}");
        }
    }

    async fn a_version_of_the_future_is_a_timeout(scene: &Scene) {
        let answer = scene.get(&format!("{}?resourceVersion=999999999999", scene.pods())).await;
        let (code, message) = answer.refusal();
        assert_eq!(code, 504);
        assert!(message.starts_with("Timeout: Too large resource version: 999999999999, current: "), "{message}");
        assert_eq!(answer.json["details"], json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }));
    }

    async fn a_version_that_is_no_longer_kept_is_expired(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        for number in 0..=HISTORY {
            let labels = json!({"metadata": {"labels": {"n": number.to_string()}}});
            scene.merge(&scene.pod("a"), &labels).await.expect(200);
        }
        // The embedded cluster keeps the last changes. A real API server compacts etcd every five minutes, up to the
        // version that it had seen five minutes before: on a new cluster version 1 is kept for ten minutes.
        let path = format!("{}?resourceVersion=1&resourceVersionMatch=Exact", scene.pods());
        let last = Instant::now() + Duration::from_secs(12 * 60);
        let mut answer = scene.get(&path).await;
        while answer.code == 200 && Instant::now() < last {
            tokio::time::sleep(Duration::from_secs(2)).await;
            answer = scene.get(&path).await;
        }
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "The resourceVersion for the provided list is too old.", "reason": "Expired", "code": 410,
        });
        assert_eq!((answer.code, answer.json), (410, expected));
    }

    async fn an_unknown_namespace_has_an_empty_list(scene: &Scene) {
        let found = scene.get("/api/v1/namespaces/nonono/pods").await.expect(200);
        assert_eq!(found["items"], json!([]));
    }
}

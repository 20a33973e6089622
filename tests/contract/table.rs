//! Tables, which `kubectl get` asks for.

use serde_json::{Value, json};

use crate::scene::{Scene, text};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Name, format and priority of each column.
fn columns(table: &Value) -> Vec<(&str, &str, i64)> {
    let columns = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter();
    columns
        .map(|one| {
            (
                text(&one["name"]),
                text(&one["format"]),
                one["priority"].as_i64().expect("a number"),
            )
        })
        .collect()
}

contract! {
    async fn a_list_of_pods_is_a_table(scene: &Scene) {
        let pod = scene.create(&scene.idle("a")).await;
        let answer = scene.get_as(&scene.pods(), TABLE).await;
        assert_eq!(answer.media, "application/json");
        let table = answer.expect(200);
        assert_eq!((text(&table["kind"]), text(&table["apiVersion"])), ("Table", "meta.k8s.io/v1"));
        let expected = [
            ("Name", "name", 0), ("Ready", "", 0), ("Status", "", 0), ("Restarts", "", 0), ("Age", "", 0),
            ("IP", "", 1), ("Node", "", 1), ("Nominated Node", "", 1), ("Readiness Gates", "", 1),
        ];
        assert_eq!(columns(&table), expected);
        let row = &table["rows"][0];
        let mut cells = row["cells"].clone();
        assert!(text(&cells[4]).ends_with('s'), "{cells}");
        cells[4] = json!("0s");
        assert_eq!(cells, json!(["a", "0/1", "Pending", "0", "0s", "<none>", "<none>", "<none>", "<none>"]));
        let object = &row["object"];
        assert_eq!((text(&object["kind"]), text(&object["apiVersion"])), ("PartialObjectMetadata", "meta.k8s.io/v1"));
        assert_eq!(object["metadata"]["uid"], pod["metadata"]["uid"]);
    }

    async fn one_pod_is_a_table_with_one_row(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let table = scene.get_as(&scene.pod("a"), TABLE).await.expect(200);
        assert_eq!((text(&table["kind"]), table["rows"].as_array().map(Vec::len)), ("Table", Some(1)));
    }

    async fn the_status_is_the_word_that_kubectl_shows(scene: &Scene) {
        let ended = |code: i32, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
        let container = |state: Value, ready: bool| json!({"name": "c", "image": "x:1", "imageID": "", "ready": ready, "restartCount": 2, "state": state});
        let cases = [
            (json!({"phase": "Running", "containerStatuses": [container(json!({"running": {"startedAt": null}}), true)]}), "1/1", "Running"),
            (json!({"phase": "Pending", "containerStatuses": [container(json!({"waiting": {"reason": "ImagePullBackOff"}}), false)]}), "0/1", "ImagePullBackOff"),
            (json!({"phase": "Succeeded", "containerStatuses": [container(ended(0, "Completed"), false)]}), "0/1", "Completed"),
            (json!({"phase": "Failed", "containerStatuses": [container(ended(137, "OOMKilled"), false)]}), "0/1", "OOMKilled"),
            (json!({"phase": "Failed", "containerStatuses": [container(ended(3, ""), false)]}), "0/1", "ExitCode:3"),
            (json!({"phase": "Failed", "reason": "Evicted"}), "0/1", "Evicted"),
        ];
        for (number, (status, ready, word)) in cases.into_iter().enumerate() {
            let name = format!("p{number}");
            scene.create(&scene.idle(&name)).await;
            let restarts = if status["containerStatuses"].is_array() { "2" } else { "0" };
            scene.merge(&format!("{}/status", scene.pod(&name)), &json!({"status": status})).await.expect(200);
            let table = scene.get_as(&scene.pod(&name), TABLE).await.expect(200);
            let cells = &table["rows"][0]["cells"];
            assert_eq!((text(&cells[1]), text(&cells[2]), text(&cells[3])), (ready, word, restarts), "{cells}");
        }
    }

    async fn a_watch_may_be_of_tables(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let path = format!("{}?watch=true&timeoutSeconds=1", scene.pods());
        let answer = scene.get_as(&path, TABLE).await;
        let event: Value = serde_json::from_str(&answer.text).expect("one event");
        assert_eq!((text(&event["type"]), text(&event["object"]["kind"])), ("ADDED", "Table"));
        assert_eq!(event["object"]["rows"][0]["cells"][0], "a");
    }

    async fn events_and_namespaces_have_tables_of_their_own(scene: &Scene) {
        let event = json!({
            "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "namespace": scene.namespace, "name": "a"},
            "reason": "Tested", "message": "It happened.\n", "type": "Normal", "source": {"component": "tester", "host": "here"},
        });
        scene.post(&scene.events(), &event).await.expect(201);
        let table = scene.get_as(&scene.events(), TABLE).await.expect(200);
        let expected = [
            ("Last Seen", "", 0), ("Type", "", 0), ("Reason", "", 0), ("Object", "", 0), ("Subobject", "", 1),
            ("Source", "", 1), ("Message", "", 0), ("First Seen", "", 1), ("Count", "", 1), ("Name", "name", 1),
        ];
        assert_eq!(columns(&table), expected);
        let cells = json!(["<unknown>", "Normal", "Tested", "pod/a", "", "tester, here", "It happened.", "<unknown>", 1, "e"]);
        assert_eq!(table["rows"][0]["cells"], cells);
        let table = scene.get_as(&scene.home(), TABLE).await.expect(200);
        assert_eq!(columns(&table), [("Name", "name", 0), ("Status", "", 0), ("Age", "", 0)]);
        assert_eq!((&table["rows"][0]["cells"][0], &table["rows"][0]["cells"][1]), (&json!(scene.namespace), &json!("Active")));
    }

    async fn metadata_alone_may_be_asked_for(scene: &Scene) {
        let pod = scene.create(&scene.idle("a")).await;
        let accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json";
        let partial = scene.get_as(&scene.pod("a"), accept).await.expect(200);
        let expected = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": pod["metadata"]});
        assert_eq!(partial, expected);
        let accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";
        let list = scene.get_as(&scene.pods(), accept).await.expect(200);
        assert_eq!((text(&list["kind"]), text(&list["apiVersion"])), ("PartialObjectMetadataList", "meta.k8s.io/v1"));
        assert_eq!(list["items"][0]["metadata"], pod["metadata"]);
    }
}

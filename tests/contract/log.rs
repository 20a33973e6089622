//! `pods/log`: of pods that run.

use serde_json::json;

use crate::scene::{Answer, Scene, text};

async fn log(scene: &Scene, name: &str, query: &str) -> Answer {
    scene.get(&format!("{}/log?{query}", scene.pod(name))).await
}

contract! {
    async fn a_log_is_cut_as_it_is_asked_for(scene: &Scene) {
        scene.finished(&scene.script("a", "echo one; echo two; printf three")).await;
        let expected = [
            ("", "one\ntwo\nthree"),
            ("tailLines=2", "two\nthree"),
            ("tailLines=0", ""),
            ("tailLines=100", "one\ntwo\nthree"),
            ("limitBytes=5", "one\nt"),
            ("tailLines=1&limitBytes=2", "th"),
            ("sinceSeconds=1000", "one\ntwo\nthree"),
            ("sinceTime=2020-01-01T00:00:00Z", "one\ntwo\nthree"),
            ("sinceTime=2999-01-01T00:00:00Z", ""),
            ("container=c", "one\ntwo\nthree"),
        ];
        for (query, wanted) in expected {
            let answer = log(scene, "a", query).await;
            assert_eq!((answer.code, answer.text.as_str()), (200, wanted), "{query}");
            assert_eq!(answer.media, "text/plain");
        }
    }

    async fn both_streams_are_there(scene: &Scene) {
        scene.finished(&scene.script("a", "echo out; sleep 0.2; echo err >&2; sleep 0.2; echo out")).await;
        assert_eq!(log(scene, "a", "").await.text, "out\nerr\nout\n");
    }

    async fn time_stamps_are_put_before_the_lines(scene: &Scene) {
        scene.finished(&scene.script("a", "echo one; echo two")).await;
        let answer = log(scene, "a", "timestamps=true").await;
        let lines: Vec<_> = answer.text.lines().map(|line| line.split_once(' ').expect("a stamp")).collect();
        assert_eq!(lines.iter().map(|(_, line)| *line).collect::<Vec<_>>(), ["one", "two"]);
        for (stamp, _) in lines {
            let time: Result<jiff::Timestamp, _> = stamp.parse();
            assert!(time.is_ok() && stamp.ends_with('Z'), "{stamp}");
        }
    }

    async fn a_log_since_a_time_begins_there(scene: &Scene) {
        scene.finished(&scene.script("a", "echo one; sleep 2; echo two")).await;
        let answer = log(scene, "a", "timestamps=true&tailLines=1").await;
        let (stamp, _) = answer.text.split_once(' ').expect("a stamp");
        let answer = log(scene, "a", &format!("sinceTime={}", format_args!("{}Z", &stamp[..19]))).await;
        assert_eq!((answer.code, answer.text.as_str()), (200, "two\n"));
    }

    async fn a_followed_log_ends_with_its_container(scene: &Scene) {
        scene.create(&scene.script("a", "for i in 1 2 3; do echo $i; sleep 0.3; done")).await;
        scene.until(&scene.pod("a"), |pod| pod["status"]["containerStatuses"][0]["state"]["waiting"].is_null() && pod["status"]["containerStatuses"].is_array()).await;
        let mut lines = scene.open_stream(&format!("{}/log?follow=true", scene.pod("a"))).await;
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await {
            seen.push(line);
        }
        assert_eq!(seen, ["1", "2", "3"]);
    }

    async fn a_container_must_be_named_when_there_are_several(scene: &Scene) {
        let mut pod = scene.script("a", "echo c");
        let mut second = pod["spec"]["containers"][0].clone();
        second["name"] = json!("d");
        second["command"] = json!(["sh", "-c", "echo d"]);
        pod["spec"]["containers"].as_array_mut().expect("a list").push(second);
        pod["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/default-container": "d"});
        scene.finished(&pod).await;
        assert_eq!(log(scene, "a", "container=d").await.text, "d\n");
        // Which container is meant without a name is kubectl's own affair: the annotation means nothing here.
        let answer = log(scene, "a", "").await;
        assert_eq!(answer.refusal(), (400, "a container name must be specified for pod a, choose one of: [c d]"));
        let answer = log(scene, "a", "container=zzz").await;
        assert_eq!(answer.refusal(), (400, "container zzz is not valid for pod a"));
        let answer = log(scene, "a", "container=d&previous=true").await;
        assert_eq!(answer.refusal(), (400, "previous terminated container \"d\" in pod \"a\" not found"));
    }

    async fn a_container_that_waits_has_no_log(scene: &Scene) {
        let mut pod = scene.script("a", "echo never");
        let mut first = pod["spec"]["containers"][0].clone();
        first["name"] = json!("i");
        first["command"] = json!(["sh", "-c", "echo init; false"]);
        pod["spec"]["initContainers"] = json!([first]);
        scene.finished(&pod).await;
        let answer = log(scene, "a", "").await;
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "container \"c\" in pod \"a\" is waiting to start: PodInitializing",
            "reason": "BadRequest", "code": 400,
        });
        assert_eq!((answer.code, answer.json), (400, expected));
        assert_eq!(log(scene, "a", "container=i").await.text, "init\n");
    }

    async fn the_run_before_has_a_log_of_its_own(scene: &Scene) {
        let mut pod = scene.script("a", "echo $(( $(date +%s) )); sleep 1; exit 1");
        pod["spec"]["restartPolicy"] = json!("OnFailure");
        scene.create(&pod).await;
        let restarted = |pod: &serde_json::Value| {
            let status = &pod["status"]["containerStatuses"][0];
            status["restartCount"] == 1 && status["state"]["running"].is_object()
        };
        scene.until(&scene.pod("a"), restarted).await;
        let previous = log(scene, "a", "previous=true").await;
        assert_eq!(previous.code, 200, "{}", previous.text);
        assert!(previous.text.trim().parse::<u64>().is_ok(), "{}", previous.text);
        scene.delete(&scene.pod("a"), &json!({"gracePeriodSeconds": 0})).await;
    }

    async fn a_pod_without_a_node_has_no_content(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let answer = log(scene, "a", "").await;
        assert_eq!((answer.code, answer.text.as_str()), (204, ""));
    }

    async fn impossible_options_are_refused(scene: &Scene) {
        scene.create(&scene.idle("a")).await;
        let expected = [
            ("tailLines=-1", 422, "PodLogOptions \"a\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"),
            ("limitBytes=0", 422, "PodLogOptions \"a\" is invalid: limitBytes: Invalid value: 0: must be greater than 0"),
            ("sinceSeconds=0", 422, "PodLogOptions \"a\" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0"),
            ("sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z", 422, "PodLogOptions \"a\" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"),
            ("tailLines=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("stream=Stderr", 422, "PodLogOptions \"a\" is invalid: stream: Forbidden: may not be specified"),
        ];
        for (query, code, message) in expected {
            assert_eq!(log(scene, "a", query).await.refusal(), (code, message), "{query}");
        }
        let answer = scene.get(&format!("{}/log", scene.pod("nope"))).await;
        assert_eq!(answer.refusal(), (404, "pods \"nope\" not found"));
        assert_eq!(text(&answer.json["details"]["name"]), "nope");
    }
}

//! What a stage's file may say, whom it selects, and what is said of a wrong one.

use std::time::Duration;

use kubegrader::embedded::{EmbeddedCluster, Options, Stage};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{PODS, create, delete, get, whole_events, without_kubelet};

fn refusal(text: &str) -> String {
    Stage::from_yaml(text, "a.yaml").unwrap_err().to_string()
}

fn marked(name: &str, rest: &str) -> Stage {
    let text = format!("name: {name}\n{rest}steps:\n- status: {{message: {name}}}\n");
    Stage::from_yaml(&text, name).unwrap()
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": name}, "annotations": {"note": name}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]},
    })
}

/// The message in the pod's status once nothing happens any more.
async fn message(cluster: &EmbeddedCluster, name: &str) -> Value {
    sleep(Duration::from_secs(60)).await;
    get(&cluster.router(), &format!("{PODS}/{name}")).await.1["status"]["message"].clone()
}

fn playing(stages: Vec<Stage>) -> EmbeddedCluster {
    EmbeddedCluster::start(Options {
        kubelet: false,
        stages,
        ..Options::default()
    })
}

#[test]
fn a_wrong_file_is_refused_with_its_name_its_field_and_what_is_wrong() {
    for (text, says) in [
        ("name: a\nsteps:\n- {dlay: 1s}\n", &["a.yaml: ", "dlay"][..]),
        ("steps: []\n", &["a.yaml: ", "name"]),
        (
            "name: a\nsteps:\n- {delay: soon}\n",
            &["a.yaml: steps[0].delay: \"soon\" is no duration"],
        ),
        (
            "name: a\nsteps:\n- {}\n- {delay: {min: 2s, max: 1s}}\n",
            &["a.yaml: steps[1].delay: min is more than max"],
        ),
        (
            "name: a\nsteps:\n- {moment: dead}\n",
            &["a.yaml: steps[0].moment: there is no \"dead\"; there are completed, creating"],
        ),
        (
            "name: a\nsteps:\n- {status: {phaze: Failed}}\n",
            &["a.yaml: steps[0].status.phaze: a pod's status has no such field"],
        ),
        (
            "name: a\nsteps:\n- {status: {message: $(nwo)}}\n",
            &[
                "a.yaml: steps[0].status",
                "there is no $(nwo); there are now,",
            ],
        ),
        (
            "name: a\nsteps:\n- {status: {containerStatuses: [{name: '*', state: {terminated: {}}}]}}\n",
            &["steps[0].status.containerStatuses[0].state.terminated.exitCode: it is missing"],
        ),
        (
            "name: a\nsteps:\n- {status: {conditions: [{status: 'True'}]}}\n",
            &["steps[0].status.conditions[0].type: it is missing"],
        ),
        (
            "name: a\nsteps:\n- {delay: grace}\n",
            &["steps[0].delay: 'grace' has a meaning in onDelete alone"],
        ),
        (
            "name: a\nselector: {matchFields: {status.phase: x}}\nsteps: []\n",
            &["a.yaml: selector.matchFields: \"status.phase\" must be a path in metadata or spec"],
        ),
    ] {
        let refused = refusal(text);
        for part in says {
            assert!(refused.contains(part), "{text:?}: {refused}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_selects_by_label_annotation_and_field() {
    let cluster = playing(vec![
        marked("label", "selector: {matchLabels: {app: a}}\n"),
        marked("annotation", "selector: {matchAnnotations: {note: b}}\n"),
        marked(
            "field",
            "selector: {matchFields: {metadata.name: c, spec.nodeName: null}}\n",
        ),
    ]);
    for (name, stage) in [
        ("a", json!("label")),
        ("b", json!("annotation")),
        ("c", json!("field")),
        ("d", json!(null)),
    ] {
        create(&cluster.router(), &pod(name)).await;
        assert_eq!(message(&cluster, name).await, stage, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_is_for_pods_that_come_later_and_the_last_one_played_is_asked_first() {
    let cluster = without_kubelet();
    create(&cluster.router(), &pod("before")).await;
    cluster.play(marked("first", ""));
    create(&cluster.router(), &pod("between")).await;
    cluster.play(marked("second", ""));
    create(&cluster.router(), &pod("after")).await;
    assert_eq!(message(&cluster, "before").await, Value::Null);
    assert_eq!(message(&cluster, "between").await, "first");
    assert_eq!(message(&cluster, "after").await, "second");
}

#[tokio::test(start_paused = true)]
async fn a_stage_for_one_pod_leaves_the_next_one_to_others() {
    let cluster = playing(vec![marked("once", "pods: 1\n"), marked("always", "")]);
    for (name, stage) in [("a", "once"), ("b", "always"), ("c", "always")] {
        create(&cluster.router(), &pod(name)).await;
        assert_eq!(message(&cluster, name).await, stage, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_draws_the_same_delays_again_and_another_seed_others() {
    let mut drawn = Vec::new();
    for seed in [1, 1, 2] {
        let text = format!(
            "name: a\nseed: {seed}\nsteps:\n- {{delay: {{min: 1s, max: 1m}}, status: {{message: now}}}}\n"
        );
        let cluster = playing(vec![Stage::from_yaml(&text, "a").unwrap()]);
        create(&cluster.router(), &pod("a")).await;
        let began = Instant::now();
        let path = format!("{PODS}/a");
        while get(&cluster.router(), &path).await.1["status"]["message"].is_null() {
            sleep(Duration::from_millis(500)).await;
        }
        drawn.push(began.elapsed());
    }
    assert_eq!(drawn[0], drawn[1]);
    assert_ne!(drawn[0], drawn[2]);
    assert!(
        drawn.iter().all(|time| (1..=60).contains(&time.as_secs())),
        "{drawn:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_played_pod_that_is_deleted_keeps_its_grace_and_a_later_delete_shortens_it() {
    let stage = "name: a\nsteps:\n- {bind: n}\n- {moment: creating}\n- {moment: running}\n";
    for (second, seconds) in [(None, 31), (Some(5), 6), (Some(0), 0)] {
        let cluster = playing(vec![Stage::from_yaml(stage, "a").unwrap()]);
        let router = cluster.router();
        create(&router, &pod("a")).await;
        let path = format!("{PODS}/a");
        while get(&router, &path).await.1["status"]["phase"] != "Running" {
            sleep(Duration::from_millis(200)).await;
        }
        let began = Instant::now();
        delete(&router, &path, &json!({})).await;
        if let Some(grace) = second {
            delete(&router, &path, &json!({"gracePeriodSeconds": grace})).await;
        }
        while get(&router, &path).await.0 != 404 {
            sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(began.elapsed().as_secs(), seconds, "{second:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_tells_an_event_of_the_pod() {
    let text = "name: a\nsteps:\n- event: {type: Warning, reason: FailedMount, message: 'no volume for $(name)'}\n";
    let cluster = playing(vec![Stage::from_yaml(text, "a").unwrap()]);
    create(&cluster.router(), &pod("a")).await;
    let path = "/api/v1/namespaces/default/events?watch=true&timeoutSeconds=5";
    let events = whole_events(&cluster.router(), path).await;
    let event = &events[0]["object"];
    assert_eq!(
        (
            &event["type"],
            &event["reason"],
            &event["message"],
            &event["involvedObject"]["name"]
        ),
        (
            &json!("Warning"),
            &json!("FailedMount"),
            &json!("no volume for a"),
            &json!("a")
        )
    );
}

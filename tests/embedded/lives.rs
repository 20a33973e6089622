//! Whole lives of pods, against those of a Kubernetes 1.34 in `tests/lives/`: each file holds a pod, what was
//! told of it in events in order, and its statuses in order. Times, ids and addresses were taken out and the
//! image's name was shortened; the recorded uid, namespace and node are replaced by those of the test. How
//! often the same was told is left out, as it depends on how long somebody looked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{StreamExt, stream};
use kube::api::DeleteParams;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::scene::Scene;
use crate::support::{PODS, get, whole_events};

const PATIENCE: Duration = Duration::from_secs(60);
/// Lives of which a real kubelet shows each status, because each lasts longer than its rounds. Of others it
/// may leave some out: a program shorter than a second is never seen running.
const WHOLE: [&str; 11] = [
    "completed",
    "config-map-missing",
    "deadline",
    "deleted-traps",
    "deleted-while-running",
    "env-from-missing",
    "host-path-file-etc",
    "init-completed",
    "sidecar",
    "sidecar-traps",
    "sub-path-file-parent",
];

/// Lives that were over on the real node before its kubelet looked: only their end is compared.
const SHORT: [&str; 4] = [
    "env-from-optional",
    "init-error",
    "oom-pid1",
    "optional-config-map",
];
/// Programs that do nothing about SIGTERM: as the first process of a container they are killed after the
/// grace, as ordinary processes they end at once.
const DEAF: [&str; 3] = ["deadline", "deleted-while-running", "sidecar"];

/// Where a child is killed for its memory, the rest of the container lives on under cgroup v1 alone: only the
/// events are compared, `embedded_memory` has the rest.
const ONLY_EVENTS: &str = "oom";

#[derive(Deserialize)]
struct Life {
    uid: String,
    pod: Value,
    events: Vec<Told>,
    statuses: Vec<Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(rename = "type")]
    type_: String,
    reason: String,
    message: String,
    component: String,
    field_path: Option<String>,
}

impl Told {
    fn of(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            type_: text(&event["type"]),
            reason: text(&event["reason"]),
            message: text(&event["message"]),
            component: text(&event["reportingComponent"]),
            field_path: event["involvedObject"]["fieldPath"]
                .as_str()
                .map(str::to_owned),
        }
    }
}

/// A state's kind, reason, exit code and message.
fn state(state: &Value) -> String {
    let all = state.as_object().into_iter().flatten();
    let one = |(kind, state): (&String, &Value)| {
        format!(
            "{kind} {} {} {}",
            state["reason"].as_str().unwrap_or_default(),
            state["exitCode"],
            state["message"].as_str().unwrap_or_default()
        )
    };
    all.map(one).collect()
}

/// What is compared of a status; `metadata` is that of the recording or of the object.
fn summary(kind: &str, grace: &Value, status: &Value) -> String {
    let list = |name: &str| status[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = if kind == "DELETED" { "gone" } else { "there" };
    let mut lines = vec![format!(
        "{kind} grace {grace} phase {} {} {}",
        text(&status["phase"]),
        text(&status["reason"]),
        text(&status["message"])
    )];
    lines.extend(list("conditions").iter().map(|one| {
        let all = ["type", "status", "reason", "message"].map(|field| text(&one[field]));
        all.join(" ")
    }));
    for name in ["initContainerStatuses", "containerStatuses"] {
        lines.extend(list(name).iter().map(|one| {
            format!(
                "{} ready {} started {} restarts {} now {} before {}",
                text(&one["name"]),
                one["ready"],
                one["started"],
                one["restartCount"],
                state(&one["state"]),
                state(&one["lastState"])
            )
        }));
    }
    lines.join("\n")
}

struct Play {
    scene: Scene,
    name: String,
}

impl Play {
    async fn told(&self) -> Vec<Told> {
        let path = "/api/v1/namespaces/default/events";
        let (code, list) = get(&self.scene.cluster.router(), path).await;
        assert_eq!(code, 200);
        let mut items = list["items"].as_array().cloned().unwrap_or_default();
        // The name ends in the time, in nanoseconds, with the same number of digits for the next centuries.
        items.sort_by_key(|item| item["metadata"]["name"].as_str().map(str::to_owned));
        items.iter().map(Told::of).collect()
    }

    /// Waits until the pod looks like this.
    async fn until_looks(&self, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let path = format!("{PODS}/{}", self.name);
            let (_, pod) = get(&self.scene.cluster.router(), &path).await;
            let grace = &pod["metadata"]["deletionGracePeriodSeconds"];
            let looks = summary("", grace, &pod["status"]);
            if looks == expected {
                return;
            }
            if Instant::now() > deadline {
                assert_eq!(looks, expected, "{}", self.name);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until this is told.
    async fn until_told(&self, expected: &[Told]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.told().await;
            if told == expected {
                return;
            }
            if Instant::now() > deadline {
                assert_eq!(told, expected, "{}", self.name);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The statuses since the first that names containers, each once.
    async fn statuses(&self) -> Vec<String> {
        let path = format!("{PODS}?watch=true&resourceVersion=2&timeoutSeconds=1");
        let events = whole_events(&self.scene.cluster.router(), &path).await;
        let has_begun = |event: &&Value| !event["object"]["status"]["containerStatuses"].is_null();
        let begun = events.iter().filter(has_begun).map(|event| {
            let object = &event["object"];
            let grace = &object["metadata"]["deletionGracePeriodSeconds"];
            let kind = event["type"].as_str().unwrap_or_default();
            summary(kind, grace, &object["status"])
        });
        let mut all: Vec<String> = begun.collect();
        all.dedup();
        all
    }
}

fn recorded(life: &Life, uid: &str) -> (Vec<Told>, Vec<String>) {
    let here = |text: &str| {
        let text = text.replace(&life.uid, uid);
        let text = text.replace("kubelet-events", "default");
        text.replace(" to localhost", " to embedded")
    };
    let mut events = life.events.clone();
    for told in &mut events {
        told.message = here(&told.message);
    }
    let one = |status: &Value| {
        let kind = status["type"].as_str().unwrap_or_default();
        here(&summary(
            kind,
            &status["deletionGracePeriodSeconds"],
            status,
        ))
    };
    let mut statuses: Vec<String> = life.statuses.iter().map(one).collect();
    statuses.dedup();
    if DEAF.contains(&life.pod["metadata"]["name"].as_str().unwrap_or_default()) {
        for status in &mut statuses {
            *status = status.replace("terminated Error 137", "terminated Error 143");
        }
    }
    (events, statuses)
}

async fn live(path: PathBuf) {
    let text = std::fs::read_to_string(&path).expect("a recording");
    let life: Life = serde_json::from_str(&text).expect("a life");
    let name = life.pod["metadata"]["name"].as_str().expect("a name");
    let play = Play {
        scene: Scene::new(),
        name: name.to_owned(),
    };
    play.scene.create(&life.pod).await;
    let pod = play.scene.pods.get(name).await.expect("the pod");
    let (events, statuses) = recorded(&life, &pod.metadata.uid.expect("a uid"));
    if name == ONLY_EVENTS {
        return play.until_told(&events).await;
    }
    let asked = |status: &String| status.starts_with("there grace null");
    let is_deleted = statuses.last().is_some_and(|last| last.starts_with("gone"));
    let before = statuses.iter().take_while(|status| asked(status)).last();
    play.until_looks(before.expect("a status")).await;
    if is_deleted {
        let killed = events.iter().position(|told| told.reason == "Killing");
        play.until_told(&events[..killed.unwrap_or(events.len())])
            .await;
        let params = DeleteParams::default();
        play.scene
            .pods
            .delete(name, &params)
            .await
            .expect("deleted");
        let gone = kube::runtime::conditions::is_deleted("");
        let gone = kube::runtime::wait::await_condition(play.scene.pods.clone(), name, gone);
        tokio::time::timeout(PATIENCE, gone)
            .await
            .expect("in time")
            .expect("watched");
    }
    play.until_told(&events).await;
    let seen = play.statuses().await;
    if WHOLE.contains(&name) {
        assert_eq!(seen, statuses, "{name}");
    } else if SHORT.contains(&name) {
        assert_eq!(seen.last(), statuses.last(), "{name}");
    } else if name != "unschedulable-selector" {
        let mut rest = seen.iter();
        for status in &statuses {
            let found = rest.any(|one| one == status);
            assert!(found, "{name}: not in its place:\n{status}\nof {seen:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lives_are_those_of_a_real_cluster_in_their_statuses_and_events() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lives");
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    assert!(paths.len() > 30);
    let lives = stream::iter(paths).map(|path| tokio::spawn(live(path)));
    let ends: Vec<_> = lives.buffer_unordered(6).collect().await;
    let failed = ends.iter().filter(|end| end.is_err()).count();
    assert_eq!(failed, 0);
}

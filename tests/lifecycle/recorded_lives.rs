//! Pod lives played from data, under paused time: as they were recorded on Kubernetes 1.34, and what kubegrader says.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures::StreamExt;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::{EmbeddedCluster, Options, Stage};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::{PODS, post};

/// Lives that nobody has recorded: their words come from Kubernetes' sources.
const NOT_RECORDED: [&str; 4] = [
    "container-cannot-run",
    "image-inspect-error",
    "node-shutdown",
    "unexpected-admission-error",
];
/// Recorded with a Node that had no kubelet: what a kubelet writes until the pod runs was written by hand.
const BY_HAND: [&str; 3] = ["evicted-by-taint", "node-deleted", "node-lost"];
/// Longer than any pause in a recording.
const SILENCE: Duration = Duration::from_secs(300);

fn folder(name: &str) -> String {
    format!("{}/tests/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn stage(name: &str) -> Stage {
    let path = format!("{}/{name}.yaml", folder("stages"));
    Stage::from_file(path.as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

fn stage_names() -> BTreeSet<String> {
    let files = std::fs::read_dir(folder("stages")).unwrap();
    files
        .map(|file| file.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

fn playing(stage: Stage) -> EmbeddedCluster {
    EmbeddedCluster::start(Options {
        kubelet: false,
        stages: vec![stage],
        ..Options::default()
    })
}

/// What a watch saw: milliseconds since the first event, and the event's normal form.
type Seen = Vec<(u64, Value)>;

fn recording(name: &str) -> Vec<Value> {
    let path = format!("{}/{name}.json", folder("statuses"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

fn recorded(name: &str) -> Seen {
    let entries = recording(name);
    let seen = |entry: &Value| entry["seen"].as_u64().unwrap();
    let first = seen(&entries[0]);
    let events = entries.iter().map(|entry| {
        let event = normal(entry["type"].as_str().unwrap(), entry, name);
        (seen(entry) - first, event)
    });
    without_repeats(events.collect(), name)
}

/// The pod of a recording, as it was created.
fn pod_of(name: &str) -> Value {
    let entries = recording(name);
    let last = entries.last().unwrap();
    let image_of = |list: &str, container: &Value| {
        let statuses = last["status"][list].as_array().cloned().unwrap_or_default();
        let status = statuses
            .iter()
            .find(|one| one["name"] == container["name"])
            .cloned();
        status.map_or(json!("i:1"), |status| status["image"].clone())
    };
    let mut spec = json!({"restartPolicy": entries[0]["spec"]["restartPolicy"]});
    for (list, statuses) in [
        ("containers", "containerStatuses"),
        ("initContainers", "initContainerStatuses"),
    ] {
        let mut containers = entries[0]["spec"][list]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for container in &mut containers {
            container["image"] = image_of(statuses, container);
            if container["name"] == "sidecar" {
                container["restartPolicy"] = json!("Always");
            }
        }
        spec[list] = json!(containers);
    }
    for field in ["nodeName", "activeDeadlineSeconds"] {
        spec[field] = entries[0]["spec"][field].clone();
    }
    let graces = entries
        .iter()
        .map(|entry| &entry["metadata"]["deletionGracePeriodSeconds"]);
    if let Some(grace) = graces.clone().find(|grace| !grace.is_null()) {
        spec["terminationGracePeriodSeconds"] = grace.clone();
    }
    if name.starts_with("scheduling-gated") {
        spec["schedulingGates"] = json!([{"name": "example.org/queue"}]);
    }
    json!({"metadata": {"name": name}, "spec": spec})
}

/// Creates the pod and watches it until nothing happens any more.
async fn played(name: &str) -> Seen {
    let cluster = playing(stage(name));
    let router = cluster.router();
    let request = Request::builder()
        .uri(format!("{PODS}?watch=true"))
        .body(Body::empty())
        .unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let mut lines = answer.into_body().into_data_stream();
    let (code, answer) = post(&router, PODS, &pod_of(name)).await;
    assert_eq!(code, 201, "{answer}");
    let mut seen = Vec::new();
    let mut first = None;
    while let Ok(Some(line)) = timeout(SILENCE, lines.next()).await {
        let event: Value = serde_json::from_slice(&line.unwrap()).unwrap();
        let began = *first.get_or_insert_with(Instant::now);
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap();
        let kind = event["type"].as_str().unwrap();
        seen.push((milliseconds, normal(kind, &event["object"], name)));
    }
    without_repeats(seen, name)
}

/// An entry without what differs from run to run: names of machines and namespaces, addresses, times, ids.
fn normal(kind: &str, pod: &Value, name: &str) -> Value {
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let mut said = pod["status"].to_string();
    for namespace in ["recordings", "default"] {
        said = said.replace(&format!("_{namespace}({uid})"), "_namespace(uid)");
    }
    let mut status: Value = serde_json::from_str(&said).unwrap();
    for field in ["hostIP", "hostIPs", "podIP", "podIPs", "qosClass"] {
        status.as_object_mut().unwrap().remove(field);
    }
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in status[list].as_array_mut().into_iter().flatten() {
            let container = container.as_object_mut().unwrap();
            for field in ["allocatedResources", "resources", "volumeMounts"] {
                container.remove(field);
            }
            let has_image = container["imageID"] != "";
            container["imageID"] = json!(has_image);
        }
    }
    if let Some(conditions) = status["conditions"].as_array_mut() {
        // A kubelet puts its own behind those of others, which says nothing.
        conditions.sort_by_key(|one| one["type"].as_str().unwrap().to_owned());
    }
    blur(&mut status, BY_HAND.contains(&name));
    json!({
        "type": kind,
        "bound": !pod["spec"]["nodeName"].is_null(),
        "grace": pod["metadata"]["deletionGracePeriodSeconds"],
        "status": status,
    })
}

fn blur(value: &mut Value, by_hand: bool) {
    match value {
        Value::Object(all) => {
            all.remove("lastTransitionTime");
            if by_hand {
                all.remove("observedGeneration");
            }
            all.retain(|_, value| !value.is_null());
            for (field, value) in all.iter_mut() {
                match (field.as_str(), value.as_str()) {
                    ("startTime" | "startedAt" | "finishedAt", Some(time))
                        if !time.starts_with("1970") =>
                    {
                        *value = json!("a time");
                    }
                    ("containerID", Some(_)) => *value = json!("an id"),
                    _ => blur(value, by_hand),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| blur(value, by_hand)),
        _ => {}
    }
}

/// A server tells some changes that change nothing here.
fn without_repeats(seen: Seen, name: &str) -> Seen {
    let mut seen: Seen = if BY_HAND.contains(&name) {
        let running = |(_, event): &&(u64, Value)| event["status"]["phase"] != "Pending";
        seen.iter().filter(running).cloned().collect()
    } else {
        seen
    };
    seen.dedup_by(|later, earlier| later.1 == earlier.1);
    seen
}

/// What is different in the two, in one line each.
fn differences(recorded: &Seen, played: &Seen) -> Vec<String> {
    let mut found = Vec::new();
    for index in 0..recorded.len().max(played.len()) {
        let (wanted, is) = (recorded.get(index), played.get(index));
        if wanted.map(|(_, event)| event) != is.map(|(_, event)| event) {
            let text = |one: Option<&(u64, Value)>| {
                one.map_or("nothing".to_owned(), |(_, event)| event.to_string())
            };
            let (wanted, is) = (text(wanted), text(is));
            let parted = wanted
                .bytes()
                .zip(is.bytes())
                .take_while(|(a, b)| a == b)
                .count();
            let from = parted.saturating_sub(40);
            let end = |text: &str| (parted + 80).min(text.len());
            found.push(format!(
                "event {index}: recorded ...{}\n   played ...{}",
                &wanted[from..end(&wanted)],
                &is[from.min(is.len())..end(&is)]
            ));
        } else if let (Some((wanted, _)), Some((is, _))) = (wanted, is) {
            let (wanted, is) = (wanted - recorded[0].0, is - played[0].0);
            if wanted.abs_diff(is) > (wanted / 10).max(150) {
                found.push(format!(
                    "event {index}: after {is} ms, recorded after {wanted} ms"
                ));
            }
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn every_life_that_was_recorded_is_played_as_it_was() {
    for name in stage_names() {
        if !NOT_RECORDED.contains(&name.as_str()) {
            let found = differences(&recorded(&name), &played(&name).await);
            assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
        }
    }
}

#[test]
fn a_life_without_a_recording_says_so() {
    for name in stage_names() {
        let recorded = std::fs::exists(format!("{}/{name}.json", folder("statuses"))).unwrap();
        assert_eq!(!recorded, NOT_RECORDED.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn a_stage_is_named_after_its_file() {
    for name in stage_names() {
        assert_eq!(stage(&name).name(), name);
    }
}

/// One run of a pod that plays this stage.
async fn verdict_of(name: &str) -> String {
    let embedded = playing(stage(name));
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let recorded = !NOT_RECORDED.contains(&name);
    let pod = pod_of(if recorded { name } else { "completed" });
    let options = RunOptions {
        start_timeout: Some(Duration::from_secs(600)),
        timeout: Some(Duration::from_secs(3600)),
        ..RunOptions::default()
    };
    let steps = Steps::default();
    let outcome = run(
        &cluster,
        Manifest::new(pod).unwrap(),
        options,
        &steps,
        CancellationToken::new(),
    );
    let verdict = match outcome.await {
        Ok(outcome) => outcome.verdict,
        Err(error) => match error.verdict() {
            Some(verdict) => verdict.clone(),
            None => return format!("{name} {error}"),
        },
    };
    let blame = verdict
        .blame()
        .map_or("nobody".to_owned(), |blame| format!("{blame:?}"));
    format!("{name} {} {}", verdict.cause.name(), blame.to_lowercase())
}

/// Stage, cause, and whose fault it is.
const VERDICTS: &str = "\
completed Completed nobody
container-cannot-run StartError course
create-container-config-error-secret CreateContainerConfigError course
create-container-error-seccomp CreateContainerError course
deadline-exceeded DeadlineExceeded student
deadline-exceeded-after-completed Completed nobody
deleted-while-running-default-grace Deleted cluster
ephemeral-storage-evicted Evicted student
error-exit-1 Error student
evicted-api Evicted cluster
evicted-api-traps-sigterm Evicted cluster
evicted-by-taint NodeLost cluster
evicted-node-pressure Evicted cluster
failed-mount FailedMount course
image-bad-registry ErrImagePull cluster
image-inspect-error ImageInspectError cluster
image-never-pull ErrImageNeverPull course
image-not-found ErrImagePull course
init-error InitContainerError course
invalid-image-name InvalidImageName course
kubelet-out-of-cpu OutOfcpu cluster
kubelet-sysctl-forbidden Rejected course
node-deleted NodeLost cluster
node-lost NodeLost cluster
node-shutdown NodeLost cluster
oom-child OOMKilled student
oom-killed OOMKilled student
preempted Preempted cluster
run-container-error StartError course
scheduling-gated-released Completed nobody
sidecar-completed Completed nobody
start-error StartError course
unexpected-admission-error UnexpectedAdmissionError cluster
unschedulable-resources Unschedulable cluster
unschedulable-selector Unschedulable cluster
unschedulable-taint Unschedulable cluster";

#[tokio::test(start_paused = true)]
async fn every_life_has_its_cause_and_its_blame() {
    let mut verdicts = Vec::new();
    for name in stage_names() {
        verdicts.push(verdict_of(&name).await);
    }
    assert_eq!(verdicts.join("\n"), VERDICTS);
}

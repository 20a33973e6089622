//! kube-rs through the socket, unchanged: API, watcher, reflector, waiting and logs. With `KUBEGRADER_TEST_KUBECONFIG`
//! (and `KUBEGRADER_TEST_IMAGE`, an image with `sh`) the same tests run on that cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, ListParams, LogParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Config, ResourceExt};
use kubegrader::embedded::{EmbeddedCluster, Options, Server};
use serde_json::{Value, json};
use tokio::time::timeout;

/// A busy machine needs some of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace of one test's own.
struct Scene {
    client: Client,
    namespace: String,
    image: String,
    _embedded: Option<(tempfile::TempDir, Server, EmbeddedCluster)>,
}

impl Scene {
    async fn new() -> Self {
        let given = std::env::var_os("KUBEGRADER_TEST_KUBECONFIG");
        let (path, embedded) = match given {
            Some(path) => (path.into(), None),
            None => {
                let folder = tempfile::tempdir().expect("a folder");
                let cluster = EmbeddedCluster::start(Options::default());
                let server = cluster.serve(folder.path()).await.expect("a server");
                (server.kubeconfig.clone(), Some((folder, server, cluster)))
            }
        };
        let kubeconfig = Kubeconfig::read_from(path).expect("a kubeconfig");
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.expect("a config")).expect("a client");
        let namespace = Namespace {
            metadata: ObjectMeta {
                generate_name: Some("kube-rs-".to_owned()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let made = Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await;
        Self {
            client,
            namespace: made.expect("a namespace").name_any(),
            image: std::env::var("KUBEGRADER_TEST_IMAGE").unwrap_or_else(|_| "busybox".to_owned()),
            _embedded: embedded,
        }
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn script(&self, name: &str, script: &str) -> Pod {
        let body: Value = json!({
            "metadata": {"name": name, "labels": {"course": "a"}},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [
                {"name": "main", "image": self.image, "command": ["sh", "-c", script]},
            ]},
        });
        serde_json::from_value(body).expect("a pod")
    }

    async fn create(&self, name: &str, script: &str) -> Pod {
        let pod = self.script(name, script);
        let made = self.pods().create(&PostParams::default(), &pod).await;
        made.expect("created")
    }

    async fn end(self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .delete(&self.namespace, &DeleteParams::background())
            .await
            .expect("deleted");
    }
}

fn phase(pod: &Pod) -> String {
    let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
    phase.unwrap_or_default()
}

fn is_finished(pod: Option<&Pod>) -> bool {
    pod.is_some_and(|pod| ["Succeeded", "Failed"].contains(&phase(pod).as_str()))
}

#[tokio::test]
async fn the_api_creates_reads_changes_and_deletes() {
    let scene = Scene::new().await;
    let pods = scene.pods();
    let made = scene.create("a", "sleep 600").await;
    let got = pods.get("a").await.expect("the pod");
    assert_eq!(got.uid(), made.uid());
    let patch = json!({"metadata": {"labels": {"more": "1"}}});
    for patch in [Patch::Merge(&patch), Patch::Strategic(&patch)] {
        let patched = pods.patch("a", &PatchParams::default(), &patch).await;
        assert_eq!(patched.expect("patched").labels()["more"], "1");
    }
    let course = pods.list(&ListParams::default().labels("course=a")).await;
    assert_eq!(course.expect("a list").items.len(), 1);
    let other = pods.list(&ListParams::default().labels("course=b")).await;
    assert_eq!(other.expect("a list").items.len(), 0);
    let taken = pods
        .create(&PostParams::default(), &scene.script("a", "true"))
        .await;
    let kube::Error::Api(status) = taken.expect_err("taken") else {
        panic!("no answer of the API")
    };
    assert_eq!(
        (status.code, status.reason.as_str()),
        (409, "AlreadyExists")
    );
    let uid = made.uid().expect("a uid");
    pods.delete("a", &DeleteParams::default())
        .await
        .expect("deleted");
    let gone = await_condition(pods.clone(), "a", conditions::is_deleted(&uid));
    timeout(PATIENCE, gone)
        .await
        .expect("in time")
        .expect("gone");
    assert!(pods.get_opt("a").await.expect("an answer").is_none());
    scene.end().await;
}

#[tokio::test]
async fn waiting_ends_when_a_pod_runs_and_when_it_has_ended() {
    let scene = Scene::new().await;
    let pods = scene.pods();
    scene.create("a", "sleep 2; exit 3").await;
    let runs = await_condition(pods.clone(), "a", conditions::is_pod_running());
    timeout(PATIENCE, runs)
        .await
        .expect("in time")
        .expect("runs");
    let ended = await_condition(pods.clone(), "a", is_finished);
    let ended = timeout(PATIENCE, ended)
        .await
        .expect("in time")
        .expect("ended");
    let ended = ended.expect("a pod");
    assert_eq!(phase(&ended), "Failed");
    let status = ended.status.unwrap_or_default();
    let state = status.container_statuses.unwrap_or_default()[0]
        .state
        .clone();
    let terminated = state.and_then(|state| state.terminated).expect("ended");
    assert_eq!(terminated.exit_code, 3);
    scene.end().await;
}

#[tokio::test]
async fn a_log_streams_while_it_is_written() {
    let scene = Scene::new().await;
    let pods = scene.pods();
    scene.create("a", "echo one; sleep 3; echo two").await;
    let runs = await_condition(pods.clone(), "a", conditions::is_pod_running());
    timeout(PATIENCE, runs)
        .await
        .expect("in time")
        .expect("runs");
    let follow = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let mut lines = pods.log_stream("a", &follow).await.expect("a log").lines();
    let first = timeout(PATIENCE, lines.try_next()).await.expect("in time");
    assert_eq!(first.expect("a line").as_deref(), Some("one"));
    assert_eq!(phase(&pods.get("a").await.expect("the pod")), "Running");
    let rest: Vec<String> = timeout(PATIENCE, lines.try_collect())
        .await
        .expect("in time")
        .expect("lines");
    assert_eq!(rest, ["two"]);
    assert_eq!(
        pods.logs("a", &LogParams::default()).await.expect("a log"),
        "one\ntwo\n"
    );
    scene.end().await;
}

#[tokio::test]
async fn the_watcher_sees_a_pod_come_end_and_go() {
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let scene = Scene::new().await;
        let pods = scene.pods();
        let mut events = Box::pin(watcher(pods.clone(), config.labels("course=a")));
        let mut seen = Vec::new();
        let life = async {
            while let Some(event) = events.try_next().await.expect("an event") {
                match event {
                    watcher::Event::InitDone => {
                        scene.create("a", "true").await;
                    }
                    watcher::Event::Apply(pod) => {
                        if is_finished(Some(&pod)) && pod.metadata.deletion_timestamp.is_none() {
                            pods.delete("a", &DeleteParams::default())
                                .await
                                .expect("deleted");
                        }
                        seen.push(phase(&pod));
                    }
                    watcher::Event::Delete(pod) => {
                        assert_eq!(pod.name_any(), "a");
                        break;
                    }
                    watcher::Event::Init | watcher::Event::InitApply(_) => {}
                }
            }
        };
        timeout(PATIENCE, life).await.expect("in time");
        seen.dedup();
        seen.retain(|phase| phase != "Running");
        assert_eq!(seen, ["Pending", "Succeeded"]);
        scene.end().await;
    }
}

#[tokio::test]
async fn a_reflector_holds_what_is_there() {
    let scene = Scene::new().await;
    scene.create("a", "sleep 600").await;
    let (reader, writer) = reflector::store::<Pod>();
    let stream = watcher(scene.pods(), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects();
    let followed = tokio::spawn(stream.for_each(|_| std::future::ready(())));
    let ready = timeout(PATIENCE, reader.wait_until_ready()).await;
    ready.expect("in time").expect("ready");
    scene.create("b", "sleep 600").await;
    let held = |name: &str| reader.state().iter().any(|pod| pod.name_any() == name);
    let both = async {
        while !(held("a") && held("b")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, both).await.expect("in time");
    let none = DeleteParams::default().grace_period(0);
    scene.pods().delete("a", &none).await.expect("deleted");
    let gone = async {
        while held("a") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("in time");
    let labels: Vec<BTreeMap<String, String>> = reader
        .state()
        .iter()
        .map(|pod| pod.labels().clone())
        .collect();
    assert_eq!(
        labels,
        [BTreeMap::from([("course".to_owned(), "a".to_owned())])]
    );
    followed.abort();
    scene.end().await;
}

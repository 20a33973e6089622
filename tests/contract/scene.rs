//! Where a case plays: one API server, reached in one of three ways, and a namespace of its own.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use http::{Method, Request, header};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use kubegrader::embedded::{EmbeddedCluster, Options, Server};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

/// A real node on a busy machine may need this long; nothing waits for it without need.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Changes that the embedded cluster keeps here, so that a case can push an old version out of it.
pub const HISTORY: usize = 50;

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The embedded cluster, with no socket between.
    InProcess,
    /// The embedded cluster, through its kubeconfig.
    Loopback,
    /// The cluster of `$KUBECONFIG`, with the image `$IMAGE` for pods that run.
    Real,
}

/// An API server and a namespace.
pub struct Scene {
    pub namespace: String,
    image: String,
    client: Client,
    // Held as long as the case runs.
    _cluster: Option<(EmbeddedCluster, Option<Server>, tempfile::TempDir)>,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub media: String,
    pub text: String,
    /// `Null` when the body is no JSON.
    pub json: Value,
}

impl Answer {
    /// Code and `message`, with which a server refuses.
    pub fn refusal(&self) -> (u16, &str) {
        (
            self.code,
            self.json["message"].as_str().unwrap_or(&self.text),
        )
    }

    /// The object, which must have come with this code.
    pub fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.text);
        self.json
    }

    /// Reason, field and message of each of `details.causes`.
    pub fn causes(&self) -> Vec<(&str, &str, &str)> {
        let causes = self.json["details"]["causes"].as_array();
        causes
            .into_iter()
            .flatten()
            .map(|cause| {
                (
                    text(&cause["reason"]),
                    text(&cause["field"]),
                    text(&cause["message"]),
                )
            })
            .collect()
    }
}

/// A string, or nothing.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The names of a list's items.
pub fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().into_iter().flatten();
    items.map(|item| text(&item["metadata"]["name"])).collect()
}

/// `metadata.resourceVersion`.
pub fn version(object: &Value) -> &str {
    text(&object["metadata"]["resourceVersion"])
}

/// The one place that says in what two right answers may differ: what the server makes up (uid, time, version),
/// who wrote what (`managedFields`, which the embedded server does not keep), and the volume with the service
/// account's token, which only a real cluster mounts.
pub fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for made_up in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
            "selfLink",
        ] {
            metadata.remove(made_up);
        }
    }
    let of_token = |thing: &Value| text(&thing["name"]).starts_with("kube-api-access-");
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
        return object;
    };
    let lists = ["volumes", "containers", "initContainers"];
    for (name, list) in spec
        .iter_mut()
        .filter(|(name, _)| lists.contains(&name.as_str()))
    {
        let list = list.as_array_mut().expect("a list");
        if name == "volumes" {
            list.retain(|volume| !of_token(volume));
            continue;
        }
        for container in list {
            let mounts = container.get_mut("volumeMounts");
            let Some(mounts) = mounts.and_then(Value::as_array_mut) else {
                continue;
            };
            mounts.retain(|mount| !of_token(mount));
            if mounts.is_empty() {
                container
                    .as_object_mut()
                    .expect("a container")
                    .remove("volumeMounts");
            }
        }
    }
    if spec
        .get("volumes")
        .is_some_and(|volumes| volumes == &json!([]))
    {
        spec.remove("volumes");
    }
    object
}

/// Plays a case and removes its namespace, however it ends.
pub async fn play(leg: Leg, case: impl AsyncFnOnce(&Scene)) {
    let scene = Scene::open(leg).await;
    let played = AssertUnwindSafe(case(&scene)).catch_unwind().await;
    let path = scene.home();
    let gone = scene.delete(&path, &json!({"gracePeriodSeconds": 0})).await;
    if let Err(panic) = played {
        std::panic::resume_unwind(panic);
    }
    assert!([200, 202, 404].contains(&gone.code), "{}", gone.text);
}

impl Scene {
    async fn open(leg: Leg) -> Self {
        let options = Options {
            history: HISTORY,
            ..Options::default()
        };
        let (client, image, cluster) = match leg {
            Leg::Real => (
                real_client().await,
                std::env::var("IMAGE").expect("IMAGE"),
                None,
            ),
            Leg::InProcess => {
                let cluster = EmbeddedCluster::start(options);
                let folder = tempfile::tempdir().expect("a folder");
                (
                    cluster.client("default"),
                    "busybox:1".to_owned(),
                    Some((cluster, None, folder)),
                )
            }
            Leg::Loopback => {
                let cluster = EmbeddedCluster::start(options);
                let folder = tempfile::tempdir().expect("a folder");
                let server = cluster.serve(folder.path()).await.expect("a server");
                let config = Kubeconfig::read_from(&server.kubeconfig).expect("a kubeconfig");
                (
                    client_of(config).await,
                    "busybox:1".to_owned(),
                    Some((cluster, Some(server), folder)),
                )
            }
        };
        let namespace = format!("contract-{:08x}", rand::random::<u32>());
        let scene = Self {
            namespace,
            image,
            client,
            _cluster: cluster,
        };
        let body = json!({"metadata": {"name": scene.namespace}});
        scene.post("/api/v1/namespaces", &body).await.expect(201);
        if leg == Leg::Real {
            // A moment later someone makes the account that every pod there must have.
            let path = format!("{}/serviceaccounts/default", scene.home());
            scene
                .until(&path, |account| account["kind"] == "ServiceAccount")
                .await;
        }
        scene
    }

    /// The path of the case's namespace.
    pub fn home(&self) -> String {
        format!("/api/v1/namespaces/{}", self.namespace)
    }

    /// The path of the case's pods.
    pub fn pods(&self) -> String {
        format!("{}/pods", self.home())
    }

    /// The path of one of the case's pods.
    pub fn pod(&self, name: &str) -> String {
        format!("{}/{name}", self.pods())
    }

    /// The path of the case's events.
    pub fn events(&self) -> String {
        format!("{}/events", self.home())
    }

    /// A pod that nobody runs.
    pub fn idle(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "x:1"}]},
        })
    }

    /// A pod that runs a shell script once.
    pub fn script(&self, name: &str, script: &str) -> Value {
        json!({
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "c", "image": self.image, "command": ["sh", "-c", script]}],
            },
        })
    }

    /// Creates a pod, which must be accepted.
    pub async fn create(&self, pod: &Value) -> Value {
        self.post(&self.pods(), pod).await.expect(201)
    }

    /// Creates a pod that nobody runs and that looks like one on a node, so that its deletion takes its grace.
    pub async fn create_bound(&self, name: &str) -> Value {
        let mut pod = self.idle(name);
        pod["spec"]["nodeName"] = json!("no-such-node");
        self.create(&pod).await
    }

    /// Polls an object until it is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if wanted(&answer.json) {
                return answer.json;
            }
            assert!(Instant::now() < deadline, "{path}: {}", answer.text);
            sleep(POLL).await;
        }
    }

    /// Runs a pod to its end.
    pub async fn finished(&self, pod: &Value) -> Value {
        let created = self.create(pod).await;
        let path = self.pod(text(&created["metadata"]["name"]));
        let ended = |pod: &Value| matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed");
        self.until(&path, ended).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], Vec::new()).await
    }

    pub async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.call(Method::GET, path, &[(header::ACCEPT, accept)], Vec::new())
            .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, "application/json", &body.to_string())
            .await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, "application/json", &body.to_string())
            .await
    }

    pub async fn patch(&self, path: &str, media: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, media, &body.to_string())
            .await
    }

    pub async fn merge(&self, path: &str, body: &Value) -> Answer {
        self.patch(path, "application/merge-patch+json", body).await
    }

    pub async fn delete(&self, path: &str, options: &Value) -> Answer {
        self.send(
            Method::DELETE,
            path,
            "application/json",
            &options.to_string(),
        )
        .await
    }

    /// A request with a body of a media type.
    pub async fn send(&self, method: Method, path: &str, media: &str, body: &str) -> Answer {
        let headers = [(header::CONTENT_TYPE, media)];
        self.call(method, path, &headers, body.as_bytes().to_vec())
            .await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(header::HeaderName, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let answer = timeout(PATIENCE, self.client.send(request)).await;
        let answer = answer.expect("an answer in time").expect("an answer");
        let code = answer.status().as_u16();
        let media = answer.headers().get(header::CONTENT_TYPE);
        let media = media
            .map_or("", |value| value.to_str().expect("a header"))
            .to_owned();
        let body = timeout(PATIENCE, answer.into_body().collect()).await;
        let body = body.expect("an end in time").expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer {
            code,
            media,
            text,
            json,
        }
    }

    /// Opens a stream: a watch, or a log that is followed.
    pub async fn open_stream(&self, path: &str) -> Lines {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let answer = timeout(PATIENCE, self.client.send(request)).await;
        let answer = answer.expect("an answer in time").expect("an answer");
        assert_eq!(answer.status(), 200);
        let chunks = answer.into_body().into_data_stream();
        let chunks = chunks.map(|chunk| chunk.expect("a chunk").to_vec());
        Lines {
            chunks: chunks.boxed(),
            rest: Vec::new(),
        }
    }

    /// The events of a watch that its `timeoutSeconds` ends.
    pub async fn watch(&self, path: &str) -> Vec<Value> {
        let mut lines = self.open_stream(path).await;
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push(serde_json::from_str(&line).expect("an event"));
        }
        all
    }
}

/// The lines of an answer that is still coming.
pub struct Lines {
    chunks: futures::stream::BoxStream<'static, Vec<u8>>,
    rest: Vec<u8>,
}

impl Lines {
    /// The next line without its line feed; `None` at the end.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            match timeout(PATIENCE, self.chunks.next())
                .await
                .expect("a line in time")
            {
                Some(chunk) => self.rest.extend(chunk),
                None if self.rest.is_empty() => return None,
                None => self.rest.push(b'\n'),
            }
        }
    }

    /// The next event of a watch.
    pub async fn event(&mut self) -> Value {
        let line = self.next().await.expect("an event");
        serde_json::from_str(&line).expect("an event")
    }
}

/// Type and name of each event; for an error its reason.
pub fn short(events: &[Value]) -> Vec<(&str, &str)> {
    events
        .iter()
        .map(|event| {
            let object = &event["object"];
            let name = object["metadata"]["name"]
                .as_str()
                .or(object["reason"].as_str());
            (text(&event["type"]), name.unwrap_or_default())
        })
        .collect()
}

async fn real_client() -> Client {
    let path = std::env::var("KUBECONFIG").expect("KUBECONFIG");
    client_of(Kubeconfig::read_from(path).expect("a kubeconfig")).await
}

async fn client_of(kubeconfig: Kubeconfig) -> Client {
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.expect("a configuration");
    // The cases want to see each answer, also those that kube would ask for once more.
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

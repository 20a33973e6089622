//! Plays the kubelet, and whoever deletes pods: with no faults between it and the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request};
use futures::StreamExt;
use kubegrader::embedded::EmbeddedCluster;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use super::life::{Fate, Life};

const PODS: &str = "/api/v1/namespaces/default/pods";

/// What really happened to one pod.
#[derive(Debug, Clone)]
pub struct Truth {
    pub uid: String,
    pub created: Instant,
    pub running: Option<Instant>,
    pub ended: Option<Instant>,
    pub told_to_go: Option<Instant>,
    pub gone: Option<Instant>,
}

/// What really happened, by the pods' names.
pub type Truths = Arc<Mutex<HashMap<String, Vec<Truth>>>>;

/// The kubelet of a cluster.
#[derive(Clone)]
pub struct Player {
    router: Router,
    lives: Arc<HashMap<String, Life>>,
    truths: Truths,
}

impl Player {
    pub fn new(embedded: &EmbeddedCluster, lives: HashMap<String, Life>) -> Self {
        Self {
            router: embedded.router(),
            lives: Arc::new(lives),
            truths: Truths::default(),
        }
    }

    pub fn truths(&self, name: &str) -> Vec<Truth> {
        self.truths
            .lock()
            .unwrap()
            .get(name)
            .cloned()
            .unwrap_or_default()
    }

    /// Follows the pods for ever.
    pub async fn play(self) {
        loop {
            let path = format!("{PODS}?watch=true");
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = self.router.clone().oneshot(request).await.unwrap();
            let mut lines = answer.into_body().into_data_stream();
            while let Some(Ok(line)) = lines.next().await {
                self.hear(&serde_json::from_slice(&line).unwrap());
            }
        }
    }

    fn hear(&self, event: &Value) {
        let metadata = &event["object"]["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
        let (name, uid) = (text("name"), text("uid"));
        let Some(life) = self.lives.get(&name) else {
            return;
        };
        match event["type"].as_str() {
            // A watch that had to begin anew tells again of what is known.
            Some("ADDED") if self.knows(&name, &uid) => {}
            Some("ADDED") => {
                let truth = Truth {
                    uid: uid.clone(),
                    created: Instant::now(),
                    running: None,
                    ended: None,
                    told_to_go: None,
                    gone: None,
                };
                self.truths
                    .lock()
                    .unwrap()
                    .entry(name.clone())
                    .or_default()
                    .push(truth);
                let pod = Played {
                    player: self.clone(),
                    name,
                    uid,
                };
                tokio::spawn(pod.live(life.clone()));
            }
            Some("MODIFIED") if metadata["deletionTimestamp"].is_string() => {
                let grace = metadata["deletionGracePeriodSeconds"]
                    .as_u64()
                    .unwrap_or_default();
                self.note(&name, &uid, |truth| {
                    truth.told_to_go.get_or_insert_with(Instant::now);
                });
                let pod = Played {
                    player: self.clone(),
                    name,
                    uid,
                };
                tokio::spawn(pod.stop(Duration::from_secs(grace)));
            }
            Some("DELETED") => self.note(&name, &uid, |truth| {
                truth.gone.get_or_insert_with(Instant::now);
            }),
            _ => {}
        }
    }

    fn knows(&self, name: &str, uid: &str) -> bool {
        self.truths(name).iter().any(|truth| truth.uid == uid)
    }

    fn note(&self, name: &str, uid: &str, change: impl FnOnce(&mut Truth)) {
        let mut truths = self.truths.lock().unwrap();
        let all = truths.entry(name.to_owned()).or_default();
        if let Some(truth) = all.iter_mut().find(|truth| truth.uid == uid) {
            change(truth);
        }
    }

    pub async fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(
                CONTENT_TYPE,
                if method == Method::PATCH {
                    "application/merge-patch+json"
                } else {
                    "application/json"
                },
            )
            .body(Body::from(body.to_string()))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let code = answer.status().as_u16();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// The names of the pods that there are.
    pub async fn pods(&self) -> Vec<String> {
        let (_, list) = self.call(Method::GET, PODS, &Value::Null).await;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .filter_map(|pod| Some(pod["metadata"]["name"].as_str()?.to_owned()))
            .collect()
    }
}

/// One pod that is played.
struct Played {
    player: Player,
    name: String,
    uid: String,
}

impl Played {
    async fn live(self, life: Life) {
        sleep(life.starts).await;
        if let Some(waiting) = life.waiting() {
            self.tell(&waiting).await;
        }
        if life.never_runs() || !self.tell(&life.running()).await {
            return;
        }
        self.note(|truth| truth.running = Some(Instant::now()));
        sleep(life.runs).await;
        if life.fate == Fate::IsDeletedBySomeone {
            return self.delete(1).await;
        }
        let (containers, phase) = life.ended();
        if let Some(status) = containers {
            if !self.tell(&status).await {
                return;
            }
            self.note(|truth| truth.ended = Some(Instant::now()));
            sleep(life.settles).await;
        }
        if self.tell(&phase).await {
            self.note(|truth| {
                truth.ended.get_or_insert_with(Instant::now);
            });
        }
    }

    /// The kubelet's part in a deletion.
    async fn stop(self, grace: Duration) {
        sleep(grace).await;
        self.delete(0).await;
    }

    fn note(&self, change: impl FnOnce(&mut Truth)) {
        self.player.note(&self.name, &self.uid, change);
    }

    /// Writes a status, unless the pod is gone or being deleted.
    async fn tell(&self, status: &Value) -> bool {
        let path = format!("{PODS}/{}", self.name);
        let (_, pod) = self.player.call(Method::GET, &path, &Value::Null).await;
        let metadata = &pod["metadata"];
        if metadata["uid"] != self.uid.as_str() || metadata["deletionTimestamp"].is_string() {
            return false;
        }
        let body = json!({"status": status});
        let (code, answer) = self
            .player
            .call(Method::PATCH, &format!("{path}/status"), &body)
            .await;
        assert_eq!(code, 200, "{answer}");
        true
    }

    async fn delete(&self, grace: u32) {
        let path = format!("{PODS}/{}", self.name);
        let body = json!({"gracePeriodSeconds": grace, "preconditions": {"uid": self.uid}});
        let (code, answer) = self.player.call(Method::DELETE, &path, &body).await;
        assert!(matches!(code, 200 | 404 | 409), "{answer}");
    }
}

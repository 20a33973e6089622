//! What runs have used is given back, however they ended. Under paused time, with an allocator that counts.

mod support;

use std::slice;

use axum::body::Body;
use axum::http::Request;
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::{EmbeddedCluster, Options};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use support::played::{appears, names, set, status, terminated};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Rounds until tables have grown to their size and the server's history is full, and those that are measured.
const WARM_UP: usize = 40;
const ROUNDS: usize = 40;
/// What all of these may leave behind, in bytes: less than 21 a run. One entry in a table takes a hundred and more.
const SLACK: usize = 4 * 1024;

struct Scene {
    embedded: EmbeddedCluster,
    cluster: Cluster,
}

impl Scene {
    fn new() -> Self {
        let embedded = EmbeddedCluster::start(Options {
            kubelet: false,
            history: 20,
            ..Options::default()
        });
        let service = embedded
            .router()
            .map_request(|request: Request<kube::client::Body>| request.map(Body::new));
        let cluster = Cluster::with_service(service);
        Self { embedded, cluster }
    }

    async fn run(
        &self,
        name: &str,
        max_attempts: u32,
        cancel: CancellationToken,
    ) -> Result<Outcome, Error> {
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
        let options = RunOptions {
            submission: Some(name.to_owned()),
            max_attempts,
            timeout: Some(Duration::from_secs(60)),
            ..RunOptions::default()
        };
        let manifest = Manifest::new(pod).unwrap();
        run(&self.cluster, manifest, options, &Steps::default(), cancel).await
    }

    /// Runs a pod to which these statuses happen, one attempt after another.
    async fn play(&self, name: &str, statuses: &[Value]) -> Result<Outcome, Error> {
        let playing = async {
            for (attempt, status) in (1..).zip(statuses) {
                let name = match attempt {
                    1 => name.to_owned(),
                    later => format!("{name}-attempt-{later}"),
                };
                appears(&self.embedded, &name).await;
                set(&self.embedded, &name, status).await;
            }
        };
        let attempts = u32::try_from(statuses.len()).unwrap();
        let running = self.run(name, attempts, CancellationToken::new());
        tokio::join!(running, playing).0
    }

    /// One run of each kind.
    async fn round(&self, number: usize) {
        let name = |kind: &str| format!("{kind}-{number}");
        let completed = status("Succeeded", &terminated(0, "Completed"));
        let failed = status("Failed", &terminated(1, "Error"));
        let mut lost = status("Failed", &terminated(137, "Error"));
        lost["reason"] = json!("NodeShutdown");
        let unstartable = status(
            "Pending",
            &json!({"waiting": {"reason": "InvalidImageName"}}),
        );

        let cause = |outcome: Result<Outcome, Error>| outcome.unwrap().verdict.cause;
        let well = name("well");
        let well = self.play(&well, slice::from_ref(&completed)).await;
        assert_eq!(cause(well), Cause::Completed);
        let badly = self.play(&name("badly"), &[failed]).await;
        assert_eq!(cause(badly), Cause::Error);
        let again = self.play(&name("again"), &[lost, completed]).await;
        assert_eq!(cause(again), Cause::Completed);
        let never = self.play(&name("never"), &[unstartable]).await;
        assert!(matches!(never, Err(Error::NotStarted { .. })), "{never:?}");

        let cancel = CancellationToken::new();
        let stopped = name("stopped");
        let stopping = async {
            appears(&self.embedded, &stopped).await;
            cancel.cancel();
        };
        let (ended, ()) = tokio::join!(self.run(&stopped, 1, cancel.clone()), stopping);
        assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    }

    /// The bytes in use when all is quiet.
    async fn in_use(&self) -> usize {
        while !names(&self.embedded).await.is_empty() {
            sleep(Duration::from_secs(1)).await;
        }
        // Watches are closed when nobody has needed them for a while, a Lease as well.
        sleep(Duration::from_mins(30)).await;
        HEAP.current_usage()
    }
}

#[tokio::test(start_paused = true)]
async fn runs_leave_nothing_in_memory_however_they_ended() {
    let scene = Scene::new();
    // Names of the same length throughout: the server's history keeps the last ones.
    for number in 0..WARM_UP {
        scene.round(2000 + number).await;
    }
    let before = scene.in_use().await;
    for number in 0..ROUNDS {
        scene.round(1000 + number).await;
    }
    let after = scene.in_use().await;
    let more = after.saturating_sub(before);
    assert!(more < SLACK, "{more} bytes more than {before}");
}

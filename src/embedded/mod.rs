//! A Kubernetes pods API in process, which runs its pods as local processes.
//!
//! The API is an [`axum::Router`]: [`EmbeddedCluster::client`] calls it with no socket, and
//! [`EmbeddedCluster::serve`] binds the same router to a loopback port for kubectl and other clients. Paths,
//! codes, words and the order of a pod's statuses are those of a real Kubernetes 1.34; where a process
//! cannot do what a container could, the pod says so in its status.
//!
//! Read in this order: `store` and `collection` (objects and versions), `kind` and
//! `served` (what differs between kinds), `watch` (streams of changes), `api` (paths and verbs),
//! `kubelet` and `life` (how a pod runs), `process` (how a container runs and ends), `stage` (lives from data),
//! `clock`. [`faults`] stand between clients and all of it.

mod access;
mod api;
mod back_off;
mod body;
mod clock;
mod collection;
mod container;
mod default;
mod deletion;
mod discovery;
mod event;
mod eviction;
pub mod faults;
mod form;
mod identity;
mod kind;
mod kubelet;
mod launch;
mod life;
mod limits;
mod log_reader;
mod log_request;
mod logs;
mod memory;
mod mounts;
pub(crate) mod name_rules;
mod namespaces;
mod openapi;
mod page;
mod params;
mod patch;
mod path;
mod pod_status;
mod process;
mod protobuf;
mod record;
pub(crate) mod refusal;
mod resource;
mod sandbox;
mod selector;
mod serve;
mod served;
mod stage;
mod status_body;
mod store;
mod strict;
mod table;
mod table_pod;
mod teller;
mod unsupported;
mod validate;
mod validate_event;
mod validate_resources;
mod validate_volume;
mod variables;
mod view;
mod volumes;
mod watch;
mod watchdog;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::SignedDuration;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower::Layer;

pub use limits::Limits;
pub use record::{EventType, Report, Reporter};
pub use sandbox::Means;
pub use serve::Server;
pub use stage::{Stage, StageError};

use api::Api;
use faults::Faults;
use kubelet::Node;
use logs::LogBook;
use stage::Stages;
use store::Store;

/// How an embedded cluster behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Run pods as local processes; without it they stay `Pending`, as on a cluster without nodes.
    pub kubelet: bool,
    /// `PATH` of containers that set none; `None` means that of this process.
    pub path: Option<OsString>,
    /// What the kubelet may use of this machine to honour more of a pod's spec.
    pub means: Means,
    /// How many events are kept for watches that begin in the past or fall behind.
    pub history: usize,
    /// What happens between clients and the server.
    pub faults: Faults,
    /// Lives that pods play instead of running; the first that selects a pod is its.
    pub stages: Vec<Stage>,
}

/// What a server knows after a restart of what happened before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Everything: watches go on from the version that they had.
    Kept,
    /// Only the present: versions from before are answered 410 `Expired`, as after etcd's compaction.
    Lost,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubelet: true,
            path: None,
            means: Means::default(),
            history: 10_000,
            faults: Faults::default(),
            stages: Vec::new(),
        }
    }
}

/// A running cluster; clones are the same cluster. When the last clone, router and client are dropped, its
/// containers are killed.
#[derive(Debug, Clone)]
pub struct EmbeddedCluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api,
    faults: Faults,
    stages: Arc<Stages>,
    tasks: TaskTracker,
    _stop_on_drop: DropGuard,
}

impl EmbeddedCluster {
    /// Starts a cluster with the namespaces `default` and `kube-system` and no pods.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let api = Api {
            store: Arc::new(Store::new(options.history)),
            logs: Arc::new(LogBook::default()),
            stop: CancellationToken::new(),
        };
        let tasks = TaskTracker::new();
        let stages = Arc::new(Stages::new(options.stages));
        let path = options.path.or_else(|| std::env::var_os("PATH"));
        let node = Node::new(
            &api,
            Arc::clone(&stages),
            options.kubelet,
            options.means,
            path.unwrap_or_default(),
            tasks.clone(),
        );
        tasks.spawn(kubelet::run(Arc::new(node)));
        let inner = Inner {
            _stop_on_drop: api.stop.clone().drop_guard(),
            api,
            faults: options.faults,
            stages,
            tasks,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The API as a service, without authentication and without faults: for calls from this process only.
    pub fn router(&self) -> Router {
        // The extension holds the cluster as long as someone can call it.
        api::router(self.inner.api.clone()).layer(axum::Extension(self.clone()))
    }

    /// A client that calls the API with no socket between. It meets the cluster's faults.
    #[must_use]
    pub fn client(&self, namespace: &str) -> kube::Client {
        kube::Client::new(self.inner.faults.layer().layer(self.router()), namespace)
    }

    /// What happens to the requests of [`client`](Self::client) and of the socket.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// The API server ends and begins anew: all connections and watches break, and requests are refused for
    /// `downtime`. Returns at once. Pods go on running.
    pub fn restart(&self, history: History, downtime: Duration) {
        let how = match history {
            History::Kept => "kept",
            History::Lost => "lost",
        };
        self.inner.faults.go_down(downtime, how);
        if history == History::Lost {
            self.inner.api.store.compact();
        }
    }

    /// How far the clock of the server and its kubelet is ahead of this machine's; negative when it is behind.
    #[must_use]
    pub fn clock_skew(&self) -> SignedDuration {
        self.inner.api.store.clock().skew()
    }

    /// Sets the clock wrong, in whole milliseconds: all timestamps from now on are off by so much.
    pub fn set_clock_skew(&self, skew: SignedDuration) {
        self.inner.api.store.clock().set_skew(skew);
        self.inner
            .faults
            .note(&format!("-- clock skew {} s", skew.as_secs_f64()));
    }

    /// Serves the API on a free loopback port and writes `dir/kubeconfig` (mode 0600, context `embedded`) with
    /// a random token; `dir` is made and closed to others (mode 0700).
    ///
    /// # Errors
    /// When the socket or the file cannot be made.
    pub async fn serve(&self, dir: &Path) -> std::io::Result<Server> {
        self.serve_with(dir, Limits::default()).await
    }

    /// As [`serve`](Self::serve), with other limits.
    ///
    /// # Errors
    /// When the socket or the file cannot be made.
    pub async fn serve_with(&self, dir: &Path, limits: Limits) -> std::io::Result<Server> {
        serve::serve(
            self.router(),
            self.inner.faults.clone(),
            limits,
            dir,
            self.inner.api.stop.child_token(),
        )
        .await
    }

    /// From now on this stage is asked first: pods that are created later and that it selects play it.
    pub fn play(&self, stage: Stage) {
        let version = *self.inner.api.store.latest::<Pod>().borrow();
        self.inner.stages.add(stage, version);
    }

    /// Records an event about a pod as the kubelet, the scheduler or a controller would: the same thing again is
    /// counted, and many alike become one. Nothing is recorded in a namespace that is not there or is going.
    pub fn record_event(&self, pod: &Pod, report: &Report<'_>) {
        self.inner.api.store.record_event(pod, report);
    }

    /// Kills all containers with everything that came out of them, ends all watches and followed logs, and
    /// returns when the last process is gone. Objects can still be read. A second call does nothing.
    pub async fn stop(&self) {
        self.inner.api.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

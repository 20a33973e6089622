//! A cluster that runs its pods, for the tests of what becomes of them.

use k8s_openapi::api::core::v1::{
    ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod,
};
use kube::Api;
use kube::api::PostParams;
use kubegrader::embedded::{EmbeddedCluster, Means, Options};
use serde_json::Value;

use super::{is_finished, pod, until};

/// A cluster whose pods run, and a client of it.
pub struct Scene {
    pub cluster: EmbeddedCluster,
    pub pods: Api<Pod>,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(Means::default())
    }

    /// A scene on which the kubelet may use only these means of the machine.
    pub fn with(means: Means) -> Self {
        let cluster = EmbeddedCluster::start(Options {
            means,
            ..Options::default()
        });
        let pods = Api::default_namespaced(cluster.client("default"));
        Self { cluster, pods }
    }

    pub async fn create(&self, body: &Value) {
        self.pods
            .create(&PostParams::default(), &pod(body))
            .await
            .expect("created");
    }

    pub async fn until(&self, name: &str, wanted: impl Fn(&Pod) -> bool) -> Pod {
        until(&self.pods, name, wanted).await
    }

    pub async fn finished(&self, body: &Value) -> Pod {
        self.create(body).await;
        self.until(
            body["metadata"]["name"].as_str().expect("a name"),
            is_finished,
        )
        .await
    }

    /// The message of a container that cannot be made as it is wanted.
    pub async fn refused(&self, body: &Value) -> String {
        self.create(body).await;
        let name = body["metadata"]["name"].as_str().expect("a name");
        let refused =
            |pod: &Pod| waiting(pod).reason.as_deref() == Some("CreateContainerConfigError");
        waiting(&self.until(name, refused).await)
            .message
            .unwrap_or_default()
    }

    pub async fn log(&self, name: &str) -> String {
        self.pods
            .logs(name, &kube::api::LogParams::default())
            .await
            .expect("a log")
    }
}

pub fn first(pod: &Pod) -> ContainerStatus {
    let status = pod.status.clone().unwrap_or_default();
    status
        .container_statuses
        .and_then(|all| all.into_iter().next())
        .unwrap_or_default()
}

pub fn waiting(pod: &Pod) -> ContainerStateWaiting {
    first(pod)
        .state
        .and_then(|state| state.waiting)
        .unwrap_or_default()
}

pub fn ended(pod: &Pod) -> ContainerStateTerminated {
    first(pod)
        .state
        .and_then(|state| state.terminated)
        .unwrap_or_default()
}

//! The same faults on the socket, as kube's client sees them through TLS.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PostParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::embedded::{EmbeddedCluster, History, Server};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{PODS, get, pod, without_kubelet};

/// Real connections on a busy machine may need this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing is heard of a watch that is silent.
const SILENCE: Duration = Duration::from_millis(300);

struct Served {
    _folder: tempfile::TempDir,
    server: Server,
    cluster: EmbeddedCluster,
    pods: Api<Pod>,
}

async fn served() -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = without_kubelet();
    let server = cluster.serve(folder.path()).await.expect("a server");
    let pods = Api::default_namespaced(client(&server, |_| {}).await);
    Served {
        _folder: folder,
        server,
        cluster,
        pods,
    }
}

async fn client(server: &Server, change: impl FnOnce(&mut Kubeconfig)) -> Client {
    let mut kubeconfig = Kubeconfig::read_from(&server.kubeconfig).expect("a kubeconfig");
    change(&mut kubeconfig);
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("a config");
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

impl Served {
    async fn create(&self, name: &str) -> kube::Result<Pod> {
        let body = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
        self.pods.create(&PostParams::default(), &pod(&body)).await
    }

    async fn is_there(&self, name: &str) -> bool {
        get(&self.cluster.router(), &format!("{PODS}/{name}"))
            .await
            .0
            == 200
    }
}

/// An error of the connection and not an answer.
fn is_broken<T>(result: kube::Result<T>) -> bool {
    matches!(
        result,
        Err(kube::Error::Service(_) | kube::Error::HyperError(_))
    )
}

#[tokio::test]
async fn a_connection_that_is_refused_or_reset_before_changes_nothing() {
    for fault in [Fault::Refused, Fault::ResetBefore] {
        let served = served().await;
        served
            .cluster
            .faults()
            .add(Rule::new(fault).verb(Verb::Create).times(1));
        assert!(is_broken(served.create("p").await), "{fault:?}");
        assert!(!served.is_there("p").await, "{fault:?}");
        served.create("p").await.expect("created");
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_after_has_done_what_was_asked() {
    let served = served().await;
    served
        .cluster
        .faults()
        .add(Rule::new(Fault::ResetAfter).times(1));
    assert!(is_broken(served.create("p").await));
    assert!(served.is_there("p").await);
}

#[tokio::test]
async fn a_body_is_cut() {
    let served = served().await;
    served.create("p").await.expect("created");
    for at_byte in [0, 20, 1_000_000] {
        served
            .cluster
            .faults()
            .add(Rule::new(Fault::CutBody { at_byte }).times(1));
        let listed = served.pods.list(&ListParams::default()).await;
        assert!(is_broken(listed), "{at_byte}");
    }
    served
        .pods
        .list(&ListParams::default())
        .await
        .expect("a list");
}

#[tokio::test]
async fn an_answer_of_a_server_in_trouble_reaches_the_client() {
    let served = served().await;
    served.cluster.faults().add(Rule::new(Fault::InternalError {
        retry_after: Some(7),
    }));
    let Err(kube::Error::Api(status)) = served.pods.get("p").await else {
        panic!("an answer")
    };
    let seconds = status
        .details
        .as_ref()
        .map(|details| details.retry_after_seconds);
    assert_eq!(
        (status.code, status.reason.as_str(), seconds),
        (500, "ServerTimeout", Some(7))
    );
}

#[tokio::test]
async fn a_stalled_watch_says_nothing() {
    let served = served().await;
    served
        .cluster
        .faults()
        .add(Rule::new(Fault::WatchStalled(Duration::ZERO)).times(1));
    let stalled = served
        .pods
        .watch(&WatchParams::default(), "0")
        .await
        .expect("a watch");
    let lively = served
        .pods
        .watch(&WatchParams::default(), "0")
        .await
        .expect("a watch");
    served.create("p").await.expect("created");
    let (mut stalled, mut lively) = (stalled.boxed(), lively.boxed());
    timeout(PATIENCE, lively.try_next())
        .await
        .expect("in time")
        .expect("an event");
    assert!(timeout(SILENCE, stalled.next()).await.is_err());
}

#[tokio::test]
async fn a_restart_ends_connections_and_refuses_new_ones_until_it_is_over() {
    let served = served().await;
    let watch = served
        .pods
        .watch(&WatchParams::default(), "0")
        .await
        .expect("a watch");
    let mut watch = watch.boxed();
    served
        .cluster
        .restart(History::Kept, Duration::from_millis(500));
    let ended = timeout(PATIENCE, watch.next()).await.expect("in time");
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
    assert!(is_broken(served.pods.get("p").await));
    let back = async {
        while is_broken(served.create("p").await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, back).await.expect("in time");
    assert!(served.is_there("p").await);
}

#[tokio::test]
async fn without_the_token_nothing_is_learnt_of_faults_but_those_of_connections() {
    let served = served().await;
    let stranger = client(&served.server, |kubeconfig| {
        let user = kubeconfig.auth_infos[0].auth_info.as_mut().expect("a user");
        user.token = Some("wrong".to_owned().into());
    });
    let pods: Api<Pod> = Api::default_namespaced(stranger.await);
    served.cluster.faults().add(Rule::new(Fault::Forbidden));
    served
        .cluster
        .faults()
        .add(Rule::new(Fault::Refused).skip(1));
    let Err(kube::Error::Api(status)) = pods.get("p").await else {
        panic!("an answer")
    };
    assert_eq!(status.code, 401);
    assert!(is_broken(pods.get("p").await));
}

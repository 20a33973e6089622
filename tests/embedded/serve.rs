//! The API on a socket: the kubeconfig, the token, and kube's own client through TLS.

use std::os::unix::fs::PermissionsExt;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, LogParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use kubegrader::embedded::{EmbeddedCluster, Options, Server};

use crate::support::{is_finished, pod, script, until};

struct Served {
    folder: tempfile::TempDir,
    server: Server,
    _cluster: EmbeddedCluster,
}

async fn served() -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = EmbeddedCluster::start(Options::default());
    let server = cluster
        .serve(&folder.path().join("new"))
        .await
        .expect("a server");
    Served {
        folder,
        server,
        _cluster: cluster,
    }
}

impl Served {
    async fn client(&self, change: impl FnOnce(&mut Kubeconfig)) -> Client {
        let mut kubeconfig = Kubeconfig::read_from(&self.server.kubeconfig).expect("a kubeconfig");
        change(&mut kubeconfig);
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        Client::try_from(config.expect("a config")).expect("a client")
    }
}

#[tokio::test]
async fn a_pod_runs_through_the_socket() {
    let served = served().await;
    let client = served.client(|_| {}).await;
    assert_eq!(client.default_namespace(), "default");
    let pods: Api<Pod> = Api::default_namespaced(client);
    pods.create(&PostParams::default(), &pod(&script("a", "echo hi")))
        .await
        .expect("created");
    until(&pods, "a", is_finished).await;
    assert_eq!(
        pods.logs("a", &LogParams::default()).await.expect("a log"),
        "hi\n"
    );
    let gone = pods
        .delete("a", &DeleteParams::default())
        .await
        .expect("deleted");
    assert!(gone.is_left());
}

#[tokio::test]
async fn nothing_answers_without_the_token() {
    let served = served().await;
    for token in [None, Some("wrong")] {
        let client = served
            .client(|kubeconfig| {
                let user = kubeconfig.auth_infos[0].auth_info.as_mut().expect("a user");
                user.token = token.map(|token| token.to_owned().into());
            })
            .await;
        for path in [
            "/version",
            "/healthz",
            "/api/v1/namespaces/default/pods",
            "/nowhere",
        ] {
            let request = axum::http::Request::get(path)
                .body(Vec::new())
                .expect("a request");
            let error = client.request_text(request).await.expect_err("refused");
            let kube::Error::Api(status) = error else {
                panic!("{error}")
            };
            assert_eq!(
                (status.code, status.message.as_str(), status.reason.as_str()),
                (401, "Unauthorized", "Unauthorized")
            );
        }
    }
}

#[tokio::test]
async fn only_its_owner_can_read_the_kubeconfig() {
    let served = served().await;
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("there").permissions().mode() & 0o777
    };
    assert_eq!(mode(&served.server.kubeconfig), 0o600);
    assert_eq!(mode(&served.folder.path().join("new")), 0o700);
    let kubeconfig = Kubeconfig::read_from(&served.server.kubeconfig).expect("a kubeconfig");
    assert_eq!(kubeconfig.current_context.as_deref(), Some("embedded"));
    assert!(
        served.server.url.starts_with("https://127.0.0.1:"),
        "{}",
        served.server.url
    );
}

#[tokio::test]
async fn a_stopped_server_is_gone_with_its_kubeconfig() {
    let served = served().await;
    let client = served.client(|_| {}).await;
    let kubeconfig = served.server.kubeconfig.clone();
    served.server.stop().await;
    assert!(!kubeconfig.exists());
    assert!(client.apiserver_version().await.is_err());
}

#[tokio::test]
async fn a_connection_that_says_nothing_keeps_nobody_out() {
    let served = served().await;
    let address = served.server.url.trim_start_matches("https://");
    let _silent = tokio::net::TcpStream::connect(address)
        .await
        .expect("connected");
    assert!(
        served
            .client(|_| {})
            .await
            .apiserver_version()
            .await
            .is_ok()
    );
}

//! What a request that had no answer may have done: by real connections.

use std::io;
use std::sync::Arc;

use kube::Config;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::cluster::transport;

async fn asked(address: std::net::SocketAddr, proxy: Option<&str>) -> Failure {
    let mut config = Config::new(format!("http://{address}").parse().expect("a URL"));
    config.proxy_url = proxy.map(|proxy| proxy.parse().expect("a URL"));
    let client = transport::client(config, Arc::default()).expect("a client");
    let request = http::Request::delete("/api/v1/namespaces/default/pods/a");
    let request = request.body(Vec::new()).expect("a request");
    let answer = client.request::<serde_json::Value>(request).await;
    Failure::of_pod(answer.expect_err("no answer"))
}

async fn nobody() -> io::Result<std::net::SocketAddr> {
    TcpListener::bind("127.0.0.1:0").await?.local_addr()
}

#[tokio::test]
async fn a_request_that_nobody_listens_to_has_reached_nobody() {
    let failure = asked(nobody().await.expect("a port"), None).await;
    assert!(matches!(failure, Failure::Unreached(_)), "{failure:?}");
}

#[tokio::test]
async fn a_request_for_which_no_proxy_is_there_has_reached_nobody() {
    let (server, proxy) = (nobody().await, nobody().await);
    let proxy = format!("socks5://{}", proxy.expect("a port"));
    let failure = asked(server.expect("a port"), Some(&proxy)).await;
    assert!(matches!(failure, Failure::Unreached(_)), "{failure:?}");
}

#[tokio::test]
async fn a_request_whose_connection_is_cut_before_an_answer_may_have_been_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a port");
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 1024];
        let read = connection.read(&mut request).await.expect("a request");
        assert!(request[..read].starts_with(b"DELETE /api/v1/namespaces/default/pods/a "));
    });
    let failure = asked(address, None).await;
    assert!(matches!(failure, Failure::Unanswered(_)), "{failure:?}");
    server.await.expect("a server");
}

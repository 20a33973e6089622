//! What a client may take of a served cluster, and that nothing is had without the token.

use std::time::Duration;

use kubegrader::embedded::Limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::support::raw::{PATIENCE, Raw, listen};
use crate::support::{create, script};

const PODS: &str = "/api/v1/namespaces/default/pods";

fn status(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

#[tokio::test]
async fn no_route_and_no_method_answers_without_the_token() {
    let raw = Raw::start(Limits::default()).await;
    create(&raw.cluster.router(), &script("a", "true")).await;
    let token = &raw.token;
    let wrong = format!("{}x", &token[1..]);
    let strangers = [
        String::new(),
        "authorization: \r\n".to_owned(),
        "authorization: Bearer\r\n".to_owned(),
        "authorization: Bearer \r\n".to_owned(),
        format!("authorization: Bearer {wrong}\r\n"),
        format!("authorization: Bearer {token}x\r\n"),
        format!("authorization: Bearer {}\r\n", &token[1..]),
        format!("authorization: Basic {token}\r\n"),
        format!("authorization: {token}\r\n"),
        format!("authorization: Bearer {wrong}\r\nauthorization: Bearer {token}\r\n"),
        format!("x-authorization: Bearer {token}\r\n"),
        format!("cookie: token={token}\r\n"),
    ];
    let paths = [
        "/",
        "/version",
        "/version/",
        "/healthz",
        "/livez",
        "/readyz",
        "/api",
        "/apis",
        "/api/v1",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/api/v1",
        "/api/v1/pods",
        "/api/v1/pods?watch=true",
        "/api/v1/events",
        "/api/v1/namespaces",
        "/api/v1/namespaces/default",
        PODS,
        "/api/v1/namespaces/default/pods/a",
        "/api/v1/namespaces/default/pods/a/status",
        "/api/v1/namespaces/default/pods/a/log",
        "/api/v1/namespaces/default/pods/nobody",
        "/api/v1/namespaces/default/events",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/nowhere",
        "/api/v1/nowhere",
        "//",
    ];
    let methods = [
        "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW",
    ];
    // Each stranger on each path, each method on each path.
    for (number, path) in paths.iter().enumerate() {
        let by_stranger = strangers.iter().map(|stranger| ("GET", stranger));
        let by_method = methods
            .iter()
            .enumerate()
            .map(|(at, method)| (*method, &strangers[(number + at) % strangers.len()]));
        for (method, stranger) in by_stranger.chain(by_method) {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{stranger}content-length: 2\r\n\r\n{{}}"
            );
            let said = raw.ask(&request).await;
            assert_eq!(said.code, Some(401), "{method} {path} with {stranger:?}");
            if method != "HEAD" {
                let body = status(said.body());
                assert_eq!(
                    (&body["code"], &body["reason"], &body["message"]),
                    (&json!(401), &json!("Unauthorized"), &json!("Unauthorized")),
                    "{method} {path} with {stranger:?}"
                );
            }
        }
    }
    let (code, pods) = crate::support::get(&raw.cluster.router(), PODS).await;
    assert_eq!(
        (code, pods["items"].as_array().map(Vec::len)),
        (200, Some(1))
    );
}

#[tokio::test]
async fn the_token_is_asked_for_before_the_body_is_read() {
    let raw = Raw::start(Limits::default()).await;
    let request = format!("POST {PODS} HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n");
    let mut stream = raw.connect().await;
    stream.write_all(request.as_bytes()).await.expect("said");
    let mut start = [0; 12];
    let read = timeout(PATIENCE, stream.read_exact(&mut start)).await;
    read.expect("in time").expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 401");
}

#[tokio::test]
async fn too_many_headers_and_too_long_ones_are_refused() {
    let raw = Raw::start(Limits {
        headers: 20,
        header_bytes: 8 * 1024,
        ..Limits::default()
    })
    .await;
    let fits = "x-one: 1\r\n".repeat(10);
    let said = raw.ask(&raw.request("GET /version", &fits)).await;
    assert_eq!(said.code, Some(200));
    let many = "x-one: 1\r\n".repeat(30);
    let said = raw.ask(&raw.request("GET /version", &many)).await;
    assert_eq!(said.code, Some(431));
    let long = format!("x-long: {}\r\n", "x".repeat(16 * 1024));
    let said = raw.ask(&raw.request("GET /version", &long)).await;
    assert_eq!(said.code, Some(431));
    let line = format!("GET /version?{}", "x".repeat(16 * 1024));
    let said = raw.ask(&raw.request(&line, "")).await;
    assert_eq!(said.code, Some(431));
}

#[tokio::test]
async fn a_body_of_more_than_three_mebibytes_is_refused() {
    let raw = Raw::start(Limits::default()).await;
    let size = 3 * 1024 * 1024 + 1;
    for more in [
        format!("content-length: {size}\r\n"),
        "transfer-encoding: chunked\r\n".to_owned(),
    ] {
        let mut stream = raw.connect().await;
        let request = raw.request(&format!("POST {PODS}"), &more);
        stream.write_all(request.as_bytes()).await.expect("said");
        let chunk = vec![b' '; size];
        // The server may answer before it has heard all.
        let body = async {
            if more.starts_with("transfer") {
                stream.write_all(format!("{size:x}\r\n").as_bytes()).await?;
            }
            stream.write_all(&chunk).await
        };
        let _ = body.await;
        let said = listen(stream, Vec::new()).await;
        assert_eq!(said.code, Some(413));
        let message = &status(said.body())["message"];
        assert_eq!(message, "Request entity too large: limit is 3145728");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let raw = Raw::start(Limits {
        body_time: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    let mut stream = raw.connect().await;
    let request = raw.request(&format!("POST {PODS}"), "content-length: 100\r\n");
    stream.write_all(request.as_bytes()).await.expect("said");
    stream.write_all(b"{\"kind\"").await.expect("said");
    let said = listen(stream, Vec::new()).await;
    assert_eq!(said.code, Some(408));
    assert_eq!(status(said.body())["reason"], "Timeout");
}

#[tokio::test]
async fn headers_that_do_not_come_are_not_waited_for() {
    let raw = Raw::start(Limits {
        header_time: Duration::from_millis(500),
        ..Limits::default()
    })
    .await;
    let mut stream = raw.connect().await;
    stream
        .write_all(b"GET /version HTTP/1.1\r\nhost:")
        .await
        .expect("said");
    let said = listen(stream, Vec::new()).await;
    assert!(matches!(said.code, None | Some(408)), "{:?}", said.code);
    // And TLS that never begins.
    let mut silent = tokio::net::TcpStream::connect(&raw.address)
        .await
        .expect("connected");
    let mut nothing = [0; 1];
    let end = timeout(PATIENCE, silent.read(&mut nothing))
        .await
        .expect("in time");
    assert!(matches!(end, Ok(0) | Err(_)));
}

#[tokio::test]
async fn more_watches_than_may_be_are_refused_and_other_requests_are_not() {
    let raw = Raw::start(Limits {
        watches: 2,
        ..Limits::default()
    })
    .await;
    let watch = raw.request(&format!("GET {PODS}?watch=true"), "");
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = raw.connect().await;
        stream.write_all(watch.as_bytes()).await.expect("said");
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 200");
        open.push(stream);
    }
    let said = raw.ask(&watch).await;
    assert_eq!(said.code, Some(429));
    let head = String::from_utf8_lossy(&said.bytes).to_ascii_lowercase();
    assert!(head.contains("\r\nretry-after: 1\r\n"), "{head}");
    assert_eq!(status(said.body())["reason"], "TooManyRequests");
    let said = raw.ask(&raw.request(&format!("GET {PODS}"), "")).await;
    assert_eq!(said.code, Some(200));
    // A watch whose client has gone makes room.
    open.pop();
    let again = async {
        loop {
            let mut stream = raw.connect().await;
            stream.write_all(watch.as_bytes()).await.expect("said");
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.expect("an answer");
            if &start == b"HTTP/1.1 200" {
                return;
            }
        }
    };
    timeout(PATIENCE, again).await.expect("room for a watch");
}

#[tokio::test]
async fn more_connections_than_may_be_wait_their_turn() {
    let raw = Raw::start(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let first = raw.connect().await;
    let mut second = Box::pin(raw.connect());
    let turn = timeout(Duration::from_millis(200), &mut second).await;
    assert!(turn.is_err(), "a second connection beside the only one");
    drop(first);
    timeout(PATIENCE, second).await.expect("its turn");
}

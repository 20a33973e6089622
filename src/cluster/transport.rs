//! The way to an API server: connections that are kept, and what every request and every answer meets on them.
//!
//! kube's own builder of connections leaves Nagle's algorithm on, so that the last part of a create that fills more than one
//! packet waits for the server's acknowledgement, and its read timeout sets a timer to the present with each read, which wakes
//! the thread once more. Where there is a proxy kube's is taken, which knows the kinds of proxies.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::Config;
use tokio::time::timeout;
use tower::util::{AndThenLayer, MapRequestLayer};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_http::timeout::ResponseBodyTimeoutLayer;

use super::requests::Requests;
use super::retry_after;
use super::time_limit::TimeLimit;

/// How long a connection may take to be made, with its TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may be silent in its middle. A watch is told something (a bookmark, its own end) more often than that.
const SILENCE: Duration = Duration::from_secs(40);
/// How long a connection is kept that nobody uses. An API server keeps it for longer, 90 s (`secure_serving.go`).
const IDLE: Duration = Duration::from_secs(40);
/// When the kernel first asks after the other end of a silent connection, and how often again: a watch or a log that waits may be
/// on a connection that a firewall has forgotten. For as long as all of it takes, what was sent may be unacknowledged.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 2;

/// A client of the API server that `config` names.
///
/// # Errors
/// kube's, for credentials or certificates that cannot be used.
pub(super) fn client(
    mut config: Config,
    requests: Arc<Requests>,
) -> Result<kube::Client, kube::Error> {
    if config.proxy_url.is_some() {
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = None;
        // kube repeats 429, 503 and 504 by itself, POST included; cluster::retry knows what may be repeated.
        config.default_retry = false;
        return Ok(finished(ClientBuilder::try_from(config)?, requests));
    }
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(direct(&config)?);
    let builder = ClientBuilder::new(service, config.default_namespace);
    Ok(finished(builder, requests))
}

/// The client of a service, be it a connection or in this process: its requests are counted, and the time until an answer begins
/// and the silence in its middle are limited.
pub(super) fn finished<S, B>(builder: ClientBuilder<S>, requests: Arc<Requests>) -> kube::Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let count = MapRequestLayer::new(move |request: Request<Body>| {
        requests.count(&request);
        request
    });
    builder
        .with_layer(&ResponseBodyTimeoutLayer::new(SILENCE))
        .with_layer(&TimeLimit)
        .with_layer(&AndThenLayer::new(retry_after::into_status))
        .with_layer(&count)
        .build()
}

/// Connections to the server itself.
fn direct(
    config: &Config,
) -> Result<Client<impl Connect + Clone + Send + Sync + 'static, Body>, kube::Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE));
    connector.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(KEEPALIVE * (1 + KEEPALIVE_RETRIES)));
    // Behind one pointer: the client is cloned for each request.
    let connector = Arc::new(config.rustls_https_connector_with_connector(connector)?);
    let connect = tower::service_fn(move |server: Uri| {
        let connecting = connector.as_ref().clone().oneshot(server);
        Box::pin(async move {
            let silent = |_| {
                let problem = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
                io::Error::new(io::ErrorKind::TimedOut, problem)
            };
            timeout(CONNECT_TIMEOUT, connecting).await.map_err(silent)?
        })
    });
    let client = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_timer(TokioTimer::new())
        .build(connect);
    Ok(client)
}

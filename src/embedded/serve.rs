//! The API on a loopback socket, for kubectl and clients in other languages.
//!
//! Nothing answers without the bearer token: not even the version. The connection is TLS, with a certificate
//! authority made for this server alone, because kubectl sends no token without TLS.

use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use constant_time_eq::constant_time_eq;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer;

use super::faults::{FaultService, Faults};
use super::identity::Identity;
use super::limits::{Gate, Limits, guard};
use super::status_body::Refusal;

/// The wait after a failed accept, for example when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening API server; it also ends when its cluster stops.
#[derive(Debug)]
pub struct Server {
    /// `https://127.0.0.1:<port>`.
    pub url: String,
    /// The file to give to `KUBECONFIG`; only its owner can read it, and it holds the token.
    pub kubeconfig: PathBuf,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Closes the socket and all connections, and removes the kubeconfig.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        // It may have been removed with its folder.
        let _ = tokio::fs::remove_file(&self.kubeconfig).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Listens on a free port and writes `dir/kubeconfig`.
///
/// # Errors
/// When the socket or the file cannot be made.
pub async fn serve(
    router: Router,
    faults: Faults,
    limits: Limits,
    dir: &Path,
    stop: CancellationToken,
) -> io::Result<Server> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("https://{}", listener.local_addr()?);
    let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let identity = Identity::new()?;
    let kubeconfig = write_kubeconfig(dir, &url, &token, &identity.authority).await?;
    let expected: Arc<[u8]> = format!("Bearer {token}").into_bytes().into();
    // The token is looked at before anything that a client without it could take.
    let router = router
        .layer(from_fn_with_state(Gate::new(&limits), guard))
        .layer(from_fn_with_state(Arc::clone(&expected), authenticate));
    let layer = faults
        .layer()
        .only_where(move |headers| is_token(headers, &expected));
    let service = layer.layer(router);
    let tasks = TaskTracker::new();
    tasks.spawn(accept(
        listener,
        identity.acceptor,
        service,
        faults,
        limits,
        stop.clone(),
        tasks.clone(),
    ));
    Ok(Server {
        url,
        kubeconfig,
        stop,
        tasks,
    })
}

async fn authenticate(State(expected): State<Arc<[u8]>>, request: Request, next: Next) -> Response {
    if is_token(request.headers(), &expected) {
        next.run(request).await
    } else {
        Refusal::unauthorized().into_response()
    }
}

fn is_token(headers: &HeaderMap, expected: &[u8]) -> bool {
    let given = headers
        .get(AUTHORIZATION)
        .map_or(b"".as_slice(), |value| value.as_bytes());
    constant_time_eq(given, expected)
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: FaultService<Router>,
    faults: Faults,
    limits: Limits,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            accepted = next_connection(&listener, &permits) => accepted,
            () = stop.cancelled() => return,
        };
        let Some((stream, permit)) = accepted else {
            continue;
        };
        if faults.uptime().is_down() {
            continue;
        }
        let mut connection = faults.uptime().connection();
        let (tls, service, stop) = (tls.clone(), service.clone(), stop.clone());
        let limits = limits.clone();
        tasks.spawn(async move {
            let _held = permit;
            tokio::select! {
                () = converse(stream, tls, service, limits) => {}
                () = connection.ended() => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

async fn next_connection(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "accepting a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn converse(
    stream: TcpStream,
    tls: TlsAcceptor,
    service: FaultService<Router>,
    limits: Limits,
) {
    // Events are small and must not wait for more.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(limits.header_time, tls.accept(stream)).await else {
        return;
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(limits.headers)
        .max_header_size(limits.header_bytes);
    let conversation =
        http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = conversation.await {
        tracing::debug!(%error, "a connection ended");
    }
}

async fn write_kubeconfig(
    dir: &Path,
    url: &str,
    token: &str,
    authority: &str,
) -> io::Result<PathBuf> {
    let path = dir.join("kubeconfig");
    // JSON is YAML, and every value is quoted in the same way.
    let content = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "embedded",
        "clusters": [{"name": "embedded", "cluster": {"server": url, "certificate-authority-data": STANDARD.encode(authority)}}],
        "users": [{"name": "embedded", "user": {"token": token}}],
        "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "embedded", "namespace": "default"}}],
    });
    let (dir, file_path) = (dir.to_owned(), path.clone());
    let made = tokio::task::spawn_blocking(move || -> io::Result<std::fs::File> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)?;
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
        // A file of another run is replaced, not written to: someone may hold it open.
        match std::fs::remove_file(&file_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file_path)
    });
    let mut file = tokio::fs::File::from_std(made.await.map_err(io::Error::other)??);
    file.write_all(format!("{content:#}\n").as_bytes()).await?;
    file.flush().await?;
    Ok(path)
}

//! What the clients of a socket may take: connections, watches, bytes and time.
//!
//! The real server's own limits are wider (1 MiB of headers, 3 MiB of body); they are for a machine that does
//! nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::body::BODY_LIMIT;
use super::params::Params;
use super::status_body::Refusal;

/// How much the clients of one server may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at one time; more wait in the socket's queue.
    pub connections: usize,
    /// Watches and followed logs at one time; more are refused with 429. Fewer than connections, so that other
    /// requests are always answered.
    pub watches: usize,
    /// Headers of one request; more are refused with 431.
    pub headers: usize,
    /// Bytes of a request's headers and its first line together; more are refused with 431.
    pub header_bytes: usize,
    /// How long a client may take to begin TLS, and to send a request's headers; it is cut off then.
    pub header_time: Duration,
    /// How long a client may take to send a request's body; it is refused with 408 then.
    pub body_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            watches: 768,
            headers: 100,
            header_bytes: 64 * 1024,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
        }
    }
}

/// The limits of a server, and how many watches it may still open.
#[derive(Debug, Clone)]
pub struct Gate {
    body_time: Duration,
    watches: Arc<Semaphore>,
}

impl Gate {
    /// A gate that nobody has gone through.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            body_time: limits.body_time,
            watches: Arc::new(Semaphore::new(limits.watches)),
        }
    }
}

/// Lets a request through when its body is there and its answer may be as long as it wants to be.
pub async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match admitted(&gate, request).await {
        Ok((request, permit)) => held(next.run(request).await, permit),
        Err(refusal) if refusal.code == StatusCode::TOO_MANY_REQUESTS => {
            ([(RETRY_AFTER, "1")], refusal).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn admitted(
    gate: &Gate,
    request: Request,
) -> Result<(Request, Option<OwnedSemaphorePermit>), Refusal> {
    let (mut parts, body) = request.into_parts();
    let body = timeout(gate.body_time, to_bytes(body, BODY_LIMIT))
        .await
        .map_err(|_| Refusal::slow_body())?
        .map_err(|_| Refusal::too_large(BODY_LIMIT))?;
    let params = Params::from_request_parts(&mut parts, &()).await?;
    let stays = parts.method == Method::GET && (params.flag("watch") || params.flag("follow"));
    let permit = if stays {
        let permit = Arc::clone(&gate.watches).try_acquire_owned();
        Some(permit.map_err(|_| Refusal::too_many_requests())?)
    } else {
        None
    };
    Ok((Request::from_parts(parts, Body::from(body)), permit))
}

/// The answer, which gives its permit back when it has been sent or its client is gone.
fn held(answer: Response, permit: Option<OwnedSemaphorePermit>) -> Response {
    let Some(permit) = permit.filter(|_| answer.status().is_success()) else {
        return answer;
    };
    answer.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |chunk| {
            let _held = &permit;
            chunk
        }))
    })
}

//! An error's code and its header `Retry-After`, put where the rest of the client looks for them: into the `Status`.
//!
//! kube's client reads an error's body alone. A proxy's may be any JSON, which kube takes for a `Status` without a code; and a
//! server with too many requests in flight says in a header, over plain text, when to come again (Kubernetes API concepts, "Error
//! codes"; `maxinflight.go`).

use std::pin::pin;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::fmt::rfc2822;
use kube::core::Status;
use kube::core::response::StatusDetails;
use serde::Deserialize;
use tower::BoxError;

/// How many bytes of an error's text are read; more is no error's text.
const LONGEST_TEXT: usize = 64 * 1024;

/// What tells a `Status` from any other JSON.
#[derive(Deserialize)]
struct Kind {
    kind: String,
    code: u16,
}

/// Passes an answer on; an error becomes a `Status` with its code, and with the time after which to ask again where it names one.
pub(super) async fn into_status<B>(answer: Response<B>) -> Result<Response<Body>, BoxError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if !answer.status().is_client_error() && !answer.status().is_server_error() {
        return Ok(answer.map(Body::new));
    }
    let is_busy = answer.status().as_u16() == 429 || answer.status().is_server_error();
    let seconds = seconds(answer.headers()).filter(|_| is_busy);
    let (mut head, body) = answer.into_parts();
    let bytes = beginning(body).await?;
    let is_status = serde_json::from_slice::<Kind>(&bytes)
        .is_ok_and(|it| it.kind == "Status" && it.code == head.status.as_u16());
    let known = is_status.then(|| serde_json::from_slice::<Status>(&bytes).ok());
    let mut status = known.flatten().unwrap_or_else(|| {
        let text = String::from_utf8_lossy(&bytes);
        let reason = head.status.canonical_reason().unwrap_or_default();
        Status::failure(text.trim(), reason).with_code(head.status.as_u16())
    });
    if let Some(seconds) = seconds {
        let details = status.details.get_or_insert_with(no_details);
        details.retry_after_seconds = details.retry_after_seconds.max(seconds);
    }
    head.headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers.remove(http::header::CONTENT_LENGTH);
    let body = serde_json::to_vec(&status)?;
    Ok(Response::from_parts(head, Body::from(body)))
}

/// The first bytes of a body: a page may be long, and its code is what counts.
async fn beginning<B>(body: B) -> Result<Vec<u8>, BoxError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await
        && bytes.len() < LONGEST_TEXT
    {
        if let Ok(data) = frame.map_err(Into::into)?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes.truncate(LONGEST_TEXT);
    Ok(bytes)
}

const fn no_details() -> StatusDetails {
    StatusDetails {
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes: Vec::new(),
        retry_after_seconds: 0,
    }
}

/// The seconds that the header names, or from now until its date (RFC 9110, 10.2.3), which a proxy may send. Now is what the answer
/// itself says, where it does.
fn seconds(headers: &HeaderMap) -> Option<u32> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let date = |text: &str| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let said = headers.get(DATE).and_then(|now| date(now.to_str().ok()?));
    let now = said.unwrap_or_else(Timestamp::now);
    let seconds = date(text)?.as_second().saturating_sub(now.as_second());
    u32::try_from(seconds).ok()
}

//! The answers of a server, or of a proxy before it, that is in trouble.
//!
//! 401, 403, 409 and the 410 of a list were read from a Kubernetes 1.34. The rest is from its source:
//! `etcd3/errors.go` (410 in a watch), `maxinflight.go` and `cacher.go` (429), `waitgroup.go` (503), etcd's
//! `ErrTimeout` and `NewServerTimeout` (500).

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusDetails;

use super::asked::{Asked, Verb};
use super::fault::Fault;
use crate::embedded::event::event_line;
use crate::embedded::status_body::Refusal;

/// Who asks, in RBAC's words: the user of the kubeconfig.
const USER: &str = "embedded";

/// What stands for the answer; `None` for a fault that makes none up.
pub fn instead(fault: Fault, asked: &Asked) -> Option<Response> {
    Some(match fault {
        Fault::Unauthorized => Refusal::unauthorized().into_response(),
        Fault::Forbidden => forbidden(asked).into_response(),
        Fault::Conflict => conflict(asked).into_response(),
        Fault::Gone(_) if asked.verb == Verb::List => expired(asked).into_response(),
        Fault::TooManyRequests { retry_after } => too_many_requests(asked, retry_after),
        Fault::Unavailable { retry_after } => unavailable(retry_after),
        Fault::InternalError { retry_after } => internal_error(asked, retry_after),
        Fault::BadGateway => bad_gateway(),
        _ => return None,
    })
}

/// The last event of a watch whose version is too old.
pub fn gone_line() -> Bytes {
    let status =
        Refusal::expired("The resourceVersion for the provided watch is too old.").status();
    event_line("ERROR", &serde_json::to_vec(&status).unwrap_or_default())
}

fn forbidden(asked: &Asked) -> Refusal {
    let mut refusal = Refusal::forbidden(&asked.resource, &asked.name, "");
    if asked.verb == Verb::Other {
        refusal.message = format!(
            "forbidden: User \"{USER}\" cannot get path \"{}\"",
            asked.path
        );
        return refusal;
    }
    let object = if asked.name.is_empty() {
        asked.resource.clone()
    } else {
        format!("{} \"{}\"", asked.resource, asked.name)
    };
    let verb = match asked.verb {
        Verb::Log => "get",
        verb => verb.as_str(),
    };
    let scope = if asked.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{}\"", asked.namespace)
    };
    refusal.message = format!(
        "{object} is forbidden: User \"{USER}\" cannot {verb} resource \"{}\" in API group \"\" {scope}",
        asked.qualified()
    );
    refusal
}

fn conflict(asked: &Asked) -> Refusal {
    if asked.verb == Verb::Create {
        Refusal::modified("resourcequotas", "quota")
    } else {
        Refusal::modified(&asked.resource, &asked.name)
    }
}

fn expired(asked: &Asked) -> Refusal {
    Refusal::expired(if asked.goes_on {
        "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter."
    } else {
        "The resourceVersion for the provided list is too old."
    })
}

fn too_many_requests(asked: &Asked, retry_after: u32) -> Response {
    if matches!(asked.verb, Verb::List | Verb::Watch) {
        let refusal = Refusal {
            code: StatusCode::TOO_MANY_REQUESTS,
            reason: "TooManyRequests",
            message: "storage is (re)initializing".to_owned(),
            details: Some(Box::new(retry_details(None, retry_after))),
        };
        return with_retry_after(refusal, retry_after);
    }
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (RETRY_AFTER, retry_after.into()),
    ];
    let body = "Too many requests, please try again later.\n";
    (StatusCode::TOO_MANY_REQUESTS, headers, body).into_response()
}

fn unavailable(retry_after: u32) -> Response {
    let refusal = Refusal {
        code: StatusCode::SERVICE_UNAVAILABLE,
        reason: "ServiceUnavailable",
        message: "apiserver is shutting down".to_owned(),
        details: None,
    };
    with_retry_after(refusal, retry_after)
}

fn internal_error(asked: &Asked, retry_after: Option<u32>) -> Response {
    let Some(seconds) = retry_after else {
        return Refusal::internal("etcdserver: request timed out").into_response();
    };
    let (verb, resource) = (asked.verb.as_str(), &asked.resource);
    let message = format!(
        "The {verb} operation against {resource} could not be completed at this time, please try again."
    );
    let refusal = Refusal {
        code: StatusCode::INTERNAL_SERVER_ERROR,
        reason: "ServerTimeout",
        message,
        details: Some(Box::new(retry_details(Some(resource.clone()), seconds))),
    };
    with_retry_after(refusal, seconds)
}

fn retry_details(kind: Option<String>, seconds: u32) -> StatusDetails {
    StatusDetails {
        kind,
        retry_after_seconds: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
        ..StatusDetails::default()
    }
}

fn with_retry_after(refusal: Refusal, seconds: u32) -> Response {
    let mut answer = refusal.into_response();
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    answer
}

/// The page of nginx, which stands before many an API server.
fn bad_gateway() -> Response {
    let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
    let mut answer = Response::new(Body::from(page));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    answer
}

//! The `Status` bodies with which a Kubernetes API server refuses a request.
//!
//! Codes, reasons and words are those of a real Kubernetes 1.34; each was read from its answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    ListMeta, Status, StatusCause, StatusDetails,
};

/// Kubernetes' name for pods in paths and in most messages.
pub const PODS: &str = "pods";
/// Kubernetes' name for namespaces in paths and in most messages.
pub const NAMESPACES: &str = "namespaces";

/// A refused request: what an API server answers instead of the object.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// HTTP status code, also in the body.
    pub code: StatusCode,
    /// The machine's word (`NotFound`, `Invalid`, ...); empty when the real server gives none.
    pub reason: &'static str,
    /// The person's words.
    pub message: String,
    /// Name, kind and causes of the object that was refused.
    pub details: Option<Box<StatusDetails>>,
}

impl Refusal {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
        }
    }

    fn about(mut self, name: &str, kind: &str) -> Self {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.details = Some(Box::new(StatusDetails {
            name: filled(name),
            kind: filled(kind),
            ..StatusDetails::default()
        }));
        self
    }

    /// 400 `BadRequest`.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 401 `Unauthorized`: the token is missing or wrong.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// 403 `Forbidden`: `pods "x" is forbidden: <why>`.
    #[must_use]
    pub fn forbidden(resource: &str, name: &str, why: &str) -> Self {
        let message = format!("{resource} \"{name}\" is forbidden: {why}");
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(name, resource)
    }

    /// 403 `Forbidden` for a new object in a namespace that is being deleted.
    #[must_use]
    pub fn namespace_terminating(resource: &str, name: &str, namespace: &str) -> Self {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut refusal = Self::forbidden(resource, name, &why);
        if let Some(details) = &mut refusal.details {
            details.causes = Some(vec![StatusCause {
                reason: Some("NamespaceTerminating".to_owned()),
                message: Some(format!("namespace {namespace} is being terminated")),
                field: Some("metadata.namespace".to_owned()),
            }]);
        }
        refusal
    }

    /// 404 `NotFound`: `pods "x" not found`.
    #[must_use]
    pub fn not_found(resource: &str, name: &str) -> Self {
        let message = format!("{resource} \"{name}\" not found");
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(name, resource)
    }

    /// 404 for a path that no resource has.
    #[must_use]
    pub fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about("", "")
    }

    /// 405 for a method that the resource does not have.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message).about("", "")
    }

    /// 409 `AlreadyExists`: the name is taken, perhaps by an object that goes.
    #[must_use]
    pub fn already_exists(resource: &str, name: &str, goes: bool) -> Self {
        let state = if goes {
            "object is being deleted: "
        } else {
            ""
        };
        let message = format!("{state}{resource} \"{name}\" already exists");
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(name, resource)
    }

    /// 409 `Conflict`: `Operation cannot be fulfilled on <kind> "x": <why>`.
    #[must_use]
    pub fn conflict(kind: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {kind} \"{name}\": {why}");
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(name, kind)
    }

    /// 409 `Conflict` for an update made from an old version of the object.
    #[must_use]
    pub fn modified(resource: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// 410 `Expired`: the version is older than the events that are kept.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// 408: the body did not come in time.
    #[must_use]
    pub fn slow_body() -> Self {
        let message = "the body of the request did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "Timeout", message)
    }

    /// 429 `TooManyRequests`: more watches than one server may have.
    #[must_use]
    pub fn too_many_requests() -> Self {
        let message = "too many requests: all watches of this server are taken";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
    }

    /// 413: the body is larger than `limit` bytes.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            message,
        )
    }

    /// 415 `UnsupportedMediaType`.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            message,
        )
    }

    /// 422 for a JSON patch that is well formed and does not apply.
    #[must_use]
    pub fn patch_does_not_apply() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).about("", "")
    }

    /// 422 `Invalid`: `Pod "x" is invalid: <causes>`; `group` is empty for core objects.
    #[must_use]
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<StatusCause>) -> Self {
        let line = |cause: &StatusCause| {
            let field = cause.field.as_deref().unwrap_or_default();
            format!("{field}: {}", cause.message.as_deref().unwrap_or_default())
        };
        let lines: Vec<String> = causes.iter().map(line).collect();
        let all = match lines.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let message = format!("{qualified} \"{name}\" is invalid: {all}");
        let mut refusal =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).about(name, kind);
        if let Some(details) = &mut refusal.details {
            details.group = (!group.is_empty()).then(|| group.to_owned());
            details.causes = Some(causes);
        }
        refusal
    }

    /// 500 with no reason, which the real server gives for a few bad requests.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    /// 504 `Timeout`: a list was asked for at a version that does not exist yet.
    #[must_use]
    pub fn too_large_version(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut refusal = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message);
        refusal.details = Some(Box::new(StatusDetails {
            causes: Some(vec![StatusCause {
                reason: Some("ResourceVersionTooLarge".to_owned()),
                message: Some("Too large resource version".to_owned()),
                field: None,
            }]),
            retry_after_seconds: Some(1),
            ..StatusDetails::default()
        }));
        refusal
    }

    /// The body of the answer, and of an `ERROR` event in a watch.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            code: Some(i32::from(self.code.as_u16())),
            details: self.details.as_deref().cloned(),
            message: Some(self.message.clone()),
            metadata: ListMeta::default(),
            reason: (!self.reason.is_empty()).then(|| self.reason.to_owned()),
            status: Some("Failure".to_owned()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.code, Json(self.status())).into_response()
    }
}

/// One entry of `details.causes`, made the way the real server words it.
#[must_use]
pub fn cause(reason: &str, field: impl Into<String>, message: impl Into<String>) -> StatusCause {
    StatusCause {
        reason: Some(reason.to_owned()),
        field: Some(field.into()),
        message: Some(message.into()),
    }
}

/// `Required value`, or `Required value: <why>`.
#[must_use]
pub fn required(field: impl Into<String>, why: &str) -> StatusCause {
    let message = if why.is_empty() {
        "Required value".to_owned()
    } else {
        format!("Required value: {why}")
    };
    cause("FieldValueRequired", field, message)
}

/// `Invalid value: "<value>": <why>`.
#[must_use]
pub fn invalid(field: impl Into<String>, value: &str, why: &str) -> StatusCause {
    cause(
        "FieldValueInvalid",
        field,
        format!("Invalid value: {value:?}: {why}"),
    )
}

/// `Invalid value: <number>: <why>`.
#[must_use]
pub fn invalid_number(field: impl Into<String>, value: i64, why: &str) -> StatusCause {
    cause(
        "FieldValueInvalid",
        field,
        format!("Invalid value: {value}: {why}"),
    )
}

/// `Duplicate value: "<value>"`.
#[must_use]
pub fn duplicate(field: impl Into<String>, value: &str) -> StatusCause {
    cause(
        "FieldValueDuplicate",
        field,
        format!("Duplicate value: {value:?}"),
    )
}

/// `Forbidden: <why>`.
#[must_use]
pub fn forbidden(field: impl Into<String>, why: &str) -> StatusCause {
    cause("FieldValueForbidden", field, format!("Forbidden: {why}"))
}

/// `Not found: "<value>"`.
#[must_use]
pub fn not_found(field: impl Into<String>, value: &str) -> StatusCause {
    cause("FieldValueNotFound", field, format!("Not found: {value:?}"))
}

/// `Unsupported value: "<value>": supported values: ...`.
#[must_use]
pub fn unsupported(field: impl Into<String>, value: &str, supported: &[&str]) -> StatusCause {
    let all: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
    let message = format!(
        "Unsupported value: {value:?}: supported values: {}",
        all.join(", ")
    );
    cause("FieldValueNotSupported", field, message)
}

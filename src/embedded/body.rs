//! Request bodies: what they must be, how large they may be, and how a bad one is refused.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::Pod;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::status_body::Refusal;

/// Bytes of the largest body, as on a real server.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

/// The media type of a body without its parameters, and the body.
#[derive(Debug)]
pub struct Body {
    /// `application/json` when the request names none, and for a body in YAML, which is turned into JSON.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let header = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = header
            .and_then(|value| value.split(';').next())
            .unwrap_or(JSON);
        let media_type = media_type.trim().to_ascii_lowercase();
        let is_yaml = media_type == YAML;
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| too_large(&error))?;
        let body = Self { media_type, bytes };
        if is_yaml {
            body.yaml_as_json()
        } else {
            Ok(body)
        }
    }
}

fn too_large(error: &BytesRejection) -> Refusal {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Refusal::too_large(BODY_LIMIT)
    } else {
        Refusal::bad_request(error.body_text())
    }
}

impl Body {
    /// The same body in JSON.
    fn yaml_as_json(self) -> Result<Self, Refusal> {
        let value: Value = serde_saphyr::from_slice(&self.bytes).map_err(|error| {
            Refusal::bad_request(format!("error converting YAML to JSON: {error}"))
        })?;
        Ok(Self {
            media_type: JSON.to_owned(),
            bytes: value.to_string().into(),
        })
    }

    /// Reads an object of one kind.
    ///
    /// # Errors
    /// 415 for another media type, 400 for anything that is no such object.
    pub fn object<T: Resource + DeserializeOwned>(&self) -> Result<T, Refusal> {
        if self.media_type != JSON {
            let message = format!(
                "the body of the request was in an unknown format - accepted media types include: {JSON}, {YAML}"
            );
            return Err(Refusal::unsupported_media_type(message));
        }
        let value: Value =
            serde_json::from_slice(&self.bytes).map_err(|error| self.unreadable::<T>(&error))?;
        if !value.is_object() {
            return Err(Refusal::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: not an object",
                T::KIND
            )));
        }
        object_of(value)
    }

    fn unreadable<T: Resource>(&self, error: &serde_json::Error) -> Refusal {
        let empty = "unexpected end of JSON input (<empty>)".to_owned();
        let what = if self.bytes.is_empty() {
            empty
        } else {
            error.to_string()
        };
        Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {what}",
            T::KIND
        ))
    }
}

/// Reads an object of one kind from JSON.
///
/// # Errors
/// 400.
pub fn object_of<T: Resource + DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let kind = text("kind").unwrap_or_else(|| T::KIND.to_owned());
    let version = text("apiVersion").unwrap_or_else(|| T::API_VERSION.to_owned());
    let refuse = |why: &str| {
        let message = format!(
            "{kind} in version {version:?} cannot be handled as a {}: {why}",
            T::KIND
        );
        Refusal::bad_request(message)
    };
    if kind != T::KIND || version != T::API_VERSION {
        let why = format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:110\""
        );
        return Err(refuse(&why));
    }
    serde_json::from_value(value).map_err(|error| refuse(&error.to_string()))
}

/// Checks the quantities of a pod, which the real server refuses while it reads the body.
///
/// # Errors
/// 400.
pub fn check_quantities(pod: &Pod) -> Result<(), Refusal> {
    let spec = pod.spec.as_ref();
    let init = spec
        .and_then(|spec| spec.init_containers.as_ref())
        .into_iter()
        .flatten();
    let containers = spec
        .map(|spec| spec.containers.iter())
        .into_iter()
        .flatten()
        .chain(init);
    for resources in containers.filter_map(|container| container.resources.as_ref()) {
        let all = [&resources.requests, &resources.limits];
        let mut quantities = all.into_iter().flatten().flat_map(|map| map.values());
        if quantities.any(|quantity| !is_quantity(&quantity.0)) {
            let message = "Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
            return Err(Refusal::bad_request(message));
        }
    }
    Ok(())
}

/// `^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$`
fn is_quantity(text: &str) -> bool {
    let sign = |c: char| c == '+' || c == '-';
    let unsigned = text.strip_prefix(sign).unwrap_or(text);
    let suffix = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let exponent = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let digits = exponent.strip_prefix(sign).unwrap_or(exponent);
    suffix.len() < unsigned.len() && digits.chars().all(|c| c.is_ascii_digit())
}

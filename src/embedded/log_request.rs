//! `GET .../pods/{name}/log`: which container, which run, and the real server's refusals.

use std::convert::Infallible;

use axum::body::Body as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::api::Api;
use super::event::Key;
use super::log_reader::{self, LogOptions};
use super::params::Params;
use super::path::Path;
use super::status_body::{Refusal, forbidden, invalid_number};

/// Answers with the text of a container's log.
///
/// # Errors
/// 400, 404, 422 in the real server's words.
pub async fn serve(
    State(api): State<Api>,
    Path(key): Path<Key>,
    params: Params,
) -> Result<Response, Refusal> {
    let options = options(&key.1, &params, api.store.clock().precise())?;
    let pod = api.store.get::<Pod>(&key)?.object;
    let container = container(&pod, &key.1, params.text("container"))?;
    let spec = pod.spec.as_ref();
    if spec
        .and_then(|spec| spec.node_name.as_deref())
        .unwrap_or_default()
        .is_empty()
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let previous = params.flag("previous");
    let in_last_state = check_state(&pod, &key.1, &container, previous)?;
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let older = in_last_state && api.logs.find(uid, &container, true).is_some() && previous;
    let body = match api.logs.find(uid, &container, older) {
        Some(log) => {
            let chunks = log_reader::read(log, options, api.stop);
            let chunks = stream::unfold(chunks, |mut chunks| async move {
                Some((chunks.recv().await?, chunks))
            });
            Answer::from_stream(chunks.map(Ok::<_, Infallible>))
        }
        None => Answer::empty(),
    };
    Ok(([(CONTENT_TYPE, "text/plain")], body).into_response())
}

fn options(name: &str, params: &Params, now: Timestamp) -> Result<LogOptions, Refusal> {
    let tail = params.number("tailLines")?;
    let limit = params.number("limitBytes")?;
    let seconds = params.number("sinceSeconds")?;
    let since_text = params.text("sinceTime");
    let since_time: Option<Timestamp> = if since_text.is_empty() {
        None
    } else {
        let parsed = since_text.parse().map_err(|error| {
            Refusal::bad_request(format!("parsing time {since_text:?} as RFC 3339: {error}"))
        });
        Some(parsed?)
    };
    let mut causes = Vec::new();
    if let Some(tail) = tail.filter(|tail| *tail < 0) {
        causes.push(invalid_number(
            "tailLines",
            tail,
            "must be greater than or equal to 0",
        ));
    }
    for (field, value) in [("limitBytes", limit), ("sinceSeconds", seconds)] {
        if let Some(value) = value.filter(|value| *value < 1) {
            causes.push(invalid_number(field, value, "must be greater than 0"));
        }
    }
    if seconds.is_some() && since_time.is_some() {
        let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        causes.push(forbidden("[]", why));
    }
    // As on a server of 1.34 without the feature gate PodLogsQuerySplitStreams, which is off there.
    if !params.text("stream").is_empty() {
        causes.push(forbidden("stream", "may not be specified"));
    }
    if !causes.is_empty() {
        return Err(Refusal::invalid("", "PodLogOptions", name, causes));
    }
    let ago = |seconds| now.checked_sub(SignedDuration::from_secs(seconds)).ok();
    let size = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
    Ok(LogOptions {
        follow: params.flag("follow"),
        tail: size(tail),
        limit: size(limit),
        timestamps: params.flag("timestamps"),
        since: seconds.and_then(ago).or(since_time),
    })
}

/// The container that is meant.
fn container(pod: &Pod, name: &str, wanted: &str) -> Result<String, Refusal> {
    let spec = pod.spec.clone().unwrap_or_default();
    let names: Vec<String> = spec.containers.into_iter().map(|one| one.name).collect();
    let init: Vec<String> = spec
        .init_containers
        .unwrap_or_default()
        .into_iter()
        .map(|one| one.name)
        .collect();
    if names.iter().chain(&init).any(|one| one == wanted) {
        return Ok(wanted.to_owned());
    }
    if !wanted.is_empty() {
        return Err(Refusal::bad_request(format!(
            "container {wanted} is not valid for pod {name}"
        )));
    }
    if let [only] = names.as_slice() {
        return Ok(only.clone());
    }
    let mut message = format!(
        "a container name must be specified for pod {name}, choose one of: [{}]",
        names.join(" ")
    );
    if !init.is_empty() {
        message.extend([" or one of the init containers: [", &init.join(" "), "]"]);
    }
    Err(Refusal::bad_request(message))
}

/// Refuses the log of a container that has not run; true when the wanted run is the one before.
fn check_state(pod: &Pod, name: &str, container: &str, previous: bool) -> Result<bool, Refusal> {
    let status = pod.status.clone().unwrap_or_default();
    let all: Vec<ContainerStatus> = [status.init_container_statuses, status.container_statuses]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let found = all.into_iter().find(|one| one.name == container);
    let ended_before = found
        .as_ref()
        .and_then(|one| one.last_state.as_ref())
        .is_some_and(|last| last.terminated.is_some());
    if previous {
        let message =
            format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return if ended_before {
            Ok(true)
        } else {
            Err(Refusal::bad_request(message))
        };
    }
    let state = found.and_then(|one| one.state).unwrap_or_default();
    if state.running.is_some() || state.terminated.is_some() || ended_before {
        return Ok(false);
    }
    let reason = state
        .waiting
        .and_then(|waiting| waiting.reason)
        .unwrap_or_else(|| "ContainerCreating".to_owned());
    Err(Refusal::bad_request(format!(
        "container \"{container}\" in pod \"{name}\" is waiting to start: {reason}"
    )))
}

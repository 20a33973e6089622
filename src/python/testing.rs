//! What the pytest plugin needs of a cluster beside runs: plain requests, a kubeconfig for one namespace, verdicts.

use std::path::PathBuf;

use kube::config::{Kubeconfig, NamedContext};
use pyo3::prelude::*;

use super::cluster::PyCluster;
use super::outcome::PyVerdict;
use super::runtime::current;
use super::{convert, errors};
use crate::cluster::Cluster;
use crate::cluster::config_error::problem;
use crate::cluster::retry::once;
use crate::error::{Error, Result};
use crate::pod_view::PodView;
use crate::verdict::{State, judge};

/// Sends one request to a cluster's API server and gives the text of its answer.
#[pyfunction]
#[pyo3(signature = (cluster, method, path, body = None))]
pub(super) fn api_request(
    py: Python<'_>,
    cluster: &PyCluster,
    method: &str,
    path: &str,
    body: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let body = match body {
        Some(body) => convert::value(body, "body")?.to_string(),
        None => String::new(),
    };
    // A merge patch serves what a test changes.
    let media = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, media)
        .body(body.into_bytes())
        .map_err(|error| pyo3::exceptions::PyValueError::new_err(format!("{path}: {error}")))?;
    let (runtime, _) = current(py)?;
    let cluster = cluster.cluster();
    py.detach(|| runtime.block_on(send(&cluster, request, path)))
        .map_err(|error| errors::from(py, error))
}

async fn send(cluster: &Cluster, request: http::Request<Vec<u8>>, path: &str) -> Result<String> {
    let connection = cluster.connect().await?;
    once(connection.client().request_text(request))
        .await
        .map_err(|failure| failure.into_error("asking for", path, connection.server()))
}

/// A kubeconfig's text with another namespace in its current context, which becomes the only one.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "pyo3 gives paths by value")]
pub(super) fn kubeconfig_with_namespace(
    py: Python<'_>,
    kubeconfig: PathBuf,
    namespace: &str,
) -> PyResult<String> {
    with_namespace(&kubeconfig, namespace).map_err(|problem| {
        let hint = "Name a kubeconfig with a current context".to_owned();
        let problem = format!("{}: {problem}", kubeconfig.display());
        errors::from(py, Error::Config { problem, hint })
    })
}

fn with_namespace(path: &std::path::Path, namespace: &str) -> std::result::Result<String, String> {
    // What it names by a relative path is found from everywhere then.
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    let mut kubeconfig = Kubeconfig::read_from(path).map_err(|error| problem(&error))?;
    let current = kubeconfig.current_context.clone().unwrap_or_default();
    kubeconfig.contexts.retain(|one| one.name == current);
    let [
        NamedContext {
            context: Some(context),
            ..
        },
    ] = kubeconfig.contexts.as_mut_slice()
    else {
        return Err(format!("it has no context {current:?}"));
    };
    context.namespace = Some(namespace.to_owned());
    serde_json::to_string(&kubeconfig).map_err(|error| error.to_string())
}

/// The verdict on a pod that has ended, or on one that waits for something that Kubernetes names; None for others.
#[pyfunction]
pub(super) fn pod_verdict(pod: &Bound<'_, PyAny>) -> PyResult<Option<PyVerdict>> {
    let py = pod.py();
    let value = convert::pod(pod)?;
    let never = value["spec"]["restartPolicy"] == "Never";
    let mut value = value;
    if value["status"].is_null() {
        value["status"] = serde_json::json!({});
    }
    let view: PodView = serde_json::from_value(value).map_err(|error| {
        let problem = error.to_string();
        let field = "pod".to_owned();
        errors::from(py, Error::InvalidPod { field, problem })
    })?;
    Ok(match judge(&view, !never) {
        State::Ended { verdict, .. } => Some(verdict.into()),
        State::Waiting(Some(waiting)) | State::Gated(waiting) => Some(waiting.verdict().into()),
        State::Waiting(None) | State::Running => None,
    })
}

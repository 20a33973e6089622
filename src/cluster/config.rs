//! Where the cluster is and who we are there: kubeconfig, context, or the pod's own service account.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use tower::timeout::TimeoutLayer;
use tower::util::{AndThenLayer, MapRequestLayer};
use tower::{BoxError, ServiceBuilder};

use super::admission::MaxPods;
use super::requests::Requests;
use super::retry::REQUEST_TIMEOUT;
use super::retry_after;
use crate::error::{Error, Result};
use crate::signals::unblocked;

/// Which cluster, as whom, and where in it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A kubeconfig file; else `$KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; else its current one.
    pub context: Option<String>,
    /// The namespace of pods that name none; else the context's or the service account's, else `default`.
    pub namespace: Option<String>,
    /// The most pods in flight.
    pub max_pods: MaxPods,
}

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be silent. A watch is told something (a bookmark, its own end) more often than that.
const READ_TIMEOUT: Duration = Duration::from_secs(40);

/// A client and the server's address. Files and credential plugins are read on a thread that may block.
pub(super) async fn client(
    options: Options,
    requests: Arc<Requests>,
) -> Result<(kube::Client, String)> {
    let handle = tokio::runtime::Handle::current();
    let build = move || unblocked(|| handle.block_on(build(&options, requests)));
    tokio::task::spawn_blocking(build)
        .await
        .map_err(|error| Error::Internal {
            step: "loading the cluster's configuration",
            problem: error.to_string(),
        })?
}

async fn build(options: &Options, requests: Arc<Requests>) -> Result<(kube::Client, String)> {
    let mut config = load(options).await?;
    if let Some(namespace) = &options.namespace {
        config.default_namespace.clone_from(namespace);
    }
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // kube repeats 429, 503 and 504 by itself, POST included; cluster::retry knows what may be repeated.
    config.default_retry = false;
    let server = config
        .cluster_url
        .to_string()
        .trim_end_matches('/')
        .to_owned();
    let builder = ClientBuilder::try_from(config).map_err(|error| credentials(&error))?;
    let count = MapRequestLayer::new(move |request: Request<Body>| {
        requests.count(&request);
        request
    });
    let client = builder
        .with_layer(&TimeoutLayer::new(REQUEST_TIMEOUT))
        .with_layer(&AndThenLayer::new(retry_after::into_status))
        .with_layer(&count)
        .build();
    Ok((client, server))
}

/// A client of a service in this process. As with a connection, an answer has to begin within [`REQUEST_TIMEOUT`]: that
/// of a watch begins at once too.
pub(super) fn in_process<S, B>(service: S, requests: Arc<Requests>) -> kube::Client
where
    S: tower::Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + Sync,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = ServiceBuilder::new()
        .map_request(move |request: Request<Body>| {
            requests.count(&request);
            request
        })
        .and_then(retry_after::into_status)
        .layer(TimeoutLayer::new(REQUEST_TIMEOUT))
        .map_err(Into::into)
        .service(service);
    kube::Client::new(service, "default")
}

/// The configuration, looked for as kubectl and client-go do; the service account only when nothing is named.
async fn load(options: &Options) -> Result<Config> {
    let named = options.kubeconfig.is_some() || options.context.is_some();
    if !named && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && !kubeconfig_is_set() {
        return Config::incluster().map_err(|error| Error::Config {
            problem: format!("the pod's service account cannot be used: {error}"),
            hint: "Let the pod mount its service account's token, or name a kubeconfig".to_owned(),
        });
    }
    let path = options.kubeconfig.as_deref();
    let kubeconfig = match path {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    }
    .map_err(|error| kubeconfig_error(path, &error))?;
    let wanted = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    let contexts: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    Config::from_custom_kubeconfig(kubeconfig, &wanted)
        .await
        .map_err(|error| context_error(&error, options.context.as_deref(), &contexts))
}

/// Whether the operator pointed at a kubeconfig: that goes before the service account that every pod has.
fn kubeconfig_is_set() -> bool {
    std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty())
}

fn kubeconfig_error(path: Option<&Path>, error: &KubeconfigError) -> Error {
    let named = path
        .map(|path| format!("{}: ", path.display()))
        .unwrap_or_default();
    Error::Config {
        problem: format!("{named}{error}"),
        hint: "Name a kubeconfig (kubeconfig=, $KUBECONFIG or ~/.kube/config), or run inside a pod"
            .to_owned(),
    }
}

fn context_error(error: &KubeconfigError, context: Option<&str>, contexts: &[String]) -> Error {
    match (error, context) {
        (KubeconfigError::LoadContext(_), Some(context)) => Error::Config {
            problem: format!("the kubeconfig has no context {context:?}"),
            hint: format!("Its contexts are {contexts:?}"),
        },
        (KubeconfigError::CurrentContextNotSet, _) => Error::Config {
            problem: "the kubeconfig has no current context".to_owned(),
            hint: format!("Name one of its contexts: {contexts:?}"),
        },
        _ => Error::Config {
            problem: error.to_string(),
            hint: "See 'kubectl config view'".to_owned(),
        },
    }
}

/// Credentials that cannot be had. The output of a credential plugin may hold a token, so it is not repeated.
fn credentials(error: &kube::Error) -> Error {
    let problem = match error {
        kube::Error::Auth(kube::client::AuthError::AuthExecRun { cmd, out, .. }) => {
            format!("the credential plugin {cmd:?} failed ({})", out.status)
        }
        other => other.to_string(),
    };
    Error::Config {
        problem,
        hint: "See 'kubectl config view' and try 'kubectl get pods' as the same user".to_owned(),
    }
}

//! Where the cluster is and who we are there: kubeconfig, context, or the pod's own service account.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Uri};
use kube::config::{AuthInfo, Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::admission::MaxPods;
use super::proxy::proxy;
use super::requests::Requests;
use super::{config_error, transport};
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

/// The token that a pod has of its service account.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// How long files and a credential plugin may take; a person who logs in takes longer, and none is at a service.
const LOADING: Duration = Duration::from_mins(1);

/// A client and the server's address. Files and credential plugins are read on a thread that may block.
pub(super) async fn client(
    options: Options,
    requests: Arc<Requests>,
) -> Result<(kube::Client, String)> {
    let handle = tokio::runtime::Handle::current();
    let build = move || unblocked(|| handle.block_on(build(&options, requests)));
    timeout(LOADING, tokio::task::spawn_blocking(build))
        .await
        .map_err(|_| config_error::hangs(LOADING))?
        .map_err(|error| {
            // What a credential plugin prints is only looked at where a panic says what is wrong with it.
            if error.is_panic() {
                return config_error::no_header();
            }
            Error::Internal {
                step: "loading the cluster's configuration",
                problem: error.to_string(),
            }
        })?
}

async fn build(options: &Options, requests: Arc<Requests>) -> Result<(kube::Client, String)> {
    let mut config = load(options).await?;
    if let Some(namespace) = &options.namespace {
        config.default_namespace.clone_from(namespace);
    }
    let server = address(&config.cluster_url);
    if !matches!(config.cluster_url.scheme_str(), Some("http" | "https")) {
        return Err(config_error::no_address(&server));
    }
    choose_token(&mut config.auth_info);
    // kube panics on it.
    let token = config.auth_info.token.as_ref();
    if token.is_some_and(|token| HeaderValue::from_str(token.expose_secret()).is_err()) {
        return Err(config_error::no_header());
    }
    let plugin = config.auth_info.exec.as_ref();
    let plugin = plugin.and_then(|exec| exec.command.clone());
    let client = transport::client(config, requests)
        .map_err(|error| config_error::no_client(&error, plugin.as_deref()))?;
    Ok((client, server))
}

/// A server's address as it may be told: without a user, a password or a query.
fn address(server: &Uri) -> String {
    let scheme = server.scheme_str().unwrap_or("https");
    let host = server.host().unwrap_or_default();
    let port = server
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path = server.path().trim_end_matches('/');
    format!("{scheme}://{host}{port}{path}")
}

/// Chooses among several tokens as client-go does: a file's goes before one that is written beside it, and an empty one is none.
/// kube takes the written one, and sends the newline with which a file may end: then the token itself is taken, and the file is read
/// again when it is refused.
fn choose_token(user: &mut AuthInfo) {
    let is_empty = |token: &SecretString| token.expose_secret().is_empty();
    if user.token.as_ref().is_some_and(is_empty) {
        user.token = None;
    }
    let file = user.token_file.as_ref();
    let Some(content) = file.and_then(|file| std::fs::read_to_string(file).ok()) else {
        return;
    };
    let token = content.trim();
    if token.is_empty() {
        return;
    }
    user.token = None;
    if token != content {
        user.token_file = None;
        user.token = Some(token.to_owned().into());
    }
}

/// The configuration, looked for as kubectl and client-go do; the service account only when nothing is named.
async fn load(options: &Options) -> Result<Config> {
    let named = options.kubeconfig.is_some() || options.context.is_some();
    if !named && is_in_cluster() {
        return Config::incluster().map_err(|error| Error::Config {
            problem: format!("the pod's service account cannot be used: {error}"),
            hint: "Let the pod mount its service account's token, or name a kubeconfig".to_owned(),
        });
    }
    let path = options.kubeconfig.as_deref();
    let kubeconfig = match path {
        Some(path) => Kubeconfig::read_from(path),
        None => of_environment(),
    }
    .map_err(|error| config_error::unreadable(path, &error))?;
    let wanted = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    let contexts: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let unusable = |error| config_error::unusable(&error, options.context.as_deref(), &contexts);
    let explicit = proxy_url(&kubeconfig, options.context.as_deref());
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &wanted)
        .await
        .map_err(unusable)?;
    let proxy = proxy(explicit.as_deref(), &config.cluster_url).map(|url| url.parse());
    config.proxy_url = proxy
        .transpose()
        .map_err(|error| unusable(KubeconfigError::ParseProxyUrl(error)))?;
    Ok(config)
}

/// Whether the service account's token is what is meant: nobody has named a kubeconfig, and the pod has a token or nothing else. As
/// client-go does, a pod that mounts none goes by `~/.kube/config`.
fn is_in_cluster() -> bool {
    let has_token = || Path::new(TOKEN).exists();
    let has_file = || {
        let home = std::env::home_dir();
        home.is_some_and(|home| home.join(".kube/config").exists())
    };
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        && !kubeconfig_is_set()
        && (has_token() || !has_file())
}

/// The `proxy-url` of a context's cluster.
fn proxy_url(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let context = context.or(kubeconfig.current_context.as_deref())?;
    let named = kubeconfig.contexts.iter().find(|one| one.name == context)?;
    let cluster = &named.context.as_ref()?.cluster;
    let named = kubeconfig
        .clusters
        .iter()
        .find(|one| one.name == *cluster)?;
    named.cluster.as_ref()?.proxy_url.clone()
}

/// The files of `$KUBECONFIG`, merged, else `~/.kube/config`. As with kubectl, files that are not there are passed over as long
/// as one is.
fn of_environment() -> std::result::Result<Kubeconfig, KubeconfigError> {
    let named = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let mut there = std::env::split_paths(&named)
        .filter(|path| path.exists())
        .peekable();
    if there.peek().is_none() {
        return Kubeconfig::read();
    }
    there.try_fold(Kubeconfig::default(), |merged, path| {
        let mut next = Kubeconfig::read_from(path)?;
        // As kubectl writes a file that has none.
        next.current_context = next.current_context.filter(|context| !context.is_empty());
        merged.merge(next)
    })
}

/// Whether the operator pointed at a kubeconfig: that goes before the service account that every pod has.
fn kubeconfig_is_set() -> bool {
    std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty())
}

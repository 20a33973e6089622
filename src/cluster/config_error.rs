//! What is told of a configuration that cannot be used. It may be read by students, and a kubeconfig, a credential plugin's
//! environment, its output, and a proxy's address may all hold secrets: only what is known to hold none is repeated.

use std::path::Path;
use std::time::Duration;

use kube::client::AuthError;
use kube::config::KubeconfigError;

use crate::error::Error;

/// A kubeconfig that cannot be read.
pub(super) fn unreadable(path: Option<&Path>, error: &KubeconfigError) -> Error {
    let named = path
        .map(|path| format!("{}: ", path.display()))
        .unwrap_or_default();
    Error::Config {
        problem: format!("{named}{}", problem(error)),
        hint: "Name a kubeconfig (kubeconfig=, $KUBECONFIG or ~/.kube/config), or run inside a pod"
            .to_owned(),
    }
}

/// A context that cannot be used.
pub(super) fn unusable(
    error: &KubeconfigError,
    context: Option<&str>,
    contexts: &[String],
) -> Error {
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
            problem: problem(error),
            hint: "See 'kubectl config view'".to_owned(),
        },
    }
}

/// A client that cannot be made, for the most part since its credentials cannot be had; `plugin`: the program of the credential
/// plugin.
pub(super) fn no_client(error: &kube::Error, plugin: Option<&str>) -> Error {
    let problem = match error {
        kube::Error::Auth(AuthError::InvalidBearerToken(_)) => return no_header(),
        kube::Error::Auth(error) => of_user(error, plugin),
        kube::Error::ProxyProtocolUnsupported { .. } => {
            "the proxy's address is none of http://, https:// and socks5://".to_owned()
        }
        other => other.to_string(),
    };
    of_credentials(problem)
}

/// Why a user's credentials cannot be had; `plugin`: the program of the credential plugin, where it is known.
pub(super) fn of_user(error: &AuthError, plugin: Option<&str>) -> String {
    let plugin = plugin.map_or_else(
        || "the credential plugin".to_owned(),
        |program| format!("the credential plugin {program:?}"),
    );
    match error {
        AuthError::AuthExecRun { out, .. } => format!("{plugin} failed ({})", out.status),
        AuthError::AuthExecStart(error) => format!("{plugin} does not start: {error}"),
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            format!("what {plugin} prints is no ExecCredential with a status")
        }
        AuthError::ReadTokenFile(error, path) => {
            let path = path.display();
            format!("the token's file {path} cannot be read: {error}")
        }
        AuthError::MissingCommand => "the credential plugin has no command".to_owned(),
        _ => "the user's credentials cannot be used".to_owned(),
    }
}

/// A server that is not talked to by HTTP.
pub(super) fn no_address(server: &str) -> Error {
    Error::Config {
        problem: format!(
            "the API server's address {server} begins with neither http:// nor https://"
        ),
        hint: "See 'kubectl config view'".to_owned(),
    }
}

/// A credential plugin, or a file system, that does not answer.
pub(super) fn hangs(limit: Duration) -> Error {
    of_credentials(format!(
        "the kubeconfig's credential plugin, or a file that it names, has not answered within {} s",
        limit.as_secs()
    ))
}

/// A token that cannot be sent.
pub(super) fn no_header() -> Error {
    of_credentials("the token has a character that no HTTP header may have".to_owned())
}

fn of_credentials(problem: String) -> Error {
    Error::Config {
        problem,
        hint: "See 'kubectl config view' and try 'kubectl get pods' as the same user".to_owned(),
    }
}

/// What is wrong with a kubeconfig.
pub(crate) fn problem(error: &KubeconfigError) -> String {
    match error {
        // Its own text shows the lines around the fault.
        KubeconfigError::Parse(error) => {
            let place = error
                .location()
                .map(|at| format!(", at line {}, column {}", at.line(), at.column()));
            format!(
                "it is no YAML, or a field of it has the wrong type{}",
                place.unwrap_or_default()
            )
        }
        KubeconfigError::ParseProxyUrl(_) => {
            "the proxy's address (proxy-url, HTTPS_PROXY) is no URL".to_owned()
        }
        other => other.to_string(),
    }
}

//! The proxy on the way to an API server, chosen as client-go does: the kubeconfig's `proxy-url`, else the environment's
//! `HTTPS_PROXY` or `HTTP_PROXY`, which is not for loopback addresses and what `NO_PROXY` names (Go, `net/http`,
//! `ProxyFromEnvironment`). kube's own choice compares `NO_PROXY` with the proxy's address instead of the server's. Inside a
//! cluster, by a service account, no proxy is used.

use std::net::IpAddr;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The proxy's address; `None` where the server is talked to directly. `explicit`: the kubeconfig's.
pub(super) fn proxy(explicit: Option<&str>, server: &Uri) -> Option<String> {
    if let Some(explicit) = explicit.filter(|url| !url.is_empty()) {
        return Some(explicit.to_owned());
    }
    if is_loopback(server) || Matcher::from_env().intercept(server).is_none() {
        return None;
    }
    let names = if server.scheme_str() == Some("http") {
        ["HTTP_PROXY", "http_proxy"]
    } else {
        ["HTTPS_PROXY", "https_proxy"]
    };
    let mut set = names.iter().filter_map(|name| std::env::var(name).ok());
    set.find(|url| !url.is_empty())
        // As in Go, an address without a scheme is that of an HTTP proxy.
        .map(|url| {
            if url.contains("://") {
                url
            } else {
                format!("http://{url}")
            }
        })
}

fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

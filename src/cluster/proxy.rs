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
    if is_loopback(server) || is_spared(server) {
        return None;
    }
    let names = if server.scheme_str() == Some("http") {
        ["HTTP_PROXY", "http_proxy"]
    } else {
        ["HTTPS_PROXY", "https_proxy"]
    };
    first_set(&names)
        // As in Go, an address without a scheme is that of an HTTP proxy.
        .map(|url| {
            if url.contains("://") {
                url
            } else {
                format!("http://{url}")
            }
        })
}

fn first_set(names: &[&str]) -> Option<String> {
    let mut set = names.iter().filter_map(|name| std::env::var(name).ok());
    set.find(|value| !value.is_empty())
}

/// Whether `NO_PROXY` names the server. Go's forms that hyper's matcher does not have are put in its own words: a port, which
/// must be the server's, and `*.` before a domain.
fn is_spared(server: &Uri) -> bool {
    let named = first_set(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
    let entries = named.split(',').filter_map(|entry| {
        let entry = entry.trim();
        let entry = match entry.rsplit_once(':') {
            // More than one colon without brackets is an IPv6 address.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let is_its = port.parse() == Ok(port_of(server));
                is_its.then(|| host.trim_matches(['[', ']']))?
            }
            _ => entry,
        };
        Some(
            entry
                .strip_prefix('*')
                .filter(|rest| rest.starts_with('.'))
                .unwrap_or(entry),
        )
    });
    let spared: Vec<_> = entries.collect();
    // Any proxy will do: whether there is one is asked elsewhere.
    let matcher = Matcher::builder()
        .all("http://proxy.invalid")
        .no(spared.join(","));
    matcher.build().intercept(server).is_none()
}

fn port_of(server: &Uri) -> u16 {
    let default = if server.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    server.port_u16().unwrap_or(default)
}

fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

//! For how long a pod has been finished, by the API server's clock alone.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::pod_view::PodView;

/// When anything about a pod last changed: the API server notes the time of each writer's last change in
/// `metadata.managedFields` ("Server-Side Apply", field management), the kubelet's status updates included. A server that
/// keeps none (the embedded one) is on one machine with its kubelet, whose times are then as good.
pub(super) fn last_change(written: &Written, pod: &PodView) -> Option<Timestamp> {
    let times = written
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .filter_map(|field| field.time.as_ref()?.parse().ok());
    times.max().or_else(|| latest_end(pod))
}

/// What an object says of its writers.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    metadata: Writers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Writers {
    managed_fields: Option<Vec<Writer>>,
}

#[derive(Debug, Deserialize)]
struct Writer {
    time: Option<String>,
}

fn latest_end(pod: &PodView) -> Option<Timestamp> {
    let ends = pod.containers().iter().filter_map(|status| {
        let end = status.state.as_ref()?.terminated.as_ref()?;
        Some(end.finished_at.as_ref()?.0)
    });
    ends.max()
}

/// The time of an HTTP `Date` header (RFC 9110, 5.6.7).
pub(super) fn date(header: Option<&http::HeaderValue>) -> Option<Timestamp> {
    let text = header?.to_str().ok()?;
    let parsed = k8s_openapi::jiff::fmt::rfc2822::parse(text).ok()?;
    Some(parsed.timestamp())
}

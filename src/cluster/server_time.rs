//! Times of the API server's own clock: of its answers, and of what was written to an object.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

/// What an object says of its writers: the API server notes the time of each one's last change in `metadata.managedFields`
/// ("Server-Side Apply", field management), the kubelet's status updates included. The embedded server notes none.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Written {
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
    subresource: Option<String>,
}

impl Written {
    /// When anything about the object last changed.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.last_of(|_| true)
    }

    /// When its status last changed.
    pub(crate) fn last_status(&self) -> Option<Timestamp> {
        self.last_of(|writer| writer.subresource.as_deref() == Some("status"))
    }

    fn last_of(&self, is_wanted: impl Fn(&Writer) -> bool) -> Option<Timestamp> {
        let writers = self.metadata.managed_fields.iter().flatten();
        let wanted = writers.filter(|writer| is_wanted(writer));
        wanted
            .filter_map(|writer| writer.time.as_ref()?.parse().ok())
            .max()
    }
}

/// The time of an HTTP `Date` header (RFC 9110, 5.6.7).
pub(crate) fn date(header: Option<&http::HeaderValue>) -> Option<Timestamp> {
    let text = header?.to_str().ok()?;
    let parsed = k8s_openapi::jiff::fmt::rfc2822::parse(text).ok()?;
    Some(parsed.timestamp())
}

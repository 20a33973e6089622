//! The pods of an instance, page by page, and the time at the server.

use http::header::DATE;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{ListParams, Request};
use kube::client::Body;
use kube::core::Status;
use serde::Deserialize;
use serde_json::Value;

use super::age;
use crate::cluster::Connection;
use crate::cluster::retry::{Failure, OUTAGE, once};
use crate::manifest::labels;
use crate::pod_view::PodView;

/// How many pods a page has, as kubectl asks for.
const PAGE: u32 = 500;

/// A pod, and when it last changed.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) view: PodView,
    pub(super) last_change: Option<Timestamp>,
}

/// All pods of an instance, and the server's time where it tells one.
pub(super) async fn pods(
    connection: &Connection,
    namespace: &str,
    instance: &str,
) -> Result<(Vec<Listed>, Option<Timestamp>), Failure> {
    let selector = format!(
        "{}={},{}=kubegrader",
        labels::INSTANCE,
        crate::name::label_value(instance),
        labels::MANAGED_BY
    );
    let mut params = ListParams::default().labels(&selector).limit(PAGE);
    let (mut all, mut now) = (Vec::new(), None);
    loop {
        let ask = |client| page(client, namespace, &params);
        let (page, date) = match Box::pin(connection.ask(OUTAGE, ask)).await {
            Ok(answer) => answer,
            Err(Failure::Refused(status))
                if status.code == 410 && params.continue_token.is_some() =>
            {
                // The history that the next page was to come from is gone: from the beginning.
                params.continue_token = None;
                all.clear();
                continue;
            }
            Err(failure) => return Err(failure),
        };
        now = date.or(now);
        let items = page["items"].as_array().map(Vec::as_slice);
        for item in items.unwrap_or_default() {
            let view = PodView::deserialize(item)
                .map_err(|error| Failure::Hopeless(format!("an unreadable Pod: {error}")))?;
            let last_change = age::last_change(item, &view);
            all.push(Listed { view, last_change });
        }
        match page["metadata"]["continue"].as_str() {
            Some(token) if !token.is_empty() => params.continue_token = Some(token.to_owned()),
            _ => return Ok((all, now)),
        }
    }
}

/// One page. kube's own `list` does not show an answer's headers.
async fn page(
    client: Client,
    namespace: &str,
    params: &ListParams,
) -> Result<(Value, Option<Timestamp>), Failure> {
    let request = Request::new(format!("/api/v1/namespaces/{namespace}/pods"))
        .list(params)
        .map_err(|error| Failure::Hopeless(error.to_string()))?;
    let answer = async {
        let answer = client.send(request.map(Body::from)).await?;
        let (code, date) = (answer.status(), age::date(answer.headers().get(DATE)));
        let body = answer.into_body().collect_bytes().await?;
        Ok((code, date, body))
    };
    let (code, date, body) = once(answer).await?;
    if code.is_success() {
        return serde_json::from_slice(&body)
            .map(|page| (page, date))
            .map_err(|error| Failure::Unanswered(format!("half a list: {error}")));
    }
    // A proxy's answer is no Status.
    let status = serde_json::from_slice(&body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&body);
        Status::failure(&text, "").with_code(code.as_u16())
    });
    Err(Failure::of(kube::Error::Api(Box::new(status))))
}

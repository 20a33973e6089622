//! The pods of an instance, page by page, and the time at the server.

use http::header::DATE;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{ListParams, Request};
use kube::client::Body;
use kube::core::Status;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cluster::Connection;
use crate::cluster::retry::{Failure, OUTAGE, once};
use crate::cluster::server_time::{Written, date};
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

/// A page as it is read: its pods are decoded one after the other, since a page of whole ones takes many times the memory
/// of its text.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// A page of pods.
struct Page {
    pods: Vec<Listed>,
    next: Option<String>,
    date: Option<Timestamp>,
}

/// The pods of an instance that are to be kept, and the server's time where it tells one.
pub(super) async fn pods(
    connection: &Connection,
    namespace: &str,
    instance: &str,
    keep: impl Fn(&PodView) -> bool,
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
        let ask = |client| page(client, namespace, &params, &keep);
        let page = match Box::pin(connection.ask(OUTAGE, ask)).await {
            Ok(page) => page,
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
        now = page.date.or(now);
        all.extend(page.pods);
        params.continue_token = page.next;
        if params.continue_token.is_none() {
            return Ok((all, now));
        }
    }
}

/// One page. kube's own `list` does not show an answer's headers.
async fn page(
    client: Client,
    namespace: &str,
    params: &ListParams,
    keep: impl Fn(&PodView) -> bool,
) -> Result<Page, Failure> {
    let request = Request::new(format!("/api/v1/namespaces/{namespace}/pods"))
        .list(params)
        .map_err(|error| Failure::Hopeless(error.to_string()))?;
    let answer = async {
        let answer = client.send(request.map(Body::from)).await?;
        let (code, date) = (answer.status(), date(answer.headers().get(DATE)));
        let body = answer.into_body().collect_bytes().await?;
        Ok((code, date, body))
    };
    let (code, date, body) = once(answer).await?;
    if code.is_success() {
        let text: Text<'_> = serde_json::from_slice(&body)
            .map_err(|error| Failure::Unanswered(format!("half a list: {error}")))?;
        let pods = text.items.into_iter().flatten().map(listed);
        return Ok(Page {
            pods: pods
                .filter(|pod| pod.as_ref().map_or(true, |pod| keep(&pod.view)))
                .collect::<Result<_, _>>()?,
            next: text.metadata.continue_.filter(|token| !token.is_empty()),
            date,
        });
    }
    // A proxy's answer is no Status.
    let status = serde_json::from_slice(&body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&body);
        Status::failure(&text, "").with_code(code.as_u16())
    });
    Err(Failure::of(kube::Error::Api(Box::new(status))))
}

fn listed(text: &RawValue) -> Result<Listed, Failure> {
    let unreadable = |error| Failure::Hopeless(format!("an unreadable Pod: {error}"));
    let view: PodView = serde_json::from_str(text.get()).map_err(unreadable)?;
    let written: Written = serde_json::from_str(text.get()).map_err(unreadable)?;
    // A server that notes no times (the embedded one) is on one machine with its kubelet, whose times are then as good.
    let last_change = written.last().or_else(|| latest_end(&view));
    Ok(Listed { view, last_change })
}

fn latest_end(pod: &PodView) -> Option<Timestamp> {
    let ends = pod.containers().iter().filter_map(|status| {
        let end = status.state.as_ref()?.terminated.as_ref()?;
        Some(end.finished_at.as_ref()?.0)
    });
    ends.max()
}

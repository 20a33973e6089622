//! Watches: a stream of JSON lines, one an event, that begins where the client says.
//!
//! The words and the order are those of a 1.34 server. A watch costs one `Bytes` clone an event; a client
//! that reads slower than events come falls out of the history and is told so with `410 Expired`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::event::{Change, Event, event_line};
use super::selector::Selector;
use super::status_body::Refusal;
use super::store::{Snapshot, Store};

/// A real server sends bookmarks about once a minute.
const BOOKMARK_PERIOD: Duration = Duration::from_mins(1);
/// Without `timeoutSeconds` a real server ends a watch after 30 to 60 minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(45);

/// What one watch asks for.
#[derive(Debug, Clone, Default)]
pub struct WatchRequest {
    /// Only pods of this namespace; `None` for all.
    pub namespace: Option<String>,
    /// Only pods that match.
    pub selector: Selector,
    /// Events after this version; `None` or `Some(0)`: the pods of now first, as `ADDED`.
    pub version: Option<u64>,
    /// The pods of now first, then a bookmark that says that these were all.
    pub send_initial_events: bool,
    /// Send `BOOKMARK` events.
    pub bookmarks: bool,
    /// The watch ends after this time.
    pub timeout: Option<Duration>,
}

impl WatchRequest {
    /// Is this pod one of those that are watched?
    #[must_use]
    pub fn covers(&self, pod: &Pod) -> bool {
        let namespace = pod.metadata.namespace.as_deref();
        self.namespace
            .as_deref()
            .is_none_or(|wanted| namespace == Some(wanted))
            && self.selector.matches(pod)
    }

    /// The event as this watcher sees it: a pod that begins to match appears, one that stops to match goes.
    fn seen(&self, event: &Event) -> Option<Bytes> {
        let after = event.change != Change::Deleted && self.covers(&event.after.pod);
        let before = event
            .before
            .as_ref()
            .is_some_and(|before| self.covers(&before.pod));
        let change = match (before, after) {
            (false, false) => return None,
            (false, true) => Change::Added,
            (true, true) => Change::Modified,
            (true, false) => Change::Deleted,
        };
        if change == event.change {
            return Some(event.line.clone());
        }
        if change == Change::Deleted {
            // The watcher gets the last state that matched, under the version of the change that ended it.
            let mut pod = event.before.as_ref()?.pod.as_ref().clone();
            pod.metadata.resource_version = Some(event.after.version.to_string());
            return Some(event_line(
                change.word(),
                &serde_json::to_vec(&pod).unwrap_or_default(),
            ));
        }
        Some(event_line(change.word(), &event.after.json))
    }
}

/// The state of one open watch.
struct Watch {
    store: Arc<Store>,
    request: WatchRequest,
    pending: VecDeque<Bytes>,
    version: u64,
    latest: watch::Receiver<u64>,
    end: Instant,
    next_bookmark: Instant,
    stop: CancellationToken,
    over: bool,
}

/// The lines of a watch; the stream ends with the timeout, after an `ERROR`, or when the cluster stops.
pub fn lines(
    store: Arc<Store>,
    request: WatchRequest,
    stop: CancellationToken,
) -> impl Stream<Item = Bytes> + Send {
    let latest = store.latest();
    let start = Instant::now();
    let mut watch = Watch {
        end: start + request.timeout.unwrap_or(DEFAULT_TIMEOUT),
        next_bookmark: start + BOOKMARK_PERIOD,
        version: request.version.unwrap_or_default(),
        pending: VecDeque::new(),
        over: false,
        store,
        request,
        latest,
        stop,
    };
    watch.begin();
    stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((line, watch))
    })
}

impl Watch {
    fn begin(&mut self) {
        let fresh = self.version == 0;
        if !fresh && !self.request.send_initial_events {
            return;
        }
        let Snapshot { pods, version } = self.store.snapshot();
        let covered = pods
            .values()
            .filter(|stored| self.request.covers(&stored.pod));
        self.pending
            .extend(covered.map(|stored| event_line(Change::Added.word(), &stored.json)));
        self.version = version;
        if self.request.send_initial_events && self.request.bookmarks {
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            self.pending.push_back(bookmark(version, Some(annotations)));
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.pending.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.latest.mark_unchanged();
            self.fetch();
            if self.pending.is_empty() && !self.over {
                self.wait().await;
            }
        }
    }

    /// Takes the events since the last look.
    fn fetch(&mut self) {
        match self.store.events_after(self.version) {
            Ok((events, version)) => {
                self.pending
                    .extend(events.iter().filter_map(|event| self.request.seen(event)));
                self.version = self.version.max(version);
            }
            Err(oldest) => {
                let message = format!("too old resource version: {} ({oldest})", self.version);
                let status =
                    serde_json::to_vec(&Refusal::expired(message).status()).unwrap_or_default();
                self.pending.push_back(event_line("ERROR", &status));
                self.over = true;
            }
        }
    }

    async fn wait(&mut self) {
        let bookmarks = self.request.bookmarks;
        tokio::select! {
            changed = self.latest.changed() => self.over |= changed.is_err(),
            () = self.stop.cancelled() => self.over = true,
            () = sleep_until(self.end) => self.over = true,
            () = sleep_until(self.next_bookmark), if bookmarks => {
                self.next_bookmark = Instant::now() + BOOKMARK_PERIOD;
                self.pending.push_back(bookmark(self.version, None));
            }
        }
    }
}

fn bookmark(version: u64, annotations: Option<serde_json::Value>) -> Bytes {
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if let Some(annotations) = annotations {
        metadata["annotations"] = annotations;
    }
    let object = json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"containers": null}, "status": {},
    });
    event_line("BOOKMARK", object.to_string().as_bytes())
}

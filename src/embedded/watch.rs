//! Watches: a stream of JSON lines, one an event, that begins where the client says.
//!
//! The words and the order are those of a 1.34 server. A watch costs one `Bytes` clone an event; a client
//! that reads slower than events come falls out of the history and is told so with `410 Expired`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::event::{Change, Event, event_line};
use super::kind::Kind;
use super::selector::Selector;
use super::served::Served;
use super::status_body::Refusal;
use super::store::{Snapshot, Store};

/// A real server sends bookmarks about once a minute.
const BOOKMARK_PERIOD: Duration = Duration::from_mins(1);
/// The last bookmark comes so long before the end of a watch.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// Without `timeoutSeconds` a real server ends a watch after 30 to 60 minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(45);

/// What one watch asks for.
#[derive(Debug, Clone, Default)]
pub struct WatchRequest {
    /// Only objects of this namespace; empty for all.
    pub namespace: String,
    /// Only objects that match.
    pub selector: Selector,
    /// Events after this version; `None` or `Some(0)`: the objects of now first, as `ADDED`.
    pub version: Option<u64>,
    /// `true`: the objects of now first, then a bookmark that says that these were all; `false`: only what comes.
    pub send_initial_events: Option<bool>,
    /// Send `BOOKMARK` events.
    pub bookmarks: bool,
    /// The watch ends after this time.
    pub timeout: Option<Duration>,
}

impl WatchRequest {
    /// Is this object one of those that are watched?
    #[must_use]
    pub fn covers<T: Kind>(&self, object: &T) -> bool {
        let namespace = object.metadata().namespace.as_deref();
        (self.namespace.is_empty() || namespace == Some(&self.namespace))
            && self.selector.matches(object)
    }

    /// The event as this watcher sees it: an object that begins to match appears, one that stops to match goes.
    fn seen<T: Kind>(&self, event: &Event<T>) -> Option<Bytes> {
        let after = event.change != Change::Deleted && self.covers(&*event.after.object);
        let before = event
            .before
            .as_ref()
            .is_some_and(|before| self.covers(&*before.object));
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
            let mut object = event.before.as_ref()?.object.as_ref().clone();
            object.metadata_mut().resource_version = Some(event.after.version.to_string());
            return Some(event_line(change.word(), &object.json()));
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
pub fn lines<T: Served>(
    store: Arc<Store>,
    request: WatchRequest,
    stop: CancellationToken,
) -> impl Stream<Item = Bytes> + Send {
    let latest = store.latest::<T>();
    let start = Instant::now();
    let mut watch = Watch {
        end: start + request.timeout.unwrap_or(DEFAULT_TIMEOUT),
        next_bookmark: start,
        version: request.version.unwrap_or_default(),
        pending: VecDeque::new(),
        over: false,
        store,
        request,
        latest,
        stop,
    };
    watch.plan_bookmark(start);
    watch.begin::<T>();
    stream::unfold(watch, |mut watch| async move {
        let line = watch.next::<T>().await?;
        Some((line, watch))
    })
}

impl Watch {
    fn begin<T: Served>(&mut self) {
        let fresh = self.version == 0;
        let initial = self.request.send_initial_events;
        if !fresh && initial != Some(true) {
            return;
        }
        let Snapshot { objects, version } = self.store.snapshot::<T>();
        let covered = objects
            .values()
            .filter(|stored| initial != Some(false) && self.request.covers(&*stored.object));
        self.pending
            .extend(covered.map(|stored| event_line(Change::Added.word(), &stored.json)));
        self.version = version;
        if initial == Some(true) && self.request.bookmarks {
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            self.pending
                .push_back(bookmark::<T>(version, Some(annotations)));
        }
    }

    async fn next<T: Served>(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.pending.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.latest.mark_unchanged();
            self.fetch::<T>();
            if self.pending.is_empty() && !self.over {
                self.wait::<T>().await;
            }
        }
    }

    /// Takes the events since the last look.
    fn fetch<T: Served>(&mut self) {
        match self.store.events_after::<T>(self.version) {
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

    /// About once a minute, and shortly before the end.
    fn plan_bookmark(&mut self, now: Instant) {
        let last = self
            .end
            .checked_sub(LAST_BOOKMARK)
            .filter(|last| *last > now);
        let regular = now + BOOKMARK_PERIOD;
        self.next_bookmark = last.map_or(regular, |last| regular.min(last));
    }

    async fn wait<T: Served>(&mut self) {
        let bookmarks = self.request.bookmarks;
        tokio::select! {
            changed = self.latest.changed() => self.over |= changed.is_err(),
            () = self.stop.cancelled() => self.over = true,
            () = sleep_until(self.end) => self.over = true,
            () = sleep_until(self.next_bookmark), if bookmarks => {
                self.plan_bookmark(Instant::now());
                // Other kinds may have moved the version on, and a change of this kind must come first.
                self.fetch::<T>();
                self.pending.push_back(bookmark::<T>(self.version, None));
            }
        }
    }
}

fn bookmark<T: Served>(version: u64, annotations: Option<serde_json::Value>) -> Bytes {
    let mut object = T::nothing();
    object["kind"] = json!(T::KIND);
    object["apiVersion"] = json!(T::API_VERSION);
    object["metadata"] = json!({"resourceVersion": version.to_string()});
    if let Some(annotations) = annotations {
        object["metadata"]["annotations"] = annotations;
    }
    event_line("BOOKMARK", object.to_string().as_bytes())
}

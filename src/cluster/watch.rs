//! One watch for all pods of a namespace and an instance, and the news that it brings to each.
//!
//! Where the watch is forbidden, or fails, a pod's news come from reading it again and again: quickly at first, then
//! at the site's `poll_interval`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::core::Status;
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::locked;
use super::retry::{Failure, once};
use crate::manifest::labels;
use crate::pod_view::PodView;
use crate::step::Steps;

/// How long the API server keeps one watch request open, in seconds. A silent connection is found out 5 s later.
const WATCH_SECONDS: u32 = 60;
/// How long a forbidden watch is left alone: a Role may have been mended.
const FORBIDDEN_PAUSE: Duration = Duration::from_mins(5);
/// How long a pod's create waits for the watch to be open.
const OPENING: Duration = Duration::from_secs(2);
/// How long a watch that nobody needs is kept for the next pod.
const IDLE: Duration = Duration::from_mins(1);
/// The first pause between two reads of a pod that no watch tells of.
const FIRST_POLL: Duration = Duration::from_millis(50);

/// What is new about a pod.
#[derive(Debug, Clone)]
pub enum News {
    /// Its state.
    Pod(Arc<PodView>),
    /// It is no longer there; its last state where one was seen.
    Gone(Option<Arc<PodView>>),
}

/// Whether the watch can be relied upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// The first list is under way.
    Opening,
    /// Live.
    Clear,
    /// Forbidden or failing: whoever wants news has to ask.
    Blind,
}

/// What a slot was last told. `Unlisted`: a list did not show the pod, so that it is gone or newer than the list.
#[derive(Debug, Clone)]
enum Told {
    Nothing,
    Pod(Arc<PodView>),
    Gone(Arc<PodView>),
    Unlisted,
}

/// The watch; it ends when nobody has needed it for a while.
#[derive(Debug)]
pub(super) struct Watch {
    slots: Arc<Slots>,
    sight: watch::Receiver<Sight>,
    task: AbortHandle,
}

/// The pods that are waited for, by name; `None` once the watch has ended.
type Slots = Mutex<Option<HashMap<String, watch::Sender<Told>>>>;

impl Watch {
    /// `steps`: where trouble is told.
    pub(super) fn start(pods: Api<PodView>, instance: &str, steps: Steps) -> Arc<Self> {
        let slots = Arc::new(Mutex::new(Some(HashMap::new())));
        let (told, sight) = watch::channel(Sight::Opening);
        let config = watcher::Config::default()
            .labels(&format!("{}={instance}", labels::INSTANCE))
            .timeout(WATCH_SECONDS);
        let task =
            tokio::spawn(follow(pods, config, Arc::clone(&slots), told, steps)).abort_handle();
        Arc::new(Self { slots, sight, task })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    pods: Api<PodView>,
    config: watcher::Config,
    slots: Arc<Slots>,
    sight: watch::Sender<Sight>,
    steps: Steps,
) {
    let mut events = std::pin::pin!(watcher::watcher(pods, config));
    let mut listed = HashSet::new();
    let mut failures = 0;
    loop {
        let event = tokio::select! {
            Some(event) = events.next() => event,
            () = sleep(IDLE) => {
                if ends_unneeded(&slots) {
                    return;
                }
                continue;
            }
        };
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                if ends_unneeded(&slots) {
                    return;
                }
                failures += 1;
                sleep(trouble(&error, failures, &sight, &steps)).await;
                continue;
            }
        };
        match event {
            watcher::Event::Init => listed.clear(),
            watcher::Event::InitApply(pod) => {
                listed.extend(pod.metadata.name.clone());
                publish(&slots, pod, Told::Pod);
            }
            watcher::Event::InitDone => {
                failures = 0;
                // Of a pod that is created after the first list the watch tells; a later list may show that one is gone.
                if sight.send_replace(Sight::Clear) != Sight::Opening {
                    tell_unlisted(&slots, &listed);
                }
            }
            watcher::Event::Apply(pod) => {
                failures = 0;
                sight.send_if_modified(|sight| {
                    std::mem::replace(sight, Sight::Clear) != Sight::Clear
                });
                publish(&slots, pod, Told::Pod);
            }
            watcher::Event::Delete(pod) => publish(&slots, pod, Told::Gone),
        }
    }
}

/// Closes the watch if no pod is waited for.
fn ends_unneeded(slots: &Slots) -> bool {
    let mut slots = locked(slots);
    if slots.as_ref().is_some_and(|slots| !slots.is_empty()) {
        return false;
    }
    *slots = None;
    true
}

fn publish(slots: &Slots, pod: PodView, told: fn(Arc<PodView>) -> Told) {
    let slots = locked(slots);
    let slot = |name: &String| slots.as_ref()?.get(name);
    if let Some(slot) = pod.metadata.name.as_ref().and_then(slot) {
        slot.send_replace(told(Arc::new(pod)));
    }
}

fn tell_unlisted(slots: &Slots, listed: &HashSet<String>) {
    for (name, slot) in locked(slots).iter().flatten() {
        if !listed.contains(name) {
            slot.send_replace(Told::Unlisted);
        }
    }
}

/// Tells the operator once, makes those who wait ask for themselves, and says how long to pause.
fn trouble(
    error: &watcher::Error,
    failures: u32,
    sight: &watch::Sender<Sight>,
    steps: &Steps,
) -> Duration {
    use kube::Error::Api as Answer;
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    let code = match error {
        InitialListFailed(Answer(status))
        | WatchStartFailed(Answer(status))
        | WatchFailed(Answer(status))
        | WatchError(status) => status.code,
        _ => 0,
    };
    if code == 410 {
        // The history that the watch stood on is gone; kube's watcher lists anew.
        return Duration::ZERO;
    }
    let first =
        sight.send_if_modified(|sight| std::mem::replace(sight, Sight::Blind) != Sight::Blind);
    if code == 403 {
        if first {
            steps.warn(
                "watching pods is forbidden; each pod is read again and again instead, which is slower \
                 and costs more requests. Add the verbs \"list\" and \"watch\" on \"pods\" to the Role of this service account"
            );
        }
        return FORBIDDEN_PAUSE;
    }
    if first {
        steps.warn(&format!("watching pods failed and is tried again: {error}"));
    }
    let longest = Duration::from_millis(100) * 2_u32.pow(failures.min(6));
    rand::random_range(longest / 2..=longest)
}

/// News about one pod.
#[derive(Debug)]
pub struct Subscription {
    watch: Arc<Watch>,
    slot: watch::Receiver<Told>,
    sight: watch::Receiver<Sight>,
    pods: Api<PodView>,
    name: String,
    pause: Duration,
    /// A list did not show the pod: it is gone, or newer than the list.
    unsure: bool,
    /// The watch may not tell of the pod at all.
    reads: bool,
}

impl Subscription {
    /// `None` when the watch has ended.
    pub(super) fn new(watch: Arc<Watch>, pods: Api<PodView>, name: &str) -> Option<Self> {
        let slot = {
            let mut slots = locked(&watch.slots);
            let slot = slots.as_mut()?.entry(name.to_owned());
            slot.or_insert_with(|| watch::channel(Told::Nothing).0)
                .subscribe()
        };
        Some(Self {
            sight: watch.sight.clone(),
            watch,
            slot,
            pods,
            name: name.to_owned(),
            pause: FIRST_POLL,
            unsure: false,
            reads: false,
        })
    }

    /// Reads the pod besides what the watch tells: it may lack the label that the watch goes by.
    pub fn read_always(&mut self) {
        self.reads = true;
    }

    /// Waits until the watch is open, so that a pod created from now on cannot be missed; not for long, since a pod
    /// can be run without it.
    pub async fn opened(&mut self) {
        let opened = self.sight.wait_for(|sight| *sight != Sight::Opening);
        // Late or never: the pod is read instead.
        let _ = timeout(OPENING, opened).await;
    }

    /// The next news: from the watch, or, where it is blind, from reading the pod after a pause that grows up to
    /// `poll_interval`. Nothing is lost when the future is dropped.
    pub async fn next(&mut self, poll_interval: Duration) -> News {
        loop {
            let blind = self.sight.has_changed().is_err()
                || *self.sight.borrow_and_update() == Sight::Blind;
            let pause = self.pause.min(poll_interval);
            tokio::select! {
                biased;
                Ok(()) = self.slot.changed() => {
                    let told = self.slot.borrow_and_update().clone();
                    match told {
                        Told::Pod(pod) => return self.heard(News::Pod(pod)),
                        Told::Gone(pod) => return self.heard(News::Gone(Some(pod))),
                        Told::Nothing => {}
                        Told::Unlisted => self.unsure = true,
                    }
                }
                // A change of sight only has to be looked at.
                Ok(()) = self.sight.changed() => {}
                () = sleep(pause), if blind || self.unsure || self.reads => {
                    self.pause = (pause * 3 / 2).min(poll_interval);
                    if let Ok(news) = self.read().await {
                        return self.heard(news);
                    }
                }
                else => sleep(pause).await,
            }
        }
    }

    fn heard(&mut self, news: News) -> News {
        self.unsure = false;
        news
    }

    /// Reads the pod itself.
    ///
    /// # Errors
    /// The [`Failure`] of a read that was not answered; a pod that is not there is news and no failure.
    pub async fn read(&self) -> Result<News, Failure> {
        match once(self.pods.get(&self.name)).await {
            Ok(pod) => Ok(News::Pod(Arc::new(pod))),
            Err(Failure::Refused(status)) if is_gone(&status, &self.name) => Ok(News::Gone(None)),
            Err(failure) => Err(failure),
        }
    }
}

/// Whether a 404 is about the pod: one that lacks its node is answered with the node's name.
fn is_gone(status: &Status, name: &str) -> bool {
    status.code == 404
        && status
            .details
            .as_ref()
            .is_none_or(|details| details.name.is_empty() || details.name == name)
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut slots = locked(&self.watch.slots);
        let Some(slots) = slots.as_mut() else { return };
        if slots
            .get(&self.name)
            .is_some_and(|slot| slot.receiver_count() == 1)
        {
            slots.remove(&self.name);
        }
    }
}

//! One watch for all pods of a namespace and an instance, and the news that it brings to each.
//!
//! Where the watch is forbidden, or fails, a pod's news come from reading it again and again: quickly at first, then
//! at the site's `poll_interval`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::Api;
use kube::core::Status;
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::retry::Failure;
use super::seen::Seen;
use super::{Connection, locked};
use crate::manifest::labels;
use crate::name::label_value;
use crate::pod_view::PodView;
use crate::step::Steps;

/// How long the API server keeps one watch request open, in seconds. A silent connection is found out 5 s later.
const WATCH_SECONDS: u32 = 30;
/// How often all pods are listed anew, which finds what a watch did not tell. The list is shared as the watch is.
const RECONCILE: Duration = Duration::from_mins(5);
/// How long an answer 410 is remembered.
const EXPIRED_MEMORY: Duration = Duration::from_secs(30);
/// How long a read of a pod is tried.
const READ: Duration = Duration::from_secs(5);
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
    /// Forbidden or failing since then: whoever wants news has to ask.
    Blind(Instant),
}

impl Sight {
    fn is_blind(self) -> bool {
        matches!(self, Self::Blind(_))
    }
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
    seen: Arc<Seen>,
    sight: watch::Receiver<Sight>,
    task: AbortHandle,
}

/// The pods that are waited for, by name; `None` once the watch has ended.
type Slots = Mutex<Option<HashMap<String, watch::Sender<Told>>>>;

impl Watch {
    /// `steps`: where trouble is told.
    pub(super) fn start(
        connection: &Arc<Connection>,
        namespace: &str,
        instance: &str,
        steps: &Steps,
    ) -> Arc<Self> {
        let slots = Arc::new(Mutex::new(Some(HashMap::new())));
        let seen = Arc::<Seen>::default();
        let (told, sight) = watch::channel(Sight::Opening);
        let config = watcher::Config::default()
            .labels(&format!("{}={}", labels::INSTANCE, label_value(instance)))
            .timeout(WATCH_SECONDS);
        let follower = Follower {
            connection: Arc::downgrade(connection),
            namespace: namespace.to_owned(),
            config,
            slots: Arc::clone(&slots),
            seen: Arc::clone(&seen),
            sight: told,
            steps: steps.of_namespace(namespace),
            listed: HashSet::new(),
            failures: 0,
            expired: Vec::new(),
        };
        let task = tokio::spawn(follower.follow()).abort_handle();
        Arc::new(Self {
            slots,
            seen,
            sight,
            task,
        })
    }

    /// For how long those who wait have had no sight.
    pub(super) fn blind_for(&self) -> Duration {
        let is_needed = locked(&self.slots)
            .as_ref()
            .is_some_and(|slots| !slots.is_empty());
        match *self.sight.borrow() {
            Sight::Blind(since) if is_needed => since.elapsed(),
            _ => Duration::ZERO,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task behind a watch holds. The connection holds the watch, so it holds the connection weakly.
struct Follower {
    connection: Weak<Connection>,
    namespace: String,
    config: watcher::Config,
    slots: Arc<Slots>,
    seen: Arc<Seen>,
    sight: watch::Sender<Sight>,
    steps: Steps,
    listed: HashSet<String>,
    failures: u32,
    /// When the last answers 410 came.
    expired: Vec<Instant>,
}

/// What follows one stream of events.
enum Next {
    /// A new list, and a watch from there.
    Relist,
    /// Nothing: nobody needs the watch.
    End,
}

impl Follower {
    /// Lists and watches, again and again, until nobody needs it.
    async fn follow(mut self) {
        loop {
            let Some(connection) = self.connection.upgrade() else {
                return;
            };
            let (client, generation) = connection.current();
            drop(connection);
            let pods = Api::namespaced(client, &self.namespace);
            let events = watcher::watcher(pods, self.config.clone());
            match self.read(std::pin::pin!(events), generation).await {
                Next::Relist => {}
                Next::End => return,
            }
        }
    }

    /// Hands on the events of one watcher.
    async fn read(
        &mut self,
        mut events: std::pin::Pin<
            &mut impl Stream<Item = watcher::Result<watcher::Event<PodView>>>,
        >,
        generation: u64,
    ) -> Next {
        let reconcile = Instant::now() + RECONCILE.mul_f64(rand::random_range(0.8..1.2));
        loop {
            let event = tokio::select! {
                Some(event) = events.next() => event,
                () = sleep_until(reconcile) => return if ends_unneeded(&self.slots) { Next::End } else { Next::Relist },
                () = sleep(IDLE) => {
                    if ends_unneeded(&self.slots) {
                        return Next::End;
                    }
                    continue;
                }
            };
            match event {
                Ok(event) => self.hand_on(event),
                Err(error) => {
                    if ends_unneeded(&self.slots) {
                        return Next::End;
                    }
                    self.failures += 1;
                    let refused = code(&error) == 401;
                    // The first refusal is what a token that was renewed meets.
                    if !(refused && self.failures == 1) {
                        sleep(self.trouble(&error)).await;
                    }
                    if refused && self.renew(generation).await {
                        return Next::Relist;
                    }
                }
            }
        }
    }

    /// Whether there are other credentials than those that were refused.
    async fn renew(&self, refused: u64) -> bool {
        let Some(connection) = self.connection.upgrade() else {
            return false;
        };
        matches!(connection.renew(refused).await, Ok(true))
    }

    fn hand_on(&mut self, event: watcher::Event<PodView>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(pod) => {
                self.listed.extend(pod.metadata.name.clone());
                self.seen.note(&pod);
                publish(&self.slots, pod, Told::Pod);
            }
            watcher::Event::InitDone => {
                self.failures = 0;
                self.seen.keep_listed(&self.listed);
                // Of a pod that is created after the first list the watch tells; a later list may show that one is gone.
                if self.sight.send_replace(Sight::Clear) != Sight::Opening {
                    tell_unlisted(&self.slots, &self.listed);
                }
            }
            watcher::Event::Apply(pod) => {
                self.failures = 0;
                self.sight.send_if_modified(|sight| {
                    std::mem::replace(sight, Sight::Clear) != Sight::Clear
                });
                self.seen.note(&pod);
                publish(&self.slots, pod, Told::Pod);
            }
            watcher::Event::Delete(pod) => {
                self.seen.forget(&pod);
                publish(&self.slots, pod, Told::Gone);
            }
        }
    }

    /// Tells the operator once, makes those who wait ask for themselves, and says how long to pause.
    fn trouble(&mut self, error: &watcher::Error) -> Duration {
        let code = code(error);
        if code == 410 {
            // The history that the watch stood on is gone; kube's watcher lists anew.
            return self.next_expired();
        }
        let first = self.sight.send_if_modified(|sight| {
            let first = !sight.is_blind();
            if first {
                *sight = Sight::Blind(Instant::now());
            }
            first
        });
        if code == 403 {
            if first {
                self.steps.warn(
                    "watching pods is forbidden; each pod is read again and again instead, which is slower \
                     and costs more requests. Add the verbs \"list\" and \"watch\" on \"pods\" to the Role of this service account"
                );
            }
            return FORBIDDEN_PAUSE;
        }
        if first {
            self.steps
                .warn(&format!("watching pods failed and is tried again: {error}"));
        }
        pause(self.failures)
    }
}

impl Follower {
    /// No pause for one 410, and a growing one where it comes again and again.
    fn next_expired(&mut self) -> Duration {
        let now = Instant::now();
        self.expired.retain(|at| now - *at < EXPIRED_MEMORY);
        self.expired.push(now);
        match u32::try_from(self.expired.len()).unwrap_or(u32::MAX) {
            1 => Duration::ZERO,
            often => pause(often),
        }
    }
}

/// A pause with jitter that grows with the failures in a row, up to 6.4 s.
fn pause(failures: u32) -> Duration {
    let longest = Duration::from_millis(100) * 2_u32.pow(failures.min(6));
    rand::random_range(longest / 2..=longest)
}

/// The status code of a failed list or watch; 0 where there was no answer.
fn code(error: &watcher::Error) -> u16 {
    use kube::Error::Api as Answer;
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(Answer(status))
        | WatchStartFailed(Answer(status))
        | WatchFailed(Answer(status))
        | WatchError(status) => status.code,
        _ => 0,
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

/// News about one pod.
#[derive(Debug)]
pub struct Subscription {
    watch: Arc<Watch>,
    slot: watch::Receiver<Told>,
    sight: watch::Receiver<Sight>,
    connection: Arc<Connection>,
    namespace: String,
    name: String,
    pause: Duration,
    /// A list did not show the pod: it is gone, or newer than the list.
    unsure: bool,
    /// The watch may not tell of the pod at all.
    reads: bool,
    began: Instant,
}

impl Subscription {
    /// `None` when the watch has ended.
    pub(super) fn new(
        watch: Arc<Watch>,
        connection: &Arc<Connection>,
        namespace: &str,
        name: &str,
    ) -> Option<Self> {
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
            connection: Arc::clone(connection),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            pause: FIRST_POLL,
            unsure: false,
            reads: false,
            began: Instant::now(),
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

    /// The names of the submission's pods, by the value of its label; `None` where the watch is not live.
    #[must_use]
    pub fn pods_of(&self, submission: &str) -> Option<Vec<String>> {
        let is_live = self.sight.has_changed().is_ok() && *self.sight.borrow() == Sight::Clear;
        is_live.then(|| self.watch.seen.of(submission))
    }

    /// The next news: from the watch, or, where it is blind, from reading the pod after a pause that grows up to
    /// `poll_interval`. Nothing is lost when the future is dropped.
    pub async fn next(&mut self, poll_interval: Duration) -> News {
        loop {
            let blind = self.is_blind();
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
                    if let Ok(news) = self.read(READ).await {
                        return self.heard(news);
                    }
                }
                else => sleep(pause).await,
            }
        }
    }

    /// Whether the watch tells nothing: it has ended, failed, or was never opened.
    fn is_blind(&mut self) -> bool {
        if self.sight.has_changed().is_err() {
            return true;
        }
        match *self.sight.borrow_and_update() {
            Sight::Blind(_) => true,
            Sight::Opening => self.began.elapsed() >= OPENING,
            Sight::Clear => false,
        }
    }

    fn heard(&mut self, news: News) -> News {
        self.unsure = false;
        news
    }

    /// Reads the pod itself, trying for at most `limit`.
    ///
    /// # Errors
    /// The [`Failure`] of a read that was not answered; a pod that is not there is news and no failure.
    pub async fn read(&self, limit: Duration) -> Result<News, Failure> {
        let read = |client| async move {
            let pods: Api<PodView> = Api::namespaced(client, &self.namespace);
            match pods.get(&self.name).await.map_err(Failure::of) {
                Ok(pod) => Ok(News::Pod(Arc::new(pod))),
                Err(Failure::Refused(status)) if is_gone(&status, &self.name) => {
                    Ok(News::Gone(None))
                }
                Err(failure) => Err(failure),
            }
        };
        self.connection.ask(limit, read).await
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

//! One watch for all pods of a namespace and an instance: listed, watched, and begun anew until nobody needs it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::Api;
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::retry::told;
use super::seen::Seen;
use super::vigil::Vigil;
use super::{Connection, locked};
use crate::manifest::labels;
use crate::name::label_value;
use crate::pod_view::PodView;
use crate::step::Steps;

/// How long the API server keeps one watch request open, in seconds. A silent connection is found out 5 s later.
pub(super) const WATCH_SECONDS: u32 = 30;
/// How often all pods are listed anew, which finds what a watch did not tell. The list is shared as the watch is.
const RECONCILE: Duration = Duration::from_mins(5);
/// How long an answer 410 is remembered.
const EXPIRED_MEMORY: Duration = Duration::from_secs(30);
/// How long a forbidden watch is left alone, as are events and Leases: a Role may have been mended, or the API server has just
/// begun and known none yet (kubernetes/kubernetes#121635).
pub(crate) const FORBIDDEN_PAUSE: Duration = Duration::from_mins(5);
/// How long a watch that nobody needs is kept for the next pod.
const IDLE: Duration = Duration::from_mins(1);

/// Whether the watch can be relied upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
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
pub(super) enum Told {
    Nothing,
    Pod(Arc<PodView>),
    Gone(Arc<PodView>),
    Unlisted,
}

/// The watch; it ends when nobody has needed it for a while.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) slots: Arc<Slots>,
    pub(super) seen: Arc<Seen>,
    pub(super) sight: watch::Receiver<Sight>,
    task: AbortHandle,
}

/// The pods that are waited for, by name; `None` once the watch has ended.
pub(super) type Slots = Mutex<Option<HashMap<Arc<str>, watch::Sender<Told>>>>;

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
        let told = Arc::new(told);
        let config = watcher::Config::default()
            .labels(&format!("{}={}", labels::INSTANCE, label_value(instance)))
            .timeout(WATCH_SECONDS);
        let follower = Follower {
            connection: Arc::downgrade(connection),
            namespace: namespace.to_owned(),
            config,
            slots: Arc::clone(&slots),
            seen: Arc::clone(&seen),
            vigil: Vigil::new(Arc::clone(&told)),
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
    sight: Arc<watch::Sender<Sight>>,
    vigil: Arc<Vigil>,
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
            let pods = Api::namespaced(self.vigil.client(client), &self.namespace);
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
            let problem = told(error);
            self.steps.warn(&format!(
                "watching pods failed and is tried again: {problem}"
            ));
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
pub(super) fn pause(failures: u32) -> Duration {
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

fn publish(slots: &Slots, mut pod: PodView, told: fn(Arc<PodView>) -> Told) {
    // Who waits for a pod knows what it is; a map is a block of half a KiB.
    (pod.metadata.labels, pod.metadata.annotations) = (None, None);
    let slots = locked(slots);
    let slot = |name: &str| slots.as_ref()?.get(name);
    if let Some(slot) = pod.metadata.name.as_deref().and_then(slot) {
        slot.send_replace(told(Arc::new(pod)));
    }
}

fn tell_unlisted(slots: &Slots, listed: &HashSet<String>) {
    for (name, slot) in locked(slots).iter().flatten() {
        if !listed.contains(&**name) {
            slot.send_replace(Told::Unlisted);
        }
    }
}

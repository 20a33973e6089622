//! The news of one pod: from the shared watch, or, where that is forbidden or fails, from reading the pod again and again:
//! quickly at first, then at the site's `poll_interval`, and quickly again when its log has ended.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::follow::{Follower, Stopped};
use super::reading::read_pod;
use super::retry::{Failure, within};
use super::watch::{Sight, Told, Watch};
use super::{Connection, Turn, locked};
use crate::pod_view::PodView;

/// How long a read of a pod is tried.
const READ: Duration = Duration::from_secs(5);
/// How long a pod's create waits for the watch to be open.
const OPENING: Duration = Duration::from_secs(2);
/// The first pause between two reads of a pod that no watch tells of.
const FIRST_POLL: Duration = Duration::from_millis(50);

/// The longest pause that a server may ask for; a limit that passes meanwhile has its own look.
const LONGEST_ASKED: Duration = Duration::from_mins(1);
/// The first pause where a watch had told of it before.
const AFTER_A_WATCH: RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_millis(1500);

/// What is new about a pod.
#[derive(Debug, Clone)]
pub enum News {
    /// Its state, as a watch tells it: perhaps late, and then of a pod that had the name before.
    Pod(Arc<PodView>),
    /// Its state as it is now: of the pod that has the name.
    Read(Arc<PodView>),
    /// It is no longer there; its last state where one was seen.
    Gone(Option<Arc<PodView>>),
}

/// The pauses between two reads of a pod.
#[derive(Debug)]
struct Pauses {
    next: Duration,
    /// The watch has told until now: thousands of pods may have gone by it.
    was_seen: bool,
    /// The next one is what the server has asked for, be it longer than `poll_interval`.
    is_asked: bool,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            next: FIRST_POLL,
            was_seen: false,
            is_asked: false,
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
    namespace: Arc<str>,
    name: Arc<str>,
    pauses: Pauses,
    follower: Follower,
    /// A followed log has stopped: the pod is read at once, to find out why.
    stopped: bool,
    /// A list did not show the pod: it is gone, or newer than the list.
    unsure: bool,
    /// The uid of the pod that is waited for, once it is known.
    uid: Option<Arc<str>>,
    /// The watch shows it no longer since then, and this was its last state: it is gone, or has lost the label that the watch goes by.
    vanished: Option<Box<(Arc<PodView>, Instant)>>,
    /// The watch may not tell of the pod at all.
    reads: bool,
    began: Instant,
}

impl Subscription {
    /// `None` when the watch has ended.
    pub(super) fn new(
        watch: Arc<Watch>,
        connection: &Arc<Connection>,
        namespace: &Arc<str>,
        name: &Arc<str>,
    ) -> Option<Self> {
        let slot = {
            let mut slots = locked(&watch.slots);
            let slot = slots.as_mut()?.entry(Arc::clone(name));
            slot.or_insert_with(|| watch::channel(Told::Nothing).0)
                .subscribe()
        };
        Some(Self {
            sight: watch.sight.clone(),
            watch,
            slot,
            connection: Arc::clone(connection),
            namespace: Arc::clone(namespace),
            name: Arc::clone(name),
            pauses: Pauses::default(),
            follower: Follower::default(),
            stopped: false,
            unsure: false,
            uid: None,
            vanished: None,
            reads: false,
            began: Instant::now(),
        })
    }

    /// Only of the pod with this uid it has to be found out whether it is gone.
    pub fn expect(&mut self, uid: &Arc<str>) {
        self.uid = Some(Arc::clone(uid));
    }

    /// Reads the pod besides what the watch tells: it may lack the label that the watch goes by.
    pub fn read_always(&mut self) {
        self.reads = true;
    }

    /// Reads the pod soon: what the watch tells may be of another pod of the name.
    pub fn doubt(&mut self) {
        self.unsure = true;
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
            if self.vanished.is_some()
                && let Some(news) = Box::pin(self.confirm()).await
            {
                return self.heard(news);
            }
            let blind = self.is_blind();
            let pause = if self.pauses.is_asked {
                self.pauses.next
            } else if self.stopped {
                FIRST_POLL.min(poll_interval)
            } else {
                self.pauses.next.min(poll_interval)
            };
            let is_gone = self.vanished.is_some();
            let reads = blind || self.unsure || self.reads;
            tokio::select! {
                biased;
                Ok(()) = self.slot.changed() => {
                    let told = self.slot.borrow_and_update().clone();
                    match told {
                        Told::Pod(pod) => return self.heard(News::Pod(pod)),
                        Told::Gone(pod) if self.uid.as_ref().is_some_and(|uid| **uid != *pod.uid()) => {
                            return self.heard(News::Gone(Some(pod)));
                        }
                        Told::Gone(pod) => self.vanished = Some(Box::new((pod, Instant::now()))),
                        Told::Nothing => {}
                        Told::Unlisted => self.unsure = true,
                    }
                }
                // A change of sight only has to be looked at.
                Ok(()) = self.sight.changed() => {}
                // One sleep for both: a pod that waits holds each of them.
                () = sleep(pause), if is_gone || reads => {
                    self.pauses.is_asked = false;
                    if is_gone || !std::mem::take(&mut self.stopped) {
                        self.pauses.next = (pause * 3 / 2).min(poll_interval);
                    }
                    if is_gone {
                        // Looked at again above.
                        continue;
                    }
                    match Box::pin(self.read(READ)).await {
                        Ok(news) => {
                            if let News::Read(pod) = &news && (blind || self.reads) {
                                let pods = self.connection.pods(&self.namespace);
                                self.follower.follow(pods, pod, self.connection.followed());
                            }
                            return self.heard(news);
                        }
                        Err(Failure::Busy(_, Some(asked))) => {
                            self.pauses.next = asked.min(LONGEST_ASKED);
                            self.pauses.is_asked = true;
                        }
                        Err(_) => {}
                    }
                }
                stopped = self.follower.stopped(), if self.follower.is_following() => {
                    self.stopped = true;
                    if stopped == Stopped::Ended {
                        self.pauses.next = FIRST_POLL;
                    }
                }
                else => sleep(pause).await,
            }
        }
    }

    /// Finds out what became of a pod that the watch no longer shows; `None` where that is not answered yet.
    async fn confirm(&mut self) -> Option<News> {
        let (last, since) = *self.vanished.clone()?;
        let goes = last.metadata.deletion_timestamp.is_some();
        if goes && since.elapsed() >= READ {
            // Nobody answers, and it was told to go: it is not only without its label.
            self.vanished = None;
            return Some(News::Gone(Some(last)));
        }
        let news = match self.read(READ).await {
            Ok(News::Read(pod)) if last.uid() == pod.uid() => {
                // The watch will not tell of it any more.
                self.reads = true;
                News::Read(pod)
            }
            // Whoever may not read a pod has to believe the watch.
            Ok(_) | Err(Failure::Refused(_) | Failure::Hopeless(_)) => News::Gone(Some(last)),
            Err(_) => return None,
        };
        self.vanished = None;
        Some(news)
    }

    /// Whether the watch tells nothing: it has ended, failed, or was never opened.
    fn is_blind(&mut self) -> bool {
        if self.sight.has_changed().is_err() {
            return true;
        }
        let sight = *self.sight.borrow_and_update();
        match sight {
            Sight::Blind(_) => {
                if std::mem::take(&mut self.pauses.was_seen) {
                    // Most often it is opened anew at once; if not, an API server that is in trouble is not asked for all pods together.
                    self.pauses.next = rand::random_range(AFTER_A_WATCH);
                }
                true
            }
            Sight::Opening => self.began.elapsed() >= OPENING,
            Sight::Clear => {
                self.pauses.was_seen = true;
                false
            }
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
        let read = |client| self.read_by(client);
        self.connection.ask(limit, read).await
    }

    /// The same where a limit has passed: before all that nobody waits for, and for no longer than that in all.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_now(&self, limit: Duration) -> Result<News, Failure> {
        let read = |client| self.read_by(client);
        within(limit, self.connection.ask_by(Turn::Urgent, limit, read)).await
    }

    async fn read_by(&self, client: Client) -> Result<News, Failure> {
        let pods: Api<PodView> = Api::namespaced(client, &self.namespace);
        let read = read_pod(&pods, &self.name).await?;
        Ok(read.map_or(News::Gone(None), |pod| News::Read(Arc::new(pod))))
    }
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

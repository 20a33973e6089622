//! The Lease that says that this process lives: one for each namespace that it has pods in.
//!
//! It is there before the first pod that promises it, is renewed as long as pods are in flight, and is deleted when
//! there have been none for a while or the process ends. Its cost does not grow with the number of submissions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::claim::{Claim, lease_name, marks};
use super::process::Process;
use super::sighting::DURATION;
use crate::cluster::retry::{Failure, once};
use crate::cluster::{Connection, FORBIDDEN_PAUSE, Turn};
use crate::manifest::labels;
use crate::step::Steps;

/// How often it is renewed: a third of its duration, so that one renewal may fail.
const RENEW: Duration = Duration::from_secs(20);
/// How long a renewal may take, and the pause after one that failed.
const RETRY: Duration = Duration::from_secs(3);
/// Older than this it is renewed before a new pod promises it.
const FRESH: Duration = Duration::from_secs(40);
/// How long the first pod waits for it; a pod that does not promise it can be run all the same.
const OPENING: Duration = Duration::from_secs(2);
/// How long it is kept for the next pod.
const IDLE: Duration = Duration::from_mins(1);
/// How long the end of the process waits for its deletion.
const ENDING: Duration = Duration::from_secs(2);

/// The Lease of this process in one namespace, as one connection needs it: others of this process may share it.
#[derive(Debug)]
pub struct Heartbeat {
    connection: Weak<Connection>,
    process: Weak<Process>,
    server: String,
    namespace: String,
    owner: String,
    claim: Claim,
    state: Mutex<State>,
    /// Runs that are under way.
    running: AtomicUsize,
    beats: AtomicBool,
    /// Whether the Lease is there for it, or is about to be.
    needs: AtomicBool,
}

#[derive(Debug)]
enum State {
    /// There is none.
    Absent,
    /// Leases were forbidden here then, or there are none.
    Off(Instant),
    /// It was renewed then.
    Held(Box<Lease>, Instant),
}

/// A run that relies on the Lease.
#[derive(Debug)]
pub(crate) struct Beat {
    heartbeat: Arc<Heartbeat>,
    /// Whether there is a Lease that the run's pod can promise.
    pub(crate) is_held: bool,
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.heartbeat.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Beat {
    /// Makes sure that the Lease of this process is there and fresh, or cannot be.
    pub(crate) async fn begin(
        connection: &Arc<Connection>,
        process: &Arc<Process>,
        namespace: &str,
        steps: &Steps,
    ) -> Self {
        let heartbeat = connection
            .owners()
            .heartbeat(connection, namespace, process);
        heartbeat.running.fetch_add(1, Ordering::SeqCst);
        let mut beat = Self {
            heartbeat,
            is_held: false,
        };
        let holding = beat.heartbeat.hold(connection, steps);
        let held = timeout(OPENING, holding).await.unwrap_or(Some(false));
        beat.is_held = held == Some(true);
        // What could not be had at once is tried again for the pods to come.
        if held.is_some() && !beat.heartbeat.beats.swap(true, Ordering::SeqCst) {
            let heartbeat = Arc::clone(&beat.heartbeat);
            let steps = steps.of_namespace(namespace);
            tokio::spawn(heartbeat.beat(Arc::clone(connection), steps));
        }
        beat
    }
}

impl Heartbeat {
    pub(super) fn new(
        connection: &Arc<Connection>,
        namespace: &str,
        process: &Arc<Process>,
    ) -> Self {
        Self {
            connection: Arc::downgrade(connection),
            process: Arc::downgrade(process),
            server: connection.server().to_owned(),
            namespace: namespace.to_owned(),
            owner: process.id().to_owned(),
            // What needs no request: the Lease itself is the proof for those who are elsewhere.
            claim: Claim {
                process: process.identity().cloned(),
                place: process.place().cloned(),
                pod: None,
                lease: true,
            },
            state: Mutex::new(State::Absent),
            running: AtomicUsize::new(0),
            beats: AtomicBool::new(false),
            needs: AtomicBool::new(false),
        }
    }

    /// Whether the same Lease is there for both: another connection of this process needs it as well.
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        other.needs.load(Ordering::SeqCst)
            && self.namespace == other.namespace
            && self.server == other.server
    }

    /// Says that this connection needs the Lease no more, under the lock of [`Process::is_last`].
    pub(super) fn leave(&self) {
        self.needs.store(false, Ordering::SeqCst);
    }

    /// Whether the Lease is there and fresh; `None` where there can be none.
    async fn hold(&self, connection: &Connection, steps: &Steps) -> Option<bool> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Off(since) if since.elapsed() < FORBIDDEN_PAUSE => return None,
            State::Held(_, renewed) if renewed.elapsed() < FRESH => return Some(true),
            _ => {}
        }
        // Before the request, so that no other connection takes the Lease away meanwhile.
        self.needs.store(true, Ordering::SeqCst);
        // Boxed: thousands of runs may wait here for the one that renews it.
        match Box::pin(self.renew(&mut state, connection)).await {
            Ok(()) => Some(true),
            Err(Failure::Refused(status)) if matches!(status.code, 403 | 404) => {
                let is_told = matches!(*state, State::Off(_));
                *state = State::Off(Instant::now());
                self.leave();
                if status.code == 403 && !is_told {
                    steps.of_namespace(&self.namespace).info(
                        "Leases are forbidden here, so that another machine cannot find out that this process is gone \
                         and its pods are left behind. To change that, allow \"get\", \"list\", \"create\", \
                         \"update\" and \"delete\" on \"leases\" of coordination.k8s.io",
                    );
                }
                None
            }
            Err(_) => Some(false),
        }
    }

    /// Makes the Lease, or renews it.
    async fn renew(&self, state: &mut State, connection: &Connection) -> Result<(), Failure> {
        let mut known = match state {
            State::Held(lease, ..) => Some(lease.as_ref().clone()),
            _ => None,
        };
        // At most: replace, found to be gone, create, replace; or create, found to be there, read, replace.
        for _ in 0..5 {
            let now = Timestamp::now();
            if let Some(lease) = &mut known {
                lease.spec.get_or_insert_default().renew_time = Some(MicroTime(now));
            }
            let known_now = known.as_ref();
            let write = |client| async move { self.write(client, known_now, now).await };
            // However many pods are read meanwhile: who sees no renewal for a minute takes this process for gone.
            let answer = Box::pin(connection.ask_by(Turn::None, RETRY, write)).await;
            match answer {
                // That it may be renewed is known before any pod promises it: one that ends has its pods deleted.
                Ok(lease) if known.is_none() => known = Some(lease),
                Ok(lease) => {
                    *state = State::Held(Box::new(lease), Instant::now());
                    return Ok(());
                }
                Err(Failure::Refused(status)) if status.code == 409 => {
                    let leases: Api<Lease> = Api::namespaced(connection.client(), &self.namespace);
                    known = match once(leases.get(&self.name())).await {
                        // It has been deleted since.
                        Err(Failure::Refused(status)) if status.code == 404 => None,
                        found => Some(found?),
                    };
                }
                Err(Failure::Refused(status)) if status.code == 404 && known.is_some() => {
                    known = None;
                }
                Err(Failure::Refused(status)) if status.code == 403 && known.is_some() => {
                    self.delete(connection).await;
                    return Err(Failure::Refused(status));
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Unanswered(format!(
            "somebody else writes the Lease {}",
            self.name()
        )))
    }

    async fn write(
        &self,
        client: Client,
        known: Option<&Lease>,
        now: Timestamp,
    ) -> Result<Lease, Failure> {
        let leases: Api<Lease> = Api::namespaced(client, &self.namespace);
        let params = PostParams::default();
        match known {
            Some(lease) => once(leases.replace(&self.name(), &params, lease)).await,
            None => once(leases.create(&params, &self.lease(now))).await,
        }
    }

    fn name(&self) -> String {
        lease_name(&self.owner)
    }

    fn lease(&self, now: Timestamp) -> Lease {
        let (mut labels, annotations) = marks(&self.owner, &self.claim);
        labels.insert(labels::MANAGED_BY, "kubegrader".to_owned());
        let owned = |marks: BTreeMap<&str, String>| {
            let pairs = marks.into_iter();
            Some(pairs.map(|(key, value)| (key.to_owned(), value)).collect())
        };
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name()),
                labels: owned(labels),
                annotations: owned(annotations),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.owner.clone()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: Some(MicroTime(now)),
                renew_time: Some(MicroTime(now)),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Renews the Lease until nobody has needed it for a while.
    async fn beat(self: Arc<Self>, connection: Arc<Connection>, steps: Steps) {
        let mut pause = RENEW;
        let mut idle = Duration::ZERO;
        loop {
            sleep(pause).await;
            if self.running.load(Ordering::SeqCst) > 0 {
                idle = Duration::ZERO;
                let was_failing = pause == RETRY;
                let renewed = self.renew(&mut *self.state.lock().await, &connection).await;
                pause = match renewed {
                    Ok(()) => RENEW,
                    Err(failure) => {
                        if !was_failing {
                            steps.warn(&format!(
                                "this process's Lease {} cannot be renewed, so that others may take its pods for \
                                 abandoned: {failure}",
                                self.name()
                            ));
                        }
                        RETRY
                    }
                };
                continue;
            }
            pause = RENEW;
            idle += RENEW;
            if idle >= IDLE && self.end_if_idle().await {
                return;
            }
        }
    }

    /// Deletes the Lease if no run relies on it; false when one does.
    pub(super) async fn end_if_idle(&self) -> bool {
        let mut state = self.state.lock().await;
        if self.running.load(Ordering::SeqCst) > 0 {
            return false;
        }
        let is_held = matches!(&*state, State::Held(..));
        if is_held {
            *state = State::Absent;
        }
        if is_held
            && self
                .process
                .upgrade()
                .is_none_or(|process| process.is_last(self))
            && let Some(connection) = self.connection.upgrade()
        {
            self.delete(&connection).await;
        }
        self.beats.store(false, Ordering::SeqCst);
        true
    }

    /// Deletes the Lease. What is left behind when this fails harms nobody: no pod promises it.
    async fn delete(&self, connection: &Connection) {
        let leases: Api<Lease> = Api::namespaced(connection.client(), &self.namespace);
        let (name, params) = (self.name(), DeleteParams::default());
        let deleting = leases.delete(&name, &params);
        let _ = timeout(ENDING, deleting).await;
    }
}

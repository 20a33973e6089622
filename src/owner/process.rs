//! The owner that this process is, and its runs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::heartbeat::Heartbeat;
use super::identity::Identity;
use super::own_pod::Place;
use crate::cluster::locked;
use crate::manifest::labels;
use crate::name::unique_id;
use crate::pod_view::PodView;

/// The process of this pid. Locked for no longer than a look, and in Python with the GIL held, so that a fork never
/// finds it locked.
static CURRENT: Mutex<Option<(u32, Arc<Process>)>> = Mutex::new(None);

/// A process as an owner of pods.
#[derive(Debug)]
pub struct Process {
    id: String,
    identity: OnceLock<Option<Identity>>,
    place: OnceLock<Option<Place>>,
    /// Of each run that is under way, its random id and its pod's uid.
    runs: Mutex<HashSet<Arc<str>>>,
    /// The names of the pods of these runs, with their namespaces: there already or not, ours or not yet.
    names: Mutex<HashSet<(Arc<str>, Arc<str>)>>,
    /// The uids of pods that were left to their callers and name this process all the same.
    left: Mutex<HashSet<Arc<str>>>,
    heartbeats: Mutex<Vec<Weak<Heartbeat>>>,
}

impl Process {
    /// This process; another one after a fork.
    #[must_use]
    pub fn current() -> Arc<Self> {
        let pid = std::process::id();
        let mut current = locked(&CURRENT);
        if let Some((known, process)) = &*current
            && *known == pid
        {
            return Arc::clone(process);
        }
        let made = Arc::new(Self::new(OnceLock::new()));
        // The parent's runs are not ours to end.
        std::mem::forget(current.replace((pid, Arc::clone(&made))));
        made
    }

    /// A process that is somewhere else, or not at all: its pods are another's to all others here.
    #[must_use]
    pub fn elsewhere(identity: Option<Identity>) -> Arc<Self> {
        Arc::new(Self::new(OnceLock::from(identity)))
    }

    fn new(identity: OnceLock<Option<Identity>>) -> Self {
        Self {
            id: unique_id(),
            identity,
            place: OnceLock::new(),
            runs: Mutex::default(),
            names: Mutex::default(),
            left: Mutex::default(),
            heartbeats: Mutex::default(),
        }
    }

    /// The random id: the value of the label [`labels::OWNER`] of its pods.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The process on its machine, where that can be known.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity
            .get_or_init(Identity::of_this_process)
            .as_ref()
    }

    /// The container that it runs in, where that can be known.
    pub fn place(&self) -> Option<&Place> {
        self.place.get_or_init(Place::of_this_process).as_ref()
    }

    /// Whether a run of this process is at work on a pod, or the caller of one is.
    #[must_use]
    pub fn runs(&self, pod: &PodView) -> bool {
        locked(&self.left).contains(pod.uid()) || self.is_run(pod)
    }

    /// Whether a run of this process is at work on a pod.
    #[must_use]
    pub(crate) fn is_run(&self, pod: &PodView) -> bool {
        let runs = locked(&self.runs);
        runs.contains(pod.uid()) || pod.label(labels::RUN).is_some_and(|run| runs.contains(run))
    }

    /// Notes that a pod which names this process as its owner is its caller's: this process does not delete it.
    pub(crate) fn let_be(&self, uid: &Arc<str>) {
        locked(&self.left).insert(Arc::clone(uid));
    }

    /// Whether a run of this process is to have a pod of this name: it then decides what becomes of the one that is there.
    #[must_use]
    pub fn wants(&self, namespace: &str, name: &str) -> bool {
        locked(&self.names).contains(&(namespace.into(), name.into()))
    }

    /// Whether any run is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !locked(&self.runs).is_empty()
    }

    /// Notes a run, until the guard is dropped.
    pub(crate) fn begin(
        self: &Arc<Self>,
        run: &str,
        namespace: &Arc<str>,
        name: &Arc<str>,
    ) -> UnderWay {
        let name = (Arc::clone(namespace), Arc::clone(name));
        let run: Arc<str> = run.into();
        locked(&self.runs).insert(Arc::clone(&run));
        locked(&self.names).insert(name.clone());
        UnderWay {
            process: Arc::clone(self),
            run,
            uid: None,
            name,
        }
    }

    pub(super) fn remember(&self, heartbeat: &Arc<Heartbeat>) {
        let mut heartbeats = locked(&self.heartbeats);
        heartbeats.retain(|known| known.strong_count() > 0);
        heartbeats.push(Arc::downgrade(heartbeat));
    }

    /// Notes that a connection needs its Lease no more; whether no other of this process does.
    pub(super) fn is_last(&self, heartbeat: &Heartbeat) -> bool {
        let heartbeats = locked(&self.heartbeats);
        heartbeat.leave();
        let mut others = heartbeats.iter().filter_map(Weak::upgrade);
        !others.any(|other| heartbeat.shares_with(&other))
    }

    /// Deletes the Leases of this process, at its end; a run that is still under way keeps its own.
    pub async fn end(&self) {
        let heartbeats: Vec<_> = locked(&self.heartbeats)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        let ends = heartbeats.iter().map(|heartbeat| heartbeat.end_if_idle());
        futures::future::join_all(ends).await;
    }
}

/// A run that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    process: Arc<Process>,
    run: Arc<str>,
    uid: Option<Arc<str>>,
    name: (Arc<str>, Arc<str>),
}

impl UnderWay {
    /// Notes the uid of the run's pod.
    pub(crate) fn owns(&mut self, uid: &Arc<str>) {
        locked(&self.process.runs).insert(Arc::clone(uid));
        self.uid = Some(Arc::clone(uid));
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut runs = locked(&self.process.runs);
        runs.remove(&self.run);
        if let Some(uid) = &self.uid {
            runs.remove(uid);
        }
        locked(&self.process.names).remove(&self.name);
    }
}

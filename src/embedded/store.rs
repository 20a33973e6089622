//! The pods, their one increasing version, and the last events, as etcd and the watch cache keep them.
//!
//! A pod is serialised once a version, as the line of its own event; every list, watch and answer is a
//! slice of those bytes. The lock is a plain mutex: no work under it waits for anything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::deletion::{DeleteRequest, Next, next_step};
use super::event::{Change, Event, Key, Stored, key_of, render};
use super::namespaces::Namespaces;
use super::status_body::{NAMESPACES, PODS, Refusal};

/// All pods in name order at one version.
#[derive(Debug)]
pub struct Snapshot {
    /// The pods.
    pub pods: BTreeMap<Key, Stored>,
    /// The store's version.
    pub version: u64,
}

/// The objects of the embedded cluster.
#[derive(Debug)]
pub struct Store {
    clock: Arc<Clock>,
    state: Mutex<State>,
    latest: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    version: u64,
    pods: BTreeMap<Key, Stored>,
    namespaces: Namespaces,
    events: VecDeque<Arc<Event>>,
    capacity: usize,
    /// The version of the newest event that is no longer kept.
    floor: u64,
    /// Unbounded, because the kubelet must not miss an event and takes each at once.
    followers: Vec<mpsc::UnboundedSender<Arc<Event>>>,
}

impl Store {
    /// An empty store with the namespaces `default` and `kube-system`, which keeps `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let clock = Arc::<Clock>::default();
        let mut namespaces = Namespaces::default();
        let mut version = 0;
        for name in ["default", "kube-system"] {
            version += 1;
            namespaces.insert(name, version, clock.now());
        }
        let state = State {
            version,
            pods: BTreeMap::new(),
            namespaces,
            events: VecDeque::new(),
            capacity: capacity.max(1),
            floor: 0,
            followers: Vec::new(),
        };
        Self {
            clock,
            state: Mutex::new(state),
            latest: watch::Sender::new(version),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock leaves the state half changed, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's clock.
    #[must_use]
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.clock)
    }

    /// Forgets all events, as etcd's compaction does: whoever goes on from a version that was seen before is answered
    /// 410. The version grows by one, as it does on a real server, where other objects change too.
    pub fn compact(&self) {
        let mut state = self.lock();
        state.events.clear();
        state.version += 1;
        state.floor = state.version;
        self.announce(&state);
    }

    fn announce(&self, state: &State) {
        self.latest.send_replace(state.version);
    }

    /// Changes whenever the version does.
    #[must_use]
    pub fn latest(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Every event from now on, and the pods that exist now.
    #[must_use]
    pub fn follow(&self) -> (Vec<Stored>, mpsc::UnboundedReceiver<Arc<Event>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.lock();
        state.followers.push(sender);
        (state.pods.values().cloned().collect(), receiver)
    }

    /// One pod.
    ///
    /// # Errors
    /// 404.
    pub fn get(&self, key: &Key) -> Result<Stored, Refusal> {
        self.lock()
            .pods
            .get(key)
            .cloned()
            .ok_or_else(|| Refusal::not_found(PODS, &key.1))
    }

    /// All pods now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot {
            pods: state.pods.clone(),
            version: state.version,
        }
    }

    /// All pods as they were at an older version: later events are undone, the newest first.
    ///
    /// # Errors
    /// The current version, when those events are no longer kept.
    pub fn snapshot_at(&self, version: u64) -> Result<Snapshot, u64> {
        let state = self.lock();
        if version < state.floor {
            return Err(state.version);
        }
        let mut pods = state.pods.clone();
        for event in state
            .events
            .iter()
            .rev()
            .take_while(|event| event.after.version > version)
        {
            let key = key_of(&event.after.pod);
            match &event.before {
                Some(before) => pods.insert(key, before.clone()),
                None => pods.remove(&key),
            };
        }
        Ok(Snapshot { pods, version })
    }

    /// The events after `version` and the current version.
    ///
    /// # Errors
    /// The oldest version that can still be asked for.
    pub fn events_after(&self, version: u64) -> Result<(Vec<Arc<Event>>, u64), u64> {
        let state = self.lock();
        if version < state.floor {
            return Err(state.floor);
        }
        let start = state
            .events
            .partition_point(|event| event.after.version <= version);
        Ok((
            state.events.range(start..).cloned().collect(),
            state.version,
        ))
    }

    /// Adds a pod that was validated and has its defaults.
    ///
    /// # Errors
    /// 404 for its namespace, 403 when that is being deleted, 409 when the name is taken.
    pub fn create(&self, pod: Pod, dry_run: bool) -> Result<Stored, Refusal> {
        let mut state = self.lock();
        let key = key_of(&pod);
        state.namespaces.check_open(&key)?;
        if state.pods.contains_key(&key) {
            return Err(Refusal::already_exists(PODS, &key.1));
        }
        if dry_run {
            return Ok(render(Change::Added, pod, None).0);
        }
        let stored = state.put(Change::Added, pod, None);
        self.announce(&state);
        Ok(stored)
    }

    /// Replaces a pod by what `edit` makes of it; an edit that changes nothing makes no new version.
    ///
    /// # Errors
    /// 404, 409 when the edit's `resourceVersion` is not the current one, or the edit's own refusal.
    pub fn update(
        &self,
        key: &Key,
        dry_run: bool,
        edit: impl FnOnce(&Pod) -> Result<Pod, Refusal>,
    ) -> Result<Stored, Refusal> {
        let mut state = self.lock();
        let old = state
            .pods
            .get(key)
            .cloned()
            .ok_or_else(|| Refusal::not_found(PODS, &key.1))?;
        let mut new = edit(&old.pod)?;
        let asked = new.metadata.resource_version.take().unwrap_or_default();
        if !asked.is_empty() && asked != old.version.to_string() {
            return Err(Refusal::modified(PODS, &key.1));
        }
        new.metadata.resource_version = Some(old.version.to_string());
        if new == *old.pod {
            return Ok(old);
        }
        if dry_run {
            return Ok(render(Change::Modified, new, Some(old.version)).0);
        }
        let gone = next_step(&new) == Next::Remove;
        let mut stored = state.put(Change::Modified, new, Some(old));
        if gone {
            stored = state.remove(key).unwrap_or(stored);
        }
        self.announce(&state);
        Ok(stored)
    }

    /// Deletes a pod, or begins to: see [`super::deletion`].
    ///
    /// # Errors
    /// 404, or 409 when a precondition does not hold.
    pub fn delete(&self, key: &Key, request: &DeleteRequest) -> Result<Stored, Refusal> {
        let mut state = self.lock();
        let old = state
            .pods
            .get(key)
            .cloned()
            .ok_or_else(|| Refusal::not_found(PODS, &key.1))?;
        request.check_preconditions(&old.pod)?;
        let Some(new) = request.mark(&old.pod, self.clock.now()) else {
            // It is being deleted already and nothing was asked that makes it faster.
            return Ok(old);
        };
        if request.dry_run {
            return Ok(render(Change::Modified, new, Some(old.version)).0);
        }
        let gone = next_step(&new) == Next::Remove;
        let mut stored = state.put(Change::Modified, new, Some(old));
        if gone {
            stored = state.remove(key).unwrap_or(stored);
        }
        self.announce(&state);
        Ok(stored)
    }

    /// The namespaces in name order, and the version.
    #[must_use]
    pub fn namespaces(&self) -> (Vec<Namespace>, u64) {
        let state = self.lock();
        (state.namespaces.all(), state.version)
    }

    /// One namespace.
    ///
    /// # Errors
    /// 404.
    pub fn namespace(&self, name: &str) -> Result<Namespace, Refusal> {
        self.lock()
            .namespaces
            .get(name)
            .cloned()
            .ok_or_else(|| Refusal::not_found(NAMESPACES, name))
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// 409 when it exists.
    pub fn create_namespace(&self, wanted: Namespace, dry_run: bool) -> Result<Namespace, Refusal> {
        let mut state = self.lock();
        let version = state.version + 1;
        let made = state
            .namespaces
            .create(wanted, version, self.clock.now(), dry_run)?;
        if !dry_run {
            state.version = version;
            self.announce(&state);
        }
        Ok(made)
    }

    /// Begins to delete a namespace; it goes when its last pod is gone. The caller deletes the pods.
    ///
    /// # Errors
    /// 404, or 403 for the namespaces that every cluster has.
    pub fn delete_namespace(&self, name: &str, dry_run: bool) -> Result<Namespace, Refusal> {
        let mut state = self.lock();
        let version = state.version + 1;
        let marked = state
            .namespaces
            .terminate(name, version, self.clock.now(), dry_run)?;
        if !dry_run {
            state.version = version;
            state.close_namespace(name);
            self.announce(&state);
        }
        Ok(marked)
    }
}

impl State {
    /// Stores the pod under the next version and tells everyone.
    fn put(&mut self, change: Change, mut pod: Pod, before: Option<Stored>) -> Stored {
        self.version += 1;
        pod.metadata.resource_version = Some(self.version.to_string());
        let key = key_of(&pod);
        let (mut stored, line) = render(change, pod, None);
        stored.version = self.version;
        if change == Change::Deleted {
            self.pods.remove(&key);
        } else {
            self.pods.insert(key, stored.clone());
        }
        self.keep(Arc::new(Event {
            change,
            after: stored.clone(),
            before,
            line,
        }));
        stored
    }

    fn remove(&mut self, key: &Key) -> Option<Stored> {
        let old = self.pods.get(key).cloned()?;
        let stored = self.put(Change::Deleted, old.pod.as_ref().clone(), Some(old));
        self.close_namespace(&key.0);
        Some(stored)
    }

    fn close_namespace(&mut self, name: &str) {
        if !self.pods.keys().any(|(namespace, _)| namespace == name) {
            self.namespaces.remove_if_terminating(name);
        }
    }

    fn keep(&mut self, event: Arc<Event>) {
        self.followers
            .retain(|follower| follower.send(Arc::clone(&event)).is_ok());
        self.events.push_back(event);
        if self.events.len() > self.capacity
            && let Some(oldest) = self.events.pop_front()
        {
            self.floor = oldest.after.version;
        }
    }
}

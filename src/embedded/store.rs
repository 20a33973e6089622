//! All objects and their one increasing version, as etcd keeps them.
//!
//! An object is serialised once a version, as the line of its own event; every list, watch and answer is a
//! slice of those bytes. The lock is a plain mutex: no work under it waits for anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{Event as Occurrence, Namespace, Pod};
use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::collection::Collection;
use super::deletion::{DeleteRequest, Next, next_step, without_dependents};
use super::event::{Change, Event, Key, Stored, key_of, render};
use super::kind::Kind;
use super::namespaces;
use super::record::Shelf;
use super::status_body::Refusal;

/// All objects of one kind in name order at one version.
#[derive(Debug)]
pub struct Snapshot<T> {
    /// The objects.
    pub objects: BTreeMap<Key, Stored<T>>,
    /// The store's version.
    pub version: u64,
}

/// Some events in the order of their versions.
pub type Events<T> = Vec<Arc<Event<T>>>;

/// What a deletion came to.
#[derive(Debug)]
pub struct Deleted<T> {
    /// The object as it was last.
    pub stored: Stored<T>,
    /// Is it gone? Otherwise it is marked, or it was a dry run.
    pub gone: bool,
}

/// The objects of the embedded cluster.
#[derive(Debug)]
pub struct Store {
    /// Beside the lock, so that the time can be asked for under it.
    clock: Arc<Clock>,
    state: Mutex<State>,
}

/// What is under the lock.
#[derive(Debug)]
pub struct State {
    /// The server's clock.
    pub clock: Arc<Clock>,
    version: u64,
    /// The pods.
    pub pods: Collection<Pod>,
    /// The objects of the kind `Event`.
    pub events: Collection<Occurrence>,
    /// The namespaces.
    pub namespaces: Collection<Namespace>,
    /// Which events go when.
    pub shelf: Shelf,
}

impl Store {
    /// A store with the namespaces that every cluster has, which keeps the last `capacity` changes of each kind.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let clock = Arc::<Clock>::default();
        let mut state = State {
            clock: Arc::clone(&clock),
            version: 0,
            pods: Collection::new(capacity),
            events: Collection::new(capacity),
            namespaces: Collection::new(capacity),
            shelf: Shelf::default(),
        };
        for name in namespaces::ALWAYS_THERE {
            state.put(Change::Added, namespaces::named(name, clock.now()), None);
        }
        Self {
            clock,
            state: Mutex::new(state),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
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
        state.version += 1;
        let version = state.version;
        state.pods.compact(version);
        state.events.compact(version);
        state.namespaces.compact(version);
    }

    /// Changes whenever an object of this kind does.
    #[must_use]
    pub fn latest<T: Kind>(&self) -> watch::Receiver<u64> {
        T::of(&self.lock()).latest()
    }

    /// Every event of one kind from now on, and the objects that exist now.
    #[must_use]
    pub fn follow<T: Kind>(&self) -> (Vec<Stored<T>>, mpsc::UnboundedReceiver<Arc<Event<T>>>) {
        let mut state = self.lock();
        let all = T::of_mut(&mut state);
        let receiver = all.follow();
        (all.objects.values().cloned().collect(), receiver)
    }

    /// One object.
    ///
    /// # Errors
    /// 404.
    pub fn get<T: Kind>(&self, key: &Key) -> Result<Stored<T>, Refusal> {
        self.lock().get(key)
    }

    /// All objects of one kind now.
    #[must_use]
    pub fn snapshot<T: Kind>(&self) -> Snapshot<T> {
        let state = self.lock();
        Snapshot {
            objects: T::of(&state).objects.clone(),
            version: state.version,
        }
    }

    /// All objects of one kind as they were at an older version.
    ///
    /// # Errors
    /// The current version, when the changes since then are no longer kept.
    pub fn snapshot_at<T: Kind>(&self, version: u64) -> Result<Snapshot<T>, u64> {
        let state = self.lock();
        let objects = T::of(&state).at(version).ok_or(state.version)?;
        Ok(Snapshot { objects, version })
    }

    /// The events after `version` and the current version.
    ///
    /// # Errors
    /// The oldest version that can still be asked for.
    pub fn events_after<T: Kind>(&self, version: u64) -> Result<(Events<T>, u64), u64> {
        let state = self.lock();
        Ok((T::of(&state).after(version)?, state.version))
    }

    /// Adds an object that was validated and has its defaults.
    ///
    /// # Errors
    /// 404 for its namespace, 403 when that is being deleted, 409 when the name is taken.
    pub fn create<T: Kind>(&self, object: T, dry_run: bool) -> Result<Stored<T>, Refusal> {
        let mut state = self.lock();
        let key = key_of(&object);
        if T::NAMESPACED {
            namespaces::check_open::<T>(&state.namespaces, &key)?;
        }
        if T::of(&state).objects.contains_key(&key) {
            let known: Stored<T> = state.get(&key)?;
            let goes = known.object.metadata().deletion_timestamp.is_some();
            return Err(Refusal::already_exists(T::RESOURCE, &key.1, goes));
        }
        if dry_run {
            return Ok(render(Change::Added, object, 0).0);
        }
        Ok(state.put(Change::Added, object, None))
    }

    /// Replaces an object by what `edit` makes of it; an edit that changes nothing makes no new version.
    ///
    /// # Errors
    /// 404, 409 when the edit's `resourceVersion` is not the current one, or the edit's own refusal.
    pub fn update<T: Kind>(
        &self,
        key: &Key,
        dry_run: bool,
        edit: impl FnOnce(&T) -> Result<T, Refusal>,
    ) -> Result<Stored<T>, Refusal> {
        let mut state = self.lock();
        let old: Stored<T> = state.get(key)?;
        let mut new = edit(&old.object)?;
        let asked = new
            .metadata_mut()
            .resource_version
            .take()
            .unwrap_or_default();
        if !asked.is_empty() && asked != old.version.to_string() {
            return Err(Refusal::modified(T::RESOURCE, &key.1));
        }
        new.metadata_mut().resource_version = Some(old.version.to_string());
        if new == *old.object {
            return Ok(old);
        }
        if dry_run {
            return Ok(render(Change::Modified, new, old.version).0);
        }
        Ok(state.change(new, old))
    }

    /// Deletes an object, or begins to: see [`super::deletion`].
    ///
    /// # Errors
    /// 404, or 409 when a precondition does not hold.
    pub fn delete<T: Kind>(
        &self,
        key: &Key,
        request: &DeleteRequest,
    ) -> Result<Deleted<T>, Refusal> {
        let mut state = self.lock();
        let old: Stored<T> = state.get(key)?;
        request.check_preconditions(&*old.object)?;
        if !T::GRACEFUL && !old.object.is_held() && request.finalizer.is_none() {
            if !request.dry_run {
                state.remove::<T>(key);
            }
            return Ok(Deleted {
                stored: old,
                gone: true,
            });
        }
        let Some(new) = request.mark(&*old.object, state.clock.now()) else {
            // It is being deleted already and nothing was asked that makes it faster.
            return Ok(Deleted {
                stored: old,
                gone: false,
            });
        };
        if request.dry_run {
            let stored = render(Change::Modified, new, old.version).0;
            return Ok(Deleted {
                stored,
                gone: false,
            });
        }
        let deleted = state.mark(new, old);
        if let Some(freed) = without_dependents(&*deleted.stored.object) {
            state.change(freed, deleted.stored.clone());
        }
        Ok(deleted)
    }

    /// Begins to delete a namespace and what is in it; it goes when its last pod is gone.
    ///
    /// # Errors
    /// 404, 409, or 403 for the namespaces that every cluster has.
    pub fn delete_namespace(
        &self,
        name: &str,
        request: &DeleteRequest,
    ) -> Result<Stored<Namespace>, Refusal> {
        namespaces::check_deletable(name)?;
        let key = (String::new(), name.to_owned());
        let marked = self.delete::<Namespace>(&key, request)?.stored;
        if request.dry_run {
            return Ok(marked);
        }
        let mut state = self.lock();
        let pods: Vec<Key> = state
            .pods
            .in_namespace(name)
            .map(|(key, _)| key.clone())
            .collect();
        drop(state);
        for key in &pods {
            // A pod that went in between needs no delete.
            let _ = self.delete::<Pod>(key, &DeleteRequest::default());
        }
        state = self.lock();
        state.close_namespace(name);
        Ok(marked)
    }
}

impl State {
    /// One object.
    ///
    /// # Errors
    /// 404.
    pub fn get<T: Kind>(&self, key: &Key) -> Result<Stored<T>, Refusal> {
        let found = T::of(self).objects.get(key).cloned();
        found.ok_or_else(|| Refusal::not_found(T::RESOURCE, &key.1))
    }

    /// Stores an object under the next version and tells everyone.
    pub fn put<T: Kind>(
        &mut self,
        change: Change,
        object: T,
        before: Option<Stored<T>>,
    ) -> Stored<T> {
        self.version += 1;
        let version = self.version;
        T::of_mut(self).put(version, change, object, before)
    }

    /// Stores a change, or takes the object away when that was the last that held it.
    fn change<T: Kind>(&mut self, new: T, old: Stored<T>) -> Stored<T> {
        if next_step(&new) == Next::Stay {
            return self.put(Change::Modified, new, Some(old));
        }
        let key = key_of(&new);
        let stored = self.put(Change::Deleted, new, Some(old));
        self.close_namespace(&key.0);
        stored
    }

    /// Stores the mark of a deletion, and takes the object away when nothing holds it.
    fn mark<T: Kind>(&mut self, new: T, old: Stored<T>) -> Deleted<T> {
        let key = key_of(&new);
        let gone = next_step(&new) == Next::Remove;
        let stored = self.put(Change::Modified, new, Some(old));
        let stored = if gone {
            self.remove(&key).unwrap_or(stored)
        } else {
            stored
        };
        Deleted { stored, gone }
    }

    /// Takes an object away.
    pub fn remove<T: Kind>(&mut self, key: &Key) -> Option<Stored<T>> {
        let old = T::of(self).objects.get(key).cloned()?;
        let stored = self.put(Change::Deleted, old.object.as_ref().clone(), Some(old));
        self.close_namespace(&key.0);
        Some(stored)
    }

    /// Ends a namespace that is being deleted and holds no pod any more.
    fn close_namespace(&mut self, name: &str) {
        let key = (String::new(), name.to_owned());
        let Some(old) = self.namespaces.objects.get(&key).cloned() else {
            return;
        };
        if old.object.metadata.deletion_timestamp.is_none()
            || self.pods.in_namespace(name).next().is_some()
        {
            return;
        }
        let events: Vec<Key> = self
            .events
            .in_namespace(name)
            .map(|(key, _)| key.clone())
            .collect();
        for key in events {
            if let Some(old) = self.events.objects.get(&key).cloned() {
                self.put(Change::Deleted, old.object.as_ref().clone(), Some(old));
            }
        }
        let emptied = self.put(
            Change::Modified,
            namespaces::emptied(&old.object, &self.clock.now()),
            Some(old),
        );
        self.put(
            Change::Deleted,
            emptied.object.as_ref().clone(),
            Some(emptied),
        );
    }
}

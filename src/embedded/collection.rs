//! All objects of one kind, and the last changes of them, as etcd and the watch cache keep them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::event::{Change, Event, Key, Stored, key_of, render};
use super::kind::Kind;

/// The objects of one kind by namespace and name, with their recent history.
#[derive(Debug)]
pub struct Collection<T> {
    /// The objects.
    pub objects: BTreeMap<Key, Stored<T>>,
    history: VecDeque<Arc<Event<T>>>,
    capacity: usize,
    /// The version of the newest event that is no longer kept.
    floor: u64,
    /// Unbounded, because the kubelet must not miss an event and takes each at once.
    followers: Vec<mpsc::UnboundedSender<Arc<Event<T>>>>,
    latest: watch::Sender<u64>,
}

impl<T: Kind> Collection<T> {
    /// An empty collection that keeps `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            capacity: capacity.max(1),
            floor: 0,
            followers: Vec::new(),
            latest: watch::Sender::new(0),
        }
    }

    /// Changes whenever an object of this kind does.
    #[must_use]
    pub fn latest(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Every event from now on.
    #[must_use]
    pub fn follow(&mut self) -> mpsc::UnboundedReceiver<Arc<Event<T>>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.followers.push(sender);
        receiver
    }

    /// The objects of one namespace.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = (&Key, &Stored<T>)> {
        self.objects
            .range((namespace.to_owned(), String::new())..)
            .take_while(move |((found, _), _)| found == namespace)
    }

    /// The objects as they were at an older version, the newest events undone first; `None` when those are no
    /// longer kept.
    #[must_use]
    pub fn at(&self, version: u64) -> Option<BTreeMap<Key, Stored<T>>> {
        if version < self.floor {
            return None;
        }
        let mut objects = self.objects.clone();
        let newer = |event: &&Arc<Event<T>>| event.after.version > version;
        for event in self.history.iter().rev().take_while(newer) {
            let key = key_of(&*event.after.object);
            match &event.before {
                Some(before) => objects.insert(key, before.clone()),
                None => objects.remove(&key),
            };
        }
        Some(objects)
    }

    /// The events after a version.
    ///
    /// # Errors
    /// The oldest version that can still be asked for.
    pub fn after(&self, version: u64) -> Result<Vec<Arc<Event<T>>>, u64> {
        if version < self.floor {
            return Err(self.floor);
        }
        let start = self
            .history
            .partition_point(|event| event.after.version <= version);
        Ok(self.history.range(start..).cloned().collect())
    }

    /// Forgets all events before a version.
    pub fn compact(&mut self, version: u64) {
        self.history.clear();
        self.floor = version;
        self.latest.send_replace(version);
    }

    /// Stores an object, or takes it away, under a version and tells everyone.
    pub fn put(
        &mut self,
        version: u64,
        change: Change,
        mut object: T,
        before: Option<Stored<T>>,
    ) -> Stored<T> {
        object.metadata_mut().resource_version = Some(version.to_string());
        let key = key_of(&object);
        let (stored, line) = render(change, object, version);
        if change == Change::Deleted {
            self.objects.remove(&key);
        } else {
            self.objects.insert(key, stored.clone());
        }
        let event = Arc::new(Event {
            change,
            after: stored.clone(),
            before,
            line,
        });
        self.followers
            .retain(|follower| follower.send(Arc::clone(&event)).is_ok());
        self.history.push_back(event);
        if self.history.len() > self.capacity
            && let Some(oldest) = self.history.pop_front()
        {
            self.floor = oldest.after.version;
        }
        self.latest.send_replace(version);
        stored
    }
}

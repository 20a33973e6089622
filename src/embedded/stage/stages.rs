//! Which pod plays which stage.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{Script, Stage};

/// The stages of a cluster, the one to ask first in front.
#[derive(Debug)]
pub struct Stages {
    all: Mutex<Vec<Entry>>,
    began: (Timestamp, Instant),
}

#[derive(Debug)]
struct Entry {
    script: Arc<Script>,
    /// Pods of this version and older ones do not play it.
    since: u64,
    /// How many more pods may.
    left: Option<u64>,
}

impl Stages {
    /// Stages for all pods that are to come.
    #[must_use]
    pub fn new(stages: Vec<Stage>) -> Self {
        let entries = stages.into_iter().map(|stage| Entry::new(stage, 0));
        Self {
            all: Mutex::new(entries.collect()),
            began: (Timestamp::now(), Instant::now()),
        }
    }

    /// From now on this stage is asked first; `version` is the store's.
    pub fn add(&self, stage: Stage, version: u64) {
        self.lock().insert(0, Entry::new(stage, version));
    }

    /// The stage for a pod that was just created under this version.
    #[must_use]
    pub fn choose(&self, pod: &Pod, version: u64) -> Option<Arc<Script>> {
        let mut all = self.lock();
        let entry = all.iter_mut().find(|entry| {
            entry.since < version && entry.left != Some(0) && entry.script.selector.matches(pod)
        })?;
        entry.left = entry.left.map(|left| left - 1);
        Some(Arc::clone(&entry.script))
    }

    /// The time in a played life. It goes with tokio's clock, so that a life under paused time has a duration too.
    #[must_use]
    pub fn now(&self) -> Time {
        let (wall, start) = self.began;
        let elapsed = SignedDuration::try_from(start.elapsed()).unwrap_or_default();
        let now = wall.checked_add(elapsed).unwrap_or(wall);
        Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(stage: Stage, since: u64) -> Self {
        Self {
            left: stage.script.pods,
            script: stage.script,
            since,
        }
    }
}

//! What came of a pod.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::clock::Clock;
use crate::manifest::Manifest;
use crate::packed::Packed;
use crate::pod_view::PodView;
use crate::verdict::Verdict;

/// What came of a pod that was run to its end.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// The log, its middle left out where it is longer than the limit; `None` when it could not be read.
    pub logs: Option<String>,
    /// How long everything took.
    pub timings: Timings,
    sent: Packed,
    uid: String,
    last: Option<Arc<PodView>>,
}

/// How long the parts of a run took, in seconds by our own clock, and when they happened, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From the create to a node, and the wait for a quota, a place or the create's turn before it.
    pub queued: f64,
    /// From a node to a running container.
    pub starting: f64,
    /// From a running container to the end of all of them.
    pub running: f64,
    /// Everything else: the create itself, seeing the end, log and delete.
    pub overhead: f64,
    /// All of it.
    pub total: f64,
    /// When the pod's create had been accepted.
    pub created_at: f64,
    /// When the pod's end was seen.
    pub seen_at: f64,
    /// When log and delete were done.
    pub returned_at: f64,
}

impl Timings {
    pub(super) fn new(
        clock: &Clock,
        pod: Option<&PodView>,
        began: Instant,
        seen: Instant,
        seen_at: f64,
    ) -> Self {
        let total = began.elapsed().as_secs_f64();
        let ended = clock.ended.unwrap_or(seen);
        let scheduled = clock.scheduled.unwrap_or(ended).min(ended);
        let running_since = clock
            .running
            .unwrap_or_else(|| not_seen_running(pod, scheduled, ended));
        let seconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64();
        let queued = seconds(clock.queued.unwrap_or(clock.created), scheduled);
        let starting = seconds(scheduled, running_since);
        let running = seconds(running_since, ended);
        Self {
            queued,
            starting,
            running,
            overhead: (total - queued - starting - running).max(0.0),
            total,
            created_at: seen_at - seconds(clock.created, seen),
            seen_at,
            returned_at: unix_time(),
        }
    }
}

/// When a container began that ran so shortly that nobody saw it run: its own times, a second fine, tell how long.
fn not_seen_running(pod: Option<&PodView>, scheduled: Instant, ended: Instant) -> Instant {
    let longest = pod
        .into_iter()
        .flat_map(PodView::containers)
        .filter_map(|status| {
            let end = status.state.as_ref()?.terminated.as_ref()?;
            let (from, to) = (end.started_at.as_ref()?.0, end.finished_at.as_ref()?.0);
            std::time::Duration::try_from(to.duration_since(from)).ok()
        });
    let ran = longest.max().unwrap_or_default();
    ended
        .checked_sub(ran)
        .unwrap_or(ended)
        .max(scheduled)
        .min(ended)
}

impl Outcome {
    pub(super) fn new(
        verdict: Verdict,
        attempt: u32,
        logs: Option<String>,
        timings: Timings,
        sent: Packed,
        uid: &str,
        last: Option<Arc<PodView>>,
    ) -> Self {
        Self {
            verdict,
            attempt,
            logs,
            timings,
            sent,
            uid: uid.to_owned(),
            last,
        }
    }

    /// An outcome with the Pod that [`Outcome::pod`] has given.
    #[must_use]
    pub fn of_pod(
        verdict: Verdict,
        attempt: u32,
        logs: Option<String>,
        timings: Timings,
        pod: Value,
    ) -> Self {
        let uid = pod["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let is_seen = !pod["status"].is_null();
        let last = serde_json::from_value(pod.clone()).ok().filter(|_| is_seen);
        Self {
            verdict,
            attempt,
            logs,
            timings,
            sent: Manifest::new(pod).unwrap_or_default().into(),
            uid,
            last: last.map(Arc::new),
        }
    }

    /// The Pod as it was sent, with the last status that was seen. Made when it is asked for.
    #[must_use]
    pub fn pod(&self) -> Value {
        let mut pod = self.sent.to_value();
        pod["metadata"]["uid"] = json!(self.uid);
        if let Some(last) = &self.last {
            // One that was only followed was sent by somebody else, and may not name it.
            if let Some(namespace) = &last.metadata.namespace {
                pod["metadata"]["namespace"] = json!(namespace);
            }
            pod["metadata"]["resourceVersion"] = json!(last.metadata.resource_version);
            pod["status"] = last.status.to_value();
            if let Some(node) = &last.spec.node_name {
                pod["spec"]["nodeName"] = json!(node);
            }
        }
        pod
    }
}

/// Seconds since 1970.
pub(super) fn unix_time() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

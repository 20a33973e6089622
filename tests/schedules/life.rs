//! How a pod lives, as a kubelet would tell it.

use std::time::Duration;

use kubegrader::cause::Cause;
use rand::{Rng, RngExt};
use serde_json::{Value, json};

/// What becomes of a pod if nobody stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Succeeds,
    Fails,
    RunsOutOfMemory,
    RunsTooLong,
    FindsNoNode,
    HasAWrongImage,
    IsEvicted,
    IsDeletedBySomeone,
}

const FATES: [Fate; 8] = [
    Fate::Succeeds,
    Fate::Fails,
    Fate::RunsOutOfMemory,
    Fate::RunsTooLong,
    Fate::FindsNoNode,
    Fate::HasAWrongImage,
    Fate::IsEvicted,
    Fate::IsDeletedBySomeone,
];

/// One life.
#[derive(Debug, Clone)]
pub struct Life {
    pub fate: Fate,
    /// From the create until a container runs, or until it is known that none will.
    pub starts: Duration,
    /// How long the container runs.
    pub runs: Duration,
    /// How long after its container's end the pod's phase says so; a real kubelet needs about a second.
    pub settles: Duration,
    /// Whether the pod has a node from the beginning: then its deletion waits for the kubelet.
    pub bound: bool,
}

/// The limits of every run.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);
pub const TIMEOUT: Duration = Duration::from_secs(60);

impl Life {
    pub fn new(random: &mut impl Rng) -> Self {
        // Half of all pods do what they should.
        let fate = if random.random_bool(0.4) {
            Fate::Succeeds
        } else {
            FATES[random.random_range(0..FATES.len())]
        };
        let milliseconds = |random: &mut _, range| Duration::from_millis(between(random, range));
        Self {
            fate,
            starts: milliseconds(random, 0..8_000),
            runs: match fate {
                Fate::RunsTooLong => Duration::from_hours(1),
                _ => milliseconds(random, 0..40_000),
            },
            settles: milliseconds(random, 0..1_500),
            bound: fate != Fate::FindsNoNode && random.random_bool(0.5),
        }
    }

    /// The cause of the verdict on such a life.
    pub fn cause(&self) -> Cause {
        match self.fate {
            Fate::Succeeds => Cause::Completed,
            Fate::Fails => Cause::Error,
            Fate::RunsOutOfMemory => Cause::OomKilled,
            Fate::RunsTooLong => Cause::DeadlineExceeded,
            Fate::FindsNoNode => Cause::Unschedulable,
            Fate::HasAWrongImage => Cause::ErrImagePull,
            Fate::IsEvicted => Cause::Evicted,
            Fate::IsDeletedBySomeone => Cause::Deleted,
        }
    }

    /// The status while it does not run, where there is something to tell.
    pub fn waiting(&self) -> Option<Value> {
        match self.fate {
            Fate::FindsNoNode => Some(json!({"conditions": [{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/1 nodes are available: 1 Insufficient cpu.",
            }]})),
            Fate::HasAWrongImage => Some(container(
                "Pending",
                &json!({"waiting": {
                    "reason": "ErrImagePull", "message": "rpc error: code = NotFound desc = not found",
                }}),
            )),
            _ => None,
        }
    }

    pub fn running(&self) -> Value {
        container("Running", &json!({"running": {}}))
    }

    /// The statuses at the container's end: first the container's, then the phase.
    pub fn ended(&self) -> (Option<Value>, Value) {
        let terminated =
            |code: i32, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
        let both = |phase: &str, state: &Value| {
            (Some(container("Running", state)), container(phase, state))
        };
        match self.fate {
            Fate::Fails => both("Failed", &terminated(1, "Error")),
            Fate::RunsOutOfMemory => both("Failed", &terminated(137, "OOMKilled")),
            Fate::IsEvicted => {
                // What the kubelet does comes in one update.
                let mut status = container("Failed", &terminated(137, "Error"));
                status["reason"] = json!("Evicted");
                status["message"] = json!("The node was low on resource: memory.");
                (None, status)
            }
            _ => both("Succeeded", &terminated(0, "Completed")),
        }
    }

    pub fn never_runs(&self) -> bool {
        matches!(self.fate, Fate::FindsNoNode | Fate::HasAWrongImage)
    }
}

fn container(phase: &str, state: &Value) -> Value {
    json!({"phase": phase, "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "restartCount": 0,
        "ready": state.get("running").is_some(), "state": state,
    }]})
}

fn between(random: &mut impl Rng, range: std::ops::Range<u64>) -> u64 {
    random.random_range(range)
}

//! Who owns a pod, and whether that process is gone.
//!
//! The owner of a pod is the process whose run it is. The pod says so in a label (a random id of the process) and in
//! an annotation with which others can find out that the process is gone: [`Claim`]. A process that cannot be proven
//! to be gone counts as one that may live, and its pods are left alone.
//!
//! - [`identity`]: this process, and whether a process of this machine is still the one that it was;
//! - [`own_pod`]: the Kubernetes pod that this process runs in, if it does;
//! - [`claim`]: what a pod says of its owner;
//! - `heartbeat`: a Lease that is renewed as long as this process has pods, where Leases are allowed;
//! - [`sighting`]: what was seen of the Lease of another;
//! - [`liveness`]: the judgement;
//! - [`process`]: the runs of this process.

pub mod claim;
mod heartbeat;
pub mod identity;
pub mod liveness;
pub mod own_pod;
pub mod process;
pub mod sighting;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub use claim::Claim;
pub use identity::Identity;
pub use liveness::Liveness;
pub use process::Process;

pub(crate) use heartbeat::Beat;

use tokio::time::Instant;

use crate::cluster::{Connection, FORBIDDEN_PAUSE, locked};
use heartbeat::Heartbeat;
use own_pod::PodRef;
use sighting::Sighting;

/// What a connection knows of owners, its own process included.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    heartbeats: Mutex<HashMap<String, Arc<Heartbeat>>>,
    sightings: Mutex<HashMap<(String, String), Sighting>>,
    own_pod: tokio::sync::OnceCell<Option<PodRef>>,
    own_pod_failed: Mutex<Option<Instant>>,
    pub(crate) rounds: crate::reap::Rounds,
}

impl Owners {
    /// The Lease of this process in a namespace.
    fn heartbeat(
        &self,
        connection: &Arc<Connection>,
        namespace: &str,
        process: &Arc<Process>,
    ) -> Arc<Heartbeat> {
        let mut all = locked(&self.heartbeats);
        let heartbeat = all.entry(namespace.to_owned()).or_insert_with(|| {
            let made = Arc::new(Heartbeat::new(connection, namespace, process));
            process.remember(&made);
            made
        });
        Arc::clone(heartbeat)
    }

    /// What a pod is to say of this process; `lease`: whether its Lease is there.
    pub(crate) async fn claim(
        &self,
        connection: &Connection,
        process: &Process,
        lease: bool,
    ) -> Claim {
        let place = process.place();
        let find = async || {
            // Those who waited for one that failed do not ask again, one after another.
            let failed = locked(&self.own_pod_failed).to_owned();
            if failed.is_some_and(|at| at.elapsed() < FORBIDDEN_PAUSE) {
                return Err(());
            }
            let found = PodRef::find(connection, place).await;
            found.map_err(|_| *locked(&self.own_pod_failed) = Some(Instant::now()))
        };
        let own_pod = Box::pin(self.own_pod.get_or_try_init(find)).await;
        Claim {
            process: process.identity().cloned(),
            place: place.cloned(),
            pod: own_pod.ok().cloned().flatten(),
            lease,
        }
    }
}

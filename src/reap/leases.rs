//! The Leases of processes that are gone: one that was killed while it had no pods has left nothing else behind.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Preconditions};

use crate::cluster::Connection;
use crate::cluster::retry::{Failure, once};
use crate::manifest::{annotations, labels};
use crate::owner::Claim;
use crate::owner::claim::lease_name;

/// How long Leases may be asked for. What is not found out now is found out in the next round.
const PATIENCE: Duration = Duration::from_secs(5);

/// The Lease of a process.
#[derive(Debug)]
pub(super) struct Held {
    /// The process's random id.
    pub(super) owner: String,
    /// What it says of the process.
    pub(super) claim: Claim,
    preconditions: Preconditions,
}

impl Held {
    /// `None` for a Lease that is no process's.
    fn of(lease: Lease) -> Option<Self> {
        let meta = lease.metadata;
        let owner = meta.labels?.remove(labels::OWNER)?;
        if meta.name? != lease_name(&owner) {
            return None;
        }
        let text = meta
            .annotations
            .and_then(|mut all| all.remove(annotations::OWNER_CLAIM));
        // Without a word of the process the Lease itself can be watched.
        let claim = text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        Some(Self {
            owner,
            claim: Claim {
                lease: true,
                ..claim
            },
            preconditions: Preconditions {
                uid: meta.uid,
                resource_version: meta.resource_version,
            },
        })
    }
}

/// The Leases of all processes with pods in a namespace; none where they may not be listed.
pub(super) async fn held(connection: &Connection, namespace: &str) -> Vec<Held> {
    let params = ListParams::default().labels(&format!(
        "{}=kubegrader,{}",
        labels::MANAGED_BY,
        labels::OWNER
    ));
    let params = &params;
    let list = |client| async move {
        let leases: Api<Lease> = Api::namespaced(client, namespace);
        once(leases.list(params)).await
    };
    let listed = Box::pin(connection.ask(PATIENCE, list)).await;
    let leases = listed.map(|list| list.items).unwrap_or_default();
    leases.into_iter().filter_map(Held::of).collect()
}

/// Deletes the Lease of an owner that is gone: as it was when that was found out, where it was read. One that stays behind
/// harms nobody.
pub(super) async fn delete(
    connection: &Connection,
    namespace: &str,
    owner: &str,
    held: Option<&Held>,
) -> Result<(), Failure> {
    let leases: Api<Lease> = Api::namespaced(connection.client(), namespace);
    let params = DeleteParams {
        preconditions: held.map(|held| held.preconditions.clone()),
        ..DeleteParams::default()
    };
    once(leases.delete(&lease_name(owner), &params))
        .await
        .map(drop)
}

//! What was seen of another process's Lease: its versions, by our own clock.
//!
//! As in client-go's leader election, the times in a Lease are not believed, since they come from another machine's
//! clock: a Lease has run out when it was itself seen not to change for longer than its duration. Unlike there, a gap
//! between two looks begins the count anew: while the API server is away nobody can renew anything.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tokio::time::Instant;

use super::Owners;
use super::claim::lease_name;
use super::liveness::Liveness;
use crate::cluster::retry::{Failure, once};
use crate::cluster::{Connection, Turn, locked};

/// How long a Lease is good for without being renewed, in seconds, when it does not say.
pub(super) const DURATION: Duration = Duration::from_mins(1);
/// How long two looks may lie apart, so that nothing can have happened in between that hindered the owner.
const GAP: Duration = Duration::from_secs(30);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a Lease is looked at, time for two outages included, before its owner counts as unknown.
pub const LONGEST: Duration = Duration::from_mins(3);
/// How often a Lease is looked at that is under suspicion.
pub const LOOK: Duration = Duration::from_secs(10);

/// A Lease as it was last seen.
#[derive(Debug, Clone)]
pub struct Sighting {
    version: Option<String>,
    since: Instant,
    last: Instant,
}

/// What a look adds to what was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It changed between two looks: somebody renews it.
    Renewed,
    /// It did not change for this long.
    Unchanged(Duration),
}

impl Sighting {
    /// The first look; `version` is the `resourceVersion`, `None` for a Lease that is not there.
    #[must_use]
    pub fn new(version: Option<String>, now: Instant) -> Self {
        Self {
            version,
            since: now,
            last: now,
        }
    }

    /// One more look.
    pub fn see(&mut self, version: Option<String>, now: Instant) -> Seen {
        if now - self.last > GAP {
            *self = Self::new(version, now);
            return Seen::Unchanged(Duration::ZERO);
        }
        self.last = now;
        if version == self.version {
            return Seen::Unchanged(now - self.since);
        }
        let renewed = version.is_some();
        self.version = version;
        self.since = now;
        if renewed {
            Seen::Renewed
        } else {
            Seen::Unchanged(Duration::ZERO)
        }
    }
}

impl Owners {
    /// Looks at the Lease of an owner; `None` when Leases cannot be read.
    pub(super) async fn look_at_lease(
        &self,
        connection: &Connection,
        namespace: &str,
        owner: &str,
    ) -> Option<Liveness> {
        let name = lease_name(owner);
        let look = |client| {
            let leases: Api<Lease> = Api::namespaced(client, namespace);
            let name = &name;
            async move { once(leases.get(name)).await }
        };
        let lease = match Box::pin(connection.ask_by(Turn::None, PATIENCE, look)).await {
            Ok(lease) => Some(lease),
            // The Lease itself, and not the whole kind, is what is not found.
            Err(Failure::Refused(status))
                if status.code == 404
                    && status.details.as_ref().is_some_and(|of| of.name == name) =>
            {
                None
            }
            Err(failure) if failure.is_transient() => {
                return Some(Liveness::Watched(format!(
                    "its Lease {name} could not be read: {failure}"
                )));
            }
            Err(_) => return None,
        };
        let version = lease
            .as_ref()
            .and_then(|lease| lease.metadata.resource_version.clone());
        let duration = lease
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(DURATION, Duration::from_secs);
        let is_there = lease.is_some();
        let seen = self.note(namespace, owner, version);
        Some(match seen {
            Seen::Renewed => Liveness::Alive(format!("its Lease {name} was renewed just now")),
            Seen::Unchanged(time) if time > duration => Liveness::Gone(format!(
                "its Lease {name} {} for {} s",
                if is_there {
                    "was not renewed"
                } else {
                    "was missing"
                },
                time.as_secs()
            )),
            Seen::Unchanged(time) => Liveness::Watched(format!(
                "its Lease {name} has been watched for {} s of {}",
                time.as_secs(),
                duration.as_secs()
            )),
        })
    }

    fn note(&self, namespace: &str, owner: &str, version: Option<String>) -> Seen {
        let now = Instant::now();
        let mut sightings = locked(&self.sightings);
        // What nobody looks at any more is forgotten.
        sightings.retain(|_, sighting| now - sighting.last <= GAP);
        let key = (namespace.to_owned(), owner.to_owned());
        if let Some(sighting) = sightings.get_mut(&key) {
            return sighting.see(version, now);
        }
        sightings.insert(key, Sighting::new(version, now));
        Seen::Unchanged(Duration::ZERO)
    }
}

//! Which pods may go.

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::leases::Held;
use super::list::Listed;
use crate::cluster::Connection;
use crate::owner::Process;
use crate::owner::claim::{Claim, Holder};
use crate::owner::liveness::{Liveness, liveness, of_process};
use crate::owner::sighting::{LONGEST, LOOK};
use crate::pod_view::PodView;

/// How many owners are asked after at once.
const AT_ONCE: usize = 16;

/// What may be done about a pod.
#[derive(Debug)]
pub(super) enum Judgement {
    Delete(String),
    Leave(String),
}

/// Judges the pods of one list; each owner is asked after once.
pub(super) struct Judge<'a> {
    connection: &'a Connection,
    process: &'a Process,
    namespace: &'a str,
    finished_for: Option<Duration>,
    now: Option<Timestamp>,
    /// What is known of each, by each of its claims.
    owners: HashMap<String, Vec<(Claim, Liveness)>>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        process: &'a Process,
        namespace: &'a str,
        finished_for: Option<Duration>,
        now: Option<Timestamp>,
    ) -> Self {
        Self {
            connection,
            process,
            namespace,
            finished_for,
            now,
            owners: HashMap::new(),
        }
    }

    /// Asks after all owners, for as long as Leases have to be watched for that.
    pub(super) async fn watch(&mut self, pods: &[Listed], leases: &[Held]) {
        let until = Instant::now() + LONGEST;
        loop {
            self.ask_all(pods, leases).await;
            let is_watching = |known: &(Claim, Liveness)| matches!(known.1, Liveness::Watched(_));
            if !self.owners.values().flatten().any(is_watching) || Instant::now() >= until {
                return;
            }
            sleep(LOOK).await;
            for known in self.owners.values_mut() {
                known.retain(|known| !is_watching(known));
            }
        }
    }

    /// Asks after all owners of whom nothing is known yet, several at once: a Lease counts only where two looks at it are close.
    async fn ask_all(&mut self, pods: &[Listed], leases: &[Held]) {
        let of_pods = pods.iter().filter_map(|pod| self.other_process(&pod.view));
        let of_leases = leases.iter().filter(|held| held.owner != self.process.id());
        let of_leases = of_leases.map(|held| (held.owner.clone(), held.claim.clone()));
        let mut wanted: Vec<(String, Claim)> = Vec::new();
        for (owner, claim) in of_pods.chain(of_leases) {
            if self.told(&owner, &claim).is_none()
                && !wanted.contains(&(owner.clone(), claim.clone()))
            {
                wanted.push((owner, claim));
            }
        }
        let (connection, process, namespace) = (self.connection, self.process, self.namespace);
        let asking = stream::iter(wanted).map(|(owner, claim)| async move {
            let known = of_process(connection, process, namespace, &owner, &claim).await;
            (owner, claim, known)
        });
        let known: Vec<_> = asking.buffer_unordered(AT_ONCE).collect().await;
        for (owner, claim, known) in known {
            self.note(owner, claim, known);
        }
    }

    /// The process, and what it claims, that a pod names as its owner, where it is another one than this.
    fn other_process(&self, pod: &PodView) -> Option<(String, Claim)> {
        match Holder::of(pod) {
            Holder::Process(id, claim) if id != self.process.id() && !self.process.runs(pod) => {
                Some((id, *claim))
            }
            _ => None,
        }
    }

    async fn owner_of(&mut self, pod: &PodView) -> Liveness {
        match self.other_process(pod) {
            Some((id, claim)) => self.ask(id, &claim).await,
            // Costs no request.
            None => liveness(self.connection, self.process, self.namespace, pod).await,
        }
    }

    /// Judges the process whose Lease it is.
    pub(super) async fn owner_of_lease(&mut self, held: &Held) -> Liveness {
        if held.owner == self.process.id() {
            return Liveness::Alive("it is this process's own".to_owned());
        }
        self.ask(held.owner.clone(), &held.claim).await
    }

    async fn ask(&mut self, owner: String, claim: &Claim) -> Liveness {
        let own = if let Some(known) = self.told(&owner, claim) {
            known.clone()
        } else {
            let asking = of_process(self.connection, self.process, self.namespace, &owner, claim);
            let known = asking.await;
            self.note(owner.clone(), claim.clone(), known.clone());
            known
        };
        // What one claim of an owner cannot tell, another may: a pod that was made when there was no Lease yet promises none, and one
        // after it does. That it lives, or may, goes before a proof that it is gone.
        match self.known(&owner) {
            Some(best) if rank(best) > rank(&own) => best.clone(),
            _ => own,
        }
    }

    /// What is known of an owner by this claim of it.
    fn told(&self, owner: &str, claim: &Claim) -> Option<&Liveness> {
        let all = self.owners.get(owner)?;
        let by = all.iter().find(|(by, _)| by == claim);
        by.map(|(_, known)| known)
    }

    fn note(&mut self, owner: String, claim: Claim, known: Liveness) {
        self.owners.entry(owner).or_default().push((claim, known));
    }

    /// What is known of an owner that was asked after, by all its claims.
    pub(super) fn known(&self, owner: &str) -> Option<&Liveness> {
        let all = self.owners.get(owner)?;
        all.iter()
            .map(|(_, known)| known)
            .max_by_key(|known| rank(known))
    }

    pub(super) async fn judge(&mut self, pod: &Listed) -> Judgement {
        let view = &pod.view;
        if view.metadata.deletion_timestamp.is_some() {
            return Judgement::Leave("it is being deleted already".to_owned());
        }
        let name = view.metadata.name.as_deref().unwrap_or_default();
        if self.process.wants(self.namespace, name) && !self.process.runs(view) {
            return Judgement::Leave("a run of this process adopts or replaces it".to_owned());
        }
        match self.owner_of(view).await {
            Liveness::Gone(proof) => Judgement::Delete(proof),
            Liveness::Alive(why) => Judgement::Leave(why),
            Liveness::Watched(why) | Liveness::Unknown(why) => match self.finished_for(pod) {
                Some(age) => Judgement::Delete(format!(
                    "it has been finished for {} s, and {why}",
                    age.as_secs()
                )),
                None => Judgement::Leave(why),
            },
        }
    }

    /// For how long a pod has been finished, if that is long enough.
    fn finished_for(&self, pod: &Listed) -> Option<Duration> {
        let limit = self.finished_for?;
        if !pod.view.is_terminal() {
            return None;
        }
        let age = Duration::try_from(self.now?.duration_since(pod.last_change?)).ok()?;
        (age >= limit).then_some(age)
    }
}

/// What goes before what, where the claims of one owner tell different things.
const fn rank(known: &Liveness) -> u8 {
    match known {
        Liveness::Unknown(_) => 0,
        Liveness::Gone(_) => 1,
        Liveness::Watched(_) => 2,
        Liveness::Alive(_) => 3,
    }
}

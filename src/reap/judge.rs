//! Which pods may go.

use std::collections::HashMap;
use std::time::Duration;

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
    owners: HashMap<String, Liveness>,
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
            let mut is_watching = false;
            for pod in pods {
                is_watching |= matches!(self.owner_of(&pod.view).await, Liveness::Watched(_));
            }
            for held in leases {
                is_watching |= matches!(self.owner_of_lease(held).await, Liveness::Watched(_));
            }
            if !is_watching || Instant::now() >= until {
                return;
            }
            sleep(LOOK).await;
            self.owners
                .retain(|_, known| !matches!(known, Liveness::Watched(_)));
        }
    }

    async fn owner_of(&mut self, pod: &PodView) -> Liveness {
        match Holder::of(pod) {
            Holder::Process(id, claim) if id != self.process.id() && !self.process.runs(pod) => {
                self.ask(id, &claim).await
            }
            // Costs no request.
            _ => liveness(self.connection, self.process, self.namespace, pod).await,
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
        if let Some(known) = self.owners.get(&owner) {
            return known.clone();
        }
        let known = of_process(self.connection, self.process, self.namespace, &owner, claim).await;
        self.owners.insert(owner, known.clone());
        known
    }

    /// What is known of an owner that was asked after.
    pub(super) fn known(&self, owner: &str) -> Option<&Liveness> {
        self.owners.get(owner)
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

//! The wait for a place among the pods in flight: queued, as behind a scheduling gate, and not the student's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::Run;
use crate::cluster::{Cluster, MaxPods};
use crate::error::{Error, Result};

/// Where a run stands in the queue, for others to ask.
#[derive(Debug, Clone, Default)]
pub struct Place(Arc<AtomicU64>);

impl Place {
    /// The place from 1, the next one to be let in; `None` where the run does not queue.
    #[must_use]
    pub fn position(&self, cluster: &Cluster) -> Option<usize> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            ticket => cluster.admission().position(ticket),
        }
    }
}

impl Run {
    /// Waits for a place, which the run then has until its end. A pod that is there already has its place.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) async fn queue_up(&mut self) -> Result<()> {
        if self.options.uid.is_some() || self.admission.max() == MaxPods::default() {
            return Ok(());
        }
        let lecture = self.options.lecture.as_deref().unwrap_or_default();
        let mut ticket = self.admission.queue(&self.namespace, lecture);
        self.permit = ticket.now();
        if self.permit.is_some() {
            return Ok(());
        }
        self.place.0.store(ticket.number(), Ordering::Relaxed);
        self.clock.queue(Instant::now());
        if let Some(position) = self.admission.position(ticket.number()) {
            self.steps.info(&format!(
                "queued: number {position} of {} that wait for a place; {}",
                self.admission.waiting(),
                told(self.admission.max())
            ));
        }
        let cancel = self.cancel.clone();
        self.permit = tokio::select! {
            () = cancel.cancelled() => return Err(self.cancelled()),
            permit = ticket.admitted() => permit,
        };
        self.place.0.store(0, Ordering::Relaxed);
        match self.permit {
            Some(_) => Ok(()),
            None => Err(Error::Internal {
                step: "waiting for a place",
                problem: "the queue has ended".to_owned(),
            }),
        }
    }
}

fn told(max: MaxPods) -> String {
    let of = |max: Option<usize>, whole| max.map(|max| format!("max_pods{whole} is {max}"));
    let limits = [
        of(max.in_process, ""),
        of(max.in_namespace, "_in_namespace"),
    ];
    limits.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

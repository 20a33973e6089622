//! A namespace whose quota is used up: the pod queues until others have ended, as it would behind a scheduling gate.
//!
//! Fact: "Resource Quotas" in Kubernetes' documentation; the admission plugin answers 403 with `exceeded quota: <name>,
//! requested: pods=1, used: pods=10, limited: pods=10`, where each list holds the resources that do not fit.

use std::collections::HashMap;
use std::time::Duration;

use kube::core::Status;
use tokio::time::Instant;

use super::Run;
use crate::cluster::retry::Failure;
use crate::error::{Error, Result};
use crate::quantity::Amount;

/// The first pause between two tries, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15);

/// The wait for room in a quota.
#[derive(Debug, Default)]
pub(super) struct Queue {
    tries: u32,
}

impl Queue {
    /// Waits before the next try where the failure is a quota that will have room again; gives any other back.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) async fn wait(
        &mut self,
        run: &mut Run,
        failure: Failure,
    ) -> Result<Option<Failure>> {
        if !is_used_up(&failure) {
            return Ok(Some(failure));
        }
        if self.tries == 0 {
            run.clock.queue(Instant::now());
            run.steps.info(&format!(
                "queued: the namespace's quota is used up: {failure}"
            ));
        }
        let pause = (FIRST * 2_u32.saturating_pow(self.tries.min(8))).min(LONGEST);
        self.tries += 1;
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))) => Ok(None),
            () = run.cancel.cancelled() => Err(Error::Cancelled { object: run.object() }),
        }
    }
}

/// Whether a create was refused by a quota that will have room again.
pub(super) fn is_used_up(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(status) if is_used_up_by(status))
}

/// Whether that is what a server answered.
pub(super) fn is_used_up_by(status: &Status) -> bool {
    let message = status.message.as_str();
    status.code == 403 && message.contains("exceeded quota: ") && !never_fits(message)
}

/// Whether the quota would have no room even if it were empty: more of a resource is requested than it has.
fn never_fits(message: &str) -> bool {
    let amounts = |head: &str| {
        let list = message.split_once(head)?.1;
        let list = list.split(", used: ").next()?.split(", limited: ").next()?;
        let amount = |one: &str| {
            let (resource, amount) = one.split_once('=')?;
            Some((resource.trim().to_owned(), Amount::parse(amount.trim())?))
        };
        Some(
            list.split(',')
                .filter_map(amount)
                .collect::<HashMap<_, _>>(),
        )
    };
    let (Some(requested), Some(limited)) = (amounts("requested: "), amounts(", limited: ")) else {
        return false;
    };
    requested
        .iter()
        .any(|(resource, wanted)| limited.get(resource).is_some_and(|limit| wanted > limit))
}

#[cfg(test)]
mod tests {
    use super::never_fits;

    #[test]
    fn a_quota_that_does_not_fit_even_when_it_is_empty_never_will() {
        let full = "pods \"p\" is forbidden: exceeded quota: course, requested: pods=1, used: pods=10, limited: pods=10";
        assert!(!never_fits(full));
        let small = "pods \"p\" is forbidden: exceeded quota: course, requested: limits.memory=4Gi,pods=1, used: limits.memory=0,pods=3, limited: limits.memory=2Gi,pods=3";
        assert!(never_fits(small));
        // Recorded on Kubernetes 1.34: others use some of it.
        let used = "pods \"p\" is forbidden: exceeded quota: q, requested: limits.cpu=1, used: limits.cpu=100m, limited: limits.cpu=500m";
        assert!(never_fits(used));
        let fits = "pods \"p\" is forbidden: exceeded quota: q, requested: limits.cpu=500m, used: limits.cpu=100m, limited: limits.cpu=500m";
        assert!(!never_fits(fits));
    }
}

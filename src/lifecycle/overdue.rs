//! A pod whose time to run is over while the API server does not say how it is. It is stopped all the same, if nothing of it has
//! changed since it was last seen: it may have ended in time, and then its end is what counts.

use std::time::Duration;

use super::observe::{End, Look, Remains};
use super::{AT_ONCE, Run};
use crate::cause::Cause;
use crate::cluster::Subscription;
use crate::cluster::doomed::delete_as_read;
use crate::cluster::retry::{Failure, within};
use crate::verdict::{Phase, Verdict};

impl Run {
    /// Deletes the pod as it was last seen, or looks at it once more where it is another by now.
    pub(super) async fn stop_as_seen(&mut self, news: &Subscription, patience: Duration) -> Look {
        let Some(last) = self.last.clone().filter(|_| !self.options.keep) else {
            return self.look_at_pod(news, patience).await;
        };
        // Before the delete, so that the pod's end cannot be missed.
        let told = Box::new(self.subscribe());
        let client = self.connection.client();
        let delete = delete_as_read(client, &self.namespace, &last, AT_ONCE);
        let look = match within(patience, delete).await {
            Ok(()) => Look::Goes,
            // It has not been told to go: who deletes it now is somebody else.
            Err(failure @ Failure::Unreached(_)) => return Look::Unanswered(failure),
            Err(failure @ Failure::Unanswered(_)) => Look::Unanswered(failure),
            // It has changed or is gone, and that was not us; or all is forbidden.
            Err(_) => {
                return match self.look_at_pod(news, patience).await {
                    Look::Refused(failure) => Look::Unanswered(failure),
                    look => look,
                };
            }
        };
        // Be it that the answer was lost: a deletion may be ours from now on.
        self.overdue.get_or_insert(told);
        look
    }

    /// The end of a pod that was seen to go: where we have told it to, that is why.
    pub(super) fn explained(&self, end: End) -> End {
        if self.overdue.is_some() && end.verdict.cause == Cause::Deleted {
            let verdict = self.overran();
            return End { verdict, ..end };
        }
        end
    }

    /// The end of a pod that runs longer than it may.
    pub(super) fn stopped_for_its_time(&self) -> End {
        let verdict = self.overran();
        self.steps.warn(&verdict.staff_text);
        End {
            verdict,
            remains: Remains::Running,
        }
    }

    fn overran(&self) -> Verdict {
        let limit = self.options.timeout.unwrap_or_default().as_secs_f64();
        let text =
            format!("DeadlineExceeded: the containers ran longer than {limit} s and were stopped");
        Verdict::new(Phase::Failed, Cause::DeadlineExceeded, text)
    }
}

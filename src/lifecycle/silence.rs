//! An API server that does not say how a pod is whose limit has passed: it is borne with for a while.

use tokio::time::{Duration, Instant};

use super::Run;
use crate::cluster::retry::Failure;
use crate::error::Result;

/// How long a limit may wait for an API server that does not answer: nobody is blamed for an end that nobody has seen. The
/// restart of a control plane takes less.
const CONFIRMING: Duration = Duration::from_mins(1);
/// The pause between two looks then, but for the second and the third, which follow at once.
const NEXT_LOOK: Duration = Duration::from_secs(1);

/// The looks at a pod whose limit has passed that nobody answered.
#[derive(Clone, Copy)]
pub(super) struct Silence {
    /// How many there were.
    pub(super) looks: u32,
    /// When the first of them was not answered.
    since: Instant,
    /// When the next is due.
    pub(super) next: Instant,
}

impl Silence {
    /// Whether it was borne with for long enough.
    pub(super) fn is_over(&self) -> bool {
        self.since.elapsed() >= CONFIRMING
    }
}

impl Run {
    /// Bears with an API server that does not answer, for a while.
    pub(super) fn bear_with(&self, silence: Option<Silence>, failure: Failure) -> Result<Silence> {
        let now = Instant::now();
        match silence {
            None => {
                self.steps.warn(&format!(
                    "its time is over, and the API server does not say how the pod is: {failure}"
                ));
                Ok(Silence {
                    looks: 1,
                    since: now,
                    next: now,
                })
            }
            Some(silence) if !silence.is_over() => Ok(Silence {
                looks: silence.looks + 1,
                next: if silence.looks == 1 {
                    now
                } else {
                    now + NEXT_LOOK
                },
                ..silence
            }),
            Some(_) => {
                Err(failure.into_error("reading pod", &self.object(), self.connection.server()))
            }
        }
    }
}

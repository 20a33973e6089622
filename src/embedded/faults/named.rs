//! Faults by their names, as a test in another language or a file writes them.

use std::time::Duration;

use super::fault::{Fault, NAMES};

/// The numbers that some faults have; what is `None` is the fault's own choice.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Numbers {
    /// How long, how late, or after how long.
    pub seconds: Option<Duration>,
    /// Seconds that a client is asked to wait.
    pub retry_after: Option<u32>,
    /// How many bytes of a body arrive.
    pub at_byte: Option<usize>,
}

impl Fault {
    /// The fault of this name.
    ///
    /// # Errors
    /// In words: a name that there is not, a number that is missing, or one that the fault does not have.
    pub fn named(name: &str, numbers: Numbers) -> Result<Self, String> {
        let mut left = numbers;
        let fault = take(name, &mut left)?;
        for (field, is_left) in [
            ("seconds", left.seconds.is_some()),
            ("retry_after", left.retry_after.is_some()),
            ("at_byte", left.at_byte.is_some()),
        ] {
            if is_left {
                return Err(format!("{name} has no {field}"));
            }
        }
        Ok(fault)
    }
}

/// Makes the fault and takes the numbers that it uses.
fn take(name: &str, numbers: &mut Numbers) -> Result<Fault, String> {
    let Numbers {
        seconds,
        retry_after,
        at_byte,
    } = numbers;
    let needed = |seconds: &mut Option<Duration>| {
        let missing = || format!("{name} needs seconds: by how much it is late");
        seconds.take().ok_or_else(missing)
    };
    Ok(match name {
        "latency" => Fault::Latency(needed(seconds)?),
        "refused" => Fault::Refused,
        "reset-before" => Fault::ResetBefore,
        "reset-after" => Fault::ResetAfter,
        "cut-body" => Fault::CutBody {
            at_byte: at_byte.take().unwrap_or_default(),
        },
        "watch-stalled" => Fault::WatchStalled(seconds.take().unwrap_or_default()),
        "watch-closed" => Fault::WatchClosed(seconds.take().unwrap_or_default()),
        "gone" => Fault::Gone(seconds.take().unwrap_or_default()),
        "bookmark-lost" => Fault::BookmarkLost,
        "event-duplicated" => Fault::EventDuplicated(seconds.take().unwrap_or_default()),
        "event-delayed" => Fault::EventDelayed(needed(seconds)?),
        "events-reordered" => {
            Fault::EventsReordered(seconds.take().unwrap_or(Duration::from_secs(1)))
        }
        "unauthorized" => Fault::Unauthorized,
        "forbidden" => Fault::Forbidden,
        "conflict" => Fault::Conflict,
        "too-many-requests" => Fault::TooManyRequests {
            retry_after: retry_after.take().unwrap_or(1),
        },
        "unavailable" => Fault::Unavailable {
            retry_after: retry_after.take().unwrap_or(1),
        },
        "internal-error" => Fault::InternalError {
            retry_after: retry_after.take(),
        },
        "bad-gateway" => Fault::BadGateway,
        other => {
            return Err(format!(
                "there is no fault {other:?}; there are {}",
                NAMES.join(", ")
            ));
        }
    })
}

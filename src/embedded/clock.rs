//! The server's clock: what time it believes it is.
//!
//! Every timestamp that the server or its kubelet writes comes from here, so that a clock that is wrong is wrong in
//! all of them, as on a real machine. Durations (deadlines, graces, back-offs) are measured and not read off a clock.

use std::sync::atomic::{AtomicI64, Ordering};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// The wall clock, off by a skew that may change at any time.
#[derive(Debug, Default)]
pub struct Clock {
    skew_milliseconds: AtomicI64,
}

impl Clock {
    /// How far the clock is ahead of this machine's; negative when it is behind.
    #[must_use]
    pub fn skew(&self) -> SignedDuration {
        SignedDuration::from_millis(self.skew_milliseconds.load(Ordering::Relaxed))
    }

    /// Sets the skew, in whole milliseconds.
    pub fn set_skew(&self, skew: SignedDuration) {
        let milliseconds = i64::try_from(skew.as_millis()).unwrap_or(i64::MAX);
        self.skew_milliseconds
            .store(milliseconds, Ordering::Relaxed);
    }

    /// The time to the nanosecond.
    #[must_use]
    pub fn precise(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.skew()).unwrap_or(now)
    }

    /// The time at Kubernetes' resolution of one second.
    #[must_use]
    pub fn now(&self) -> Time {
        let now = self.precise();
        Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
    }
}

//! How long a container waits before it is started again.

use std::time::Duration;

/// The pause before the second restart; it doubles with each.
const FIRST: Duration = Duration::from_secs(10);
/// The longest pause.
const LIMIT: Duration = Duration::from_mins(5);

/// The first restart is at once, the next after 10 s, 20 s and so on, as on a real node.
#[must_use]
pub fn pause(restarts: i32) -> Duration {
    match u32::try_from(restarts) {
        Ok(done) if done > 0 => FIRST
            .saturating_mul(2_u32.saturating_pow(done - 1))
            .min(LIMIT),
        _ => Duration::ZERO,
    }
}

/// Go's way to write whole seconds: `10s`, `1m20s`.
#[must_use]
pub fn text(duration: Duration) -> String {
    match (duration.as_secs() / 60, duration.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

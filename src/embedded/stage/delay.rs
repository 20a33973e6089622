//! How long a step waits for the one before.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A time to wait, in a range or fixed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delay {
    /// Begins at the end of the deletion's grace, not with the step before.
    from_grace: bool,
    min: Duration,
    max: Duration,
}

impl Delay {
    /// Reads `500ms`, `1m30s`, `grace`, `grace+600ms` or `{min: 1s, max: 2s}`.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::fixed(text),
            Value::Object(range) => {
                if let Some(other) = range.keys().find(|key| *key != "min" && *key != "max") {
                    return Err(format!("there is no {other:?} beside min and max"));
                }
                let bound = |name: &str| match range.get(name).and_then(Value::as_str) {
                    Some(text) => duration(text),
                    None => Err(format!("{name} must be a duration such as 500ms or 1m30s")),
                };
                let (min, max) = (bound("min")?, bound("max")?);
                if min > max {
                    return Err("min is more than max".to_owned());
                }
                Ok(Self {
                    from_grace: false,
                    min,
                    max,
                })
            }
            other => Err(format!("{other} is no duration such as 500ms or 1m30s")),
        }
    }

    fn fixed(text: &str) -> Result<Self, String> {
        let (from_grace, rest) = match text.trim().strip_prefix("grace") {
            Some(rest) => (true, rest.trim().trim_start_matches('+').trim()),
            None => (false, text.trim()),
        };
        let time = if from_grace && rest.is_empty() {
            Duration::ZERO
        } else {
            duration(rest)?
        };
        Ok(Self {
            from_grace,
            min: time,
            max: time,
        })
    }

    /// Does it begin with the end of the grace?
    #[must_use]
    pub fn counts_from_grace(&self) -> bool {
        self.from_grace
    }

    /// The time for one step of one pod: the same for the same seed and names, whatever other pods do.
    #[must_use]
    pub fn draw(&self, seed: u64, names: &[&str], step: usize) -> Duration {
        let span = self.max.saturating_sub(self.min);
        if span.is_zero() {
            return self.min;
        }
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(step.to_be_bytes());
        for name in names {
            hash.update(name.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        let part = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        self.min + span.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<SignedDuration, _> = text.parse();
    let wrong = || format!("{text:?} is no duration such as 500ms or 1m30s");
    Duration::try_from(parsed.map_err(|_| wrong())?).map_err(|_| wrong())
}

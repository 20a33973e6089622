//! Kubernetes' quantities, exactly: `100m`, `1.5Gi`, `2e3`.

use std::num::NonZero;

/// Thousandths in one.
const MILLI: u128 = 1000;

/// An amount in thousandths, rounded up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    thousandths: u128,
}

impl Amount {
    /// 1.
    pub const ONE: Self = Self { thousandths: MILLI };

    /// Reads a quantity that is not negative; `None` when it is none or too large.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(text.len());
        let (digits, suffix) = text.split_at(end);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let number: u128 = format!("{whole}{fraction}").parse().ok()?;
        let places = u32::try_from(fraction.len()).ok()?;
        let (multiplier, divisor) = scale(suffix)?;
        let numerator = number.checked_mul(multiplier)?.checked_mul(MILLI)?;
        let denominator = divisor.checked_mul(10_u128.checked_pow(places)?)?;
        Some(Self {
            thousandths: numerator.div_ceil(denominator),
        })
    }

    /// What this machine has of `cpu`, `memory` or `ephemeral-storage`.
    #[must_use]
    pub fn of_machine(resource: &str) -> Option<Self> {
        let whole = match resource {
            "cpu" => std::thread::available_parallelism().map_or(1, NonZero::get) as u128,
            "memory" => memory()?,
            _ => return None,
        };
        Some(Self {
            thousandths: whole.checked_mul(MILLI)?,
        })
    }

    /// How often `divisor` goes into it, rounded up; `None` for a divisor of 0.
    #[must_use]
    pub fn divided(self, divisor: Self) -> Option<u128> {
        (divisor.thousandths > 0).then(|| self.thousandths.div_ceil(divisor.thousandths))
    }

    /// Rounded up to a whole number, at most the largest one.
    #[must_use]
    pub fn whole(self) -> u64 {
        u64::try_from(self.thousandths.div_ceil(MILLI)).unwrap_or(u64::MAX)
    }
}

/// What the suffix multiplies with and divides by.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    let binary = |power: u32| Some((1024_u128.pow(power), 1));
    let decimal = |power: u32| Some((1000_u128.pow(power), 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1000)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
            Some(if exponent < 0 { (1, power) } else { (power, 1) })
        }
    }
}

/// The machine's memory in bytes.
fn memory() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kibibytes: u128 = line.split_whitespace().nth(1)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

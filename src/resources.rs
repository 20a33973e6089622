//! What a container may use: `KubeSpawner`'s four traits as a container's `resources`.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Limits and guarantees; what is `None` is left to the namespace's `LimitRange`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Cores at most.
    pub cpu_limit: Option<f64>,
    /// Cores that the scheduler sets aside.
    pub cpu_guarantee: Option<f64>,
    /// Bytes of memory at most.
    pub mem_limit: Option<u64>,
    /// Bytes of memory that the scheduler sets aside.
    pub mem_guarantee: Option<u64>,
}

impl Resources {
    /// The container's `resources`.
    #[must_use]
    pub fn to_value(self) -> Value {
        let sides = [
            ("requests", self.cpu_guarantee, self.mem_guarantee),
            ("limits", self.cpu_limit, self.mem_limit),
        ];
        let sides = sides.into_iter().filter_map(|(side, cpu, memory)| {
            let cpu = cpu.map(|cores| ("cpu", cpu_quantity(cores)));
            let memory = memory.map(|bytes| ("memory", bytes.to_string()));
            let amounts: Map<String, Value> = cpu
                .into_iter()
                .chain(memory)
                .map(|(name, quantity)| (name.to_owned(), quantity.into()))
                .collect();
            (!amounts.is_empty()).then(|| (side.to_owned(), Value::Object(amounts)))
        });
        sides.collect::<Map<_, _>>().into()
    }

    /// Finds what no API server would take.
    ///
    /// # Errors
    /// [`Error::InvalidPod`] for an amount of nothing, and for a guarantee above its limit.
    pub fn check(self) -> Result<()> {
        for (field, cores) in [
            ("cpu_limit", self.cpu_limit),
            ("cpu_guarantee", self.cpu_guarantee),
        ] {
            if cores.is_some_and(|cores| cores.is_nan() || cores < 0.001) {
                let problem = "it is a number of cores from 0.001 on, or None".to_owned();
                return Err(invalid(field, problem));
            }
        }
        if self.mem_limit == Some(0) {
            return Err(invalid(
                "mem_limit",
                "it must be more than 0, or None".to_owned(),
            ));
        }
        if let (Some(guarantee), Some(limit)) = (self.cpu_guarantee, self.cpu_limit)
            && guarantee > limit
        {
            let problem = format!("{guarantee} cores are more than cpu_limit, which is {limit}");
            return Err(invalid("cpu_guarantee", problem));
        }
        if let (Some(guarantee), Some(limit)) = (self.mem_guarantee, self.mem_limit)
            && guarantee > limit
        {
            let problem = format!("{guarantee} bytes are more than mem_limit, which is {limit}");
            return Err(invalid("mem_guarantee", problem));
        }
        Ok(())
    }
}

/// Cores as Kubernetes writes them: whole ones, or thousandths, which is the finest that it knows.
fn cpu_quantity(cores: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a float beyond i64 is no number of cores, and becomes the largest"
    )]
    let millis = (cores * 1000.0).round() as i64;
    if millis % 1000 == 0 {
        (millis / 1000).to_string()
    } else {
        format!("{millis}m")
    }
}

fn invalid(field: &str, problem: String) -> Error {
    Error::InvalidPod {
        field: field.to_owned(),
        problem,
    }
}

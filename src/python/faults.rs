//! `kubegrader.Faults`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::convert::seconds as duration;
use crate::embedded::faults::{Fault, Faults, Numbers, Rule, VERBS, Verb, When};

/// What happens between the clients of an embedded cluster and its API server.
#[pyclass(frozen, name = "Faults", module = "kubegrader")]
pub(super) struct PyFaults(pub(super) Faults);

#[pymethods]
impl PyFaults {
    #[pyo3(signature = (
        fault, *, verb=None, name=None, namespace=None, path=None, chance=1.0, times=None, skip=0,
        seconds=None, retry_after=None, at_byte=None
    ))]
    #[allow(
        clippy::too_many_arguments,
        reason = "Python names each of them, and most are left out"
    )]
    fn add(
        &self,
        fault: &str,
        verb: Option<&str>,
        name: Option<String>,
        namespace: Option<String>,
        path: Option<String>,
        chance: f64,
        times: Option<u64>,
        skip: u64,
        seconds: Option<f64>,
        retry_after: Option<u32>,
        at_byte: Option<usize>,
    ) -> PyResult<()> {
        let numbers = Numbers {
            seconds: duration("seconds", seconds)?,
            retry_after,
            at_byte,
        };
        if !(0.0..=1.0).contains(&chance) {
            return Err(PyValueError::new_err(format!(
                "chance must be from 0 to 1, and it is {chance}"
            )));
        }
        self.0.add(Rule {
            fault: Fault::named(fault, numbers).map_err(PyValueError::new_err)?,
            when: When {
                verb: verb.map(parse_verb).transpose()?,
                namespace,
                name,
                path,
            },
            chance,
            skip,
            times,
        });
        Ok(())
    }

    fn clear(&self) {
        self.0.clear();
    }

    fn trace(&self) -> Vec<String> {
        self.0.trace()
    }

    fn seed(&self, n: u64) {
        self.0.seed(n);
    }

    fn __repr__(&self) -> String {
        format!("Faults({} requests)", self.0.trace().len())
    }
}

fn parse_verb(name: &str) -> PyResult<Verb> {
    Verb::parse(name).ok_or_else(|| {
        let all: Vec<&str> = VERBS.iter().map(|verb| verb.as_str()).collect();
        PyValueError::new_err(format!(
            "there is no verb {name:?}; there are {}",
            all.join(", ")
        ))
    })
}

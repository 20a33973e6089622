//! Fields that Kubernetes does not know or that stand twice: refused or named when a client asks for it.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::kind::Kind;
use super::params::FieldValidation;
use super::status_body::Refusal;

/// Compares a body with what was understood of it; returns what is to be named in `Warning` headers.
///
/// # Errors
/// 400 in the real server's words, with every unknown and every repeated field.
pub fn check<T: Kind>(
    wish: FieldValidation,
    body: &[u8],
    understood: &T,
) -> Result<Vec<String>, Refusal> {
    if wish == FieldValidation::Ignore {
        return Ok(Vec::new());
    }
    let given: Given = serde_json::from_slice(body).unwrap_or(Given::Scalar);
    let known = serde_json::to_value(understood).unwrap_or_default();
    let mut faults = Vec::new();
    collect("", &given, &known, &mut faults);
    if faults.is_empty() || wish == FieldValidation::Warn {
        return Ok(faults);
    }
    Err(Refusal::bad_request(format!(
        "{0} in version {1:?} cannot be handled as a {0}: strict decoding error: {2}",
        T::KIND,
        T::API_VERSION,
        faults.join(", ")
    )))
}

/// JSON in the order in which it was written, with what stands in it twice.
enum Given {
    Null,
    Scalar,
    Array(Vec<Given>),
    Object(Vec<(String, Given)>),
}

fn collect(path: &str, given: &Given, known: &Value, faults: &mut Vec<String>) {
    match (given, known) {
        (Given::Object(given), Value::Object(known)) => {
            let mut seen = BTreeSet::new();
            for (name, value) in given {
                let inner = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                if !seen.insert(name) {
                    faults.push(format!("duplicate field {inner:?}"));
                } else if let Some(known) = known.get(name) {
                    collect(&inner, value, known, faults);
                } else if !value.is_nothing() {
                    faults.push(format!("unknown field {inner:?}"));
                }
            }
        }
        (Given::Array(given), Value::Array(known)) => {
            for (index, (given, known)) in given.iter().zip(known).enumerate() {
                collect(&format!("{path}[{index}]"), given, known, faults);
            }
        }
        _ => {}
    }
}

impl Given {
    /// A known field of this value may be left out of what was understood.
    fn is_nothing(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Given;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Given, E> {
        Ok(Given::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Given, E> {
        Ok(Given::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Given, E> {
        Ok(Given::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Given, E> {
        Ok(Given::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Given, E> {
        Ok(Given::Scalar)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Given, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Given::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Given, A::Error> {
        let mut all = Vec::new();
        while let Some(field) = fields.next_entry()? {
            all.push(field);
        }
        Ok(Given::Object(all))
    }
}

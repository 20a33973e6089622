//! Fields that Kubernetes does not know: refused when a client asks for strict validation.

use serde_json::Value;

use super::kind::Kind;
use super::status_body::Refusal;

/// Compares a body with what was understood of it.
///
/// # Errors
/// 400 in the real server's words, with every unknown field.
pub fn check<T: Kind>(body: &[u8], understood: &T) -> Result<(), Refusal> {
    let given: Value = serde_json::from_slice(body).unwrap_or_default();
    let known = serde_json::to_value(understood).unwrap_or_default();
    let mut unknown = Vec::new();
    collect("", &given, &known, &mut unknown);
    if unknown.is_empty() {
        return Ok(());
    }
    let fields: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field {path:?}"))
        .collect();
    let message = format!(
        "{0} in version {1:?} cannot be handled as a {0}: strict decoding error: {2}",
        T::KIND,
        T::API_VERSION,
        fields.join(", ")
    );
    Err(Refusal::bad_request(message))
}

fn collect(path: &str, given: &Value, known: &Value, unknown: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let inner = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                match known.get(name) {
                    Some(known) => collect(&inner, value, known, unknown),
                    None => unknown.push(inner),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (index, (given, known)) in given.iter().zip(known).enumerate() {
                collect(&format!("{path}[{index}]"), given, known, unknown);
            }
        }
        _ => {}
    }
}

//! `$(variable)` in the texts of a stage, as in a container's command; `$$(` is a literal `$(`.

use serde_json::Value;

/// What the variables stand for.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `$(now)`: RFC 3339, whole seconds.
    pub now: String,
    /// `$(startTime)`: the status's, or `now`.
    pub start_time: String,
    /// `$(name)`: the pod's.
    pub name: String,
    /// `$(namespace)`: the pod's.
    pub namespace: String,
    /// `$(uid)`: the pod's.
    pub uid: String,
    /// `$(node)`: the pod's, or nothing.
    pub node: String,
    /// `$(generation)`: the pod's, a number.
    pub generation: i64,
    /// `$(containers)`: the names, with spaces between.
    pub containers: String,
    /// `$(initContainers)`: alike.
    pub init_containers: String,
    /// `$(container)`: the one that is spoken of.
    pub container: String,
    /// `$(image)`: that container's, or the first one's.
    pub image: String,
}

const NAMES: &str = "now, startTime, name, namespace, uid, node, generation, containers, initContainers, container, image";

impl Scope {
    fn get(&self, name: &str) -> Option<Value> {
        let text = match name {
            "now" => &self.now,
            "startTime" => &self.start_time,
            "name" => &self.name,
            "namespace" => &self.namespace,
            "uid" => &self.uid,
            "node" => &self.node,
            "generation" => return Some(self.generation.into()),
            "containers" => &self.containers,
            "initContainers" => &self.init_containers,
            "container" => &self.container,
            "image" => &self.image,
            _ => return None,
        };
        Some(text.as_str().into())
    }

    /// The value with all variables replaced. A text that is one variable takes its type.
    ///
    /// # Errors
    /// The name of an unknown variable.
    pub fn expand(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => self.expand_text(text)?,
            Value::Array(all) => Value::Array(
                all.iter()
                    .map(|one| self.expand(one))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(all) => {
                let expanded = all
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.expand(value)?)));
                Value::Object(expanded.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    /// A text with all variables replaced.
    ///
    /// # Errors
    /// The name of an unknown variable.
    pub fn text(&self, text: &str) -> Result<String, String> {
        Ok(match self.expand_text(text)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    fn expand_text(&self, text: &str) -> Result<Value, String> {
        let mut made = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("$(") {
            if rest[..at].ends_with('$') {
                made.push_str(&rest[..at]);
                made.push('(');
                rest = &rest[at + 2..];
                continue;
            }
            let end = rest[at..]
                .find(')')
                .ok_or_else(|| format!("{text:?} has a '$(' without its ')'"))?;
            let name = &rest[at + 2..at + end];
            let value = self
                .get(name)
                .ok_or_else(|| format!("there is no $({name}); there are {NAMES}"))?;
            if at == 0 && made.is_empty() && end + 1 == text.len() {
                return Ok(value);
            }
            made.push_str(&rest[..at]);
            match value {
                Value::String(value) => made.push_str(&value),
                value => made.push_str(&value.to_string()),
            }
            rest = &rest[at + end + 1..];
        }
        made.push_str(rest);
        Ok(Value::String(made))
    }
}

/// Is every variable known?
///
/// # Errors
/// The one that is not.
pub fn check(text: &str) -> Result<(), String> {
    Scope::default().text(text).map(|_| ())
}

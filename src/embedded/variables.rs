//! The variables of a container: values, references to fields and resources, and what is never there.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, EnvFromSource, EnvVar, EnvVarSource, Pod, ResourceFieldSelector,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::launch::Problem;
use super::volumes::{no_config_map, no_secret};
use crate::quantity::Amount;

/// The container's own variables, each expanded with those before it.
///
/// # Errors
/// In a kubelet's words, when one cannot be had.
pub fn variables(pod: &Pod, container: &Container) -> Result<BTreeMap<String, String>, Problem> {
    for source in container.env_from.iter().flatten() {
        check_env_from(source)?;
    }
    let mut done = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            None => Some(expand(variable.value.as_deref().unwrap_or_default(), &done)),
            Some(from) => from_elsewhere(pod, container, variable, from)?,
        };
        if let Some(value) = value {
            done.insert(variable.name.clone(), value);
        }
    }
    Ok(done)
}

/// There are no `ConfigMap`s and no `Secret`s: what is optional is empty, the rest is missing.
fn check_env_from(source: &EnvFromSource) -> Result<(), Problem> {
    match (&source.config_map_ref, &source.secret_ref) {
        (Some(map), _) if map.optional != Some(true) => {
            Err(Problem::Config(no_config_map(&map.name)))
        }
        (_, Some(secret)) if secret.optional != Some(true) => {
            Err(Problem::Config(no_secret(&secret.name)))
        }
        _ => Ok(()),
    }
}

/// `None` for an optional key of what is not there: the variable is left out.
fn from_elsewhere(
    pod: &Pod,
    container: &Container,
    variable: &EnvVar,
    from: &EnvVarSource,
) -> Result<Option<String>, Problem> {
    if let Some(field) = &from.field_ref {
        return from_field(pod, &variable.name, &field.field_path).map(Some);
    }
    if let Some(resource) = &from.resource_field_ref {
        return from_resource(pod, container, resource).map(Some);
    }
    if let Some(key) = &from.config_map_key_ref {
        return missing(key.optional, no_config_map(&key.name));
    }
    if let Some(key) = &from.secret_key_ref {
        return missing(key.optional, no_secret(&key.name));
    }
    Err(Problem::Config(format!(
        "environment variable {:?}: its valueFrom is not supported here: write the value itself, or use a fieldRef or a resourceFieldRef",
        variable.name
    )))
}

fn missing(optional: Option<bool>, message: String) -> Result<Option<String>, Problem> {
    if optional == Some(true) {
        Ok(None)
    } else {
        Err(Problem::Config(message))
    }
}

fn from_field(pod: &Pod, name: &str, path: &str) -> Result<String, Problem> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    let value = match path {
        "metadata.name" => metadata.name.clone(),
        "metadata.namespace" => metadata.namespace.clone(),
        "metadata.uid" => metadata.uid.clone(),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" | "status.hostIP" | "status.podIPs" | "status.hostIPs" => {
            Some("127.0.0.1".to_owned())
        }
        _ => {
            let Some((map, key)) = subscript(path) else {
                return Err(Problem::Config(format!(
                    "environment variable {name:?}: the fieldRef {path:?} is not supported here: use metadata.name, metadata.namespace, metadata.uid, metadata.labels['key'], metadata.annotations['key'], spec.nodeName, spec.serviceAccountName, status.podIP or status.hostIP"
                )));
            };
            let all = match map {
                "metadata.labels" => metadata.labels.as_ref(),
                _ => metadata.annotations.as_ref(),
            };
            all.and_then(|all| all.get(key)).cloned()
        }
    };
    Ok(value.unwrap_or_default())
}

/// The two parts of `metadata.labels['key']` or `metadata.annotations['key']`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once("['")?;
    let key = rest.strip_suffix("']")?;
    matches!(map, "metadata.labels" | "metadata.annotations").then_some((map, key))
}

/// A limit or request in units of the divisor, rounded up; a limit that is not set is the machine's own.
fn from_resource(
    pod: &Pod,
    container: &Container,
    selector: &ResourceFieldSelector,
) -> Result<String, Problem> {
    let spec = pod.spec.as_ref();
    let other = selector
        .container_name
        .as_deref()
        .filter(|name| !name.is_empty());
    let init = spec.and_then(|spec| spec.init_containers.as_ref());
    let of = match other {
        None => Some(container),
        Some(name) => spec
            .map(|spec| &spec.containers)
            .into_iter()
            .chain(init)
            .flatten()
            .find(|one| one.name == name),
    };
    let Some(of) = of else {
        let message = format!("container {} not found", other.unwrap_or_default());
        return Err(Problem::Config(message));
    };
    let invalid = |text: &str| {
        Problem::Config(format!(
            "resourceFieldRef {:?}: {text:?} is not a quantity",
            selector.resource
        ))
    };
    let parse =
        |quantity: &Quantity| Amount::parse(&quantity.0).ok_or_else(|| invalid(&quantity.0));
    let resources = of.resources.clone().unwrap_or_default();
    let limit = |name: &str| resources.limits.as_ref().and_then(|all| all.get(name));
    let request = |name: &str| resources.requests.as_ref().and_then(|all| all.get(name));
    let (set, name, is_limit) = match selector.resource.split_once('.') {
        Some(("limits", name)) => (limit(name), name, true),
        Some(("requests", name)) => (request(name).or_else(|| limit(name)), name, false),
        _ => (None, "", false),
    };
    let amount = match set {
        Some(quantity) => parse(quantity)?,
        None if is_limit => Amount::of_machine(name)
            .ok_or_else(|| Problem::Config(format!("unsupported container resource : {name}")))?,
        None => Amount::default(),
    };
    let divisor = match &selector.divisor {
        Some(divisor) if divisor.0 != "0" && !divisor.0.is_empty() => parse(divisor)?,
        _ => Amount::ONE,
    };
    amount
        .divided(divisor)
        .map(|whole| whole.to_string())
        .ok_or_else(|| invalid("0"))
}

/// Kubernetes' expansion: `$(NAME)` for a known name, `$$` for a dollar, all else as it is.
#[must_use]
pub fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    try_expand(text, variables).0
}

/// The expansion of a `subPathExpr`, where every name must be known.
///
/// # Errors
/// In a kubelet's words, with the first unknown name.
pub fn expand_all(text: &str, variables: &BTreeMap<String, String>) -> Result<String, Problem> {
    match try_expand(text, variables) {
        (expanded, None) => Ok(expanded),
        (_, Some(name)) => Err(Problem::Config(format!("missing value for {name}"))),
    }
}

/// The expanded text and the first name that is not known.
fn try_expand<'a>(
    text: &'a str,
    variables: &BTreeMap<String, String>,
) -> (String, Option<&'a str>) {
    let mut out = String::with_capacity(text.len());
    let mut unknown = None;
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            if let Some(value) = variables.get(name) {
                out.push_str(value);
            } else {
                out.extend(["$(", name, ")"]);
                unknown = unknown.or(Some(name));
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    (out + rest, unknown)
}

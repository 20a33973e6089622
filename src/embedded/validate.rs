//! What the API server refuses when a pod is created or updated, in its own words and with its field paths.
//!
//! The rules that grading pods can meet, not all of Kubernetes'; every text was read from a 1.34 server.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, PodSpec, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, StatusCause};

use super::name_rules::{
    env_name_faults, label_name_faults, label_value_faults, qualified_name_faults, subdomain_faults,
};
use super::status_body::{
    Refusal, cause, duplicate, forbidden, invalid, invalid_number, required, unsupported,
};
use super::validate_resources::check_resources;
use super::validate_volume::{check_mounts, check_volumes};

/// What is wrong with an object.
pub type Causes = Vec<StatusCause>;

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];
const DNS_POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const FIELD_PATHS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// What a pod update may change (real server's words, without the diff that follows them there).
pub const IMMUTABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Checks a pod that has its defaults.
///
/// # Errors
/// 422 `Invalid` with every cause that was found.
pub fn check(pod: &Pod) -> Result<(), Refusal> {
    let mut causes = check_metadata(&pod.metadata);
    let none = PodSpec::default();
    causes.extend(check_spec(pod.spec.as_ref().unwrap_or(&none)));
    refuse("Pod", &pod.metadata, causes)
}

/// Checks the name of a namespace: a DNS-1123 label.
///
/// # Errors
/// 422 `Invalid`.
pub fn check_namespace(metadata: &ObjectMeta) -> Result<(), Refusal> {
    let name = metadata.name.as_deref().unwrap_or_default();
    let causes = if name.is_empty() {
        vec![required(
            "metadata.name",
            "name or generateName is required",
        )]
    } else {
        each("metadata.name", name, label_name_faults(name))
    };
    refuse("Namespace", metadata, causes)
}

/// Checks that an update changes only what Kubernetes lets it change in a spec.
///
/// # Errors
/// 422 `Invalid`.
pub fn check_update(old: &Pod, new: &Pod) -> Result<(), Refusal> {
    let mut causes = Causes::new();
    check(new).or_else(
        |refusal| match refusal.details.and_then(|details| details.causes) {
            Some(found) => {
                causes.extend(found);
                Ok::<(), Refusal>(())
            }
            None => Ok(()),
        },
    )?;
    let (old, mut changed) = (
        old.spec.clone().unwrap_or_default(),
        new.spec.clone().unwrap_or_default(),
    );
    causes.extend(check_deadline_change(
        old.active_deadline_seconds,
        changed.active_deadline_seconds,
    ));
    let count = |spec: &PodSpec| {
        (
            spec.containers.len(),
            spec.init_containers.as_ref().map_or(0, Vec::len),
        )
    };
    if count(&old) == count(&changed) {
        causes.extend(check_toleration_change(&old, &changed));
        allow_changes(&old, &mut changed);
        if changed != old {
            causes.push(forbidden("spec", IMMUTABLE));
        }
    } else {
        causes.push(forbidden(
            "spec.containers",
            "pod updates may not add or remove containers",
        ));
    }
    refuse("Pod", &new.metadata, causes)
}

/// A deadline may be set and made shorter, not longer and not taken away.
fn check_deadline_change(old: Option<i64>, new: Option<i64>) -> Option<StatusCause> {
    let field = "spec.activeDeadlineSeconds";
    match (old?, new) {
        (_, None) => {
            let message =
                "Invalid value: null: must not update from a positive integer to nil value";
            Some(cause("FieldValueInvalid", field, message))
        }
        (old, Some(new)) if new > old => {
            let why = "must be less than or equal to previous value";
            Some(invalid_number(field, new, why))
        }
        _ => None,
    }
}

/// Tolerations may be added; of the old ones only the seconds may change.
fn check_toleration_change(old: &PodSpec, new: &PodSpec) -> Option<StatusCause> {
    let same = |one: &Toleration, other: &Toleration| {
        let seconds = one.toleration_seconds;
        *one == Toleration {
            toleration_seconds: seconds,
            ..other.clone()
        }
    };
    let new = new.tolerations.as_deref().unwrap_or_default();
    let mut kept = old.tolerations.iter().flatten();
    let all = kept.all(|one| new.iter().any(|other| same(one, other)));
    let why = "existing toleration can not be modified except its tolerationSeconds";
    (!all).then(|| forbidden("spec.tolerations", why))
}

/// Puts the old values back where a change is allowed, so that the rest must be equal.
fn allow_changes(old: &PodSpec, new: &mut PodSpec) {
    let new_init = new.init_containers.iter_mut().flatten();
    let old_init = old.init_containers.iter().flatten();
    let pairs = new
        .containers
        .iter_mut()
        .zip(&old.containers)
        .chain(new_init.zip(old_init));
    for (new, old) in pairs {
        new.image.clone_from(&old.image);
        new.image_pull_policy.clone_from(&old.image_pull_policy);
    }
    new.active_deadline_seconds = old.active_deadline_seconds;
    new.tolerations.clone_from(&old.tolerations);
    if old.scheduling_gates.is_some() && old.node_name.is_none() {
        new.scheduling_gates.clone_from(&old.scheduling_gates);
        new.node_selector.clone_from(&old.node_selector);
    }
}

fn refuse(kind: &str, metadata: &ObjectMeta, causes: Causes) -> Result<(), Refusal> {
    if causes.is_empty() {
        return Ok(());
    }
    let name = metadata.name.as_deref().unwrap_or_default();
    Err(Refusal::invalid("", kind, name, causes))
}

/// One cause for each fault of a value.
#[must_use]
pub fn each(field: &str, value: &str, faults: Vec<String>) -> Causes {
    faults
        .into_iter()
        .map(|fault| invalid(field, value, &fault))
        .collect()
}

/// Checks names, labels and annotations.
pub fn check_metadata(metadata: &ObjectMeta) -> Causes {
    let name = metadata.name.as_deref().unwrap_or_default();
    // A prefix may end in a dash or a dot: five characters follow it.
    let prefix = metadata.generate_name.as_deref().unwrap_or_default();
    let mut causes = if prefix.is_empty() {
        Causes::new()
    } else {
        each(
            "metadata.generateName",
            prefix,
            subdomain_faults(prefix.trim_end_matches(['-', '.'])),
        )
    };
    causes.extend(if name.is_empty() {
        vec![required(
            "metadata.name",
            "name or generateName is required",
        )]
    } else {
        each("metadata.name", name, subdomain_faults(name))
    });
    for (key, value) in metadata.labels.iter().flatten() {
        causes.extend(each("metadata.labels", key, qualified_name_faults(key)));
        causes.extend(each("metadata.labels", value, label_value_faults(value)));
    }
    for key in metadata.annotations.iter().flat_map(|all| all.keys()) {
        // Unlike those of labels, the keys of annotations may have upper-case prefixes.
        causes.extend(each(
            "metadata.annotations",
            key,
            qualified_name_faults(&key.to_lowercase()),
        ));
    }
    causes
}

fn check_spec(spec: &PodSpec) -> Causes {
    let mut causes = Causes::new();
    let volumes = check_volumes(spec, &mut causes);
    let mut names = BTreeSet::new();
    if spec.containers.is_empty() {
        causes.push(required("spec.containers", ""));
    }
    for (index, container) in spec.containers.iter().enumerate() {
        let path = format!("spec.containers[{index}]");
        check_name(&path, &container.name, &mut causes);
        check_container(&path, container, &volumes, &mut causes);
        check_unique(&path, &container.name, &mut names, &mut causes);
    }
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        let path = format!("spec.initContainers[{index}]");
        check_name(&path, &container.name, &mut causes);
        check_container(&path, container, &volumes, &mut causes);
        check_unique(&path, &container.name, &mut names, &mut causes);
    }
    check_choice(
        "spec.restartPolicy",
        spec.restart_policy.as_deref(),
        RESTART_POLICIES,
        &mut causes,
    );
    check_choice(
        "spec.dnsPolicy",
        spec.dns_policy.as_deref(),
        DNS_POLICIES,
        &mut causes,
    );
    if let Some(seconds) = spec
        .active_deadline_seconds
        .filter(|seconds| !(1..=i64::from(i32::MAX)).contains(seconds))
    {
        let why = "must be between 1 and 2147483647, inclusive";
        causes.push(invalid_number("spec.activeDeadlineSeconds", seconds, why));
    }
    for (index, toleration) in spec.tolerations.iter().flatten().enumerate() {
        let field = format!("spec.tolerations[{index}].operator");
        let operator = toleration
            .operator
            .as_deref()
            .filter(|text| !text.is_empty());
        check_choice(&field, operator, &["Equal", "Exists"], &mut causes);
    }
    if let Some(hostname) = spec.hostname.as_deref().filter(|name| !name.is_empty()) {
        causes.extend(each("spec.hostname", hostname, label_name_faults(hostname)));
    }
    for (key, value) in spec.node_selector.iter().flatten() {
        causes.extend(each("spec.nodeSelector", key, qualified_name_faults(key)));
        causes.extend(each("spec.nodeSelector", value, label_value_faults(value)));
    }
    causes.extend(check_image_spaces(spec));
    causes
}

/// A value that must be one of a few.
pub fn check_choice(field: &str, value: Option<&str>, supported: &[&str], causes: &mut Causes) {
    if let Some(value) = value.filter(|value| !supported.contains(value)) {
        causes.push(unsupported(field, value, supported));
    }
}

fn check_name(path: &str, name: &str, causes: &mut Causes) {
    let field = format!("{path}.name");
    if name.is_empty() {
        causes.push(required(field, ""));
    } else {
        causes.extend(each(&field, name, label_name_faults(name)));
    }
}

fn check_unique<'a>(path: &str, name: &'a str, names: &mut BTreeSet<&'a str>, causes: &mut Causes) {
    if !name.is_empty() && !names.insert(name) {
        causes.push(duplicate(format!("{path}.name"), name));
    }
}

fn check_image_spaces(spec: &PodSpec) -> Causes {
    let spaced = |(index, container): (usize, &Container)| {
        let image = container.image.as_deref()?;
        let field = format!("spec.containers[{index}].image");
        (image.trim() != image)
            .then(|| invalid(field, image, "must not have leading or trailing whitespace"))
    };
    spec.containers
        .iter()
        .enumerate()
        .filter_map(spaced)
        .collect()
}

fn check_container(
    path: &str,
    container: &Container,
    volumes: &BTreeSet<&str>,
    causes: &mut Causes,
) {
    if container.image.as_deref().unwrap_or_default().is_empty() {
        causes.push(required(format!("{path}.image"), ""));
    }
    let policy = container.termination_message_policy.as_deref();
    let policy_field = format!("{path}.terminationMessagePolicy");
    check_choice(
        &policy_field,
        policy,
        &["File", "FallbackToLogsOnError"],
        causes,
    );
    for (index, port) in container.ports.iter().flatten().enumerate() {
        if port.container_port == 0 {
            let field = format!("{path}.ports[{index}].containerPort");
            causes.push(required(field, ""));
        } else if !(1..=65535).contains(&port.container_port) {
            let field = format!("{path}.ports[{index}].containerPort");
            let why = "must be between 1 and 65535, inclusive";
            causes.push(invalid_number(field, port.container_port.into(), why));
        }
    }
    for (index, env) in container.env.iter().flatten().enumerate() {
        check_env(&format!("{path}.env[{index}]"), env, causes);
    }
    check_mounts(path, container, volumes, causes);
    check_choice(
        &format!("{path}.imagePullPolicy"),
        container.image_pull_policy.as_deref(),
        PULL_POLICIES,
        causes,
    );
    check_resources(path, container, causes);
    let context = container.security_context.clone().unwrap_or_default();
    for (name, number) in [
        ("runAsUser", context.run_as_user),
        ("runAsGroup", context.run_as_group),
    ] {
        if let Some(number) = number.filter(|number| !(0..=i64::from(i32::MAX)).contains(number)) {
            let field = format!("{path}.securityContext.{name}");
            causes.push(invalid_number(
                field,
                number,
                "must be between 0 and 2147483647, inclusive",
            ));
        }
    }
}

fn check_env(path: &str, env: &EnvVar, causes: &mut Causes) {
    let name = format!("{path}.name");
    if env.name.is_empty() {
        causes.push(required(name, ""));
    } else {
        causes.extend(each(&name, &env.name, env_name_faults(&env.name)));
    }
    let Some(from) = &env.value_from else { return };
    let field = format!("{path}.valueFrom");
    let sources = [
        from.field_ref.is_some(),
        from.resource_field_ref.is_some(),
        from.config_map_key_ref.is_some(),
        from.secret_key_ref.is_some(),
        from.file_key_ref.is_some(),
    ];
    match sources.iter().filter(|set| **set).count() {
        0 => {
            let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
            causes.push(invalid(field.clone(), "", why));
        }
        1 => {}
        _ => causes.push(invalid(
            field.clone(),
            "",
            "may not have more than one field specified at a time",
        )),
    }
    if env.value.as_deref().is_some_and(|value| !value.is_empty()) {
        causes.push(invalid(
            field.clone(),
            "",
            "may not be specified when `value` is not empty",
        ));
    }
    if let Some(wanted) = from
        .field_ref
        .as_ref()
        .map(|field| field.field_path.as_str())
    {
        let subscript =
            wanted.starts_with("metadata.labels['") || wanted.starts_with("metadata.annotations['");
        if !subscript && !FIELD_PATHS.contains(&wanted) {
            let why = format!("error converting fieldPath: field label not supported: {wanted}");
            causes.push(invalid(format!("{field}.fieldRef.fieldPath"), wanted, &why));
        }
    }
}

//! What a spec may ask for that would change what a container does, and is not done here: it is refused.
//!
//! What only takes rights away from a container, or tells others about it, is ignored; `docs/embedded.md` has
//! the list.

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::launch::Problem;

/// Where a runtime looks for a container's last words unless told otherwise.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Refuses a container that asks for what is not done here.
///
/// # Errors
/// The field, and what to do about it.
pub fn check(spec: &PodSpec, container: &Container) -> Result<(), Problem> {
    let security = container.security_context.as_ref();
    let pod_security = spec.security_context.as_ref();
    let is_true = |flag: Option<bool>| flag == Some(true);
    let other_log = |path: &str| !path.is_empty() && path != TERMINATION_LOG;
    let added = security
        .and_then(|context| context.capabilities.as_ref())
        .and_then(|all| all.add.as_ref());
    let asked = [
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
        ("lifecycle", container.lifecycle.is_some()),
        ("volumeDevices", is_some(container.volume_devices.as_ref())),
        (
            "restartPolicyRules",
            is_some(container.restart_policy_rules.as_ref()),
        ),
        ("stdin", is_true(container.stdin)),
        ("tty", is_true(container.tty)),
        (
            "terminationMessagePath",
            container
                .termination_message_path
                .as_deref()
                .is_some_and(other_log),
        ),
        (
            "securityContext.privileged",
            is_true(security.and_then(|context| context.privileged)),
        ),
        ("securityContext.capabilities.add", is_some(added)),
        (
            "securityContext.readOnlyRootFilesystem",
            is_true(security.and_then(|context| context.read_only_root_filesystem)),
        ),
        (
            "spec.securityContext.sysctls",
            is_some(pod_security.and_then(|context| context.sysctls.as_ref())),
        ),
        (
            "spec.securityContext.supplementalGroups",
            is_some(pod_security.and_then(|context| context.supplemental_groups.as_ref())),
        ),
        ("spec.hostAliases", is_some(spec.host_aliases.as_ref())),
        ("spec.dnsConfig", spec.dns_config.is_some()),
        ("spec.runtimeClassName", spec.runtime_class_name.is_some()),
        (
            "spec.resourceClaims",
            is_some(spec.resource_claims.as_ref()),
        ),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        None => Ok(()),
        Some((field, _)) => Err(Problem::Config(format!(
            "{field} is not supported here, where pods run as local processes: leave it out"
        ))),
    }
}

fn is_some<T>(list: Option<&Vec<T>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

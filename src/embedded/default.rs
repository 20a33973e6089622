//! What the API server itself fills in when a pod is created.
//!
//! Compared field by field with what a Kubernetes 1.34 answers; the volume with the service account's
//! token is left out, because no container could use it here.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, Pod, PodCondition, PodSecurityContext, PodSpec, PodStatus,
    Probe, ResourceRequirements, Toleration, Volume,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

/// Letters of generated names: no vowels, so that no words come out.
const NAME_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Mode bits of projected files, 0644.
const FILE_MODE: i32 = 420;

/// `prefix` (cut to 58 characters) and five random characters, as Kubernetes' `generateName` does.
#[must_use]
pub fn generated_name(prefix: &str) -> String {
    let mut name: String = prefix.chars().take(58).collect();
    name.extend(random_letters().map(char::from));
    name
}

fn random_letters() -> [u8; 5] {
    rand::random::<[u16; 5]>().map(|number| NAME_LETTERS[usize::from(number) % NAME_LETTERS.len()])
}

/// A random version 4 UUID, the form of every Kubernetes uid.
#[must_use]
pub fn random_uid() -> String {
    let bits = rand::random::<u128>();
    let bits = bits & !(0xf000 << 64) & !(0xc000 << 48) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{bits:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

/// Fills in what the user left out, and throws away what only the server may set.
pub fn fill(pod: &mut Pod, namespace: &str, now: Time) {
    fill_metadata(&mut pod.metadata, namespace, now);
    pod.metadata.generation = Some(1);
    let spec = pod.spec.get_or_insert_default();
    fill_spec(spec);
    pod.status = Some(PodStatus {
        phase: Some("Pending".to_owned()),
        qos_class: Some(qos_class(spec).to_owned()),
        conditions: gated(spec),
        ..PodStatus::default()
    });
}

/// Fills in the metadata of a new object.
pub fn fill_metadata(metadata: &mut ObjectMeta, namespace: &str, now: Time) {
    if metadata.name.as_deref().unwrap_or_default().is_empty() {
        metadata.name = metadata
            .generate_name
            .as_deref()
            .filter(|prefix| !prefix.is_empty())
            .map(generated_name);
    }
    metadata.namespace = Some(namespace.to_owned()).filter(|text| !text.is_empty());
    metadata.uid = Some(random_uid());
    metadata.creation_timestamp = Some(now);
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
    metadata.managed_fields = None;
    metadata.self_link = None;
    metadata.labels = metadata.labels.take().filter(|all| !all.is_empty());
    metadata.annotations = metadata.annotations.take().filter(|all| !all.is_empty());
}

fn fill_text(field: &mut Option<String>, value: &str) {
    if field.as_deref().unwrap_or_default().is_empty() {
        *field = Some(value.to_owned());
    }
}

/// Fills in a spec's defaults; also for the spec of an update.
pub fn fill_spec(spec: &mut PodSpec) {
    fill_text(&mut spec.restart_policy, "Always");
    fill_text(&mut spec.dns_policy, "ClusterFirst");
    fill_text(&mut spec.scheduler_name, "default-scheduler");
    fill_text(&mut spec.service_account_name, "default");
    fill_text(&mut spec.preemption_policy, "PreemptLowerPriority");
    spec.service_account = spec.service_account_name.clone();
    spec.security_context
        .get_or_insert_with(PodSecurityContext::default);
    spec.enable_service_links.get_or_insert(true);
    spec.priority.get_or_insert(0);
    // The real server turns a negative grace into one second.
    let grace = spec.termination_grace_period_seconds.get_or_insert(30);
    if *grace < 0 {
        *grace = 1;
    }
    fill_tolerations(spec);
    spec.volumes.iter_mut().flatten().for_each(fill_volume);
    let init = spec.init_containers.iter_mut().flatten();
    spec.containers
        .iter_mut()
        .chain(init)
        .for_each(fill_container);
}

fn fill_tolerations(spec: &mut PodSpec) {
    let tolerations = spec.tolerations.get_or_insert_default();
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        if !tolerations
            .iter()
            .any(|one| one.key.as_deref() == Some(key))
        {
            tolerations.push(Toleration {
                key: Some(key.to_owned()),
                operator: Some("Exists".to_owned()),
                effect: Some("NoExecute".to_owned()),
                toleration_seconds: Some(300),
                value: None,
            });
        }
    }
}

fn fill_volume(volume: &mut Volume) {
    if *volume
        == (Volume {
            name: volume.name.clone(),
            ..Volume::default()
        })
    {
        volume.empty_dir = Some(EmptyDirVolumeSource::default());
    }
    if let Some(source) = &mut volume.host_path {
        source.type_.get_or_insert_default();
    }
    if let Some(source) = &mut volume.config_map {
        source.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(source) = &mut volume.secret {
        source.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(source) = &mut volume.downward_api {
        source.default_mode.get_or_insert(FILE_MODE);
        for item in source.items.iter_mut().flatten() {
            if let Some(field) = &mut item.field_ref {
                fill_text(&mut field.api_version, "v1");
            }
        }
    }
    if let Some(source) = &mut volume.projected {
        source.default_mode.get_or_insert(FILE_MODE);
    }
}

fn fill_container(container: &mut Container) {
    fill_text(
        &mut container.termination_message_path,
        "/dev/termination-log",
    );
    fill_text(&mut container.termination_message_policy, "File");
    let image = container.image.as_deref().unwrap_or_default();
    let policy = if is_latest(image) {
        "Always"
    } else {
        "IfNotPresent"
    };
    fill_text(&mut container.image_pull_policy, policy);
    for port in container.ports.iter_mut().flatten() {
        fill_text(&mut port.protocol, "TCP");
    }
    for env in container.env.iter_mut().flatten() {
        env.value = env.value.take().filter(|value| !value.is_empty());
        if let Some(field) = env
            .value_from
            .as_mut()
            .and_then(|from| from.field_ref.as_mut())
        {
            fill_text(&mut field.api_version, "v1");
        }
    }
    fill_requests(
        container
            .resources
            .get_or_insert_with(ResourceRequirements::default),
    );
    let probes = [
        &mut container.liveness_probe,
        &mut container.readiness_probe,
        &mut container.startup_probe,
    ];
    probes.into_iter().flatten().for_each(fill_probe);
}

/// A limit without a request is also the request.
fn fill_requests(resources: &mut ResourceRequirements) {
    let Some(limits) = &resources.limits else {
        return;
    };
    let requests = resources.requests.get_or_insert_default();
    for (name, quantity) in limits {
        requests
            .entry(name.clone())
            .or_insert_with(|| quantity.clone());
    }
}

fn fill_probe(probe: &mut Probe) {
    probe.timeout_seconds.get_or_insert(1);
    probe.period_seconds.get_or_insert(10);
    probe.success_threshold.get_or_insert(1);
    probe.failure_threshold.get_or_insert(3);
    if let Some(get) = &mut probe.http_get {
        fill_text(&mut get.path, "/");
        fill_text(&mut get.scheme, "HTTP");
    }
}

/// No tag and no digest means the tag `latest`.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// Kubernetes' quality of service class, from the requests and limits for cpu and memory.
fn qos_class(spec: &PodSpec) -> &'static str {
    let containers = || {
        spec.containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
    };
    let set = |map: Option<&BTreeMap<String, Quantity>>| -> Vec<(String, Quantity)> {
        let wanted = map
            .into_iter()
            .flatten()
            .filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory"));
        wanted
            .map(|(name, quantity)| (name.clone(), quantity.clone()))
            .collect()
    };
    let both = |container: &Container| {
        let resources = container.resources.clone().unwrap_or_default();
        (
            set(resources.requests.as_ref()),
            set(resources.limits.as_ref()),
        )
    };
    if containers()
        .map(both)
        .all(|(requests, limits)| requests.is_empty() && limits.is_empty())
    {
        "BestEffort"
    } else if containers()
        .map(both)
        .all(|(requests, limits)| limits.len() == 2 && requests == limits)
    {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

fn gated(spec: &PodSpec) -> Option<Vec<PodCondition>> {
    spec.scheduling_gates
        .as_ref()
        .filter(|gates| !gates.is_empty())?;
    Some(vec![PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("SchedulingGated".to_owned()),
        message: Some("Scheduling is blocked due to non-empty scheduling gates".to_owned()),
        ..PodCondition::default()
    }])
}

//! The rules for a pod's volumes and their mounts.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusCause;
use serde_json::Value;

use super::name_rules::label_name_faults;
use super::status_body::{duplicate, forbidden, invalid, not_found, required};
use super::validate::{Causes, check_choice, each};

const HOST_PATH_TYPES: &[&str] = &[
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

/// The names of the volumes that are right; a mount of another volume is refused as `Not found`.
pub fn check_volumes<'a>(spec: &'a PodSpec, causes: &mut Causes) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let path = format!("spec.volumes[{index}]");
        let mut found = check_source(&path, volume);
        let field = format!("{path}.name");
        if volume.name.is_empty() {
            found.push(required(field, ""));
        } else {
            found.extend(each(&field, &volume.name, label_name_faults(&volume.name)));
            if names.contains(volume.name.as_str()) {
                found.push(duplicate(field, &volume.name));
            }
        }
        if found.is_empty() {
            names.insert(volume.name.as_str());
        }
        causes.append(&mut found);
    }
    names
}

fn check_source(path: &str, volume: &Volume) -> Causes {
    let mut causes = Causes::new();
    causes.extend(second_source(path, volume));
    if let Some(source) = &volume.host_path {
        let field = format!("{path}.hostPath");
        if source.path.is_empty() {
            causes.push(required(format!("{field}.path"), ""));
        } else if source.path.split('/').any(|part| part == "..") {
            causes.push(invalid(
                format!("{field}.path"),
                &source.path,
                "must not contain '..'",
            ));
        }
        check_choice(
            &format!("{field}.type"),
            source.type_.as_deref(),
            HOST_PATH_TYPES,
            &mut causes,
        );
    }
    let claim = volume
        .persistent_volume_claim
        .as_ref()
        .map(|source| source.claim_name.as_str());
    let map = volume
        .config_map
        .as_ref()
        .map(|source| source.name.as_str());
    let secret = volume
        .secret
        .as_ref()
        .map(|source| source.secret_name.as_deref().unwrap_or_default());
    let names = [
        (claim, "persistentVolumeClaim.claimName"),
        (map, "configMap.name"),
        (secret, "secret.secretName"),
    ];
    let empty = names.into_iter().filter(|(name, _)| *name == Some(""));
    causes.extend(empty.map(|(_, field)| required(format!("{path}.{field}"), "")));
    causes
}

/// Names the second source of a volume that has several.
fn second_source(path: &str, volume: &Volume) -> Option<StatusCause> {
    let Ok(Value::Object(fields)) = serde_json::to_value(volume) else {
        return None;
    };
    let mut sources = fields.keys().filter(|key| *key != "name");
    let second = sources.nth(1)?;
    Some(forbidden(
        format!("{path}.{second}"),
        "may not specify more than 1 volume type",
    ))
}

/// Checks the mounts of one container; the index is not part of a `subPath`'s field on the real server.
pub fn check_mounts(
    path: &str,
    container: &Container,
    volumes: &BTreeSet<&str>,
    causes: &mut Causes,
) {
    let mut paths = BTreeSet::new();
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let at = format!("{path}.volumeMounts[{index}]");
        check_mount(&at, mount, volumes, causes);
        let mount_path = mount.mount_path.as_str();
        if !paths.insert(mount_path) {
            causes.push(invalid(
                format!("{at}.mountPath"),
                mount_path,
                "must be unique",
            ));
        }
        // The real server leaves the index out of the path of a subPath.
        causes.extend(check_sub_path(
            &format!("{path}.volumeMounts.subPath"),
            mount,
        ));
    }
}

fn check_mount(path: &str, mount: &VolumeMount, volumes: &BTreeSet<&str>, causes: &mut Causes) {
    if mount.name.is_empty() {
        causes.push(required(format!("{path}.name"), ""));
    }
    if mount.mount_path.is_empty() {
        causes.push(required(format!("{path}.mountPath"), ""));
    }
    if !volumes.contains(mount.name.as_str()) {
        causes.push(not_found(format!("{path}.name"), &mount.name));
    }
}

fn check_sub_path(field: &str, mount: &VolumeMount) -> Option<StatusCause> {
    let path = mount.sub_path.as_deref()?;
    if path.starts_with('/') {
        Some(invalid(field, path, "must be a relative path"))
    } else if path.split('/').any(|part| part == "..") {
        Some(invalid(field, path, "must not contain '..'"))
    } else {
        None
    }
}

//! A pod's volumes: where each is on this machine, or why it cannot be had.
//!
//! A volume that a kubelet could not set up keeps the pod in `ContainerCreating`, and is tried again. A kind
//! of volume that is never to be had here is refused when a container mounts it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, HostPathVolumeSource, Pod, ProjectedVolumeSource, Volume,
};

/// Where a volume is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// On this machine at this path.
    Host(PathBuf),
    /// In a folder that was made for the pod and goes with it.
    Private(PathBuf),
    /// Nowhere: why, and what to do instead.
    Refused(String),
}

/// A pod's volumes by name.
pub type Volumes = BTreeMap<String, Source>;

/// A volume that cannot be set up now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The volume's name.
    pub volume: String,
    /// What is wrong, in a kubelet's words.
    pub message: String,
}

/// Sets up the volumes that a container mounts; `folder` is the pod's private folder. Blocks on the file
/// system, and can be called again.
///
/// # Errors
/// Every volume that cannot be set up.
pub fn set_up(pod: &Pod, folder: &Path) -> Result<Volumes, Vec<Fault>> {
    let mounted = mounted(pod);
    let all = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let mut volumes = Volumes::new();
    let mut faults = Vec::new();
    for volume in all.filter(|volume| mounted.contains(volume.name.as_str())) {
        match source(volume, folder) {
            Ok(source) => {
                volumes.insert(volume.name.clone(), source);
            }
            Err(message) => faults.push(Fault {
                volume: volume.name.clone(),
                message,
            }),
        }
    }
    if faults.is_empty() {
        Ok(volumes)
    } else {
        Err(faults)
    }
}

/// A kubelet leaves out the volumes that no container mounts.
fn mounted(pod: &Pod) -> BTreeSet<&str> {
    let Some(spec) = &pod.spec else {
        return BTreeSet::new();
    };
    let containers = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    containers
        .flat_map(|one| one.volume_mounts.iter().flatten())
        .map(|mount| mount.name.as_str())
        .collect()
}

fn source(volume: &Volume, folder: &Path) -> Result<Source, String> {
    let private = || folder.join("volumes").join(&volume.name);
    let is_optional = |optional: Option<bool>| optional == Some(true);
    if let Some(host) = &volume.host_path {
        check_host_path(host)?;
        return Ok(Source::Host(PathBuf::from(&host.path)));
    }
    if let Some(empty) = &volume.empty_dir {
        return match refused_empty_dir(&volume.name, empty) {
            Some(message) => Ok(Source::Refused(message)),
            None => make_open_folder(private()),
        };
    }
    if let Some(map) = &volume.config_map {
        return if is_optional(map.optional) {
            make_open_folder(private())
        } else {
            Err(no_config_map(&map.name))
        };
    }
    if let Some(secret) = &volume.secret {
        return if is_optional(secret.optional) {
            make_open_folder(private())
        } else {
            Err(no_secret(secret.secret_name.as_deref().unwrap_or_default()))
        };
    }
    if let Some(projected) = &volume.projected {
        if let Some(message) = missing_projection(projected) {
            return Err(message);
        }
        let only_missing = projected
            .sources
            .iter()
            .flatten()
            .all(|source| source.config_map.is_some() || source.secret.is_some());
        if only_missing {
            return make_open_folder(private());
        }
    }
    Ok(Source::Refused(refused_kind(volume)))
}

/// The words for a `ConfigMap` that is not there; none ever is here.
#[must_use]
pub fn no_config_map(name: &str) -> String {
    format!("configmap {name:?} not found")
}

/// The words for a `Secret` that is not there; none ever is here.
#[must_use]
pub fn no_secret(name: &str) -> String {
    format!("secret {name:?} not found")
}

/// The first source that is not optional.
fn missing_projection(projected: &ProjectedVolumeSource) -> Option<String> {
    projected.sources.iter().flatten().find_map(|source| {
        let map = source.config_map.as_ref();
        let secret = source.secret.as_ref();
        map.filter(|map| map.optional != Some(true))
            .map(|map| no_config_map(&map.name))
            .or_else(|| {
                secret
                    .filter(|secret| secret.optional != Some(true))
                    .map(|secret| no_secret(&secret.name))
            })
    })
}

fn refused_empty_dir(name: &str, empty: &EmptyDirVolumeSource) -> Option<String> {
    let what = if empty
        .medium
        .as_deref()
        .is_some_and(|medium| !medium.is_empty())
    {
        "medium"
    } else if empty.size_limit.is_some() {
        "sizeLimit"
    } else {
        return None;
    };
    Some(format!(
        "volume {name:?}: {what} of an emptyDir is not honoured here, where it is a folder on this machine's disk; leave {what} out"
    ))
}

fn refused_kind(volume: &Volume) -> String {
    let value = serde_json::to_value(volume).unwrap_or_default();
    let kind = value
        .as_object()
        .and_then(|fields| fields.keys().find(|key| *key != "name").cloned());
    format!(
        "volume {:?} of kind {} is not supported here: use hostPath or emptyDir",
        volume.name,
        kind.unwrap_or_else(|| "unknown".to_owned())
    )
}

/// A volume of the pod's own is open to all users, as on a real node.
fn make_open_folder(path: PathBuf) -> Result<Source, String> {
    let make = || -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o711)
                .create(parent)?;
        }
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))
    };
    match make() {
        Ok(()) => Ok(Source::Private(path)),
        Err(error) => Err(format!("making the folder of a volume: {error}")),
    }
}

/// The checks of a kubelet for each type, with its words; without a type nothing is checked.
fn check_host_path(source: &HostPathVolumeSource) -> Result<(), String> {
    let path = Path::new(&source.path);
    let found = path.metadata().ok();
    let kind = found.as_ref().map(fs::Metadata::file_type);
    let text = |error: &io::Error| {
        let words = error.to_string().to_lowercase();
        let words = words.split(" (os error").next().unwrap_or_default();
        words.to_owned()
    };
    let (fits, what) = match source.type_.as_deref().unwrap_or_default() {
        "Directory" => (kind.is_some_and(|kind| kind.is_dir()), "directory"),
        "DirectoryOrCreate" => {
            if kind.is_none() {
                fs::create_dir_all(path)
                    .map_err(|error| format!("mkdir {}: {}", source.path, text(&error)))?;
            }
            (kind.is_none_or(|kind| kind.is_dir()), "directory")
        }
        "File" => (kind.is_some_and(|kind| kind.is_file()), "file"),
        "FileOrCreate" => {
            if kind.is_none() {
                let made = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o644)
                    .open(path);
                made.map_err(|error| format!("open {}: {}", source.path, text(&error)))?;
            }
            (kind.is_none_or(|kind| kind.is_file()), "file")
        }
        "Socket" => (kind.is_some_and(|kind| kind.is_socket()), "socket file"),
        "CharDevice" => (
            kind.is_some_and(|kind| kind.is_char_device()),
            "character device",
        ),
        "BlockDevice" => (
            kind.is_some_and(|kind| kind.is_block_device()),
            "block device",
        ),
        _ => return Ok(()),
    };
    if fits {
        Ok(())
    } else {
        Err(format!(
            "hostPath type check failed: {} is not a {what}",
            source.path
        ))
    }
}

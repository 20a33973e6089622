//! The mounts of one container: what each binds where, with its part of the volume.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, VolumeMount};

use super::launch::Problem;
use super::variables::expand_all;
use super::view::Mount;
use super::volumes::{Source, Volumes};

/// The mounts of a container; missing sources are made as on a real node. Blocks on the file system.
///
/// # Errors
/// In a kubelet's words, or with advice for what is not supported here.
pub fn mounts(
    container: &Container,
    volumes: &Volumes,
    variables: &BTreeMap<String, String>,
    id: &str,
) -> Result<Vec<Mount>, Problem> {
    let all = container.volume_mounts.iter().flatten();
    all.map(|mount| one(container, mount, volumes, variables, id))
        .collect()
}

fn one(
    container: &Container,
    mount: &VolumeMount,
    volumes: &Volumes,
    variables: &BTreeMap<String, String>,
    id: &str,
) -> Result<Mount, Problem> {
    let (root, private) = match volumes.get(&mount.name) {
        Some(Source::Host(path)) => (path, false),
        Some(Source::Private(path)) => (path, true),
        Some(Source::Refused(message)) => return Err(Problem::Config(message.clone())),
        None => {
            let message = format!("volume {:?} not found", mount.name);
            return Err(Problem::Config(message));
        }
    };
    refuse_options(mount)?;
    make_source(root, id)?;
    let sub_path = match mount
        .sub_path_expr
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        Some(text) => Some(expand_all(text, variables)?),
        None => mount.sub_path.clone(),
    };
    let source = match sub_path.filter(|path| !path.is_empty()) {
        None => root.clone(),
        Some(sub_path) => make_sub_path(root, Path::new(&sub_path)).map_err(|error| {
            tracing::debug!(volume = %mount.name, %error, "preparing a subPath");
            Problem::Config(format!(
                "failed to prepare subPath for volumeMount {:?} of container {:?}",
                mount.name, container.name
            ))
        })?,
    };
    Ok(Mount {
        source,
        // A relative path is taken from the root, as container runtimes do.
        target: Path::new("/").join(&mount.mount_path),
        read_only: mount.read_only == Some(true),
        private,
    })
}

fn refuse_options(mount: &VolumeMount) -> Result<(), Problem> {
    let set = |option: &Option<String>, plain: &str| {
        option.as_deref().is_some_and(|value| value != plain)
    };
    let what = if set(&mount.mount_propagation, "None") {
        "mountPropagation"
    } else if set(&mount.recursive_read_only, "Disabled") {
        "recursiveReadOnly"
    } else {
        return Ok(());
    };
    Err(Problem::Config(format!(
        "volume {:?}: {what} is not supported here, leave it out",
        mount.name
    )))
}

/// A hostPath without a type that is not there becomes a folder.
fn make_source(path: &Path, id: &str) -> Result<(), Problem> {
    let problem = |what: &str| {
        Problem::Create(format!(
            "failed to generate container {id:?} spec: failed to generate spec: {what}"
        ))
    };
    let shown = path.display();
    match fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(path)
            .map_err(|error| problem(&format!("failed to mkdir \"{shown}\": {error}"))),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(problem(&format!(
            "failed to stat \"{shown}\": stat {shown}: not a directory"
        ))),
        Err(error) => Err(problem(&format!("failed to stat \"{shown}\": {error}"))),
    }
}

/// Makes a part of a volume when it is not there, with the volume's mode; it must not lead out of the volume.
fn make_sub_path(root: &Path, sub_path: &Path) -> io::Result<PathBuf> {
    let root = root.canonicalize()?;
    let outside = || io::Error::other("it leads out of the volume");
    let mode = root.metadata()?.permissions().mode();
    let mut at = root.clone();
    for name in sub_path {
        at.push(name);
        if !at.exists() {
            DirBuilder::new().mode(mode).create(&at)?;
            fs::set_permissions(&at, fs::Permissions::from_mode(mode))?;
        }
        at = at.canonicalize()?;
        if !at.starts_with(&root) {
            return Err(outside());
        }
    }
    Ok(at)
}

//! From a container's spec to a process that can be started, or the reason why it cannot.
//!
//! There is no mount namespace and no image: a mount is honoured only where it changes nothing, and the
//! command must be on this machine. Whatever cannot be honoured is refused, never left out in silence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{
    Container, EnvVar, HostPathVolumeSource, Pod, PodSpec, Volume, VolumeMount,
};
use rustix::process::{getegid, geteuid};

use super::process::Launch;

/// Why a container does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Waiting with `CreateContainerConfigError`.
    Config(String),
    /// Waiting with `CreateContainerError`.
    Create(String),
    /// Terminated with `StartError` and exit code 128.
    Start(String),
}

/// The names of a new run.
#[derive(Debug)]
pub struct Run<'a> {
    /// The run's id.
    pub id: &'a str,
    /// The run's private folder, which does not exist yet.
    pub folder: &'a Path,
    /// `PATH` when the container sets none.
    pub path: &'a OsString,
}

/// Makes the private folder and everything a process needs; blocks on the file system.
///
/// # Errors
/// What a kubelet would say in the container's status.
pub fn prepare(pod: &Pod, container: &Container, run: &Run<'_>) -> Result<Launch, Problem> {
    let spec = pod.spec.clone().unwrap_or_default();
    let user = user(pod, &spec, container)?;
    check_mounts(&spec, container)?;
    let variables = variables(pod, container)?;
    make_private(run.folder, user)
        .map_err(|error| Problem::Create(format!("making the private folder: {error}")))?;
    let mut env = base_env(pod, run);
    env.extend(
        variables
            .iter()
            .map(|(name, value)| (name.clone(), value.into())),
    );
    let words = container
        .command
        .iter()
        .flatten()
        .chain(container.args.iter().flatten());
    let argv: Vec<String> = words.map(|word| expand(word, &variables)).collect();
    let Some(name) = argv.first() else {
        let message = "no command specified: pods run as local processes here, so an image's own command is not known; set command or args";
        return Err(Problem::Create(message.to_owned()));
    };
    let dir = container
        .working_dir
        .as_ref()
        .filter(|dir| !dir.is_empty())
        .map_or_else(|| run.folder.to_owned(), PathBuf::from);
    if !dir.is_dir() {
        let message = format!(
            "chdir to cwd (\"{}\") set in config.json failed: no such file or directory",
            dir.display()
        );
        return Err(Problem::Start(runc(&message)));
    }
    let program = find_program(name, &dir, &env)?;
    Ok(Launch {
        id: run.id.to_owned(),
        program,
        argv,
        env,
        dir,
        user,
    })
}

/// The words around what runc says, as they stand in a real pod's status.
#[must_use]
pub fn runc(what: &str) -> String {
    format!(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {what}: unknown"
    )
}

fn base_env(pod: &Pod, run: &Run<'_>) -> BTreeMap<String, OsString> {
    let hostname = pod.metadata.name.clone().unwrap_or_default();
    BTreeMap::from([
        ("PATH".to_owned(), run.path.clone()),
        ("HOME".to_owned(), run.folder.into()),
        ("HOSTNAME".to_owned(), hostname.into()),
        ("TMPDIR".to_owned(), run.folder.join("tmp").into()),
    ])
}

fn make_private(folder: &Path, user: Option<(u32, u32)>) -> io::Result<()> {
    for path in [folder.to_owned(), folder.join("tmp")] {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)?;
        if let Some((user, group)) = user {
            chown(&path, Some(user), Some(group))?;
        }
    }
    Ok(())
}

/// The user and group to become; `None` means to stay who we are.
fn user(pod: &Pod, spec: &PodSpec, container: &Container) -> Result<Option<(u32, u32)>, Problem> {
    let own = container.security_context.clone().unwrap_or_default();
    let shared = spec.security_context.clone().unwrap_or_default();
    let (me, my_group) = (geteuid().as_raw(), getegid().as_raw());
    let user = own
        .run_as_user
        .or(shared.run_as_user)
        .unwrap_or_else(|| me.into());
    let group = own.run_as_group.or(shared.run_as_group);
    let name = &container.name;
    if user == 0 && own.run_as_non_root.or(shared.run_as_non_root) == Some(true) {
        let metadata = &pod.metadata;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let (pod_name, namespace, uid) = (
            text(&metadata.name),
            text(&metadata.namespace),
            text(&metadata.uid),
        );
        let message = format!(
            "container has runAsNonRoot and image will run as root (pod: \"{pod_name}_{namespace}({uid})\", container: {name})"
        );
        return Err(Problem::Config(message));
    }
    let same = user == i64::from(me) && group.is_none_or(|group| group == i64::from(my_group));
    if same {
        return Ok(None);
    }
    let numbers = (
        u32::try_from(user).ok(),
        u32::try_from(group.unwrap_or(user)).ok(),
    );
    match numbers {
        (Some(user), Some(group)) if me == 0 => Ok(Some((user, group))),
        _ => Err(Problem::Config(format!(
            "container {name:?} asks for user {user}, but pods run as local processes of user {me} here, who may not become another: leave runAsUser and runAsGroup out, set them to {me} and {my_group}, or run as root"
        ))),
    }
}

fn check_mounts(spec: &PodSpec, container: &Container) -> Result<(), Problem> {
    let init = spec.init_containers.iter().flatten();
    let restartable = init
        .filter(|one| one.name == container.name)
        .any(|one| one.restart_policy.is_some());
    if restartable {
        let message = "init containers with a restartPolicy are not supported here: make it a container, or leave restartPolicy out";
        return Err(Problem::Config(message.to_owned()));
    }
    for mount in container.volume_mounts.iter().flatten() {
        let volume = spec
            .volumes
            .iter()
            .flatten()
            .find(|volume| volume.name == mount.name);
        let source = volume.and_then(|volume| volume.host_path.as_ref());
        match (volume, source) {
            (_, Some(source)) => check_host_path(mount, source)?,
            (Some(volume), None) => return Err(Problem::Config(refused_volume(mount, volume))),
            (None, None) => {
                return Err(Problem::Config(format!(
                    "volume {:?} not found",
                    mount.name
                )));
            }
        }
    }
    Ok(())
}

fn refused_volume(mount: &VolumeMount, volume: &Volume) -> String {
    let value = serde_json::to_value(volume).unwrap_or_default();
    let kind = value
        .as_object()
        .and_then(|fields| fields.keys().find(|key| *key != "name").cloned());
    let kind = kind.unwrap_or_else(|| "unknown".to_owned());
    let advice = if kind == "emptyDir" {
        "use $TMPDIR, a private folder that goes with the pod".to_owned()
    } else {
        format!("use a hostPath volume whose path is {:?}", mount.mount_path)
    };
    format!(
        "volume {:?} of kind {kind} cannot be mounted at {:?}: pods run as local processes here, without a file system of their own; {advice}",
        mount.name, mount.mount_path
    )
}

/// A mount at the very path of its source needs no mounting.
fn check_host_path(mount: &VolumeMount, source: &HostPathVolumeSource) -> Result<(), Problem> {
    let sub_path = mount.sub_path.as_deref().unwrap_or_default();
    if mount
        .sub_path_expr
        .as_deref()
        .is_some_and(|text| !text.is_empty())
    {
        return Err(Problem::Config(format!(
            "volume {:?}: subPathExpr is not supported here, use subPath",
            mount.name
        )));
    }
    let from = if sub_path.is_empty() {
        PathBuf::from(&source.path)
    } else {
        Path::new(&source.path).join(sub_path)
    };
    // Comparing components ignores a slash at the end and doubled ones.
    if !Path::new(&mount.mount_path)
        .components()
        .eq(from.components())
    {
        return Err(Problem::Config(format!(
            "volume {:?} cannot be mounted at {:?}: pods run as local processes here, without a file system of their own, so mountPath must be the path of its source, \"{}\"",
            mount.name,
            mount.mount_path,
            from.display()
        )));
    }
    let kind = source.type_.as_deref().unwrap_or_default();
    let fits = match kind {
        "Directory" => Path::new(&source.path).is_dir(),
        "File" => Path::new(&source.path).is_file(),
        "" | "DirectoryOrCreate" => true,
        _ => Path::new(&source.path).exists(),
    };
    if !fits {
        return Err(Problem::Config(format!(
            "hostPath type check failed: {} is not a {}",
            source.path,
            kind.to_lowercase()
        )));
    }
    if !from.exists() {
        let made = std::fs::create_dir_all(&from);
        made.map_err(|error| {
            Problem::Config(format!(
                "failed to create directory \"{}\": {error}",
                from.display()
            ))
        })?;
    }
    Ok(())
}

/// The container's own variables, each expanded with those before it.
fn variables(pod: &Pod, container: &Container) -> Result<BTreeMap<String, String>, Problem> {
    if container
        .env_from
        .as_ref()
        .is_some_and(|all| !all.is_empty())
    {
        let message = "envFrom is not supported here: there are no ConfigMaps and no Secrets; write the values into env";
        return Err(Problem::Config(message.to_owned()));
    }
    let mut done = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            None => expand(variable.value.as_deref().unwrap_or_default(), &done),
            Some(_) => from_field(pod, variable)?,
        };
        done.insert(variable.name.clone(), value);
    }
    Ok(done)
}

fn from_field(pod: &Pod, variable: &EnvVar) -> Result<String, Problem> {
    let path = variable
        .value_from
        .as_ref()
        .and_then(|from| from.field_ref.as_ref())
        .map(|field| field.field_path.as_str());
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    let value = match path {
        Some("metadata.name") => metadata.name.clone(),
        Some("metadata.namespace") => metadata.namespace.clone(),
        Some("metadata.uid") => metadata.uid.clone(),
        Some("spec.nodeName") => spec.and_then(|spec| spec.node_name.clone()),
        Some("spec.serviceAccountName") => spec.and_then(|spec| spec.service_account_name.clone()),
        Some("status.podIP" | "status.hostIP") => Some("127.0.0.1".to_owned()),
        _ => {
            return Err(Problem::Config(format!(
                "environment variable {:?}: its valueFrom is not supported here, where there are no ConfigMaps and no Secrets; write the value itself, or use the fieldRef metadata.name, metadata.namespace, metadata.uid or spec.nodeName",
                variable.name
            )));
        }
    };
    Ok(value.unwrap_or_default())
}

/// Kubernetes' expansion: `$(NAME)` for a known name, `$$` for a dollar, all else as it is.
#[must_use]
pub fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
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
            match variables.get(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

fn find_program(
    name: &str,
    dir: &Path,
    env: &BTreeMap<String, OsString>,
) -> Result<PathBuf, Problem> {
    let executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let path = dir.join(name);
        return match path.metadata() {
            Err(_) => Err(Problem::Start(runc(&format!(
                "exec: {name:?}: stat {name}: no such file or directory"
            )))),
            Ok(_) if executable(&path) => Ok(path),
            Ok(found) if found.is_dir() => Err(Problem::Start(runc(&format!(
                "exec: {name:?}: is a directory"
            )))),
            Ok(_) => Err(Problem::Start(runc(&format!(
                "exec: {name:?}: permission denied"
            )))),
        };
    }
    let folders = env
        .get("PATH")
        .map(std::env::split_paths)
        .into_iter()
        .flatten();
    let found = folders
        .map(|folder| dir.join(folder).join(name))
        .find(|path| executable(path));
    found.ok_or_else(|| {
        Problem::Start(runc(&format!(
            "exec: {name:?}: executable file not found in $PATH"
        )))
    })
}

//! From a container's spec to a process that can be started, or the reason why it cannot.
//!
//! There is no image: the command must be on this machine. Whatever cannot be honoured is refused, never left
//! out in silence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use rustix::process::{getegid, geteuid};

use super::kubelet::Node;
use super::memory::MemoryGroup;
use super::mounts::mounts;
use super::process::Launch;
use super::sandbox::Wrapping;
use super::unsupported;
use super::variables::{expand, variables};
use super::view::{Mount, View};
use super::volumes::Volumes;
use crate::quantity::Amount;

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

impl Problem {
    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Config(message) | Self::Create(message) | Self::Start(message) => message,
        }
    }
}

/// A new run and what it may use.
#[derive(Debug)]
pub struct Run<'a> {
    /// The run's id.
    pub id: &'a str,
    /// The run's private folder, which does not exist yet.
    pub folder: &'a Path,
    /// A folder for the run's view, which does not exist yet.
    pub view_folder: &'a Path,
    /// The pod's volumes.
    pub volumes: &'a Volumes,
    /// The node.
    pub node: &'a Node,
}

/// A process that can be started.
#[derive(Debug)]
pub struct Prepared {
    /// The process.
    pub launch: Launch,
    /// The group that it joins.
    pub group: Option<MemoryGroup>,
    /// A memory limit in bytes that no group keeps.
    pub watched_limit: Option<u64>,
}

/// Makes the private folder and everything a process needs; blocks on the file system.
///
/// # Errors
/// What a kubelet would say in the container's status.
pub fn prepare(pod: &Pod, container: &Container, run: &Run<'_>) -> Result<Prepared, Problem> {
    let spec = pod.spec.clone().unwrap_or_default();
    unsupported::check(&spec, container)?;
    let user = user(pod, &spec, container)?;
    let variables = variables(pod, container)?;
    let mounts = mounts(container, run.volumes, &variables, run.id)?;
    make_private(run.folder, user)
        .map_err(|error| Problem::Create(format!("making the private folder: {error}")))?;
    let mut view = view(&mounts, run)?;
    let hidden = view.as_ref().is_some_and(|view| !view.shows(run.folder));
    let mut env = base_env(pod, run, hidden);
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
    let home = if hidden { Path::new("/") } else { run.folder };
    let dir = container
        .working_dir
        .as_ref()
        .filter(|dir| !dir.is_empty())
        .map_or_else(|| home.to_owned(), PathBuf::from);
    let seen = |path: &Path| match &view {
        Some(view) => view.real(path),
        None => Some(path.to_owned()),
    };
    if !seen(&dir).is_some_and(|dir| dir.is_dir()) {
        let message = format!(
            "chdir to cwd (\"{}\") set in config.json failed: no such file or directory",
            dir.display()
        );
        return Err(Problem::Start(runc(&message)));
    }
    let program = find_program(name, &dir, &env, seen)?;
    let launch = Launch {
        id: run.id.to_owned(),
        program,
        argv,
        env,
        dir,
        user,
        gated: false,
    };
    wrapped(launch, view.as_mut(), memory_limit(container), run)
}

/// The container's view when it needs one of its own.
fn view(mounts: &[Mount], run: &Run<'_>) -> Result<Option<View>, Problem> {
    if mounts.iter().all(Mount::is_in_place) {
        return Ok(None);
    }
    if !run.node.sandbox.has_views() {
        check_in_place(mounts)?;
    }
    let planned = View::plan(mounts, run.view_folder);
    planned
        .map(Some)
        .map_err(|message| Problem::Start(runc(&message)))
}

/// Leads the process through a sandbox when it needs one.
fn wrapped(
    mut launch: Launch,
    view: Option<&mut View>,
    limit: Option<u64>,
    run: &Run<'_>,
) -> Result<Prepared, Problem> {
    let root = limit.and_then(|limit| Some((run.node.memory()?, limit)));
    let group = root
        .map(|(root, limit)| root.group(run.id, limit))
        .transpose();
    let group =
        group.map_err(|error| Problem::Create(format!("making the memory group: {error}")))?;
    if group.is_some() || view.is_some() {
        let procs = group.as_ref().map(MemoryGroup::procs);
        let wrapping = Wrapping {
            procs: procs.as_deref(),
            view,
        };
        let led = run.node.sandbox.wrap(&mut launch, wrapping);
        led.map_err(|error| Problem::Create(format!("making the container's view: {error}")))?;
    }
    Ok(Prepared {
        watched_limit: limit.filter(|_| group.is_none()),
        launch,
        group,
    })
}

/// The words around what runc says, as they stand in a real pod's status.
#[must_use]
pub fn runc(what: &str) -> String {
    format!(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {what}: unknown"
    )
}

/// The variables that every container has; a mount may hide the private folder.
fn base_env(pod: &Pod, run: &Run<'_>, hidden: bool) -> BTreeMap<String, OsString> {
    let hostname = pod.metadata.name.clone().unwrap_or_default();
    let (home, tmp) = if hidden {
        ("/".into(), "/tmp".into())
    } else {
        (run.folder.into(), run.folder.join("tmp").into())
    };
    BTreeMap::from([
        ("PATH".to_owned(), run.node.path.clone()),
        ("HOME".to_owned(), home),
        ("HOSTNAME".to_owned(), hostname.into()),
        ("TMPDIR".to_owned(), tmp),
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
        let what = if own.run_as_user.or(shared.run_as_user).is_some() {
            "container's runAsUser breaks non-root policy"
        } else {
            "container has runAsNonRoot and image will run as root"
        };
        let message = format!("{what} (pod: \"{pod_name}_{namespace}({uid})\", container: {name})");
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

/// The last word on mounts where there are no mount namespaces.
fn check_in_place(mounts: &[Mount]) -> Result<(), Problem> {
    let Some(mount) = mounts.iter().find(|mount| !mount.is_in_place()) else {
        return Ok(());
    };
    let target = mount.target.display();
    let why = "pods run as local processes here, without a file system of their own";
    let message = if mount.private {
        format!(
            "a volume of the pod's own cannot be mounted at \"{target}\": {why}; use $TMPDIR, a private folder that goes with the pod"
        )
    } else if mount.source.components().eq(mount.target.components()) {
        format!("\"{target}\" cannot be mounted read-only: {why}; leave readOnly out")
    } else {
        format!(
            "a volume cannot be mounted at \"{target}\": {why}, so mountPath must be the path of its source, \"{}\"",
            mount.source.display()
        )
    };
    Err(Problem::Config(message))
}

/// The container's limit on memory, in bytes.
fn memory_limit(container: &Container) -> Option<u64> {
    let resources = container.resources.as_ref()?;
    let limit = resources.limits.as_ref()?.get("memory")?;
    let bytes = Amount::parse(&limit.0)?.whole();
    (bytes > 0).then_some(bytes)
}

/// Finds the program as the container sees it; the path is the container's.
fn find_program(
    name: &str,
    dir: &Path,
    env: &BTreeMap<String, OsString>,
    seen: impl Fn(&Path) -> Option<PathBuf>,
) -> Result<PathBuf, Problem> {
    let found = |path: &Path| seen(path).and_then(|path| path.metadata().ok());
    let executable = |found: &Metadata| found.is_file() && found.permissions().mode() & 0o111 != 0;
    if name.contains('/') {
        let path = dir.join(name);
        let problem = match found(&path) {
            None => format!("stat {name}: no such file or directory"),
            Some(found) if executable(&found) => return Ok(path),
            Some(found) if found.is_dir() => "is a directory".to_owned(),
            Some(_) => "permission denied".to_owned(),
        };
        return Err(Problem::Start(runc(&format!("exec: {name:?}: {problem}"))));
    }
    let folders = env
        .get("PATH")
        .map(std::env::split_paths)
        .into_iter()
        .flatten();
    folders
        .map(|folder| dir.join(folder).join(name))
        .find(|path| found(path).is_some_and(|found| executable(&found)))
        .ok_or_else(|| {
            Problem::Start(runc(&format!(
                "exec: {name:?}: executable file not found in $PATH"
            )))
        })
}

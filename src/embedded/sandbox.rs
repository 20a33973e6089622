//! What a container's process goes through before its program: its memory group and its view of the files.
//!
//! A new mount namespace needs no privileges where the kernel lets users have user namespaces: `unshare` of
//! util-linux makes both, a fixed script builds the view and moves into it, and a second `unshare` gives the
//! process its own user back, without capabilities. Root needs no user namespace. The process is one and the
//! same from the fork to the program, so signals, exit codes and groups are as without all this.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{getegid, geteuid};

use super::process::Launch;
use super::view::{Mount, View};
use crate::signals::unblocked;

/// Builds the view, then becomes the program. Standard input is the server's pipe, which takes the words of a
/// failure and closes when all is done. No text is ever put into it: all values come as arguments.
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
fail() { printf '%s' "$1" >&3; exit 1; }
procs=$1 root=$2 table=$3 dir=$4
shift 4
[ -z "$procs" ] || echo 0 >"$procs" || fail "joining the memory group $procs"
if [ -n "$root" ]; then
  path=$PATH
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  out=$(mount --all --fstab "$table" 2>&1) || fail "$out"
  out=$(cd -- "$root" && pivot_root . . 2>&1 && umount -l . 2>&1) || fail "$out"
  PATH=$path
fi
cd -- "$dir" 2>/dev/null || fail "chdir to cwd (\"$dir\") set in config.json failed: no such file or directory"
exec 3>&-
exec "$@"
"#;
/// Where the tools of the script are, here and in it.
const TOOL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What shells put into the environment by themselves.
const SHELL_VARIABLES: [&str; 4] = ["PWD", "OLDPWD", "SHLVL", "_"];

/// The means that the kubelet may use where this machine has them. Without them it honours less, and refuses
/// the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// Mount namespaces: mounts at paths of their own. Without them a mount must be at the path of its source.
    pub namespaces: bool,
    /// Memory cgroups: the kernel itself keeps memory limits. Without them the kubelet watches the processes.
    pub cgroups: bool,
}

impl Default for Means {
    /// All of them.
    fn default() -> Self {
        Self {
            namespaces: true,
            cgroups: true,
        }
    }
}

/// How a mount namespace is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By right.
    Root,
    /// With a user namespace.
    User,
}

/// Makes sandboxes; looks once, when the first is wanted, for what this machine allows.
#[derive(Debug)]
pub struct Sandbox {
    wanted: bool,
    folder: PathBuf,
    way: OnceLock<Option<Way>>,
}

/// What a process gets beside its program.
#[derive(Debug)]
pub struct Wrapping<'a> {
    /// The group that it joins: a file that takes its number.
    pub procs: Option<&'a Path>,
    /// Its view, when it has one of its own.
    pub view: Option<&'a mut View>,
}

impl Sandbox {
    /// A maker of sandboxes that has looked for nothing yet; `folder` is for its trial.
    #[must_use]
    pub fn new(means: Means, folder: PathBuf) -> Self {
        Self {
            wanted: means.namespaces,
            folder,
            way: OnceLock::new(),
        }
    }

    /// Can a container have a view of its own? Blocks on a trial the first time.
    pub fn has_views(&self) -> bool {
        self.way().is_some()
    }

    fn way(&self) -> Option<Way> {
        *self.way.get_or_init(|| {
            if !self.wanted {
                return None;
            }
            let ways: &[Way] = if geteuid().is_root() {
                &[Way::Root, Way::User]
            } else {
                &[Way::User]
            };
            let found = ways.iter().copied().find(|way| self.is_open(*way));
            if found.is_none() {
                tracing::info!(
                    "no mount namespace is to be had: mounts must be at the paths of their sources"
                );
            }
            found
        })
    }

    /// Tries a whole view with one mount.
    fn is_open(&self, way: Way) -> bool {
        let folder = self.folder.join(format!("trial-{way:?}"));
        let works = Self::try_view(way, &folder);
        // Nothing may have been made.
        let _ = std::fs::remove_dir_all(&folder);
        works.is_ok_and(|works| works)
    }

    fn try_view(way: Way, folder: &Path) -> std::io::Result<bool> {
        let mark = folder.join("mark");
        std::fs::create_dir_all(&mark)?;
        let mount = Mount {
            source: mark,
            target: PathBuf::from("/kubegrader-trial/mark"),
            read_only: true,
            private: true,
        };
        let mut view = View::plan(&[mount], &folder.join("view")).map_err(std::io::Error::other)?;
        let mut launch = Launch {
            id: String::new(),
            program: PathBuf::from("/bin/sh"),
            argv: [
                "sh",
                "-c",
                "test -d /kubegrader-trial/mark && test ! -w /kubegrader-trial/mark",
            ]
            .map(str::to_owned)
            .to_vec(),
            env: BTreeMap::from([("PATH".to_owned(), TOOL_PATH.into())]),
            dir: PathBuf::from("/"),
            user: None,
            gated: false,
        };
        let wrapping = Wrapping {
            procs: None,
            view: Some(&mut view),
        };
        wrap(&mut launch, wrapping, Some(way))?;
        let (mut reader, writer) = std::io::pipe()?;
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.argv[1..])
            .env_clear()
            .envs(&launch.env)
            .stdin(writer)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = unblocked(|| command.spawn())?;
        drop(command);
        let mut words = String::new();
        reader.read_to_string(&mut words)?;
        let status = child.wait()?;
        tracing::debug!(?way, %status, words, "trying a mount namespace");
        Ok(status.success())
    }

    /// Leads a process through its sandbox to its program. Blocks on the file system.
    ///
    /// # Errors
    /// When the files of its view cannot be made, or there is no namespace for it.
    pub fn wrap(&self, launch: &mut Launch, wrapping: Wrapping<'_>) -> std::io::Result<()> {
        let way = if wrapping.view.is_some() {
            Some(
                self.way()
                    .ok_or_else(|| std::io::Error::other("no mount namespace"))?,
            )
        } else {
            None
        };
        wrap(launch, wrapping, way)
    }
}

fn wrap(launch: &mut Launch, wrapping: Wrapping<'_>, way: Option<Way>) -> std::io::Result<()> {
    let (root, table) = match wrapping.view {
        Some(view) => view.write()?,
        None => (PathBuf::new(), PathBuf::new()),
    };
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut argv = match way {
        None => Vec::new(),
        Some(Way::Root) => words(&[&tool("unshare"), "--mount", "--"]),
        Some(Way::User) => words(&[
            &tool("unshare"),
            "--user",
            "--map-root-user",
            "--mount",
            "--",
        ]),
    };
    argv.extend(words(&[&tool("sh"), "-c", SCRIPT, "sh"]));
    argv.push(wrapping.procs.map(text).unwrap_or_default());
    argv.extend([text(&root), text(&table), text(&launch.dir)]);
    argv.extend(back_to_user(launch, way));
    argv.extend(without_shell_variables(&mut launch.env));
    argv.append(&mut launch.argv);
    launch.program = PathBuf::from(&argv[0]);
    launch.argv = argv;
    launch.dir = PathBuf::from("/");
    launch.gated = true;
    Ok(())
}

/// The words before the program that give the process the user that it shall have.
fn back_to_user(launch: &mut Launch, way: Option<Way>) -> Vec<String> {
    if way == Some(Way::User) {
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        let user = format!("--map-user={user}");
        let group = format!("--map-group={group}");
        return words(&[&tool("unshare"), "--user", &user, &group, "--"]);
    }
    let Some((user, group)) = launch.user.take() else {
        return Vec::new();
    };
    let user = format!("--reuid={user}");
    let group = format!("--regid={group}");
    words(&[&tool("setpriv"), "--clear-groups", &user, &group, "--"])
}

/// The words before the program that take the shell's own variables out again, or put the container's back.
fn without_shell_variables(env: &mut BTreeMap<String, OsString>) -> Vec<String> {
    let mut argv = vec![tool("env")];
    let mut own = Vec::new();
    for name in SHELL_VARIABLES {
        match env.remove(name) {
            Some(value) => own.push(format!("{name}={}", value.to_string_lossy())),
            None => argv.extend(words(&["-u", name])),
        }
    }
    argv.append(&mut own);
    argv
}

/// Where a program of the system is: a container's own `PATH` must not choose it.
fn tool(name: &str) -> String {
    let places = TOOL_PATH
        .split(':')
        .map(|folder| format!("{folder}/{name}"));
    places
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or_else(|| name.to_owned())
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}

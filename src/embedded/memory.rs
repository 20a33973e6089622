//! Memory limits: groups in which the kernel itself keeps them, where this process may make some.
//!
//! On cgroup v1 the kernel kills the process that asks for too much, on v2 (with `memory.oom.group`, as a
//! kubelet sets it) all of the container's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::signals::unblocked;

/// How long the kernel may take to let go of a group whose processes have ended.
const ROUNDS: usize = 50;
const ROUND_PAUSE: Duration = Duration::from_millis(2);

/// The two interfaces of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The group around all groups of one cluster; removed when it is dropped.
#[derive(Debug)]
pub struct MemoryRoot {
    path: PathBuf,
    version: Version,
}

impl MemoryRoot {
    /// Makes the group `name` inside the group of this process and tries it with a process; `None` where that
    /// is not allowed. Blocks.
    #[must_use]
    pub fn make(name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let places = mounts.lines().filter_map(|line| place(line, &groups));
        places.into_iter().find_map(|(parent, version)| {
            let root = Self {
                path: parent.join(name),
                version,
            };
            fs::create_dir(&root.path).ok()?;
            match root.try_out() {
                Ok(true) => Some(root),
                found => {
                    tracing::debug!(path = %root.path.display(), ?found, "trying a memory group");
                    None
                }
            }
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn try_out(&self) -> io::Result<bool> {
        if self.version == Version::Two {
            fs::write(self.path.join("cgroup.subtree_control"), "+memory")?;
        }
        let group = self.group("trial", 64 * 1024 * 1024)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "echo 0 >\"$1\"", "sh"])
            .arg(group.procs())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(unblocked(|| command.status())?.success() && group.kills().is_some())
    }

    /// Makes a group with a limit in bytes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn group(&self, name: &str, limit: u64) -> io::Result<MemoryGroup> {
        let group = MemoryGroup {
            path: self.path.join(name),
            version: self.version,
        };
        fs::create_dir(&group.path)?;
        let write = |file: &str, value: &str| fs::write(group.path.join(file), value);
        let limit = limit.to_string();
        match self.version {
            Version::One => {
                write("memory.limit_in_bytes", &limit)?;
                // A kernel that does not count swap has no such file.
                let _ = write("memory.memsw.limit_in_bytes", &limit);
            }
            Version::Two => {
                write("memory.max", &limit)?;
                write("memory.oom.group", "1")?;
                let _ = write("memory.swap.max", "0");
            }
        }
        Ok(group)
    }
}

impl Drop for MemoryRoot {
    fn drop(&mut self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                remove(&entry.path());
            }
        }
        remove(&self.path);
    }
}

/// The group of one container; removed when it is dropped, when its processes must be gone.
#[derive(Debug)]
pub struct MemoryGroup {
    path: PathBuf,
    version: Version,
}

impl MemoryGroup {
    /// The file through which a process joins.
    #[must_use]
    pub fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// The processes in it.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.procs()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// How many processes the kernel has killed for their memory; `None` when it does not say.
    #[must_use]
    pub fn kills(&self) -> Option<u64> {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(self.path.join(file)).ok()?;
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))?;
        count.trim().parse().ok()
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(path: &Path) {
    for _ in 0..ROUNDS {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(ROUND_PAUSE);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "removing a memory group");
                return;
            }
            _ => return,
        }
    }
}

/// The folder of this process's own group in one mounted hierarchy that counts memory.
fn place(mount: &str, groups: &str) -> Option<(PathBuf, Version)> {
    let (head, tail) = mount.split_once(" - ")?;
    let head: Vec<&str> = head.split(' ').collect();
    let (root, point) = (head.get(3)?, head.get(4)?);
    let mut tail = tail.split(' ');
    let kind = tail.next()?;
    let options = tail.nth(1)?;
    let version = match kind {
        "cgroup" if options.split(',').any(|option| option == "memory") => Version::One,
        "cgroup2" => Version::Two,
        _ => return None,
    };
    let own = groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let right = match version {
            Version::One => controllers.split(',').any(|one| one == "memory"),
            Version::Two => controllers.is_empty(),
        };
        right.then_some(path)
    })?;
    // A container may see its own group as the root of the hierarchy.
    let inside = own.strip_prefix(*root).unwrap_or(own);
    let path = Path::new(point).join(inside.trim_start_matches('/'));
    let path = if path.is_dir() {
        path
    } else {
        PathBuf::from(point)
    };
    if version == Version::Two {
        let controllers = fs::read_to_string(path.join("cgroup.controllers")).ok()?;
        if !controllers.split_whitespace().any(|one| one == "memory") {
            return None;
        }
    }
    Some((path, version))
}

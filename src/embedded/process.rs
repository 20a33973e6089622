//! Local processes as containers: their start, and the end of everything that came out of them.
//!
//! A container's processes are found by five marks: their parents, the process group and session of the first
//! one, its memory group when it has one, a variable in their environment, because a Jupyter kernel starts a session of its own and outlives
//! its parent, and the pipe that they write to. A process that sheds all of them is not found: only a PID
//! namespace would hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::memory::MemoryGroup;
use crate::signals::unblocked;

/// The variable that marks a container's processes; its value is the container's id.
pub const COOKIE: &str = "KUBEGRADER_CONTAINER";
/// Rounds of killing; each finds what the round before let slip away.
const ROUNDS: usize = 200;
const ROUND_PAUSE: Duration = Duration::from_millis(5);

/// A process to start.
#[derive(Debug)]
pub struct Launch {
    /// The container's id, for the cookie.
    pub id: String,
    /// The executable.
    pub program: PathBuf,
    /// All arguments with the name as it was given.
    pub argv: Vec<String>,
    /// The whole environment but the cookie.
    pub env: BTreeMap<String, OsString>,
    /// The working directory.
    pub dir: PathBuf,
    /// User and group to become.
    pub user: Option<(u32, u32)>,
    /// It goes through a sandbox first, and tells through its standard input how that went.
    pub gated: bool,
}

/// A process that has been started.
#[derive(Debug)]
pub struct Started {
    /// The first process.
    pub child: Child,
    /// All that come out of it.
    pub tree: Tree,
    /// What they write.
    pub output: pipe::Receiver,
    /// Closes when the program begins; before that, the words of what went wrong.
    pub gate: Option<pipe::Receiver>,
}

/// The processes that came out of one launch.
#[derive(Debug)]
pub struct Tree {
    root: u32,
    root_start: u64,
    cookie: Vec<u8>,
    /// What a link to the container's output reads as in `/proc`.
    output: PathBuf,
    /// The first process was waited for: its number may belong to someone else now.
    reaped: AtomicBool,
    group: Option<MemoryGroup>,
}

/// Starts a process in a process group of its own; both its streams come out of one pipe. The memory group is
/// the one that it joins by itself.
///
/// # Errors
/// When a pipe or the process cannot be made.
pub fn start(launch: &Launch, group: Option<MemoryGroup>) -> io::Result<Started> {
    let (reader, writer) = io::pipe()?;
    let output = std::fs::read_link(format!("/proc/self/fd/{}", reader.as_raw_fd()))?;
    let mut command = Command::new(&launch.program);
    if let Some((name, rest)) = launch.argv.split_first() {
        command.arg0(name).args(rest);
    }
    command
        .env_clear()
        .envs(&launch.env)
        .env(COOKIE, &launch.id)
        .current_dir(&launch.dir);
    command.stdout(writer.try_clone()?).stderr(writer);
    let gate = if launch.gated {
        let (gate, told) = io::pipe()?;
        command.stdin(told);
        Some(pipe::Receiver::from_owned_fd(gate.into())?)
    } else {
        command.stdin(Stdio::null());
        None
    };
    command.process_group(0).kill_on_drop(true);
    if let Some((user, group)) = launch.user {
        command.uid(user).gid(group);
    }
    let child = unblocked(|| command.spawn())?;
    // The command still holds the other ends of the pipes, which must only live in the container.
    drop(command);
    let root = child.id().unwrap_or_default();
    let tree = Tree {
        root,
        root_start: Entry::read(root).map_or(0, |entry| entry.start),
        cookie: format!("{COOKIE}={}", launch.id).into_bytes(),
        output,
        reaped: AtomicBool::new(false),
        group,
    };
    Ok(Started {
        child,
        tree,
        output: pipe::Receiver::from_owned_fd(reader.into())?,
        gate,
    })
}

/// A shell's number for the end of a process: its exit code, or 128 and the signal.
#[must_use]
pub fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(9))
}

impl Tree {
    /// The first process was waited for.
    pub fn set_reaped(&self) {
        self.reaped.store(true, Ordering::Release);
    }

    /// Asks the process group to end (SIGTERM).
    pub fn terminate(&self) {
        if self.reaped.load(Ordering::Acquire) {
            return;
        }
        if let Some(group) = i32::try_from(self.root).ok().and_then(Pid::from_raw) {
            // A group that has just ended needs no signal.
            let _ = kill_process_group(group, Signal::TERM);
        }
    }

    /// Kills the tree, and again until nothing of it is left.
    pub async fn kill(self: std::sync::Arc<Self>) {
        for _ in 0..ROUNDS {
            let tree = std::sync::Arc::clone(&self);
            let found = tokio::task::spawn_blocking(move || tree.kill_round()).await;
            if !matches!(found, Ok(count) if count > 0) {
                return;
            }
            // Real time, on a thread of its own: processes do not know of tokio's paused clock.
            let _ = tokio::task::spawn_blocking(|| std::thread::sleep(ROUND_PAUSE)).await;
        }
    }

    /// Kills what is found now, without a runtime; returns how many processes that were.
    pub fn kill_round(&self) -> usize {
        let members = self.members();
        for member in &members {
            member.kill();
        }
        members.len()
    }

    /// Has the kernel killed a process for the container's memory limit?
    pub fn is_out_of_memory(&self) -> bool {
        let kills = self.group.as_ref().and_then(MemoryGroup::kills);
        kills.is_some_and(|kills| kills > 0)
    }

    /// The container's memory in bytes, exact only when it may be more than `limit`: a page that several
    /// processes share since a fork is counted once then.
    pub fn memory(&self, limit: u64) -> u64 {
        let members = self.members();
        // The rough sum counts shared pages for each process, and costs little.
        let rough = members.iter().map(Entry::resident).sum();
        if rough <= limit {
            return rough;
        }
        members.iter().map(Entry::proportional).sum()
    }

    /// Every living process that belongs to the container.
    fn members(&self) -> Vec<Entry> {
        let all = all_processes();
        let grouped: BTreeSet<u32> = self.group.iter().flat_map(MemoryGroup::pids).collect();
        let own = std::process::id();
        let strange_root = all
            .iter()
            .any(|one| one.pid == self.root && one.start != self.root_start);
        let belongs = |one: &Entry| {
            let marked = one.group == self.root || one.session == self.root;
            marked && !strange_root
                || grouped.contains(&one.pid)
                || one.has_cookie(&self.cookie)
                || one.writes_to(&self.output)
        };
        let mut found: BTreeSet<u32> = all
            .iter()
            .filter(|one| belongs(one))
            .map(|one| one.pid)
            .collect();
        loop {
            let before = found.len();
            let children = all
                .iter()
                .filter(|one| found.contains(&one.parent))
                .map(|one| one.pid);
            found.extend(children.collect::<Vec<_>>());
            if found.len() == before {
                break;
            }
        }
        all.into_iter()
            .filter(|one| one.pid != own && found.contains(&one.pid))
            .collect()
    }
}

/// A process in `/proc`.
#[derive(Debug, Clone, Copy)]
struct Entry {
    pid: u32,
    parent: u32,
    group: u32,
    session: u32,
    /// Clock ticks since boot: tells a process from a later one with the same number.
    start: u64,
}

impl Entry {
    /// `None` for a process that is gone or a zombie.
    fn read(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, also spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        if matches!(fields.first(), Some(&"Z" | &"X")) {
            return None;
        }
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    fn has_cookie(&self, cookie: &[u8]) -> bool {
        let environ = std::fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        environ
            .split(|byte| *byte == 0)
            .any(|variable| variable == cookie)
    }

    fn writes_to(&self, output: &Path) -> bool {
        let link = |stream: u8| std::fs::read_link(format!("/proc/{}/fd/{stream}", self.pid));
        [1, 2]
            .into_iter()
            .any(|stream| link(stream).is_ok_and(|target| target == output))
    }

    /// Bytes of memory that no file backs.
    fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid));
        fields(&text.unwrap_or_default(), &["RssAnon:", "RssShmem:"])
    }

    /// The same, with shared pages divided by the number of those who share them.
    fn proportional(&self) -> u64 {
        match std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)) {
            Ok(text) => fields(&text, &["Pss_Anon:", "Pss_Shmem:"]),
            Err(_) => self.resident(),
        }
    }

    /// SIGKILL, through a descriptor, so that it cannot hit a later process with the same number.
    fn kill(&self) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        if Self::read(self.pid).is_some_and(|now| now.start == self.start) {
            // It may have ended in between, which is what is wanted.
            let _ = pidfd_send_signal(descriptor, Signal::KILL);
        }
    }
}

/// The sum of these lines of a file in `/proc`, which are in KiB, in bytes.
fn fields(text: &str, names: &[&str]) -> u64 {
    let value = |line: &str| -> Option<u64> {
        let name = names.iter().find(|name| line.starts_with(**name))?;
        line[name.len()..].split_whitespace().next()?.parse().ok()
    };
    text.lines().filter_map(value).sum::<u64>() * 1024
}

fn all_processes() -> Vec<Entry> {
    let Ok(folders) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = folders
        .flatten()
        .filter_map(|folder| folder.file_name().to_str()?.parse().ok());
    pids.filter_map(Entry::read).collect()
}

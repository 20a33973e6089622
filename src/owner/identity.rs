//! This process, so that others on the same machine can tell that it is gone.
//!
//! Facts: proc(5): `/proc/pid/stat` field 3 (state), 20 (threads) and 22 (start time in clock ticks since boot);
//! kill(2): with signal 0, ESRCH means that there is no such process in the caller's pid namespace, and EPERM that
//! there is one.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use super::liveness::Liveness;

/// A process among all that ever were on its machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The machine since its boot, and the pid namespace in which `pid` counts; see [`host`].
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// When it began, in clock ticks since the boot: a pid that was used again has another.
    pub started: u64,
}

/// The fields of `/proc/pid/stat` that tell a process from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Field 1.
    pub pid: u32,
    /// Field 3, as `S` or `Z`.
    pub state: char,
    /// Field 20: threads that have not ended.
    pub threads: u64,
    /// Field 22: clock ticks from the boot to the start.
    pub started: u64,
}

impl Stat {
    /// Reads the text of `/proc/pid/stat`. A command's name may hold blanks and brackets: what counts comes after the
    /// last bracket.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.rsplit_once(')')?;
        let pid = before.split_once(' ')?.0.parse().ok()?;
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            threads: fields.get(17)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }
}

/// This machine since its boot, with the namespaces that give a pid and a start time their meaning. The host's name
/// is part of it because a machine that was restored from a snapshot keeps the boot id of the one it was taken from.
#[must_use]
pub fn host() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let pids = fs::read_link("/proc/self/ns/pid").ok()?;
    // Older kernels have no time namespaces; with one, start times are counted from its own zero.
    let times = fs::read_link("/proc/self/ns/time").unwrap_or_default();
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(format!(
        "{}/{}/{}/{}",
        boot.trim(),
        pids.display(),
        times.display(),
        name.trim()
    ))
}

impl Identity {
    /// This process; `None` where `/proc` is missing or is that of other namespaces.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let pid = std::process::id();
        let stat = Stat::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
        (stat.pid == pid).then(host).flatten().map(|host| Self {
            host,
            pid,
            started: stat.started,
        })
    }

    /// Whether this process is still there; `None` when it belongs to another machine or pid namespace than `here`,
    /// which is the [`host`] of the process that asks.
    #[must_use]
    pub fn look(&self, here: &str) -> Option<Liveness> {
        (self.host == here).then(|| self.judge(exists(self.pid), Stat::of(self.pid)))
    }

    /// The judgement from what the kernel says of the pid: whether it is in use, and by what.
    #[must_use]
    pub fn judge(&self, exists: Option<bool>, stat: Option<Stat>) -> Liveness {
        let pid = self.pid;
        match (exists, stat) {
            (Some(false), _) => Liveness::Gone(format!("process {pid} of this machine has ended")),
            (_, Some(stat)) if stat.started != self.started => Liveness::Gone(format!(
                "process {pid} of this machine has ended, and its number is another's"
            )),
            // A zombie with threads is a process whose first thread alone has ended.
            (_, Some(stat)) if matches!(stat.state, 'Z' | 'X') && stat.threads <= 1 => {
                Liveness::Gone(format!(
                    "process {pid} of this machine has ended, and its parent has not noticed"
                ))
            }
            (_, Some(_)) => Liveness::Alive(format!("process {pid} of this machine runs")),
            (_, None) => Liveness::Unknown(format!(
                "whether process {pid} of this machine is still the same one cannot be read"
            )),
        }
    }
}

/// Whether a pid is in use; a look into `/proc` would not do, which may hide other users' processes.
fn exists(pid: u32) -> Option<bool> {
    let pid = Pid::from_raw(pid.try_into().ok()?)?;
    match test_kill_process(pid) {
        Ok(()) | Err(Errno::PERM) => Some(true),
        Err(Errno::SRCH) => Some(false),
        Err(_) => None,
    }
}

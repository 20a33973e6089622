//! A process that outlives the server by a moment: it sees to it that no container does.
//!
//! It holds the end of a pipe that closes when the server is gone, however it went, SIGKILL included. Then it
//! kills every process that bears the mark of the cluster's containers or is in its memory groups, and removes
//! the folders.

use std::io::{self, PipeWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::process::COOKIE;
use crate::signals::unblocked;

/// No text is ever put into it: all values come as arguments.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
mark=$1 folder=$2 groups=/nonexistent
while read -r line; do groups=$line; done
cd /proc || exit
quiet=0 round=0
while [ "$quiet" -lt 2 ] && [ "$round" -lt 200 ]; do
  round=$((round + 1)) quiet=$((quiet + 1))
  for file in $(grep -lszF -e "$mark" [0-9]*/environ); do
    pid=${file%/environ} quiet=0
    kill -s KILL -- "-$pid"; kill -s KILL "$pid"
  done
  for pid in $(cat "$groups"/*/cgroup.procs); do
    quiet=0
    kill -s KILL "$pid"
  done
  sleep 0.05
done 2>/dev/null
# The server may be removing the same folder, which rm takes for a failure.
round=0
while rm -rf -- "$folder" 2>/dev/null; [ -d "$folder" ] && [ "$round" -lt 20 ]; do
  round=$((round + 1))
  sleep 0.05
done
[ ! -d "$groups" ] || rmdir -- "$groups"/*/ "$groups" 2>/dev/null
exit 0
"#;

/// The watchdog's process, and the pipe whose end wakes it.
#[derive(Debug)]
pub struct Watchdog {
    /// It ends by itself when the pipe is closed.
    pub process: Child,
    /// Closed with the server.
    pub pipe: PipeWriter,
}

/// Starts a watchdog for the containers whose ids begin with `mark`.
///
/// # Errors
/// When the process cannot be made.
pub fn start(mark: &str, folder: &Path) -> io::Result<Watchdog> {
    let (reader, pipe) = io::pipe()?;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", SCRIPT, "kubegrader-watchdog"])
        .arg(format!("{COOKIE}={mark}"))
        .arg(folder)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .current_dir("/")
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What is sent to the server's group, Ctrl-C or worse, does not reach it.
        .process_group(0);
    let process = unblocked(|| command.spawn())?;
    Ok(Watchdog { process, pipe })
}

/// Tells a watchdog of the folder with the memory groups.
///
/// # Errors
/// When it is gone.
pub fn tell(pipe: &mut PipeWriter, groups: &Path) -> io::Result<()> {
    let line = [groups.as_os_str().as_bytes(), b"\n"].concat();
    pipe.write_all(&line)
}

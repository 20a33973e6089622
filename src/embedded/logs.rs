//! What containers write: one bounded file a container, a time stamp a line, as a kubelet keeps it.
//!
//! A real node's `pods/log` reads the newest file alone, so right after a change of files it is empty. Here the
//! older file goes at once, since nobody could read it.
//!
//! A line in the file is `<time> <F|P> <text>`: `P` is a part of a line that goes on in the next entry. The
//! container's two streams share one pipe, so their order is the order of the writes.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::clock::Clock;

/// A file with so many bytes is followed by a new one when it is looked at (`containerLogMaxSize`).
const FILE_LIMIT: u64 = 10 * 1024 * 1024;
/// How often a kubelet looks at the size of a file (`containerLogMonitorInterval`).
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A file never has more bytes: as many as all the files that a kubelet keeps (`containerLogMaxFiles`, 5).
const HARD_LIMIT: u64 = 5 * FILE_LIMIT;
/// A line without an end is cut into entries of this many bytes, as containerd does.
const ENTRY_LIMIT: usize = 16 * 1024;

/// How far a log has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// How often the file was changed for a new one.
    pub rotations: u64,
    /// Bytes in the current file.
    pub size: u64,
    /// Nothing more will come.
    pub closed: bool,
}

/// The file that is written to.
#[derive(Debug)]
struct Current {
    file: Option<File>,
    /// When its size was looked at (real time).
    looked: Instant,
}

/// The log of one run of one container.
#[derive(Debug)]
pub struct ContainerLog {
    path: PathBuf,
    clock: Arc<Clock>,
    /// Held while the file is changed for a new one and while a reader opens it.
    current: AsyncMutex<Current>,
    progress: watch::Sender<Progress>,
}

impl ContainerLog {
    /// A log in `path`, which is made with the first line.
    #[must_use]
    pub fn new(path: PathBuf, clock: Arc<Clock>) -> Self {
        Self {
            path,
            clock,
            current: AsyncMutex::new(Current {
                file: None,
                looked: Instant::now(),
            }),
            progress: watch::Sender::new(Progress::default()),
        }
    }

    /// Follows the log's growth.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// No more lines will come.
    pub fn close(&self) {
        self.progress.send_modify(|progress| progress.closed = true);
    }

    /// Opens the newest file, when there is one; with it comes how often the file was changed before.
    ///
    /// # Errors
    /// When a file that is there cannot be opened.
    pub async fn open(&self) -> io::Result<(Option<File>, u64)> {
        let _unchanged = self.current.lock().await;
        let rotations = self.progress.borrow().rotations;
        match File::open(&self.path).await {
            Ok(file) => Ok((Some(file), rotations)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((None, rotations)),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, entries: &[u8]) -> io::Result<()> {
        let mut current = self.current.lock().await;
        let mut progress = *self.progress.borrow();
        let looks = current.looked.elapsed() >= LOOK_EVERY;
        if looks {
            current.looked = Instant::now();
        }
        let limit = if looks { FILE_LIMIT } else { HARD_LIMIT };
        if current.file.is_some() && progress.size >= limit {
            current.file = None;
            fs::remove_file(&self.path).await?;
            progress.rotations += 1;
            progress.size = 0;
        }
        if current.file.is_none() {
            let opened = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&self.path)
                .await?;
            current.file = Some(opened);
        }
        if let Some(file) = current.file.as_mut() {
            file.write_all(entries).await?;
            file.flush().await?;
        }
        progress.size += u64::try_from(entries.len()).unwrap_or(u64::MAX);
        self.progress.send_replace(progress);
        Ok(())
    }

    /// Writes down all that comes out of the pipe until its end.
    pub async fn fill_from(&self, mut pipe: pipe::Receiver) {
        let mut chunk = vec![0; 64 * 1024];
        let mut line = Vec::new();
        loop {
            let count = pipe.read(&mut chunk).await.unwrap_or(0);
            let mut entries = Vec::new();
            if count == 0 {
                if !line.is_empty() {
                    push_entry(&mut entries, b'P', &line, self.clock.precise());
                }
            } else {
                split(
                    &chunk[..count],
                    &mut line,
                    &mut entries,
                    self.clock.precise(),
                );
            }
            // A full disk must not stop the container: what cannot be kept is read and dropped.
            if !entries.is_empty()
                && let Err(error) = self.write(&entries).await
            {
                tracing::warn!(path = %self.path.display(), %error, "writing a container's log");
            }
            if count == 0 {
                return;
            }
        }
    }
}

/// Cuts a chunk into entries; what has no end yet stays in `line`.
fn split(chunk: &[u8], line: &mut Vec<u8>, entries: &mut Vec<u8>, now: Timestamp) {
    for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
        line.extend_from_slice(piece);
        let whole = line.last() == Some(&b'\n');
        if whole {
            line.pop();
        }
        while line.len() > ENTRY_LIMIT {
            let rest = line.split_off(ENTRY_LIMIT);
            push_entry(entries, b'P', line, now);
            *line = rest;
        }
        if whole {
            push_entry(entries, b'F', line, now);
            line.clear();
        }
    }
}

fn push_entry(entries: &mut Vec<u8>, tag: u8, text: &[u8], now: Timestamp) {
    entries.extend_from_slice(format!("{now:.9} ").as_bytes());
    entries.extend_from_slice(&[tag, b' ']);
    entries.extend_from_slice(text);
    entries.push(b'\n');
}

type Runs = Vec<Arc<ContainerLog>>;

/// Finds the logs of a pod's containers.
#[derive(Debug, Default)]
pub struct LogBook {
    /// By uid and container, the newest last.
    runs: Mutex<HashMap<(String, String), Runs>>,
}

impl LogBook {
    /// Adds the log of a new run of a container; the last two runs are kept.
    pub fn add(&self, uid: &str, container: &str, log: Arc<ContainerLog>) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let logs = runs
            .entry((uid.to_owned(), container.to_owned()))
            .or_default();
        logs.push(log);
        if logs.len() > 2 {
            logs.remove(0);
        }
    }

    /// The log of the last run, or of the run before.
    #[must_use]
    pub fn find(&self, uid: &str, container: &str, previous: bool) -> Option<Arc<ContainerLog>> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let logs = runs.get(&(uid.to_owned(), container.to_owned()))?;
        logs.iter().rev().nth(usize::from(previous)).cloned()
    }

    /// Forgets a pod's logs.
    pub fn remove(&self, uid: &str) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|(pod, _), _| pod != uid);
    }
}

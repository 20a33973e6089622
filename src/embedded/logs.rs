//! What containers write: one bounded file a container, a time stamp a line, as a kubelet keeps it.
//!
//! A line in the file is `<time> <F|P> <text>`: `P` is a part of a line that goes on in the next entry. The
//! container's two streams share one pipe, so their order is the order of the writes.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::jiff::Timestamp;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::clock::Clock;

/// A file that reaches this many bytes becomes the older one, and that one goes.
const FILE_LIMIT: u64 = 10 * 1024 * 1024;
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

/// The log of one run of one container.
#[derive(Debug)]
pub struct ContainerLog {
    path: PathBuf,
    clock: Arc<Clock>,
    /// Held while the files change their names and while a reader opens them.
    file: AsyncMutex<Option<File>>,
    progress: watch::Sender<Progress>,
}

impl ContainerLog {
    /// A log in `path`, which is made with the first line.
    #[must_use]
    pub fn new(path: PathBuf, clock: Arc<Clock>) -> Self {
        Self {
            path,
            clock,
            file: AsyncMutex::new(None),
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

    /// Opens the log's files, oldest first: all of them, or those that a reader lacks who has read to the end
    /// what there was after so many changes of file.
    ///
    /// # Errors
    /// When a file that is there cannot be opened.
    pub async fn open(&self, read: Option<u64>) -> io::Result<(Vec<File>, u64)> {
        let _unchanged = self.file.lock().await;
        let now = self.progress.borrow().rotations;
        let mut files = Vec::new();
        let mut wanted = vec![self.path.clone()];
        if read.map_or(now > 0, |read| now > read + 1) {
            wanted.insert(0, older(&self.path));
        }
        for path in wanted {
            match File::open(&path).await {
                Ok(file) => files.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok((files, now))
    }

    async fn write(&self, entries: &[u8]) -> io::Result<()> {
        let mut file = self.file.lock().await;
        let mut progress = *self.progress.borrow();
        if file.is_some() && progress.size >= FILE_LIMIT {
            *file = None;
            fs::rename(&self.path, older(&self.path)).await?;
            progress.rotations += 1;
            progress.size = 0;
        }
        if file.is_none() {
            let opened = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&self.path)
                .await?;
            *file = Some(opened);
        }
        if let Some(file) = file.as_mut() {
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

/// The name of the older file of a log.
fn older(path: &Path) -> PathBuf {
    path.with_extension("log.1")
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

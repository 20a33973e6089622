//! Reads a container's log the way `pods/log` asks for it: tail, limit, since, time stamps, follow.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use k8s_openapi::jiff::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::logs::ContainerLog;

/// Bytes that are collected before they are sent, while more is at hand.
const CHUNK: usize = 32 * 1024;

/// What is wanted of a log.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Go on until the container ends.
    pub follow: bool,
    /// Only the last lines.
    pub tail: Option<usize>,
    /// Only so many bytes.
    pub limit: Option<usize>,
    /// A time stamp before each line.
    pub timestamps: bool,
    /// Only lines from this time on.
    pub since: Option<Timestamp>,
}

/// Reads in a task of its own, which ends when the receiver is dropped.
pub fn read(
    log: Arc<ContainerLog>,
    options: LogOptions,
    stop: CancellationToken,
) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        let mut reader = Reader {
            left: options.limit.unwrap_or(usize::MAX),
            options,
            sender,
            out: Vec::new(),
            line: Vec::new(),
            continued: false,
        };
        tokio::select! {
            result = reader.run(&log) => if let Err(error) = result {
                tracing::warn!(%error, "reading a container's log");
            },
            () = stop.cancelled() => {}
        }
    });
    receiver
}

/// The whole text of a log's end, at most `lines` lines and `bytes` bytes.
pub async fn tail(log: Arc<ContainerLog>, lines: usize, bytes: usize) -> String {
    let options = LogOptions {
        tail: Some(lines),
        ..LogOptions::default()
    };
    let mut chunks = read(log, options, CancellationToken::new());
    let mut text = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        text.extend_from_slice(&chunk);
        let surplus = text.len().saturating_sub(bytes);
        text.drain(..surplus);
    }
    String::from_utf8_lossy(&text)
        .trim_end_matches('\n')
        .to_owned()
}

struct Reader {
    options: LogOptions,
    sender: mpsc::Sender<Bytes>,
    out: Vec<u8>,
    line: Vec<u8>,
    /// The last entry was a part of a line: no time stamp before the next one.
    continued: bool,
    /// Bytes that may still be sent.
    left: usize,
}

impl Reader {
    async fn run(&mut self, log: &ContainerLog) -> io::Result<()> {
        let mut progress = log.progress();
        let (mut file, mut rotations) = log.open().await?;
        let mut skip = match (self.options.tail, &mut file) {
            (Some(tail), Some(file)) => count_lines(file).await?.saturating_sub(tail),
            _ => 0,
        };
        let mut file = file.map(BufReader::new);
        loop {
            // The progress is looked at before the file, so that nothing written in between is missed.
            let seen = *progress.borrow_and_update();
            if let Some(file) = &mut file {
                self.drain(file, &mut skip).await?;
            }
            self.send().await;
            if self.is_over() {
                return Ok(());
            }
            let is_newest = file.is_some() && seen.rotations == rotations;
            if !is_newest && (file.is_some() || seen.size > 0) {
                let (newest, now) = log.open().await?;
                file = newest.map(BufReader::new);
                rotations = now;
                continue;
            }
            if seen.closed || !self.options.follow {
                return Ok(());
            }
            tokio::select! {
                changed = progress.changed() => if changed.is_err() { return Ok(()) },
                () = self.sender.closed() => return Ok(()),
            }
        }
    }

    fn is_over(&self) -> bool {
        self.left == 0 || self.sender.is_closed()
    }

    /// Takes whole entries up to the end of the file.
    async fn drain(&mut self, file: &mut BufReader<File>, skip: &mut usize) -> io::Result<()> {
        while !self.is_over() {
            file.read_until(b'\n', &mut self.line).await?;
            if self.line.pop_if(|byte| *byte == b'\n').is_none() {
                return Ok(());
            }
            let entry = std::mem::take(&mut self.line);
            if *skip > 0 {
                *skip -= 1;
                continue;
            }
            self.take(&entry);
            if self.out.len() >= CHUNK {
                self.send().await;
            }
        }
        Ok(())
    }

    fn take(&mut self, entry: &[u8]) {
        let mut parts = entry.splitn(3, |byte| *byte == b' ');
        let (Some(time), Some(tag), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            return;
        };
        if let Some(since) = self.options.since {
            let written = std::str::from_utf8(time)
                .ok()
                .and_then(|time| time.parse::<Timestamp>().ok());
            if written.is_some_and(|written| written < since) {
                return;
            }
        }
        if self.options.timestamps && !self.continued {
            self.push(time);
            self.push(b" ");
        }
        self.push(text);
        self.continued = tag == b"P";
        if !self.continued {
            self.push(b"\n");
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.left);
        self.out.extend_from_slice(&bytes[..count]);
        self.left -= count;
    }

    async fn send(&mut self) {
        if !self.out.is_empty() {
            // Nobody listens any more: the loop sees it by itself.
            let _ = self.sender.send(std::mem::take(&mut self.out).into()).await;
        }
    }
}

/// Counts the lines of a file and goes back to its beginning.
async fn count_lines(file: &mut File) -> io::Result<usize> {
    let mut count = 0;
    let mut reader = BufReader::new(&mut *file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        count += usize::from(line.ends_with(b"\n"));
        line.clear();
    }
    file.rewind().await?;
    Ok(count)
}

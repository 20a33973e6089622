//! A container's log with its first and its last part: a notebook that prints for ever costs bounded memory.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt};
use kube::Api;
use kube::api::LogParams;
use tokio::time::Instant;

use super::retry::{Failure, within};
use crate::pod_view::PodView;

/// How long an API server may be silent in the middle of a log.
const SILENCE: Duration = Duration::from_secs(5);

/// What could be read of a log.
#[derive(Debug)]
pub enum Read {
    /// All of it, as far as it is kept.
    Whole(String),
    /// Its beginning, with a last line that says so, and why no more.
    Part(String, Failure),
}

/// Reads the log of a container until `until`, and keeps at most about `limit` bytes of it. A slow one is read on as long as
/// something comes every 5 s.
///
/// # Errors
/// The [`Failure`] where nothing came at all: 400 where the container never ran.
pub async fn read(
    pods: &Api<PodView>,
    pod: &str,
    container: Option<&str>,
    limit: usize,
    until: Instant,
) -> Result<Read, Failure> {
    let params = LogParams {
        container: container.map(str::to_owned),
        ..LogParams::default()
    };
    let opened = async { pods.log_stream(pod, &params).await.map_err(Failure::of_pod) };
    let stream = within(SILENCE, opened).await?;
    let mut kept = HeadAndTail::new(limit);
    match fill(&mut kept, std::pin::pin!(stream), until).await {
        Ok(()) => kept.into_log().map(Read::Whole),
        Err(failure) if kept.is_empty() => Err(failure),
        Err(failure) => Ok(Read::Part(kept.into_broken_text(), failure)),
    }
}

async fn fill(
    kept: &mut HeadAndTail,
    mut stream: impl AsyncBufRead + Unpin,
    until: Instant,
) -> Result<(), Failure> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let more = async {
            let read = stream.fill_buf().await;
            read.map_err(|error| Failure::Unanswered(error.to_string()))
        };
        let chunk = within(SILENCE.min(left), more).await?;
        let count = chunk.len();
        if count == 0 {
            return Ok(());
        }
        kept.push(chunk);
        stream.consume_unpin(count);
    }
}

/// What a kubelet gives as the text of a log that is gone, with code 200 and nothing else: "unable to retrieve container logs for
/// containerd://<id>", or, of a pod that is just being removed, "failed to try resolving symlinks in path "/var/log/pods/...".
const GONE: [&str; 2] = [
    "unable to retrieve container logs for ",
    "failed to try resolving symlinks in path \"/var/log/pods/",
];

/// The first and the last bytes of a stream, and how many there were in between.
#[derive(Debug)]
pub struct HeadAndTail {
    half: usize,
    /// The other half, one more where the limit is odd.
    rest: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl HeadAndTail {
    /// Keeps at most `limit` bytes, half of them from the beginning.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            half: limit / 2,
            rest: limit.div_ceil(2),
            head: Vec::new(),
            tail: VecDeque::new(),
            left_out: 0,
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        let room = self.half.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        if bytes.len() > self.rest {
            let skipped = bytes.len() - self.rest;
            self.left_out += (self.tail.len() + skipped) as u64;
            self.tail.clear();
            bytes = &bytes[skipped..];
        }
        let excess = (self.tail.len() + bytes.len()).saturating_sub(self.rest);
        self.left_out += excess as u64;
        self.tail.drain(..excess);
        self.tail.extend(bytes);
    }

    fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// The text of a log that broke off.
    fn into_broken_text(self) -> String {
        let mut text = self.into_text();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str("[... the rest of the log could not be read ...]\n");
        text
    }

    /// The log, unless it is the kubelet's word that there is none any more.
    fn into_log(self) -> Result<String, Failure> {
        let text = self.into_text();
        let is_gone = GONE.iter().any(|words| text.starts_with(words));
        if is_gone && text.trim_end().lines().count() == 1 {
            return Err(Failure::Hopeless(text.trim_end().to_owned()));
        }
        Ok(text)
    }

    /// The text, with a line in the middle that says what was left out. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn into_text(self) -> String {
        let Self {
            mut head,
            tail,
            left_out,
            ..
        } = self;
        let tail: Vec<u8> = tail.into();
        if left_out == 0 {
            head.extend(tail);
            return String::from_utf8_lossy(&head).into_owned();
        }
        // Whole lines read better, where there are any; what goes for that is counted too.
        let head_end = head
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(head.len(), |at| at + 1);
        let tail_start = tail.iter().position(|&b| b == b'\n').map_or(0, |at| at + 1);
        let (head, cut) = (
            &head[..head_end],
            (head.len() - head_end + tail_start) as u64,
        );
        let separator = if head.ends_with(b"\n") { "" } else { "\n" };
        format!(
            "{}{separator}[... {} bytes of the log are left out here ...]\n{}",
            String::from_utf8_lossy(head),
            left_out + cut,
            String::from_utf8_lossy(&tail[tail_start..]),
        )
    }
}

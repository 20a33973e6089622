//! What happens to the events of a watch. Within one object the order is kept, but for late duplicates.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::Faults;
use super::answers::gone_line;
use super::asked::Asked;
use super::body::broken;
use super::fault::Fault;
use super::trace::Ticket;

/// The events of a watch, with what happens to them. `end`: how the watch itself ends before its time.
pub fn with_faults(
    body: Body,
    asked: Asked,
    faults: Faults,
    end: Option<Fault>,
    ticket: Ticket,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let lines = Lines {
        body: body.into_data_stream(),
        part: BytesMut::new(),
        out: VecDeque::new(),
        held: None,
        late: Vec::new(),
        end: end.and_then(|fault| Some((Instant::now() + when(fault)?, fault))),
        over: false,
        asked,
        faults,
        ticket,
    };
    stream::unfold(lines, |mut lines| async move {
        let line = lines.next().await?;
        Some((line, lines))
    })
}

/// When a watch ends by such a fault.
fn when(fault: Fault) -> Option<Duration> {
    match fault {
        Fault::WatchStalled(after) | Fault::WatchClosed(after) | Fault::Gone(after) => Some(after),
        _ => None,
    }
}

struct Lines {
    body: BodyDataStream,
    /// The beginning of a line whose end has not come.
    part: BytesMut,
    out: VecDeque<io::Result<Bytes>>,
    /// An event that lets another object's go first, its object, and how long at most.
    held: Option<(Event, Bytes, Instant)>,
    /// Duplicates that come later.
    late: Vec<(Instant, Bytes)>,
    end: Option<(Instant, Fault)>,
    over: bool,
    asked: Asked,
    faults: Faults,
    ticket: Ticket,
}

/// Of an event, what is needed to tell whose it is.
#[derive(Debug, Clone, Default, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    word: String,
    #[serde(default)]
    object: Object,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
    /// Of a table.
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Row {
    #[serde(default)]
    object: RowObject,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct RowObject {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
}

impl Event {
    fn key(&self) -> &Metadata {
        let row = self.object.rows.first().map(|row| &row.object.metadata);
        row.unwrap_or(&self.object.metadata)
    }
}

impl Lines {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(line) = self.out.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            let due = self.late.iter().map(|(at, _)| *at).min();
            let release = self.held.as_ref().map(|(_, _, at)| *at);
            tokio::select! {
                biased;
                () = at(self.end.map(|(at, _)| at)) => self.end().await,
                () = at(due) => self.send_late(),
                () = at(release) => self.release(),
                chunk = self.body.next() => match chunk {
                    Some(Ok(chunk)) => self.take_chunk(&chunk).await,
                    Some(Err(_)) => {
                        self.release();
                        self.out.push_back(Err(broken()));
                        self.over = true;
                    }
                    None => {
                        self.release();
                        self.over = true;
                    }
                },
            }
        }
    }

    /// The watch ends as it was to. What was held back comes first: a client that goes on from a later event would
    /// never hear of it, and no server loses events.
    async fn end(&mut self) {
        let Some((_, fault)) = self.end.take() else {
            return;
        };
        if self.held.is_some() {
            self.end = Some((Instant::now(), fault));
            return self.release();
        }
        self.ticket.note(fault.name());
        self.over = true;
        match fault {
            Fault::WatchStalled(_) => std::future::pending().await,
            Fault::Gone(_) => self.out.push_back(Ok(gone_line())),
            _ => {}
        }
    }

    fn send_late(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.late = later;
        let due: Vec<(Instant, Bytes)> = due;
        self.out.extend(due.into_iter().map(|(_, line)| Ok(line)));
    }

    fn release(&mut self) {
        self.out
            .extend(self.held.take().map(|(_, line, _)| Ok(line)));
    }

    async fn take_chunk(&mut self, chunk: &Bytes) {
        self.part.extend_from_slice(chunk);
        while let Some(end) = self.part.iter().position(|byte| *byte == b'\n') {
            let line = self.part.split_to(end + 1).freeze();
            self.take_line(line).await;
        }
    }

    async fn take_line(&mut self, line: Bytes) {
        if self.held.is_none() && !self.faults.has_line_rules() {
            return self.out.push_back(Ok(line));
        }
        let event: Event = serde_json::from_slice(&line).unwrap_or_default();
        let faults = self.faults.decide_line(
            &self.asked,
            &event.word,
            &event.key().namespace,
            &event.key().name,
        );
        let mut reordered = None;
        let mut copies = Vec::new();
        for fault in faults {
            self.ticket
                .note(format!("{} {} {}", fault.name(), event.word, event.key().name).trim_end());
            match fault {
                Fault::BookmarkLost => return,
                Fault::EventDelayed(delay) => {
                    self.release();
                    sleep(delay).await;
                }
                Fault::EventDuplicated(later) => copies.push(later),
                Fault::EventsReordered(longest) => reordered = Some(Instant::now() + longest),
                _ => {}
            }
        }
        self.pass(event, &line, reordered);
        for later in copies {
            if later.is_zero() {
                self.release();
                self.out.push_back(Ok(line.clone()));
            } else {
                self.late.push((Instant::now() + later, line.clone()));
            }
        }
    }

    /// Sends the event after or before the one that is held, or holds it.
    fn pass(&mut self, event: Event, line: &Bytes, reordered: Option<Instant>) {
        let overtakes = self.held.as_ref().is_some_and(|(held, _, _)| {
            held.key() != event.key()
                && matches!(event.word.as_str(), "ADDED" | "MODIFIED" | "DELETED")
        });
        if overtakes {
            self.out.push_back(Ok(line.clone()));
            return self.release();
        }
        self.release();
        match reordered {
            Some(at) => self.held = Some((event, line.clone(), at)),
            None => self.out.push_back(Ok(line.clone())),
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

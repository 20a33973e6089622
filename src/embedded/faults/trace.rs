//! What happened, one line a request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many lines are kept, the newest.
const KEPT: usize = 100_000;

/// The lines.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    /// The number of the first line that is kept.
    first: u64,
    kept: VecDeque<Line>,
    /// Grows when the trace begins anew, so that what belongs to an older one is not written into it.
    age: u64,
}

#[derive(Debug)]
struct Line {
    head: String,
    parts: Vec<String>,
}

/// The line of one request, which is written to as long as something happens to it.
#[derive(Debug)]
pub struct Ticket {
    lines: Arc<Mutex<Lines>>,
    number: u64,
    age: u64,
}

impl Trace {
    /// Opens the line of a request.
    pub fn open(&self, head: &str) -> Ticket {
        let mut lines = locked(&self.lines);
        let number = lines.push(head);
        Ticket {
            lines: Arc::clone(&self.lines),
            number,
            age: lines.age,
        }
    }

    /// Writes a whole line.
    pub fn event(&self, line: &str) {
        locked(&self.lines).push(line);
    }

    pub fn clear(&self) {
        let mut lines = locked(&self.lines);
        lines.kept.clear();
        lines.first = 0;
        lines.age += 1;
    }

    pub fn lines(&self) -> Vec<String> {
        let lines = locked(&self.lines);
        let left_out =
            (lines.first > 0).then(|| format!("-- {} earlier lines are left out", lines.first));
        let text = |line: &Line| {
            if line.parts.is_empty() {
                line.head.clone()
            } else {
                format!("{}: {}", line.head, line.parts.join(", "))
            }
        };
        left_out
            .into_iter()
            .chain(lines.kept.iter().map(text))
            .collect()
    }
}

impl Ticket {
    /// Adds what happened.
    pub fn note(&self, part: impl Into<String>) {
        let mut lines = locked(&self.lines);
        let index = self
            .number
            .checked_sub(lines.first)
            .and_then(|index| usize::try_from(index).ok());
        if lines.age == self.age
            && let Some(line) = index.and_then(|index| lines.kept.get_mut(index))
        {
            line.parts.push(part.into());
        }
    }
}

impl Lines {
    fn push(&mut self, head: &str) -> u64 {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(Line {
            head: head.to_owned(),
            parts: Vec::new(),
        });
        self.first + self.kept.len() as u64 - 1
    }
}

fn locked(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

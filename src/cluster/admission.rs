//! How many pods are in flight at once, and whose turn it is: lectures go in turn, each of them first come, first served.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::locked;

/// The most pods in flight; `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaxPods {
    /// Of this cluster in this process.
    pub in_process: Option<usize>,
    /// In each namespace, of this cluster in this process.
    pub in_namespace: Option<usize>,
}

/// The queue for a place among the pods in flight.
#[derive(Debug, Default)]
pub struct Admission {
    max: MaxPods,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    in_namespace: HashMap<Arc<str>, usize>,
    /// The lines in which somebody waits, in the order of their turns. None is empty.
    lines: VecDeque<Line>,
    last_ticket: u64,
}

/// Those of one lecture in one namespace. Only there can a full namespace hold back one and not the other.
#[derive(Debug)]
struct Line {
    namespace: Arc<str>,
    lecture: Arc<str>,
    /// By ticket, which grows.
    waiting: VecDeque<(u64, oneshot::Sender<Permit>)>,
}

/// A place in flight, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    namespace: Arc<str>,
}

/// A place in the queue; dropped, it is given up.
#[derive(Debug)]
pub struct Ticket {
    admission: Arc<Admission>,
    number: u64,
    admitted: oneshot::Receiver<Permit>,
}

impl Admission {
    /// A queue for so many places.
    #[must_use]
    pub fn new(max: MaxPods) -> Arc<Self> {
        Arc::new(Self {
            max,
            state: Mutex::default(),
        })
    }

    /// The most pods in flight.
    #[must_use]
    pub const fn max(&self) -> MaxPods {
        self.max
    }

    /// Queues up for a place.
    #[must_use]
    pub fn queue(self: &Arc<Self>, namespace: &str, lecture: &str) -> Ticket {
        let (admit, admitted) = oneshot::channel();
        let mut state = locked(&self.state);
        state.last_ticket += 1;
        let number = state.last_ticket;
        let known = state
            .lines
            .iter_mut()
            .find(|line| *line.namespace == *namespace && *line.lecture == *lecture);
        match known {
            Some(line) => line.waiting.push_back((number, admit)),
            None => state.lines.push_back(Line {
                namespace: namespace.into(),
                lecture: lecture.into(),
                waiting: VecDeque::from([(number, admit)]),
            }),
        }
        drop(state);
        self.admit();
        Ticket {
            admission: Arc::clone(self),
            number,
            admitted,
        }
    }

    /// Gives away the places that are free.
    fn admit(self: &Arc<Self>) {
        loop {
            let next = locked(&self.state).next(self.max);
            let Some((namespace, admit)) = next else {
                return;
            };
            let permit = Permit {
                admission: Arc::clone(self),
                namespace,
            };
            // Whoever has gone away in between drops the permit, and that gives the place to the next one.
            let _ = admit.send(permit);
        }
    }

    /// The place in the queue, from 1, of a ticket that waits: as many as will be let in before it, it included, where
    /// nobody gives up and no namespace is full.
    #[must_use]
    pub fn position(&self, number: u64) -> Option<usize> {
        let state = locked(&self.state);
        let find = |line: &Line| line.waiting.binary_search_by_key(&number, |&(n, _)| n).ok();
        let (turn, ahead) = state
            .lines
            .iter()
            .enumerate()
            .find_map(|(turn, line)| Some((turn, find(line)?)))?;
        let before = state.lines.iter().enumerate().map(|(other, line)| {
            let rounds = if other < turn { ahead + 1 } else { ahead };
            line.waiting.len().min(rounds)
        });
        Some(before.sum::<usize>() + 1)
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = locked(&self.state);
        state.lines.iter().map(|line| line.waiting.len()).sum()
    }
}

impl State {
    /// Takes the next one for whom there is room, and counts it as in flight.
    fn next(&mut self, max: MaxPods) -> Option<(Arc<str>, oneshot::Sender<Permit>)> {
        if max.in_process.is_some_and(|max| self.in_flight >= max) {
            return None;
        }
        let has_room = |line: &Line| {
            let taken = self.in_namespace.get(&line.namespace).copied();
            max.in_namespace
                .is_none_or(|max| taken.unwrap_or_default() < max)
        };
        let turn = self.lines.iter().position(has_room)?;
        let mut line = self.lines.remove(turn)?;
        let (_, admit) = line.waiting.pop_front()?;
        let namespace = Arc::clone(&line.namespace);
        if !line.waiting.is_empty() {
            self.lines.push_back(line);
        }
        self.in_flight += 1;
        *self.in_namespace.entry(Arc::clone(&namespace)).or_default() += 1;
        Some((namespace, admit))
    }

    fn give_up(&mut self, number: u64) {
        for (turn, line) in self.lines.iter_mut().enumerate() {
            if let Ok(at) = line.waiting.binary_search_by_key(&number, |&(n, _)| n) {
                line.waiting.remove(at);
                if line.waiting.is_empty() {
                    self.lines.remove(turn);
                }
                return;
            }
        }
    }
}

impl Ticket {
    /// By which [`Admission::position`] knows it.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The place, if it is this one's turn already.
    pub fn now(&mut self) -> Option<Permit> {
        self.admitted.try_recv().ok()
    }

    /// Waits for the place; `None` where nobody gives one any more.
    pub async fn admitted(&mut self) -> Option<Permit> {
        (&mut self.admitted).await.ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        locked(&self.admission.state).give_up(self.number);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = locked(&self.admission.state);
        state.in_flight -= 1;
        if let Some(taken) = state.in_namespace.get_mut(&self.namespace) {
            *taken -= 1;
            if *taken == 0 {
                state.in_namespace.remove(&self.namespace);
            }
        }
        drop(state);
        self.admission.admit();
    }
}

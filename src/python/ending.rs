//! The end of a run, told once: to threads that wait for it, and to event loops.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::cluster::locked;
use crate::error::Error;
use crate::lifecycle::Outcome;

/// The result; the error is shared by all who wait.
pub(super) type Told = Result<Arc<Outcome>, Arc<Error>>;

/// The end of one run.
#[derive(Default)]
pub(super) struct Ending {
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    UnderWay(Vec<(Arc<Bell>, u64)>),
    Ended(Told),
    /// The run's task was dropped, as by the interpreter's exit.
    Dropped,
}

impl Default for State {
    fn default() -> Self {
        Self::UnderWay(Vec::new())
    }
}

/// What came of a wait.
pub(super) enum Waited {
    Ended(Told),
    Dropped,
    /// There is no result yet.
    Elapsed,
}

impl Ending {
    /// Whether there is anything to be told.
    pub(super) fn is_over(&self) -> bool {
        !matches!(*locked(&self.state), State::UnderWay(_))
    }

    /// The result, where there is one.
    pub(super) fn told(&self) -> Option<Told> {
        match &*locked(&self.state) {
            State::Ended(told) => Some(told.clone()),
            _ => None,
        }
    }

    /// Blocks until the end, for at most `limit`.
    pub(super) fn wait(&self, limit: Option<Duration>) -> Waited {
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = locked(&self.state);
        loop {
            match &*state {
                State::Ended(told) => return Waited::Ended(told.clone()),
                State::Dropped => return Waited::Dropped,
                State::UnderWay(_) => {}
            }
            state = match until {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Waited::Elapsed;
                    }
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Rings the bell at the end, at once if that was before.
    fn ring(&self, bell: &Arc<Bell>, token: u64) {
        if let State::UnderWay(bells) = &mut *locked(&self.state) {
            bells.push((Arc::clone(bell), token));
            return;
        }
        bell.ring(token);
    }

    fn set(&self, ended: State) {
        let before = std::mem::replace(&mut *locked(&self.state), ended);
        self.changed.notify_all();
        if let State::UnderWay(bells) = before {
            for (bell, token) in bells {
                bell.ring(token);
            }
        }
    }
}

/// Tells the end; dropped without a word, that there will be none.
pub(super) struct Teller(Option<Arc<Ending>>);

impl Teller {
    pub(super) fn new(ending: &Arc<Ending>) -> Self {
        Self(Some(Arc::clone(ending)))
    }

    pub(super) fn tell(mut self, told: Told) {
        if let Some(ending) = self.0.take() {
            ending.set(State::Ended(told));
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if let Some(ending) = self.0.take() {
            ending.set(State::Dropped);
        }
    }
}

/// Ended runs, for one event loop: it watches a file descriptor, which is readable while there are any. However many
/// end at once, the loop is woken once, and no thread of ours waits for the GIL.
struct Bell {
    ended: Mutex<Vec<u64>>,
    rings: UnixStream,
    is_rung: UnixStream,
}

impl Bell {
    fn ring(&self, token: u64) {
        let mut ended = locked(&self.ended);
        ended.push(token);
        if ended.len() == 1 {
            // Full or closed: it is readable, or nobody reads it.
            let _ = (&self.rings).write(&[1]);
        }
    }

    fn take(&self, limit: usize) -> Vec<u64> {
        let mut ended = locked(&self.ended);
        let count = limit.min(ended.len());
        let taken = ended.drain(..count).collect();
        if ended.is_empty() {
            let _ = (&self.is_rung).read(&mut [0; 16]);
        }
        taken
    }
}

/// A [`Bell`] as `kubegrader.event_loop` uses it.
#[pyclass(frozen, name = "Bell", module = "kubegrader._core")]
pub(super) struct PyBell(Arc<Bell>);

#[pymethods]
impl PyBell {
    #[new]
    pub(super) fn new() -> PyResult<Self> {
        let (rings, is_rung) = UnixStream::pair()?;
        rings.set_nonblocking(true)?;
        is_rung.set_nonblocking(true)?;
        Ok(Self(Arc::new(Bell {
            ended: Mutex::default(),
            rings,
            is_rung,
        })))
    }

    pub(super) fn fileno(&self) -> i32 {
        self.0.is_rung.as_raw_fd()
    }

    fn take(&self, limit: usize) -> Vec<u64> {
        self.0.take(limit)
    }
}

impl PyBell {
    /// Rings at the end of a run.
    pub(super) fn ring_at(&self, ending: &Ending, token: u64) {
        ending.ring(&self.0, token);
    }
}

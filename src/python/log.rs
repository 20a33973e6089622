//! Lines for Python's `logging`, written by a thread of their own.
//!
//! A tokio thread that waits for the GIL would hold up every pod on it, and one that waits at the interpreter's exit
//! would wait for ever.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::Level;
use pyo3::prelude::*;

use crate::cluster::locked;
use crate::step::Steps;

/// How long the interpreter's exit waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

enum Message {
    Line {
        level: Level,
        line: String,
        logger: Option<Arc<Py<PyAny>>>,
    },
    /// The last message: nothing is written after it.
    End(Sender<()>),
}

/// The thread of this process, by process id. Locked with the GIL held and for no longer than a look, so that a fork
/// never finds it locked; those who write have a sender of their own.
static WRITER: Mutex<Option<(u32, Sender<Message>)>> = Mutex::new(None);

/// The thread of this process, started if there is none; `None` where no thread can be had.
fn writer(_py: Python<'_>) -> Option<Sender<Message>> {
    let mut writer = locked(&WRITER);
    let pid = std::process::id();
    if let Some((known, sender)) = &*writer
        && *known == pid
    {
        return Some(sender.clone());
    }
    let (sender, receiver) = channel();
    let write = move || while receiver.recv().is_ok_and(write) {};
    let thread = std::thread::Builder::new().name("kubegrader-log".to_owned());
    thread.spawn(write).ok()?;
    // A parent's sender belongs to a thread that this process does not have.
    std::mem::forget(writer.replace((pid, sender.clone())));
    Some(sender)
}

/// Writes one line; false after the last.
fn write(message: Message) -> bool {
    match message {
        Message::Line {
            level,
            line,
            logger,
        } => {
            // None: the interpreter is on its way out.
            Python::try_attach(|py| {
                if let Err(error) = write_line(py, level, &line, logger.as_deref()) {
                    error.write_unraisable(py, None);
                }
                drop(logger);
            });
        }
        Message::End(done) => {
            drop(done);
            return false;
        }
    }
    true
}

fn write_line(
    py: Python<'_>,
    level: Level,
    line: &str,
    logger: Option<&Py<PyAny>>,
) -> PyResult<()> {
    let logger = match logger {
        Some(logger) => logger.bind(py).clone(),
        None => py
            .import("logging")?
            .call_method1("getLogger", ("kubegrader",))?,
    };
    let number = match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug | Level::Trace => 10,
    };
    logger.call_method1("log", (number, "%s", line))?;
    Ok(())
}

/// At the interpreter's exit: waits, for a moment at most, until all lines so far are written, and ends the thread. One
/// that asked an exiting interpreter for the GIL would take the process down.
pub(super) fn end(py: Python<'_>) {
    let known = locked(&WRITER)
        .as_ref()
        .is_some_and(|(pid, _)| *pid == std::process::id());
    let Some(writer) = known.then(|| writer(py)).flatten() else {
        return;
    };
    let (done, written) = channel();
    if writer.send(Message::End(done)).is_ok() {
        py.detach(move || written.recv_timeout(LAST_LINES)).ok();
    }
}

/// Steps that go to a Python logger, by default to `logging.getLogger("kubegrader")`.
pub(super) fn steps(py: Python<'_>, logger: Option<Py<PyAny>>) -> Steps {
    // Shared, since a new reference to a Python object can only be made with the GIL.
    let logger = logger.map(Arc::new);
    let writer = writer(py);
    Steps::new(move |level, line| {
        if let Some(writer) = &writer {
            let line = Message::Line {
                level,
                line: line.to_owned(),
                logger: logger.clone(),
            };
            // The thread ends only with the process.
            let _ = writer.send(line);
        }
    })
}

//! Lines for Python's `logging`, written by a thread of their own.
//!
//! A tokio thread that waits for the GIL would hold up every pod on it, and one that waits at the interpreter's exit
//! would wait for ever.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::Level;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::cluster::locked;
use crate::signals;
use crate::step::Steps;

/// How long the interpreter's exit waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How many lines are written at once; the event loop may have the GIL in between.
const BATCH: usize = 32;

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
    let write = move || {
        signals::block();
        while receiver.recv().is_ok_and(|first| write(first, &receiver)) {}
    };
    let thread = std::thread::Builder::new().name("kubegrader-log".to_owned());
    thread.spawn(write).ok()?;
    // A parent's sender belongs to a thread that this process does not have.
    std::mem::forget(writer.replace((pid, sender.clone())));
    Some(sender)
}

/// Writes a line, and those that have come in the meantime with it: the GIL is had once for all of them. False after the
/// last.
fn write(first: Message, more: &Receiver<Message>) -> bool {
    let mut messages = std::iter::once(first).chain(more.try_iter().take(BATCH));
    let mut last = None;
    let mut lines = Vec::new();
    for message in &mut messages {
        match message {
            Message::Line {
                level,
                line,
                logger,
            } => lines.push((level, line, logger)),
            Message::End(done) => {
                last = Some(done);
                break;
            }
        }
    }
    // None: the interpreter is on its way out.
    Python::try_attach(|py| {
        for (level, line, logger) in lines {
            if let Err(error) = write_line(py, level, &line, logger.as_deref()) {
                error.write_unraisable(py, None);
            }
        }
    });
    last.is_none()
}

fn write_line(
    py: Python<'_>,
    level: Level,
    line: &str,
    logger: Option<&Py<PyAny>>,
) -> PyResult<()> {
    let logger = match logger {
        Some(logger) => logger.bind(py),
        None => default_logger(py)?,
    };
    logger.call_method1(intern!(py, "log"), (number(level), "%s", line))?;
    Ok(())
}

/// `logging`'s number of a level.
const fn number(level: Level) -> u8 {
    match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug | Level::Trace => 10,
    }
}

/// `logging.getLogger("kubegrader")`, which is the same object as long as the process lives.
fn default_logger(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get = || {
        let logging = py.import("logging")?;
        let logger = logging.call_method1("getLogger", ("kubegrader",))?;
        Ok::<_, PyErr>(logger.unbind())
    };
    Ok(LOGGER.get_or_try_init(py, get)?.bind(py))
}

/// Whether lines about steps that went well are wanted at all.
fn wants_info(py: Python<'_>, logger: Option<&Py<PyAny>>) -> PyResult<bool> {
    let logger = match logger {
        Some(logger) => logger.bind(py),
        None => default_logger(py)?,
    };
    logger
        .call_method1(intern!(py, "isEnabledFor"), (number(Level::Info),))?
        .is_truthy()
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

/// Steps that go to a Python logger, by default to `logging.getLogger("kubegrader")`. Whether it takes lines of level INFO
/// is asked once, here: a line that nobody wants costs nothing then.
pub(super) fn steps(py: Python<'_>, logger: Option<Py<PyAny>>) -> Steps {
    // A logger that cannot say is told everything.
    let least = match wants_info(py, logger.as_ref()) {
        Ok(false) => Level::Warn,
        _ => Level::Info,
    };
    // Shared, since a new reference to a Python object can only be made with the GIL.
    let logger = logger.map(Arc::new);
    let writer = writer(py);
    let sink = move |level, line: String| {
        if let Some(writer) = &writer {
            let line = Message::Line {
                level,
                line,
                logger: logger.clone(),
            };
            // The thread ends only with the process.
            let _ = writer.send(line);
        }
    };
    Steps::new(sink).from(least)
}

//! Lines for Python's `logging`, written by a thread of their own.
//!
//! A tokio thread that waits for the GIL would hold up every pod on it, and one that waits at the interpreter's exit
//! would wait for ever.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
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
    Flush(Sender<()>),
}

/// The thread of this process, by process id.
static WRITER: Mutex<Option<(u32, Sender<Message>)>> = Mutex::new(None);

fn send(message: Message) {
    let mut writer = locked(&WRITER);
    let pid = std::process::id();
    if writer.as_ref().is_none_or(|(known, _)| *known != pid) {
        let (sender, receiver) = channel();
        let write = move || receiver.into_iter().for_each(write);
        if std::thread::Builder::new()
            .name("kubegrader-log".to_owned())
            .spawn(write)
            .is_err()
        {
            return;
        }
        std::mem::forget(writer.replace((pid, sender)));
    }
    if let Some((_, sender)) = &*writer {
        // The thread ends only with the process.
        let _ = sender.send(message);
    }
}

fn write(message: Message) {
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
        Message::Flush(done) => drop(done),
    }
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

/// Waits, for a moment at most, until all lines so far are written.
pub(super) fn flush(py: Python<'_>) {
    if locked(&WRITER)
        .as_ref()
        .is_none_or(|(pid, _)| *pid != std::process::id())
    {
        return;
    }
    let (done, written) = channel();
    send(Message::Flush(done));
    py.detach(move || written.recv_timeout(LAST_LINES)).ok();
}

/// Steps that go to a Python logger, by default to `logging.getLogger("kubegrader")`.
pub(super) fn steps(logger: Option<Py<PyAny>>) -> Steps {
    install();
    // Shared, since a new reference to a Python object can only be made with the GIL.
    let logger = logger.map(Arc::new);
    Steps::new(move |level, line| {
        send(Message::Line {
            level,
            line: line.to_owned(),
            logger: logger.clone(),
        });
    })
}

/// Lines that belong to no pod, through the `log` crate.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&ToPython).is_ok() {
            log::set_max_level(LevelFilter::Info);
        }
    });
}

struct ToPython;

impl Log for ToPython {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("kubegrader") && metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            send(Message::Line {
                level: record.level(),
                line: record.args().to_string(),
                logger: None,
            });
        }
    }

    fn flush(&self) {}
}

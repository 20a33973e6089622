//! Lines for Python's `logging`, written by a thread of their own.
//!
//! A tokio thread that waits for the GIL would hold up every pod on it, and one that waits at the interpreter's exit
//! would wait for ever.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use log::Level;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::cluster::locked;
use crate::signals;
use crate::step::Steps;

/// How long the interpreter's exit waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(5);

/// How many lines are written at once; the event loop may have the GIL in between.
const BATCH: usize = 32;

/// A line with its level, and the logger of its own that it has.
type Line = (Option<Arc<Py<PyAny>>>, Level, String);

enum Message {
    Line(Line),
    /// The last message: nothing is written after it.
    End(Sender<()>),
}

/// The way back to Python of the thread that writes: it is closed when the interpreter exits.
#[derive(Default)]
struct Door {
    state: Mutex<Passage>,
    changed: Condvar,
}

#[derive(Default)]
struct Passage {
    is_closed: bool,
    /// The thread is on its way, and will have the GIL.
    is_used: bool,
}

impl Door {
    /// Begins to go back; never comes back where the door is closed.
    fn pass(&self) {
        let mut state = locked(&self.state);
        if state.is_closed {
            drop(state);
            park();
        }
        state.is_used = true;
    }

    /// The thread has the GIL.
    fn passed(&self) {
        locked(&self.state).is_used = false;
        self.changed.notify_all();
    }

    /// Lets nobody back any more, and waits for who is on the way.
    fn close(&self) {
        let mut state = locked(&self.state);
        state.is_closed = true;
        while state.is_used {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends with the process.
fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// Where lines are sent in one process.
struct Writer {
    pid: u32,
    lines: Sender<Message>,
    door: Arc<Door>,
}

/// The one of this process. Locked with the GIL held and for no longer than a look, so that a fork never finds it locked; those
/// who write have a sender of their own.
static WRITER: Mutex<Option<Writer>> = Mutex::new(None);

/// The lines for the thread of this process, which is started if there is none; `None` where no thread can be had.
fn writer(py: Python<'_>) -> Option<Sender<Message>> {
    let pid = std::process::id();
    let known = locked(&WRITER)
        .as_ref()
        .filter(|writer| writer.pid == pid)
        .map(|writer| writer.lines.clone());
    if known.is_some() {
        return known;
    }
    let (lines, receiver) = channel();
    let door = Arc::<Door>::default();
    let inbox = Mutex::new(Inbox {
        messages: receiver,
        written: None,
    });
    let of_thread = PyLogLines {
        inbox,
        door: Arc::clone(&door),
    };
    let threads = py.import("kubegrader.own_thread").ok()?;
    let began = threads.call_method1("write_log", (Py::new(py, of_thread).ok()?,));
    began.ok()?;
    let mut writer = locked(&WRITER);
    // Python may have let another thread in meanwhile, which was sooner: nobody sends to the second one, which waits for ever.
    if let Some(known) = writer.as_ref().filter(|known| known.pid == pid) {
        return Some(known.lines.clone());
    }
    let made = Writer {
        pid,
        lines: lines.clone(),
        door,
    };
    // A parent's sender belongs to a thread that this process does not have.
    std::mem::forget(writer.replace(made));
    Some(lines)
}

/// What was sent to the thread that writes.
struct Inbox {
    messages: Receiver<Message>,
    /// Told when the lines that were taken are written: they were the last.
    written: Option<Sender<()>>,
}

impl Inbox {
    /// Waits for lines, and takes those that have come in the meantime with them. Never comes back after the last.
    fn take(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        while lines.is_empty() {
            if let Some(written) = self.written.take() {
                let _ = written.send(());
                park();
            }
            let Ok(first) = self.messages.recv() else {
                park()
            };
            let more = std::iter::once(first).chain(self.messages.try_iter().take(BATCH));
            for message in more {
                match message {
                    Message::Line(line) => lines.push(line),
                    Message::End(written) => {
                        self.written = Some(written);
                        break;
                    }
                }
            }
        }
        lines
    }
}

/// The lines that are to be written, as `kubegrader.own_thread` uses it.
#[pyclass(frozen, name = "LogLines", module = "kubegrader._core")]
pub(super) struct PyLogLines {
    /// Locked by the one thread that writes alone.
    inbox: Mutex<Inbox>,
    door: Arc<Door>,
}

#[pymethods]
impl PyLogLines {
    fn take<'py>(&self, py: Python<'py>) -> Vec<(Option<Bound<'py, PyAny>>, u8, String)> {
        let lines = py.detach(|| {
            signals::block();
            let lines = locked(&self.inbox).take();
            self.door.pass();
            lines
        });
        self.door.passed();
        let for_python = |(logger, level, line): Line| {
            let logger = logger.map(|logger| logger.bind(py).clone());
            (logger, number(level), line)
        };
        lines.into_iter().map(for_python).collect()
    }
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

/// At the interpreter's exit: waits, for a moment at most, until all lines so far are written, and lets the thread back to Python no
/// more. One in the middle of a handler is ended as any daemon thread is.
pub(super) fn end(py: Python<'_>) {
    let pid = std::process::id();
    let known = locked(&WRITER)
        .as_ref()
        .filter(|writer| writer.pid == pid)
        .map(|writer| (writer.lines.clone(), Arc::clone(&writer.door)));
    let Some((lines, door)) = known else { return };
    let (written, is_written) = channel();
    py.detach(move || {
        if lines.send(Message::End(written)).is_ok() {
            let _ = is_written.recv_timeout(LAST_LINES);
        }
        door.close();
    });
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
            // The thread ends only with the process.
            let _ = writer.send(Message::Line((logger.clone(), level, line)));
        }
    };
    Steps::new(sink).from(least)
}

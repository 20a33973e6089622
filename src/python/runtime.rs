//! The tokio runtimes under the Python module: made on first use, and again after a fork.
//!
//! The runs of a process share one thread: two cost a tenth more CPU a pod, since they wake each other, and end fewer pods a
//! second (docs/performance.md). Nothing may block there; kube runs credential plugins elsewhere. An embedded cluster has
//! threads of its own, as a server elsewhere would.
//!
//! celery's prefork pool forks the process, and no thread survives a fork. A child therefore leaves everything that
//! it inherited untouched (its threads are not there to answer) and begins anew.

use std::sync::Mutex;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

use crate::cluster::locked;
use crate::owner;
use crate::signals;
use crate::under_way;

/// How long the interpreter's exit waits for the deletion of pods that nobody waits for any more.
const FAREWELL: Duration = Duration::from_secs(10);

/// What belongs to one process.
struct Process {
    pid: u32,
    runs: Runtime,
    embedded: Option<Runtime>,
    life: Life,
}

/// The word to end all runs of a process.
#[derive(Clone, Default)]
pub(super) struct Life {
    /// Cancelled when the interpreter begins to exit.
    pub(super) ends: CancellationToken,
}

impl Life {
    /// Keeps a thread that must not come back to Python: an interpreter that exits ends each thread that asks for the
    /// GIL, by unwinding it, which no Rust frame survives. A daemon thread ends with the process anyway.
    pub(super) fn keep_from_exiting_python(&self) {
        while self.ends.is_cancelled() {
            std::thread::park();
        }
    }
}

/// Locked with the GIL held and for no longer than a look, so that a fork never finds it locked.
static PROCESS: Mutex<Option<Process>> = Mutex::new(None);

/// The runtime of this process's runs, and the word to end them.
pub(super) fn current(py: Python<'_>) -> PyResult<(Handle, Life)> {
    with_process(py, |process| {
        Ok((process.runs.handle().clone(), process.life.clone()))
    })
}

/// The runtime of this process's embedded clusters.
pub(super) fn of_embedded(py: Python<'_>) -> PyResult<Handle> {
    with_process(py, |process| {
        let embedded = match process.embedded.take() {
            Some(made) => made,
            None => runtime(2, "kubegrader-api")?,
        };
        Ok(process.embedded.insert(embedded).handle().clone())
    })
}

fn with_process<T>(py: Python<'_>, take: impl FnOnce(&mut Process) -> PyResult<T>) -> PyResult<T> {
    let mut process = locked(&PROCESS);
    let pid = std::process::id();
    if let Some(known) = &mut *process
        && known.pid == pid
    {
        return take(known);
    }
    under_way::forget();
    // Dropping a runtime joins its threads, and a forked child has none of them.
    std::mem::forget(process.take());
    let made = process.insert(Process {
        pid,
        runs: runtime(1, "kubegrader")?,
        embedded: None,
        life: Life::default(),
    });
    let taken = take(made);
    drop(process);
    let farewell = pyo3::wrap_pyfunction!(farewell, py)?;
    py.import("atexit")?.call_method1("register", (farewell,))?;
    taken
}

fn runtime(threads: usize, name: &str) -> PyResult<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .on_thread_start(signals::block)
        .enable_all()
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("starting kubegrader's threads: {error}")))
}

/// At the interpreter's exit: ends what is under way, and the threads.
#[pyfunction(name = "_farewell")]
pub(super) fn farewell(py: Python<'_>) {
    end_runs(py);
    let process = locked(&PROCESS).take();
    match process {
        Some(process) if process.pid == std::process::id() => {
            process.runs.shutdown_background();
            if let Some(embedded) = process.embedded {
                embedded.shutdown_background();
            }
        }
        process => std::mem::forget(process),
    }
    super::log::end(py);
}

/// Ends all runs of this process, and waits until their pods are deleted.
pub(super) fn end_runs(py: Python<'_>) {
    let known = locked(&PROCESS)
        .as_ref()
        .filter(|process| process.pid == std::process::id())
        .map(|process| (process.runs.handle().clone(), process.life.clone()));
    let Some((runtime, life)) = known else { return };
    // Looked up with the GIL held.
    let owner = owner::Process::current();
    py.detach(|| {
        life.ends.cancel();
        runtime.block_on(async {
            let all_ended = async {
                while under_way::count() > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            // Whatever is left then cannot be deleted now; an interpreter must not hang for it.
            let _ = tokio::time::timeout(FAREWELL, all_ended).await;
            owner.end().await;
        });
    });
}

//! Waiting in a greenlet of gevent's, so that the thread's other greenlets run meanwhile.
//!
//! Its event loop waits for file descriptors: whoever waits gets one, and a task writes to it at the end.

use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use rustix::event::{EventfdFlags, eventfd};
use tokio::runtime::Handle;

/// What the caller has to wait with; `None` where no greenlets share its thread.
pub(super) fn waiter(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let waiter = py.import("kubegrader.green")?.call_method0("waiter")?;
    Ok((!waiter.is_none()).then_some(waiter))
}

/// Waits for `end`, for at most `limit`; an exception that is raised in the greenlet meanwhile comes out.
pub(super) fn wait(
    waiter: &Bound<'_, PyAny>,
    handle: &Handle,
    end: impl Future<Output = ()> + Send + 'static,
    limit: Option<Duration>,
) -> PyResult<()> {
    let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
    let descriptor = Arc::new(made.map_err(io::Error::from)?);
    let to_wake = Arc::clone(&descriptor);
    let waking = handle.spawn(async move {
        end.await;
        // It can only fail when the counter is full: the waiter is awake then.
        let _ = rustix::io::write(&*to_wake, &1_u64.to_ne_bytes());
    });
    let limit = limit.map(|limit| limit.as_secs_f64());
    let ended = waiter.call1((descriptor.as_raw_fd(), limit));
    waking.abort();
    ended.map(drop)
}

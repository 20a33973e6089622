//! Signals belong to the program that kubegrader is a part of, not to its threads.
//!
//! The kernel gives a signal that is meant for a process to any thread that does not block it (signal(7)). Python handles
//! signals on its main thread, and a program that blocks one there means to block it: billiard, for one, ends a worker's
//! process with SIGTERM blocked while that holds a lock of the whole pool (4.3.2, `Worker._do_exit`), which no other
//! worker ever got if one of our threads took the signal. A child process inherits what its parent's thread blocks, so
//! that whatever starts one does it with [`unblocked`].

use nix::sys::signal::{SigSet, Signal};

/// What ends a process, and what programs send to themselves. Not the signals of a thread's own faults, of timers and of
/// children.
const OF_THE_PROGRAM: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

fn of_the_program() -> SigSet {
    OF_THE_PROGRAM.into_iter().collect()
}

/// Leaves the program's signals to its other threads, from now on. Called by each thread of ours when it begins.
#[cfg(feature = "python")]
pub(crate) fn block() {
    // Fails for a signal that does not exist, and these do (pthread_sigmask(3)).
    let _ = of_the_program().thread_block();
}

/// Does something with the program's signals unblocked on this thread: starting a process, or what may start one.
pub(crate) fn unblocked<T>(work: impl FnOnce() -> T) -> T {
    let before = SigSet::thread_get_mask();
    let _ = of_the_program().thread_unblock();
    let done = work();
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
    done
}

//! What is under way in this process and has a pod to delete before the process ends.

use std::sync::atomic::{AtomicUsize, Ordering};

/// No lock: a fork may happen at any moment, and the child begins at 0.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Counts as under way until it is dropped.
#[derive(Debug)]
pub struct UnderWay(());

impl UnderWay {
    /// One more.
    #[must_use]
    pub fn begin() -> Self {
        COUNT.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How many there are.
#[must_use]
pub fn count() -> usize {
    COUNT.load(Ordering::SeqCst)
}

/// Begins anew, in a forked child: what its parent has under way is not its own.
pub fn forget() {
    COUNT.store(0, Ordering::SeqCst);
}

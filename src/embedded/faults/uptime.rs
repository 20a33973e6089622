//! Restarts of the server: every connection ends, and for a while nobody is let in.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Whether the server is up, and since which restart.
#[derive(Debug)]
pub struct Uptime {
    down_until: Mutex<Option<Instant>>,
    restarts: watch::Sender<u64>,
}

impl Default for Uptime {
    fn default() -> Self {
        Self {
            down_until: Mutex::new(None),
            restarts: watch::Sender::new(0),
        }
    }
}

impl Uptime {
    /// Ends all connections, and lets nobody in for so long.
    pub fn restart(&self, downtime: Duration) {
        *self.lock() = Some(Instant::now() + downtime);
        self.restarts.send_modify(|restarts| *restarts += 1);
    }

    /// Whether requests are refused now.
    pub fn is_down(&self) -> bool {
        self.lock().is_some_and(|until| Instant::now() < until)
    }

    /// A connection that lasts until the next restart.
    pub fn connection(&self) -> Connection {
        Connection(self.restarts.subscribe())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.down_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ends with a restart.
#[derive(Debug, Clone)]
pub struct Connection(watch::Receiver<u64>);

impl Connection {
    /// Waits for the restart that ends it.
    pub async fn ended(&mut self) {
        if self.0.changed().await.is_err() {
            // The server is gone altogether, and whoever serves it ends by itself.
            std::future::pending::<()>().await;
        }
    }
}

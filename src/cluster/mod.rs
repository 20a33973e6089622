//! All that talks to an API server: credentials, requests and their repetition, the shared watch, logs.

pub mod admission;
mod config;
pub(crate) mod config_error;
mod connection;
pub mod doomed;
mod follow;
pub mod logs;
mod pace;
mod proxy;
pub(crate) mod reading;
mod requests;
pub mod retry;
mod retry_after;
mod seen;
pub(crate) mod server_time;
mod subscription;
mod time_limit;
mod transport;
mod vigil;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tower::BoxError;

pub use admission::{Admission, MaxPods};
pub use config::Options;
pub use connection::Connection;
pub(crate) use connection::{Right, Turn};
pub(crate) use pace::{Pace, Silent};
pub use requests::Requests;
pub use subscription::{News, Subscription};
pub(crate) use watch::FORBIDDEN_PAUSE;

use crate::error::Result;
use crate::owner::Process;

/// A cluster that pods are run on. Made without I/O; connected on the first request.
#[derive(Debug)]
pub struct Cluster {
    options: Options,
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
    requests: Arc<Requests>,
    process: Arc<Process>,
    admission: Arc<Admission>,
}

impl Cluster {
    /// A cluster by kubeconfig, context and namespace; nothing is read and nobody is asked yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            admission: Admission::new(options.max_pods),
            options,
            connection: tokio::sync::Mutex::default(),
            requests: Arc::default(),
            process: Process::current(),
        }
    }

    /// A cluster behind a ready client, such as one on the embedded API server in this process.
    #[must_use]
    pub fn with_client(client: Client, server: &str) -> Self {
        let connection = Connection::of_client(client, server);
        Self {
            options: Options::default(),
            connection: tokio::sync::Mutex::new(Some(Arc::new(connection))),
            requests: Arc::default(),
            process: Process::current(),
            admission: Arc::default(),
        }
    }

    /// A cluster behind a service in this process, such as the embedded API server's router, with or without faults.
    #[must_use]
    pub fn with_service<S, B>(service: S) -> Self
    where
        S: tower::Service<Request<Body>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send + Sync,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let requests = Arc::<Requests>::default();
        let client = transport::finished(
            ClientBuilder::new(service, "default"),
            Arc::clone(&requests),
        );
        Self {
            requests,
            ..Self::with_client(client, "in-process")
        }
    }

    /// The same cluster with another owner of its pods: as it looks to another process.
    #[must_use]
    pub fn owned_by(mut self, process: Arc<Process>) -> Self {
        self.process = process;
        self
    }

    /// The same cluster with at most so many pods in flight.
    #[must_use]
    pub fn with_max_pods(mut self, max: MaxPods) -> Self {
        self.admission = Admission::new(max);
        self
    }

    /// The queue for a place among the pods in flight.
    #[must_use]
    pub const fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// The process that owns the pods of this cluster's runs.
    #[must_use]
    pub const fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// How many requests were sent.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The connection, made if there is none.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) when there is no usable configuration.
    pub async fn connect(&self) -> Result<Arc<Connection>> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(Arc::clone(connection));
        }
        let made = Connection::open(self.options.clone(), Arc::clone(&self.requests)).await?;
        let made = Arc::new(made);
        *connection = Some(Arc::clone(&made));
        Ok(made)
    }

    /// For how long pods have been run without sight: the longest time for which a watch that somebody needs has not
    /// been live; zero where all are.
    #[must_use]
    pub fn staleness(&self) -> Duration {
        // While the connection is being made there is no watch.
        let connection = self.connection.try_lock().ok();
        connection
            .and_then(|connection| connection.as_ref().map(|made| made.staleness()))
            .unwrap_or_default()
    }
}

/// Locks a mutex whose data stays whole even if a holder panicked: every change under it is one assignment.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! All that talks to an API server: credentials, requests and their repetition, the shared watch, logs.

mod config;
pub mod logs;
mod requests;
pub mod retry;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::{Api, Client};

pub use config::Options;
pub use requests::Requests;
pub use watch::{News, Subscription};

use crate::error::Result;
use crate::owner::{Owners, Process};
use crate::pod_view::PodView;
use crate::step::Steps;
use watch::Watch;

/// A cluster that pods are run on. Made without I/O; connected on the first request.
#[derive(Debug)]
pub struct Cluster {
    options: Options,
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
    requests: Arc<Requests>,
    process: Arc<Process>,
}

impl Cluster {
    /// A cluster by kubeconfig, context and namespace; nothing is read and nobody is asked yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            connection: tokio::sync::Mutex::default(),
            requests: Arc::default(),
            process: Process::current(),
        }
    }

    /// A cluster behind a ready client, such as one on the embedded API server in this process.
    #[must_use]
    pub fn with_client(client: Client, server: &str) -> Self {
        let requests = Arc::<Requests>::default();
        let connection = Connection::new(client, server.to_owned());
        Self {
            options: Options::default(),
            connection: tokio::sync::Mutex::new(Some(Arc::new(connection))),
            requests,
            process: Process::current(),
        }
    }

    /// The same cluster with another owner of its pods: as it looks to another process.
    #[must_use]
    pub fn owned_by(mut self, process: Arc<Process>) -> Self {
        self.process = process;
        self
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
        let (client, server) =
            config::client(self.options.clone(), Arc::clone(&self.requests)).await?;
        let made = Arc::new(Connection::new(client, server));
        *connection = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Reads the configuration once more, for a token or certificate that was refused: it may have been renewed.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config).
    pub async fn reload(&self, stale: &Arc<Connection>) -> Result<()> {
        let current = self.connect().await?;
        if Arc::ptr_eq(&current, stale) && stale.reloads_from_config() {
            let (client, _) =
                config::client(self.options.clone(), Arc::clone(&self.requests)).await?;
            stale.replace_client(client);
        }
        Ok(())
    }
}

/// A client, and one shared watch for each namespace and instance.
#[derive(Debug)]
pub struct Connection {
    client: Mutex<Shown>,
    server: String,
    watches: Mutex<HashMap<(String, String), Arc<Watch>>>,
    owners: Owners,
}

/// `kube::Client` has no `Debug`, and must have none that prints a token.
struct Shown(Client);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// The server that stands for one inside this process.
const IN_PROCESS: &str = "in-process";

impl Connection {
    fn new(client: Client, server: String) -> Self {
        Self {
            client: Mutex::new(Shown(client)),
            server,
            watches: Mutex::default(),
            owners: Owners::default(),
        }
    }

    pub(crate) const fn owners(&self) -> &Owners {
        &self.owners
    }

    /// The address of the API server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace of pods that name none.
    #[must_use]
    pub fn default_namespace(&self) -> String {
        self.client().default_namespace().to_owned()
    }

    /// A client with the present credentials.
    #[must_use]
    pub fn client(&self) -> Client {
        locked(&self.client).0.clone()
    }

    /// The pods of a namespace, as far as they decide about a pod's fate.
    #[must_use]
    pub fn pods(&self, namespace: &str) -> Api<PodView> {
        Api::namespaced(self.client(), namespace)
    }

    /// News about one pod, from the watch that all pods of its namespace and instance share. The first to ask starts
    /// the watch, whose trouble is told to `steps`.
    #[must_use]
    pub fn subscribe(
        self: &Arc<Self>,
        namespace: &str,
        instance: &str,
        name: &str,
        steps: &Steps,
    ) -> Subscription {
        let key = (namespace.to_owned(), instance.to_owned());
        let mut watches = locked(&self.watches);
        loop {
            let watch = watches.entry(key.clone()).or_insert_with(|| {
                Watch::start(
                    self.pods(namespace),
                    instance,
                    steps.of_namespace(namespace),
                )
            });
            let subscription = Subscription::new(Arc::clone(watch), self.pods(namespace), name);
            if let Some(subscription) = subscription {
                return subscription;
            }
            watches.remove(&key);
        }
    }

    fn reloads_from_config(&self) -> bool {
        self.server != IN_PROCESS
    }

    fn replace_client(&self, client: Client) {
        locked(&self.client).0 = client;
        // Watches hold the client that was refused; the next subscription starts new ones.
        locked(&self.watches).clear();
    }
}

/// Locks a mutex whose data stays whole even if a holder panicked: every change under it is one assignment.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

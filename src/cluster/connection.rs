//! A connection to an API server: its present credentials, and the watches that all pods share.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::{Api, Client};
use tokio::time::Instant;

use super::follow::Places;
use super::pace::Pace;
use super::retry::{Failure, Patience, within};
use super::watch::{FORBIDDEN_PAUSE, Watch};
use super::{Options, Requests, Subscription, config, locked};
use crate::error::{Error, Result};
use crate::owner::Owners;
use crate::pod_view::PodView;
use crate::step::Steps;

/// A client, and one shared watch for each namespace and instance.
#[derive(Debug)]
pub struct Connection {
    credentials: Mutex<Credentials>,
    /// Where the credentials come from; `None` for a client that was given ready.
    source: Option<(Options, Arc<Requests>)>,
    /// Held while they are read anew, so that a thousand refused requests read them once; the last time that failed.
    renewing: tokio::sync::Mutex<Option<NotRenewed>>,
    server: String,
    watches: Mutex<HashMap<(String, String), Arc<Watch>>>,
    /// What may not be done, in which namespace, and since when.
    forbidden: Mutex<HashMap<(Right, String), Instant>>,
    owners: Owners,
    pace: Pace,
    followed: Places,
}

/// Behind which others a request waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    /// None: of few requests, and in time.
    None,
    /// All that have none of their own.
    Other,
    /// Deletes of what has ended.
    Delete,
    /// What a limit that has passed waits for.
    Urgent,
    /// Logs; one may take so long, if it begins within its limit.
    Log(Duration),
}

/// What a Role may lack that a run can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Right {
    /// `list` on `events`.
    ListEvents,
    /// `get` on `pods`.
    GetPods,
}

/// A client, and how often it was made anew.
struct Credentials {
    client: Client,
    generation: u64,
}

/// Credentials that could not be read anew, for all who waited for them.
#[derive(Debug)]
struct NotRenewed {
    at: Instant,
    problem: String,
    hint: String,
}

impl NotRenewed {
    fn error(&self) -> Error {
        Error::Config {
            problem: self.problem.clone(),
            hint: self.hint.clone(),
        }
    }
}

/// `kube::Client` has no `Debug`, and must have none that prints a token.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.generation)
    }
}

impl Connection {
    /// Reads the configuration; talks to nobody yet.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config).
    pub(super) async fn open(options: Options, requests: Arc<Requests>) -> Result<Self> {
        let (client, server) = config::client(options.clone(), Arc::clone(&requests)).await?;
        Ok(Self {
            source: Some((options, requests)),
            ..Self::of_client(client, &server)
        })
    }

    /// A connection by a ready client.
    pub(super) fn of_client(client: Client, server: &str) -> Self {
        Self {
            credentials: Mutex::new(Credentials {
                client,
                generation: 0,
            }),
            source: None,
            renewing: tokio::sync::Mutex::default(),
            server: server.to_owned(),
            watches: Mutex::default(),
            forbidden: Mutex::default(),
            owners: Owners::default(),
            pace: Pace::default(),
            followed: Places::default(),
        }
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
        locked(&self.credentials).client.clone()
    }

    /// The same, and the generation to tell [`Connection::renew`] if they are refused.
    pub(super) fn current(&self) -> (Client, u64) {
        let credentials = locked(&self.credentials);
        (credentials.client.clone(), credentials.generation)
    }

    /// The generation of the present credentials.
    pub(crate) fn generation(&self) -> u64 {
        self.current().1
    }

    /// Reads the configuration once more, for a token or certificate that was refused: it may have been renewed. Nothing
    /// is done where somebody else has done so since `refused`. False where there is no configuration to read.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config).
    pub(crate) async fn renew(&self, refused: u64) -> Result<bool> {
        let Some((options, requests)) = &self.source else {
            return Ok(false);
        };
        let asked = Instant::now();
        let mut failed = self.renewing.lock().await;
        if locked(&self.credentials).generation != refused {
            return Ok(true);
        }
        if let Some(failed) = failed.as_ref().filter(|failed| failed.at >= asked) {
            return Err(failed.error());
        }
        let renewed = config::client(options.clone(), Arc::clone(requests)).await;
        if let Err(Error::Config { problem, hint }) = &renewed {
            *failed = Some(NotRenewed {
                at: Instant::now(),
                problem: problem.clone(),
                hint: hint.clone(),
            });
        }
        let (client, _) = renewed?;
        let mut credentials = locked(&self.credentials);
        credentials.client = client;
        credentials.generation += 1;
        Ok(true)
    }

    /// Sends a request until it is answered, for at most `limit`: a transient failure is repeated with growing pauses,
    /// and credentials that are refused are read anew once.
    ///
    /// # Errors
    /// The [`Failure`] that no repetition mended.
    pub async fn ask<T, F>(
        &self,
        limit: Duration,
        request: impl Fn(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.ask_by(Turn::Other, limit, request).await
    }

    /// The same behind other requests of its kind, or none.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub(crate) async fn ask_by<T, F>(
        &self,
        turn: Turn,
        limit: Duration,
        request: impl Fn(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut patience = None;
        let mut renewed = false;
        loop {
            let (place, longest) = match turn {
                Turn::None => (None, Duration::ZERO),
                Turn::Other => (self.pace.other().await, Duration::ZERO),
                Turn::Delete => (self.pace.delete().await, Duration::ZERO),
                Turn::Urgent => (self.pace.urgent().await, Duration::ZERO),
                Turn::Log(longest) => (self.pace.log().await, longest),
            };
            // A busy process's wait for its first turn is not the server's time.
            let patience = patience.get_or_insert_with(|| Patience::new(limit));
            let (client, generation) = self.current();
            // Boxed: a request's future is large, and most of those who ask wait for long.
            let time = patience.left().max(longest);
            let answer = within(time, Box::pin(request(client))).await;
            drop(place);
            let failure = match answer {
                Ok(answer) => {
                    self.pace.answered();
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            if failure.code().is_some() {
                self.pace.answered();
            }
            if matches!(failure, Failure::Unauthorized(_)) && !renewed {
                renewed = true;
                if matches!(self.renew(generation).await, Ok(true)) {
                    continue;
                }
            }
            patience.wait(failure).await?;
        }
    }

    /// The pods of a namespace, as far as they decide about a pod's fate.
    #[must_use]
    pub fn pods(&self, namespace: &str) -> Api<PodView> {
        Api::namespaced(self.client(), namespace)
    }

    /// The places of those who follow a log.
    pub(super) fn followed(&self) -> &Places {
        &self.followed
    }

    /// News about one pod, from the watch that all pods of its namespace and instance share. The first to ask starts
    /// the watch, whose trouble is told to `steps`.
    #[must_use]
    pub fn subscribe(
        self: &Arc<Self>,
        namespace: &Arc<str>,
        instance: &str,
        name: &Arc<str>,
        steps: &Steps,
    ) -> Subscription {
        let key = (namespace.as_ref().to_owned(), instance.to_owned());
        let mut watches = locked(&self.watches);
        loop {
            let watch = watches
                .entry(key.clone())
                .or_insert_with(|| Watch::start(self, namespace, instance, steps));
            let subscription = Subscription::new(Arc::clone(watch), self, namespace, name);
            if let Some(subscription) = subscription {
                return subscription;
            }
            watches.remove(&key);
        }
    }

    /// The longest time for which a watch that somebody needs has not been live.
    pub(super) fn staleness(&self) -> Duration {
        let watches = locked(&self.watches);
        let blind = watches.values().map(|watch| watch.blind_for());
        blind.max().unwrap_or_default()
    }

    /// What is known of the owners of pods.
    pub(crate) const fn owners(&self) -> &Owners {
        &self.owners
    }

    /// How fast pods are created.
    pub(crate) const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Notes that something may not be done in a namespace; true the first time.
    pub(crate) fn forbid(&self, right: Right, namespace: &str) -> bool {
        let key = (right, namespace.to_owned());
        locked(&self.forbidden)
            .insert(key, Instant::now())
            .is_none()
    }

    /// Whether something may be done in a namespace, as far as is known.
    pub(crate) fn may(&self, right: Right, namespace: &str) -> bool {
        let key = (right, namespace.to_owned());
        let since = locked(&self.forbidden).get(&key).copied();
        since.is_none_or(|since| since.elapsed() >= FORBIDDEN_PAUSE)
    }
}

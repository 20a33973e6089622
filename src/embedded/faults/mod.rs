//! Faults between client and server: the same seed and the same requests meet the same faults.
//!
//! [`Faults`] holds the rules and the trace. [`Faults::layer`] is a [`tower::Layer`]: around the router of an embedded
//! cluster it stands between a client and the server, in this process and on the socket. In process a broken
//! connection is an [`std::io::Error`] of the service; on the socket it is a closed connection.
//!
//! ```
//! use kubegrader::embedded::faults::{Fault, Rule, Verb};
//! use kubegrader::embedded::{EmbeddedCluster, Options};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let cluster = EmbeddedCluster::start(Options { kubelet: false, ..Options::default() });
//! cluster.faults().add(Rule::new(Fault::InternalError { retry_after: None }).verb(Verb::List).times(1));
//!
//! let pods = kube::Api::<k8s_openapi::api::core::v1::Pod>::default_namespaced(cluster.client("default"));
//! assert!(pods.list(&Default::default()).await.is_err());
//! assert!(pods.list(&Default::default()).await.is_ok());
//! assert_eq!(
//!     cluster.faults().trace(),
//!     ["list pods default #1: internal-error, 500", "list pods default #2: 200"],
//! );
//! # }
//! ```
//!
//! Read in this order: `fault` (what can happen), `rule` (to which requests, and how often), `asked` (what a request
//! asks for), `decide` (by seed), `layer` (where it happens), `answers` and `watch_lines` (what it looks like),
//! `uptime` (restarts), `trace`.

mod answers;
mod asked;
mod body;
mod decide;
mod fault;
mod layer;
mod named;
mod rule;
mod trace;
mod uptime;
mod watch_lines;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use asked::{ALL as VERBS, Verb};
pub use fault::{Fault, NAMES};
pub use layer::{FaultLayer, FaultService};
pub use named::Numbers;
pub use rule::{Rule, When};

use asked::Asked;
use decide::{Decider, Plan};
use trace::{Ticket, Trace};
use uptime::Uptime;

/// The rules, the seed and the trace of one cluster; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    decider: Mutex<Decider>,
    trace: Trace,
    uptime: Uptime,
}

impl Faults {
    /// No rules yet, and the seed by which chance is decided.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let faults = Self::default();
        faults.seed(seed);
        faults
    }

    /// Adds a rule; it applies to requests from now on.
    pub fn add(&self, rule: Rule) {
        self.decider().add(rule);
    }

    /// Removes all rules. What has begun (a stalled watch, a delayed event) goes on.
    pub fn clear(&self) {
        self.decider().clear();
    }

    /// Sets the seed and begins anew: counts of requests and the trace are forgotten, rules stay.
    pub fn seed(&self, seed: u64) {
        self.decider().restart(seed);
        self.inner.trace.clear();
    }

    /// What happened: one line a request in the order of their arrival, as
    /// `watch pods default #2: 200, event-duplicated MODIFIED p, watch-closed`. Nothing in it depends on a clock or on
    /// chance, but for names that were made by chance. The last 100,000 requests are kept.
    ///
    /// Requests that arrive on several threads at once come in any order: sort before comparing.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.inner.trace.lines()
    }

    /// A layer that lets these faults happen to the requests of a service.
    #[must_use]
    pub fn layer(&self) -> FaultLayer {
        FaultLayer::new(self.clone())
    }

    /// Ends all connections, and refuses every request for so long.
    pub(super) fn go_down(&self, downtime: Duration, how: &str) {
        self.inner.trace.event(&format!(
            "-- restart, history {how}, {} s down",
            downtime.as_secs_f64()
        ));
        self.inner.uptime.restart(downtime);
    }

    /// Writes a line that belongs to no request.
    pub(super) fn note(&self, line: &str) {
        self.inner.trace.event(line);
    }

    pub(super) fn uptime(&self) -> &Uptime {
        &self.inner.uptime
    }

    /// Decides what happens to a request, and opens its line in the trace.
    fn decide(&self, asked: &Asked, admitted: bool) -> (Plan, Ticket) {
        let mut decider = self.decider();
        let (plan, count) = decider.request(asked, admitted);
        // Opened under the same lock, so that the lines are in the order of the decisions.
        let ticket = self.inner.trace.open(&format!("{asked} #{count}"));
        (plan, ticket)
    }

    fn decide_line(&self, watch: &Asked, word: &str, namespace: &str, name: &str) -> Vec<Fault> {
        self.decider().line(watch, word, namespace, name)
    }

    fn has_line_rules(&self) -> bool {
        self.decider().has_line_rules()
    }

    fn decider(&self) -> MutexGuard<'_, Decider> {
        // Each change under the lock leaves the rules whole.
        self.inner
            .decider
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

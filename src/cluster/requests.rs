//! How many requests were sent to an API server, by kind: what a submission costs.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, Request};

/// Counts since the cluster was made.
#[derive(Debug, Default)]
pub struct Requests {
    create: AtomicU64,
    get: AtomicU64,
    list: AtomicU64,
    watch: AtomicU64,
    log: AtomicU64,
    delete: AtomicU64,
    lease: AtomicU64,
    other: AtomicU64,
}

impl Requests {
    /// Counts one request by its method and path.
    pub fn count<B>(&self, request: &Request<B>) {
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        let counter = match *request.method() {
            _ if path.contains("/leases") => &self.lease,
            Method::POST if path.ends_with("/pods") => &self.create,
            Method::DELETE => &self.delete,
            Method::GET if path.ends_with("/log") => &self.log,
            Method::GET if query.contains("watch=true") => &self.watch,
            Method::GET if path.ends_with("/pods") => &self.list,
            Method::GET if path.contains("/pods/") => &self.get,
            _ => &self.other,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts by name: `create`, `get`, `list`, `watch`, `log`, `delete`, `lease`, `other`.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 8] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("create", read(&self.create)),
            ("get", read(&self.get)),
            ("list", read(&self.list)),
            ("watch", read(&self.watch)),
            ("log", read(&self.log)),
            ("delete", read(&self.delete)),
            ("lease", read(&self.lease)),
            ("other", read(&self.other)),
        ]
    }
}

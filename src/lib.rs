//! A submission goes in, one pod runs, and a true answer comes out.
//!
//! Read the modules in this order; data goes down once and comes back once.
//!
//! - [`image`]: the image for a lecture and an assignment;
//! - [`request`] -> [`manifest`]: a submission's traits become a Pod ([`typed`], [`name`] check their parts, [`security`],
//!   [`resources`] and [`overlay`] are parts of it), [`packed`] while it is waited for;
//! - [`lifecycle`]: create or adopt, observe, read the log, delete: the only state machine;
//!   - [`cluster`]: all that talks to an API server;
//!   - [`pod_view`] (its status: [`status_view`]) -> [`verdict`] ([`waiting`] before it runs, `container_end` for each container, `runtime_trouble` for what their node failed at, `pod_reason` for what was done to it): a Pod's status
//!     becomes a verdict, by the table in [`cause`];
//! - [`pod_check`]: what every cluster would refuse of a Pod, before there is one;
//! - [`owner`]: whose a pod is, and whether that process is gone; [`reap`]: pods whose owner is;
//! - `printable`: what others say, on one line;
//! - `quantity`: amounts as Kubernetes writes them, for quotas and for the embedded cluster;
//! - [`Outcome`]: what came of it; [`Error`]: what kept it from being run or judged.
//!
//! [`embedded`] is a Kubernetes API for pods in this process, for tests and demonstrations. `python` is the only
//! module that names pyo3.

#![forbid(unsafe_code)]
#![warn(clippy::pedantic, missing_docs)]

pub mod cause;
pub mod cluster;
mod container_end;
pub mod embedded;
pub mod error;
pub mod image;
pub mod lifecycle;
pub mod manifest;
pub mod mounts;
pub mod name;
pub mod overlay;
pub mod owner;
pub mod packed;
pub mod pod_check;
mod pod_reason;
pub mod pod_view;
mod printable;
#[cfg(feature = "python")]
mod python;
mod quantity;
pub mod reap;
pub mod request;
pub mod resources;
mod runtime_trouble;
pub mod security;
mod signals;
pub mod status_view;
pub mod step;
pub mod typed;
pub mod under_way;
pub mod verdict;
pub mod waiting;

pub use cluster::Cluster;
pub use error::{Error, Result};
pub use lifecycle::{Outcome, RunOptions, Timings, run};

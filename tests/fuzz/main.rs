//! Whatever is asked of the API or said to its socket. A program of its own, since it watches over all panics of its process.

mod asked;
mod requests;
mod socket;

#[path = "../support/mod.rs"]
mod support;

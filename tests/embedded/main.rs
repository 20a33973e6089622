//! The embedded cluster, part by part. One program, since linking takes longer than most tests: `cargo test --test embedded watch`
//! runs those of a part. `tests/contract/` has what a real cluster does in the same way.

mod cleanup;
mod events;
mod faults;
mod faults_serve;
mod kube_rs;
mod kubelet;
mod launch;
mod limits;
mod lives;
mod log;
mod mounts;
mod serve;
mod stage_format;
mod variables;
mod watch;

#[path = "../support/mod.rs"]
mod support;

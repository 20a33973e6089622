//! One pod from its create to its delete, and all that may come between. One program, since linking takes longer than most tests:
//! `cargo test --test lifecycle adopt` runs those of a part.

mod admission;
mod adopt;
mod attempts;
mod creates;
mod credential_plugin;
mod credentials;
mod ends;
mod follow;
mod hanging_api;
mod heartbeat;
mod held_up;
mod killed;
mod max_pods;
mod never_began;
mod news;
mod one_pod;
mod other_attempts;
mod outage_at_a_limit;
mod owner;
mod pace;
mod probes;
mod proxies;
mod reap;
mod recorded_lives;
mod retry_after;
mod slow_log;
mod staleness;
mod starting;
mod ten_thousand;

#[path = "../support/mod.rs"]
mod support;

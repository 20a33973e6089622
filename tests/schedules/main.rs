//! Thousands of seeded lives of pods under seeded faults, against the lifecycle, in paused time.
//!
//! `KUBEGRADER_SCHEDULES=10000 cargo test --test schedules` runs so many, from the seed `KUBEGRADER_FIRST` (0) on;
//! `KUBEGRADER_SEED=7` runs one. What fails is told with its seed and all that happened. An allocator counts what all of them leave
//! behind.

mod found;
mod judge;
mod life;
mod player;
mod process;
mod scene;
mod schedule;

#[path = "../support/owners.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod owners;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kubegrader::embedded::faults::Faults;
use peak_alloc::PeakAlloc;

use schedule::Schedule;

/// How many schedules run where nothing else is said.
const USUAL: u64 = 600;
/// How many failures are told in full.
const TOLD: usize = 3;
/// What the second half of them may leave behind, in bytes: one client that is kept takes more.
const SLACK: usize = 16 * 1024;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// In real time. A schedule takes milliseconds; one that asks and asks without a pause makes no time pass.
const STUCK: Duration = Duration::from_secs(30);
/// How many of its last lines are told.
const LAST_LINES: usize = 20;

/// The schedules that run now, by their seeds.
static RUNNING: Mutex<BTreeMap<u64, (Instant, Faults)>> = Mutex::new(BTreeMap::new());

/// Ends the process when a schedule is stuck: nothing else can stop it.
fn watch_over() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        for (seed, (began, faults)) in &*RUNNING.lock().unwrap() {
            if began.elapsed() > STUCK {
                let trace = faults.trace();
                eprintln!(
                    "seed {seed} is stuck: {} requests, the last of them",
                    trace.len()
                );
                for line in &trace[trace.len().saturating_sub(LAST_LINES)..] {
                    eprintln!("  {line}");
                }
                std::process::exit(1);
            }
        }
    }
}

/// Runs one schedule in a runtime and a time of its own.
fn run(seed: u64) -> Result<(), String> {
    let faults = Faults::new(seed);
    let entry = (Instant::now(), faults.clone());
    RUNNING.lock().unwrap().insert(seed, entry);
    let result = run_with(seed, faults);
    RUNNING.lock().unwrap().remove(&seed);
    result
}

fn run_with(seed: u64, faults: Faults) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(scene::play(&Schedule::new(seed), faults))
}

#[test]
fn whatever_the_cluster_does_each_submission_gets_one_true_outcome_and_leaves_no_pod() {
    std::thread::spawn(watch_over);
    if let Some(seed) = setting("KUBEGRADER_SEED") {
        return run(seed).unwrap_or_else(|failure| panic!("{failure}"));
    }
    let count = setting("KUBEGRADER_SCHEDULES").unwrap_or(USUAL);
    let first = setting("KUBEGRADER_FIRST").unwrap_or_default();
    let warm_up = count / 2;
    let mut failures = run_all(first..first + warm_up);
    let before = HEAP.current_usage();
    failures.extend(run_all(first + warm_up..first + count));
    let after = HEAP.current_usage();
    failures.sort_unstable();
    assert!(
        failures.is_empty(),
        "{} of {count} schedules failed: {failures:?}",
        failures.len()
    );
    assert!(
        after <= before + SLACK,
        "{before} bytes were in use after {warm_up} schedules, {after} after {count}"
    );
}

/// Runs schedules on all cores; the seeds of those that failed.
fn run_all(seeds: Range<u64>) -> Vec<u64> {
    let next = AtomicU64::new(seeds.start);
    let failures = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if let Err(failure) = run(seed) {
                let mut failures = failures.lock().unwrap();
                let told = if failures.len() < TOLD {
                    failure.as_str()
                } else {
                    failure.lines().next().unwrap_or_default()
                };
                eprintln!("{told}\n");
                failures.push(seed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    failures.into_inner().unwrap()
}

//! Plays a schedule and collects what is to be judged.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::jiff::SignedDuration;
use kubegrader::Error;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::faults::Faults;
use kubegrader::embedded::{EmbeddedCluster, Options};
use kubegrader::reap::{ReapOptions, reap};
use kubegrader::step::Steps;
use tokio::time::{Instant, sleep};

use super::judge::judge;
use super::life::Life;
use super::owners::another;
use super::player::{Player, Truth};
use super::process::{Leg, Submitter};
use super::schedule::{Interruption, Schedule};

/// How long the cluster may take to be rid of a pod whose deletion it was told.
const TIDYING: Duration = Duration::from_secs(120);

/// What one submission saw.
pub struct Run {
    /// By attempt.
    pub lives: Vec<Life>,
    /// Its runs, one after another: the last tells its outcome.
    pub legs: Vec<Leg>,
    /// What was made for it, by attempt.
    pub truths: Vec<Vec<Truth>>,
    /// Whether a pod of it is there at the end.
    pub is_left: bool,
}

/// Plays one schedule and judges it.
pub async fn play(schedule: &Schedule, faults: Faults) -> Result<(), String> {
    let began = Instant::now();
    let embedded = EmbeddedCluster::start(Options {
        kubelet: false,
        faults: faults.clone(),
        ..Options::default()
    });
    embedded.set_clock_skew(SignedDuration::from_secs(schedule.clock_skew));
    let named = |(index, lives): (usize, &Vec<Life>)| -> Vec<(String, Life)> {
        let attempts = lives.iter().cloned().enumerate();
        attempts
            .map(|(attempt, life)| (Schedule::name(index, attempt), life))
            .collect()
    };
    let lives: HashMap<String, Life> = schedule.lives.iter().enumerate().flat_map(named).collect();
    let player = Player::new(&embedded, lives);
    let playing = tokio::spawn(player.clone().play());
    schedule
        .rules
        .iter()
        .for_each(|rule| faults.add(rule.clone()));
    let restarting = restarts(embedded.clone(), schedule.clone());
    let restarting = tokio::spawn(restarting);
    let legs = submit_all(&embedded, schedule).await;
    restarting.abort();
    let left = left_over(&embedded, &faults, &player, schedule).await;
    playing.abort();
    let mut runs = Vec::new();
    for (index, legs) in legs.into_iter().enumerate() {
        let lives = schedule.lives[index].clone();
        let names: Vec<String> = (0..lives.len())
            .map(|attempt| Schedule::name(index, attempt))
            .collect();
        runs.push(Run {
            lives,
            legs,
            truths: names.iter().map(|name| player.truths(name)).collect(),
            is_left: names.iter().any(|name| left.contains(name)),
        });
    }
    let found: Vec<String> = runs
        .iter()
        .enumerate()
        .filter_map(|(index, run)| {
            let interruption = schedule.interruptions[index];
            let problem = judge(run, schedule, interruption).err()?;
            Some(format!("p{index}: {problem}"))
        })
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(report(schedule, &found, &runs, &faults, began))
}

async fn restarts(embedded: EmbeddedCluster, schedule: Schedule) {
    for restart in &schedule.restarts {
        sleep(restart.at).await;
        embedded.restart(restart.history, restart.downtime);
    }
}

/// Runs all submissions, each until it has an outcome.
async fn submit_all(embedded: &EmbeddedCluster, schedule: &Schedule) -> Vec<Vec<Leg>> {
    let first = match schedule.kill {
        Some(kill) => Submitter::mortal(embedded, kill.at),
        None => Submitter::new(embedded, true),
    };
    let adopt = schedule.kill.is_none_or(|kill| kill.adopt);
    let second = Submitter::new(embedded, adopt);
    let submissions = schedule.lives.iter().enumerate().map(|(index, lives)| {
        let interruption = schedule.interruptions[index];
        let (first, second) = (&first, &second);
        async move {
            let leg = first.run(index, lives, interruption).await;
            let pause = match (&leg.outcome, interruption, schedule.kill) {
                (Some(Err(Error::Detached { .. })), Interruption::Detach(_, pause), _) => pause,
                (None, _, Some(kill)) => kill.pause,
                _ => return vec![leg],
            };
            sleep(pause).await;
            let next = second.run(index, lives, Interruption::None).await;
            vec![leg, next]
        }
    });
    join_all(submissions).await
}

/// The pods that are there when the API can be reached again, the kubelet has done its part, and a reaper has taken what a
/// killed process has left.
async fn left_over(
    embedded: &EmbeddedCluster,
    faults: &Faults,
    player: &Player,
    schedule: &Schedule,
) -> Vec<String> {
    faults.clear();
    if schedule.kill.is_some() {
        // To this one the second process is alive.
        let reaper = Cluster::with_client(embedded.client("default"), "in-process");
        let reaper = reaper.owned_by(another());
        while reap(&reaper, &ReapOptions::default(), &Steps::default())
            .await
            .is_err()
        {
            sleep(Duration::from_secs(1)).await;
        }
    }
    let deadline = Instant::now() + TIDYING;
    loop {
        let pods = player.pods().await;
        if pods.is_empty() || Instant::now() > deadline {
            return pods;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn report(
    schedule: &Schedule,
    found: &[String],
    runs: &[Run],
    faults: &Faults,
    began: Instant,
) -> String {
    let seconds = |at: Instant| at.saturating_duration_since(began).as_secs_f64();
    let mut lines = vec![
        format!("seed {}: {}", schedule.seed, found.join("; ")),
        format!(
            "severe: {}, restarts: {:?}, clock skew: {} s, kill: {:?}",
            schedule.is_severe, schedule.restarts, schedule.clock_skew, schedule.kill
        ),
    ];
    lines.extend(schedule.rules.iter().map(|rule| format!("  rule {rule:?}")));
    for (index, run) in runs.iter().enumerate() {
        if !found
            .iter()
            .any(|found| found.starts_with(&format!("p{index}:")))
        {
            continue;
        }
        lines.push(format!(
            "p{index}: {:?}, {:?}",
            run.lives, schedule.interruptions[index]
        ));
        for leg in &run.legs {
            let told = leg.steps.iter();
            lines.extend(told.map(|(at, line)| format!("  {:8.3} {line}", seconds(*at))));
            let interrupted = leg.interrupted.map(seconds);
            lines.push(format!(
                "  interrupted: {interrupted:?}, over: {:?}, {}",
                leg.over.map(seconds),
                match &leg.outcome {
                    None => "no outcome".to_owned(),
                    Some(Ok(outcome)) =>
                        format!("outcome: {}: {}", outcome.verdict.cause, outcome.verdict),
                    Some(Err(error)) => format!("error: {error}"),
                }
            ));
        }
        for truth in run.truths.iter().flatten() {
            let at = |at: Option<Instant>| {
                at.map_or_else(|| "never".to_owned(), |at| format!("{:.3}", seconds(at)))
            };
            lines.push(format!(
                "  in truth: created {}, ran from {}, ended {}, told to go {}, gone {}",
                at(Some(truth.created)),
                at(truth.running),
                at(truth.ended),
                at(truth.told_to_go),
                at(truth.gone)
            ));
        }
    }
    lines.push("trace:".to_owned());
    lines.extend(faults.trace().iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

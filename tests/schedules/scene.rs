//! Plays a schedule and collects what is to be judged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::jiff::SignedDuration;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::faults::Faults;
use kubegrader::embedded::{EmbeddedCluster, Options};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::judge::judge;
use super::life::{Life, START_TIMEOUT, TIMEOUT};
use super::player::{Player, Truth};
use super::schedule::Schedule;

/// No run takes longer than this, whatever happens: the time to create, start, run, read the log, stop and delete.
const FOR_EVER: Duration = Duration::from_secs(600);
/// How long the cluster may take to be rid of a pod whose deletion it was told.
const TIDYING: Duration = Duration::from_secs(120);

/// What one submission saw.
pub struct Run {
    /// By attempt.
    pub lives: Vec<Life>,
    /// `None`: it never ended.
    pub outcome: Option<Result<Outcome, Error>>,
    /// Its log lines, with their times.
    pub steps: Vec<(Instant, String)>,
    /// What was made for it, by attempt.
    pub truths: Vec<Vec<Truth>>,
    /// Whether a pod of it is there at the end.
    pub is_left: bool,
}

type Lines = Arc<Mutex<Vec<(Instant, String)>>>;

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
    let cluster = Cluster::with_client(embedded.client("default"), "in-process");
    let lines: Vec<Lines> = schedule.lives.iter().map(|_| Lines::default()).collect();
    let runs = schedule.lives.iter().enumerate().map(|(index, lives)| {
        let steps = Arc::clone(&lines[index]);
        let sink = move |_, line: String| steps.lock().unwrap().push((Instant::now(), line));
        submit(&cluster, index, lives, Steps::new(sink))
    });
    let outcomes = join_all(runs).await;
    restarting.abort();
    let left = left_over(&faults, &player).await;
    playing.abort();
    let mut runs = Vec::new();
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let lives = schedule.lives[index].clone();
        let names: Vec<String> = (0..lives.len())
            .map(|attempt| Schedule::name(index, attempt))
            .collect();
        runs.push(Run {
            lives,
            outcome,
            steps: lines[index].lock().unwrap().clone(),
            truths: names.iter().map(|name| player.truths(name)).collect(),
            is_left: names.iter().any(|name| left.contains(name)),
        });
    }
    let found: Vec<String> = runs
        .iter()
        .enumerate()
        .filter_map(|(index, run)| Some(format!("p{index}: {}", judge(run, schedule).err()?)))
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

async fn submit(
    cluster: &Cluster,
    index: usize,
    lives: &[Life],
    steps: Steps,
) -> Option<Result<Outcome, Error>> {
    let name = Schedule::name(index, 0);
    let mut pod = json!({"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}});
    if lives[0].bound {
        pod["spec"]["nodeName"] = json!("n");
    }
    let options = RunOptions {
        start_timeout: Some(START_TIMEOUT),
        timeout: Some(TIMEOUT),
        submission: Some(name),
        max_attempts: u32::try_from(lives.len()).unwrap(),
        ..RunOptions::default()
    };
    let manifest = Manifest::new(pod).unwrap();
    timeout(
        FOR_EVER,
        run(cluster, manifest, options, &steps, CancellationToken::new()),
    )
    .await
    .ok()
}

/// The pods that are there when the API can be reached again and the kubelet has done its part.
async fn left_over(faults: &Faults, player: &Player) -> Vec<String> {
    faults.clear();
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
            "severe: {}, restarts: {:?}, clock skew: {} s",
            schedule.is_severe, schedule.restarts, schedule.clock_skew
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
        lines.push(format!("p{index}: {:?}", run.lives));
        lines.extend(
            run.steps
                .iter()
                .map(|(at, line)| format!("  {:8.3} {line}", seconds(*at))),
        );
        for truth in run.truths.iter().flatten() {
            let at = |at: Option<Instant>| {
                at.map_or_else(|| "never".to_owned(), |at| format!("{:.3}", seconds(at)))
            };
            lines.push(format!(
                "  in truth: ran from {}, ended {}, gone {}",
                at(truth.running),
                at(truth.ended),
                at(truth.gone)
            ));
        }
        match &run.outcome {
            None => lines.push("  no outcome".to_owned()),
            Some(Ok(outcome)) => lines.push(format!(
                "  outcome: {}: {}",
                outcome.verdict.cause, outcome.verdict
            )),
            Some(Err(error)) => lines.push(format!("  error: {error}")),
        }
    }
    lines.push("trace:".to_owned());
    lines.extend(faults.trace().iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

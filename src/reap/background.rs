//! The reaper of a process that runs pods itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{ReapOptions, Reaper, chosen};
use crate::cluster::retry::Failure;
use crate::cluster::{Cluster, Connection, locked};
use crate::error::Result;
use crate::owner::Process;
use crate::step::Steps;

/// When the first round is, after the first run: whoever restarts a service grades anew what was under way, and may
/// adopt pods that would else be deleted.
const FIRST: Duration = Duration::from_secs(10);
/// How often, while runs are under way.
const EVERY: Duration = Duration::from_mins(5);
/// So that the workers of a service do not all ask at once.
const JITTER: Duration = Duration::from_secs(30);

/// The rounds of a connection, by namespace and instance.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Mutex<HashMap<(String, String), Round>>);

#[derive(Debug, Default)]
struct Round {
    is_scheduled: bool,
    last: Option<Instant>,
    /// Whether the last one failed, and the next may not.
    has_failed: bool,
}

/// Sees to it that pods whose owner is gone are deleted from time to time, as long as this process has runs, and until the API
/// server has answered. Called by each run when it begins; costs one list at a time.
pub(crate) fn in_background(
    connection: &Arc<Connection>,
    process: &Arc<Process>,
    namespace: &str,
    instance: &str,
    steps: &Steps,
) {
    let key = (namespace.to_owned(), instance.to_owned());
    let mut rounds = locked(&connection.owners().rounds.0);
    let round = rounds.entry(key.clone()).or_default();
    if std::mem::replace(&mut round.is_scheduled, true) {
        return;
    }
    let pause = match round.last {
        None => FIRST,
        Some(last) => (last + EVERY).saturating_duration_since(Instant::now()),
    };
    let steps = steps.of_namespace(namespace);
    let (connection, process) = (Arc::downgrade(connection), Arc::clone(process));
    tokio::spawn(async move {
        let mut pause = pause;
        let mut is_told = false;
        loop {
            sleep(pause).await;
            // Nobody is left who could have a run.
            let Some(connection) = connection.upgrade() else {
                return;
            };
            if !is_due(&connection, &key, &process) {
                return;
            }
            let ended = round_of(&connection, &process, &key, &steps).await;
            note(&connection, &key, ended.as_ref().err());
            if let Err(failure) = ended
                && !std::mem::replace(&mut is_told, true)
            {
                tell(&failure, &steps);
            }
            pause = EVERY + JITTER.mul_f64(rand::random());
        }
    });
}

/// The same for a process that has just begun and has no run yet: there is one round in any case, and more until one is answered.
///
/// `cluster` is asked as long as somebody else keeps it.
///
/// # Errors
/// A configuration that cannot be used, and a namespace that can be none.
pub async fn reap_soon(
    cluster: &Cluster,
    namespace: Option<&str>,
    instance: &str,
    steps: &Steps,
) -> Result<()> {
    let connection = cluster.connect().await?;
    let namespace = chosen(namespace, &connection)?;
    in_background(&connection, cluster.process(), &namespace, instance, steps);
    Ok(())
}

/// Whether a round is due; else the next run schedules one. Decided under the lock, so that no run is overlooked.
fn is_due(connection: &Connection, key: &(String, String), process: &Process) -> bool {
    let mut rounds = locked(&connection.owners().rounds.0);
    let round = rounds.entry(key.clone()).or_default();
    round.is_scheduled = round.last.is_none() || round.has_failed || process.is_busy();
    if round.is_scheduled {
        round.last = Some(Instant::now());
    }
    round.is_scheduled
}

/// Notes how a round ended: with no run, one is made until the API server has answered it, be it with a refusal.
fn note(connection: &Connection, key: &(String, String), failure: Option<&Failure>) {
    let mut rounds = locked(&connection.owners().rounds.0);
    let round = rounds.entry(key.clone()).or_default();
    round.has_failed = failure.is_some_and(|failure| failure.code() != Some(403));
}

async fn round_of(
    connection: &Arc<Connection>,
    process: &Process,
    (namespace, instance): &(String, String),
    steps: &Steps,
) -> std::result::Result<(), Failure> {
    let options = ReapOptions {
        instance: instance.clone(),
        finished_for: None,
        ..ReapOptions::default()
    };
    let reaper = Reaper {
        connection,
        process,
        namespace,
        options: &options,
        steps,
        tells_left: false,
    };
    reaper.round().await.map(drop)
}

fn tell(failure: &Failure, steps: &Steps) {
    if failure.code() == Some(403) {
        steps.info(
            "pods that a killed process left behind are not looked for, since listing pods is forbidden. Allow \"list\" \
             on \"pods\"",
        );
    } else {
        steps.warn(&format!(
            "pods that a killed process left behind could not be looked for: {failure}"
        ));
    }
}

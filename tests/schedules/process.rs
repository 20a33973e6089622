//! The process that runs submissions: its runs may be cancelled and detached, and it may be killed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::http::Request;
use kube::client::Body;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::lifecycle::Stop;
use kubegrader::manifest::Manifest;
use kubegrader::owner::{Identity, Process};
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::life::{Life, START_TIMEOUT, TIMEOUT};
use super::owners;
use super::schedule::{Interruption, Moment, Schedule};

/// No run takes longer than this, whatever happens: the time to create, start, run, read the log, stop and delete.
const FOR_EVER: Duration = Duration::from_secs(600);

/// Log lines, with their times.
type Lines = Arc<Mutex<Vec<(Instant, String)>>>;

/// One run of a submission.
pub struct Leg {
    /// `None`: it never ended, or its process was killed.
    pub outcome: Option<Result<Outcome, Error>>,
    pub steps: Vec<(Instant, String)>,
    /// When it was told to end, and when it did.
    pub interrupted: Option<Instant>,
    pub over: Option<Instant>,
}

/// A signal that is given once.
#[derive(Clone, Default)]
pub struct Signal {
    token: CancellationToken,
    lines: Arc<AtomicUsize>,
    at: Arc<Mutex<Option<Instant>>>,
}

impl Signal {
    /// Gives it at this moment. A line is counted by [`Signal::line`].
    fn arm(&self, moment: Moment) {
        if let Moment::After(time) = moment {
            let signal = self.clone();
            tokio::spawn(async move {
                sleep(time).await;
                signal.give();
            });
        }
    }

    fn line(&self, moment: Option<Moment>) {
        let number = self.lines.fetch_add(1, Ordering::SeqCst) + 1;
        if matches!(moment, Some(Moment::Line(wanted)) if wanted == number) {
            self.give();
        }
    }

    fn give(&self) {
        self.at.lock().unwrap().get_or_insert_with(Instant::now);
        self.token.cancel();
    }
}

/// A process with a client of its own.
pub struct Submitter {
    cluster: Cluster,
    adopt: bool,
    /// When it is killed.
    kill: Option<Moment>,
    killed: Signal,
}

/// A process that has ended: whoever asks finds that the killed one has.
static DEAD: LazyLock<Identity> = LazyLock::new(owners::dead);

/// A connection of its own to the cluster, on which nothing is sent or heard any more when its process is killed.
fn cluster(embedded: &EmbeddedCluster, killed: CancellationToken) -> Cluster {
    let client = embedded.client("default");
    Cluster::with_service(tower::service_fn(move |request: Request<Body>| {
        let (client, killed) = (client.clone(), killed.clone());
        async move {
            tokio::select! {
                biased;
                () = killed.cancelled() => std::future::pending().await,
                answer = client.send(request) => answer,
            }
        }
    }))
}

impl Submitter {
    pub fn new(embedded: &EmbeddedCluster, adopt: bool) -> Self {
        Self {
            cluster: cluster(embedded, CancellationToken::new()),
            adopt,
            kill: None,
            killed: Signal::default(),
        }
    }

    /// One that is killed: from then on no request of it is sent.
    pub fn mortal(embedded: &EmbeddedCluster, kill: Moment) -> Self {
        let killed = Signal::default();
        killed.arm(kill);
        let dead = Process::elsewhere(Some(DEAD.clone()));
        Self {
            cluster: cluster(embedded, killed.token.clone()).owned_by(dead),
            adopt: true,
            kill: Some(kill),
            killed,
        }
    }

    /// Runs a submission until it has ended or the process is killed, and says which.
    pub async fn run(&self, index: usize, lives: &[Life], interruption: Interruption) -> Leg {
        let lines = Lines::default();
        let (signal, mut stop) = (Signal::default(), Stop::default());
        let moment = match interruption {
            Interruption::None => None,
            Interruption::Cancel(moment) => {
                stop.cancel = signal.token.clone();
                Some(moment)
            }
            Interruption::Detach(moment, _) => {
                stop.detach.asked = signal.token.clone();
                Some(moment)
            }
        };
        if let Some(moment) = moment {
            signal.arm(moment);
        }
        let (told, heard, killed, kill) = (
            Arc::clone(&lines),
            signal.clone(),
            self.killed.clone(),
            self.kill,
        );
        let steps = Steps::new(move |_, line: String| {
            // The dead tell nothing.
            if killed.token.is_cancelled() {
                return;
            }
            told.lock().unwrap().push((Instant::now(), line));
            heard.line(moment);
            killed.line(kill);
        });
        let running = timeout(FOR_EVER, self.submit(index, lives, &steps, stop));
        let outcome = tokio::select! {
            biased;
            () = self.killed.token.cancelled() => None,
            outcome = running => outcome.ok(),
        };
        let over = outcome.is_some().then(Instant::now);
        let steps = std::mem::take(&mut *lines.lock().unwrap());
        let interrupted = *signal.at.lock().unwrap();
        Leg {
            outcome,
            steps,
            interrupted,
            over,
        }
    }

    async fn submit(
        &self,
        index: usize,
        lives: &[Life],
        steps: &Steps,
        stop: Stop,
    ) -> Result<Outcome, Error> {
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
            adopt: self.adopt,
            ..RunOptions::default()
        };
        let manifest = Manifest::new(pod).unwrap();
        run(&self.cluster, manifest, options, steps, stop).await
    }
}

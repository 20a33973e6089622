//! What a seed says: which pods, which faults, which restarts.

use std::time::Duration;

use kubegrader::embedded::History;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::life::Life;

/// One schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub seed: u64,
    /// Each submission's pods: the first attempt's, and a second one's where there may be two.
    pub lives: Vec<Vec<Life>>,
    pub rules: Vec<Rule>,
    pub restarts: Vec<Restart>,
    /// Seconds.
    pub clock_skew: i64,
    /// Some trouble has no end, or lasts longer than anybody waits: then a run may end with an error of the API.
    pub is_severe: bool,
    /// What is done to each submission's run.
    pub interruptions: Vec<Interruption>,
    /// The process is killed, and another one goes on.
    pub kill: Option<Kill>,
}

/// A moment of a run, or of a process.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// So long after its beginning.
    After(Duration),
    /// When the line of this number is told of it, from 1.
    Line(usize),
}

/// What is done to a run from outside.
#[derive(Debug, Clone, Copy)]
pub enum Interruption {
    None,
    Cancel(Moment),
    /// It is run again after this pause.
    Detach(Moment, Duration),
}

#[derive(Debug, Clone, Copy)]
pub struct Kill {
    pub at: Moment,
    /// Until the other process begins.
    pub pause: Duration,
    /// Whether that adopts.
    pub adopt: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Restart {
    pub at: Duration,
    pub history: History,
    pub downtime: Duration,
}

/// How many pods run at once in a schedule that has many.
const MANY: usize = 20;

impl Schedule {
    pub fn new(seed: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let pods = if random.random_bool(0.1) { MANY } else { 1 };
        let is_severe = random.random_bool(0.25);
        let attempts = random.random_range(1..=2);
        let life = |random: &mut StdRng| (0..attempts).map(|_| Life::new(random)).collect();
        let lives = (0..pods).map(|_| life(random)).collect();
        let mut rules: Vec<Rule> = (0..random.random_range(0..5))
            .map(|_| {
                let verb = verb(random);
                rule(random, verb, pods, is_severe)
            })
            .collect();
        let restarts = if random.random_bool(0.25) {
            vec![restart(random, is_severe)]
        } else {
            Vec::new()
        };
        let clock_skew = if random.random_bool(0.2) {
            random.random_range(-7200..7200)
        } else {
            0
        };
        // The last to be drawn, so that a seed keeps what it said before.
        let kill = random.random_bool(0.2).then(|| kill(random, pods));
        let is_interrupted = random.random_bool(0.4);
        let interruptions = (0..pods)
            .map(|_| match is_interrupted {
                true => interruption(random),
                false => Interruption::None,
            })
            .collect();
        // Only those who adopt or detach change a pod.
        if (kill.is_some() || is_interrupted) && random.random_bool(0.3) {
            rules.push(rule(random, Verb::Patch, pods, is_severe));
        }
        Self {
            seed,
            lives,
            rules,
            restarts,
            clock_skew,
            is_severe,
            interruptions,
            kill,
        }
    }

    /// The name of a submission's pod; `attempt` counts from 0.
    pub fn name(index: usize, attempt: usize) -> String {
        match attempt {
            0 => format!("p{index}"),
            further => format!("p{index}-attempt-{}", further + 1),
        }
    }
}

fn moment(random: &mut impl Rng, lines: usize) -> Moment {
    if random.random_bool(0.5) {
        Moment::Line(random.random_range(1..=lines))
    } else {
        Moment::After(Duration::from_millis(random.random_range(0..60_000)))
    }
}

fn pause(random: &mut impl Rng) -> Duration {
    Duration::from_millis(random.random_range(0..20_000))
}

/// The most lines that are usually told of a pod.
const LINES: usize = 8;

fn kill(random: &mut impl Rng, pods: usize) -> Kill {
    Kill {
        at: moment(random, LINES * pods),
        pause: pause(random),
        adopt: random.random_bool(0.7),
    }
}

fn interruption(random: &mut impl Rng) -> Interruption {
    match random.random_range(0..3) {
        0 => Interruption::None,
        1 => Interruption::Cancel(moment(random, LINES)),
        _ => Interruption::Detach(moment(random, LINES), pause(random)),
    }
}

fn restart(random: &mut impl Rng, is_severe: bool) -> Restart {
    Restart {
        at: Duration::from_millis(random.random_range(0..40_000)),
        history: if random.random_bool(0.5) {
            History::Kept
        } else {
            History::Lost
        },
        downtime: Duration::from_millis(
            random.random_range(0..if is_severe { 60_000 } else { 8_000 }),
        ),
    }
}

/// What a run without interruptions asks for.
fn verb(random: &mut impl Rng) -> Verb {
    [
        Verb::Create,
        Verb::Get,
        Verb::List,
        Verb::Watch,
        Verb::Watch,
        Verb::Delete,
        Verb::Log,
    ][random.random_range(0..7)]
}

/// One rule. Where the schedule is not severe, no trouble outlasts the patience of the lifecycle.
fn rule(random: &mut impl Rng, verb: Verb, pods: usize, is_severe: bool) -> Rule {
    let fault = fault(random, verb);
    let mut rule = Rule::new(fault).verb(verb).skip(random.random_range(0..3));
    if random.random_bool(0.5) {
        rule = rule.chance(random.random_range(0.1..1.0));
    }
    let is_endless = !never_endless(fault)
        && (is_severe && random.random_bool(0.3) || is_harmless(verb) && random.random_bool(0.5));
    if !is_endless {
        // A hang costs ten seconds of a patience of thirty.
        let most = if matches!(fault, Fault::Latency(_) | Fault::Unauthorized) {
            1
        } else {
            3
        };
        rule =
            rule.times(random.random_range(1..=most) * u64::try_from(pods.div_ceil(10)).unwrap());
    }
    rule
}

/// Whether every request of this kind may fail: the watch can be done without, and a verdict does not hang on the log.
fn is_harmless(verb: Verb) -> bool {
    matches!(verb, Verb::List | Verb::Watch | Verb::Log)
}

/// What would make every request of a kind useless for longer than anybody waits.
fn never_endless(fault: Fault) -> bool {
    matches!(fault, Fault::WatchStalled(_) | Fault::Latency(_))
}

fn fault(random: &mut impl Rng, verb: Verb) -> Fault {
    let seconds =
        |random: &mut _, most: u64| Duration::from_millis(milliseconds(random, most * 1000));
    let retry_after = random.random_range(1..4);
    let after = seconds(random, 30);
    let general = [
        Fault::Refused,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::CutBody {
            at_byte: random.random_range(0..600),
        },
        Fault::Unauthorized,
        Fault::TooManyRequests { retry_after },
        Fault::Unavailable { retry_after },
        Fault::InternalError { retry_after: None },
        Fault::InternalError {
            retry_after: Some(retry_after),
        },
        Fault::BadGateway,
        Fault::Latency(seconds(random, 3)),
        Fault::Latency(Duration::from_hours(1)),
    ];
    let own = match verb {
        Verb::Watch => vec![
            Fault::WatchStalled(after),
            Fault::WatchClosed(after),
            Fault::Gone(after),
            Fault::BookmarkLost,
            Fault::EventDuplicated(Duration::ZERO),
            Fault::EventDelayed(seconds(random, 3)),
            Fault::EventsReordered(seconds(random, 3)),
            Fault::Forbidden,
        ],
        Verb::List => vec![Fault::Forbidden, Fault::Gone(Duration::ZERO)],
        Verb::Create => vec![Fault::Conflict],
        _ => Vec::new(),
    };
    let fault = if !own.is_empty() && random.random_bool(0.5) {
        own[random.random_range(0..own.len())]
    } else {
        general[random.random_range(0..general.len())]
    };
    // A cluster in this process has no credentials that could be read anew, so that a 401 is the last word.
    // `tests/lifecycle/credentials.rs` shows what becomes of it elsewhere.
    if fault == Fault::Unauthorized && matches!(verb, Verb::Get | Verb::Delete | Verb::Patch) {
        return Fault::ResetBefore;
    }
    fault
}

fn milliseconds(random: &mut impl Rng, most: u64) -> u64 {
    random.random_range(0..most)
}

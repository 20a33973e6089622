//! The scenes in which a client is killed, and where in each.

use std::time::Duration;

use kubegrader::RunOptions;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use serde_json::{Value, json};

/// One scene: what the client meets, and the points at which it is killed there.
pub struct Scene {
    pub name: &'static str,
    /// The pods that are there already.
    pub left: &'static [Left],
    pub rules: fn() -> Vec<Rule>,
    /// Whether the rules outlast the client.
    pub lasting: bool,
    /// What becomes of its pods as long as the client lives; afterwards all succeed.
    pub fate: Fate,
    /// What its pod has besides.
    pub pod: fn(&mut Value),
    /// What its run has besides.
    pub options: fn(&mut RunOptions),
    /// Whether the client adopts; `None`: as the next run.
    pub adopts: Option<bool>,
    pub does: Does,
    pub deaths: &'static [Death],
}

/// A pod of the submission that an owner left.
#[derive(Clone, Copy)]
pub struct Left {
    pub attempt: u32,
    pub phase: &'static str,
    pub owner: Owner,
}

#[derive(Clone, Copy)]
pub enum Owner {
    /// A process of this machine that has ended.
    Dead,
    /// A process elsewhere, with a Lease.
    Far,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Fate {
    Succeeds,
    RunsOn,
    IsEvicted,
    IsDeletedBySomebody,
    /// Its kubelet kills it, as for its probe.
    IsKilled,
    /// It has a node, and no sandbox.
    DoesNotStart,
    IsGated,
}

/// What the client does, or meets, besides running the submission.
#[derive(Clone, Copy, PartialEq)]
pub enum Does {
    Nothing,
    /// It cancels its run at this step.
    Cancels(&'static str),
    /// It detaches its run at this step.
    Detaches(&'static str),
    /// It runs another submission before, and has room for one pod.
    HasRoomForOne,
    /// The create of another submission was answered with 429.
    IsSlowedDown,
    /// The namespace's quota is used up.
    FindsAFullQuota,
    /// It goes by a kubeconfig, whose plugin kills it.
    AsksAPlugin,
}

/// A point at which the client dies.
#[derive(Debug, Clone, Copy)]
pub enum Death {
    /// Before the n-th request of a kind is sent, and after it was answered and before anybody reads the answer.
    Request(&'static str, usize),
    /// At a step, by the words that its line begins with.
    At(&'static str),
    /// So long after a step that what follows it waits.
    After(&'static str, Duration),
    /// While the next attempt is prepared.
    Preparing,
    /// In the n-th call of the credential plugin.
    Plugin(usize),
}

use Death::{After, At, Plugin, Preparing, Request};

const PLAIN: Scene = Scene {
    name: "",
    left: &[],
    rules: Vec::new,
    lasting: false,
    fate: Fate::Succeeds,
    pod: |_| {},
    options: |_| {},
    adopts: None,
    does: Does::Nothing,
    deaths: &[],
};

const fn left(attempt: u32, phase: &'static str) -> Left {
    Left {
        attempt,
        phase,
        owner: Owner::Dead,
    }
}

/// Longer than a pause that is to be met, from its beginning; shorter than any.
const AMID: Duration = Duration::from_millis(150);

fn two_attempts(options: &mut RunOptions) {
    options.max_attempts = 2;
}

fn short_of_time(options: &mut RunOptions) {
    options.timeout = Some(Duration::from_millis(300));
}

fn no_watch() -> Vec<Rule> {
    [Verb::List, Verb::Watch]
        .map(|verb| Rule::new(Fault::Forbidden).verb(verb))
        .to_vec()
}

fn no_patch() -> Vec<Rule> {
    vec![Rule::new(Fault::Forbidden).verb(Verb::Patch)]
}

pub const SCENES: &[Scene] = &[
    Scene {
        name: "a pod that succeeds",
        deaths: &[
            Request("list", 1),
            Request("watch", 1),
            Request("lease", 1),
            Request("create", 1),
            Request("log", 1),
            Request("delete", 1),
            At("created"),
            At("scheduled"),
            At("running"),
            At("ended"),
            At("deleted"),
            At("done"),
        ],
        ..PLAIN
    },
    Scene {
        name: "a create whose answer is lost",
        rules: || vec![Rule::new(Fault::ResetAfter).verb(Verb::Create).times(1)],
        deaths: &[Request("get", 1), At("created; the answer had been lost")],
        ..PLAIN
    },
    Scene {
        name: "a run that is cancelled when its create was not answered",
        rules: || {
            vec![
                Rule::new(Fault::ResetAfter).verb(Verb::Create).times(1),
                Rule::new(Fault::Refused).verb(Verb::Get).times(1),
            ]
        },
        does: Does::Cancels("create failed"),
        deaths: &[
            Request("get", 2),
            At("created after all"),
            Request("delete", 1),
        ],
        ..PLAIN
    },
    Scene {
        name: "a create that is refused for a moment",
        rules: || {
            let unavailable = Fault::Unavailable { retry_after: 1 };
            vec![Rule::new(unavailable).verb(Verb::Create).times(1)]
        },
        deaths: &[After("create failed", AMID), Request("create", 2)],
        ..PLAIN
    },
    Scene {
        name: "creates that are slowed down",
        rules: || {
            let busy = Fault::TooManyRequests { retry_after: 2 };
            vec![Rule::new(busy).verb(Verb::Create).times(1)]
        },
        does: Does::IsSlowedDown,
        deaths: &[After("create failed", AMID)],
        ..PLAIN
    },
    Scene {
        name: "a quota that is used up",
        does: Does::FindsAFullQuota,
        deaths: &[
            Request("full", 1),
            At("queued: the namespace's quota"),
            After("queued: the namespace's quota", AMID),
        ],
        ..PLAIN
    },
    Scene {
        name: "a full house",
        does: Does::HasRoomForOne,
        fate: Fate::RunsOn,
        deaths: &[After("queued: number 1", AMID)],
        ..PLAIN
    },
    Scene {
        name: "credentials that are refused",
        rules: || vec![Rule::new(Fault::Unauthorized).verb(Verb::Create).times(1)],
        does: Does::AsksAPlugin,
        deaths: &[Plugin(1), Plugin(2)],
        ..PLAIN
    },
    Scene {
        name: "a scheduling gate",
        fate: Fate::IsGated,
        pod: |pod| pod["spec"]["schedulingGates"] = json!([{"name": "example.org/queue"}]),
        deaths: &[
            At("queued: SchedulingGated"),
            After("queued: SchedulingGated", AMID),
        ],
        ..PLAIN
    },
    Scene {
        name: "no right to watch",
        rules: no_watch,
        lasting: true,
        fate: Fate::RunsOn,
        options: two_attempts,
        deaths: &[
            // The second attempt's name, and then the pod.
            Request("get", 1),
            Request("get", 2),
            Request("get", 4),
            After("running", AMID),
        ],
        ..PLAIN
    },
    Scene {
        name: "a time to run that is over",
        fate: Fate::RunsOn,
        options: short_of_time,
        deaths: &[
            Request("get", 1),
            Request("log", 1),
            Request("delete", 1),
            After("deleted", AMID),
        ],
        ..PLAIN
    },
    Scene {
        name: "a time to start that is over",
        fate: Fate::DoesNotStart,
        options: |options| options.start_timeout = Some(Duration::from_millis(300)),
        deaths: &[
            Request("get", 1),
            Request("events", 1),
            At("starting pod"),
            Request("delete", 1),
        ],
        ..PLAIN
    },
    Scene {
        name: "an API server that does not answer at a limit",
        rules: || {
            let hangs = Fault::Latency(Duration::from_secs(10));
            vec![Rule::new(hangs).verb(Verb::Get).times(2)]
        },
        fate: Fate::RunsOn,
        options: short_of_time,
        deaths: &[
            At("its time is over"),
            After("its time is over", AMID),
            // As it was last seen; and once more, with its log.
            Request("delete", 1),
            Request("log", 1),
            Request("delete", 2),
        ],
        ..PLAIN
    },
    Scene {
        name: "a pod that is kept",
        options: |options| options.keep = true,
        deaths: &[
            Request("create", 1),
            At("running"),
            Request("log", 1),
            Request("patch", 1),
        ],
        ..PLAIN
    },
    Scene {
        name: "a container that its probe ends",
        fate: Fate::IsKilled,
        pod: |pod| {
            pod["spec"]["containers"][0]["livenessProbe"] = json!({"exec": {"command": ["true"]}});
        },
        deaths: &[Request("events", 1)],
        ..PLAIN
    },
    Scene {
        name: "a run that is cancelled",
        fate: Fate::RunsOn,
        does: Does::Cancels("running"),
        deaths: &[Request("delete", 1), At("deleted")],
        ..PLAIN
    },
    Scene {
        name: "a run that is detached",
        fate: Fate::RunsOn,
        does: Does::Detaches("running"),
        deaths: &[Request("patch", 1)],
        ..PLAIN
    },
    Scene {
        name: "a run that is detached without the right to patch",
        rules: no_patch,
        fate: Fate::RunsOn,
        does: Does::Detaches("running"),
        deaths: &[Request("get", 1), Request("put", 1)],
        ..PLAIN
    },
    Scene {
        name: "a delete that is not answered",
        rules: || {
            let unavailable = Fault::Unavailable { retry_after: 1 };
            vec![Rule::new(unavailable).verb(Verb::Delete)]
        },
        deaths: &[
            At("the pod could not be deleted yet"),
            At("done"),
            After("done", Duration::from_secs(2)),
        ],
        ..PLAIN
    },
    Scene {
        name: "a pod that the cluster evicts",
        fate: Fate::IsEvicted,
        options: two_attempts,
        deaths: &[
            At("watching pod"),
            Request("delete", 1),
            After("deleted", Duration::from_secs(1)),
        ],
        ..PLAIN
    },
    Scene {
        name: "a pod that somebody deletes",
        fate: Fate::IsDeletedBySomebody,
        options: two_attempts,
        deaths: &[
            After("watching pod", AMID),
            Preparing,
            Request("create", 2),
            At("attempt-2: created"),
        ],
        ..PLAIN
    },
    Scene {
        name: "the pod of a dead process, at work",
        left: &[left(1, "Running")],
        adopts: Some(true),
        deaths: &[
            Request("create", 1),
            Request("get", 1),
            Request("patch", 1),
            At("adopted"),
            Request("delete", 1),
        ],
        ..PLAIN
    },
    Scene {
        name: "the pod of a dead process, whose time has begun",
        left: &[left(1, "Running")],
        options: |options| options.timeout = Some(Duration::from_secs(30)),
        adopts: Some(true),
        deaths: &[Request("get", 2), At("adopted")],
        ..PLAIN
    },
    Scene {
        name: "the pod of a dead process, without the right to patch",
        left: &[left(1, "Running")],
        rules: no_patch,
        adopts: Some(true),
        deaths: &[Request("get", 2), Request("put", 1), At("adopted")],
        ..PLAIN
    },
    Scene {
        name: "the pod of a dead process, which makes way",
        left: &[left(1, "Running")],
        adopts: Some(false),
        deaths: &[
            Request("patch", 1),
            At("stopping and replacing"),
            Request("delete", 1),
            After("deleted", AMID),
            Request("create", 2),
        ],
        ..PLAIN
    },
    Scene {
        name: "the pod of a dead process, finished",
        left: &[left(1, "Succeeded")],
        deaths: &[
            Request("patch", 1),
            At("replacing the finished"),
            Request("delete", 1),
            Request("create", 2),
        ],
        ..PLAIN
    },
    Scene {
        name: "the pod of a process elsewhere, which has a Lease",
        left: &[Left {
            attempt: 1,
            phase: "Running",
            owner: Owner::Far,
        }],
        deaths: &[Request("look", 1), After("the pod is there already", AMID)],
        ..PLAIN
    },
    Scene {
        name: "the pod of a later attempt of a dead process, at work",
        left: &[left(2, "Running")],
        options: two_attempts,
        adopts: Some(true),
        deaths: &[
            Request("get", 1),
            Request("create", 1),
            Request("patch", 1),
            At("adopted"),
            Request("delete", 1),
        ],
        ..PLAIN
    },
    Scene {
        name: "the pod of a later attempt of a dead process, which makes way",
        left: &[left(2, "Running")],
        options: two_attempts,
        adopts: Some(false),
        deaths: &[
            Request("get", 1),
            Request("patch", 1),
            At("stopping the pod of another attempt"),
            Request("delete", 1),
            After("deleted", AMID),
            Preparing,
            Request("create", 1),
        ],
        ..PLAIN
    },
];

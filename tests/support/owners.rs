//! Pods of owners that live, are gone, or cannot be judged.

use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};

use kubegrader::owner::identity::{Stat, host};
use kubegrader::owner::{Identity, Process};
use serde_json::{Value, json};

/// Another process of this machine, which lives as long as this one.
pub fn living() -> Arc<Process> {
    Process::elsewhere(Some(alive()))
}

/// One that lives, and has no run: nothing that other tests of this program run concerns it.
pub fn another() -> Arc<Process> {
    static ALIVE: LazyLock<Identity> = LazyLock::new(alive);
    Process::elsewhere(Some(ALIVE.clone()))
}

/// A process of this machine that lives as long as this one: it reads from a pipe that is never written to.
pub fn alive() -> Identity {
    let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Its end of the pipe is closed when this process ends.
    std::mem::forget(child);
    Identity {
        host: host().unwrap(),
        pid,
        started: Stat::parse(&stat).unwrap().started,
    }
}

/// Another process of this machine that has ended.
pub fn dead() -> Identity {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    Identity {
        host: host().unwrap(),
        pid,
        started: 1,
    }
}

/// A process of a machine that nobody here knows.
pub fn far() -> Identity {
    Identity {
        host: "another-boot/pid:[1]/time:[1]/node".to_owned(),
        pid: 1,
        started: 1,
    }
}

/// A pod of submission 7, first attempt, with this owner and claim.
pub fn owned(name: &str, owner: &str, claim: &Value) -> Value {
    json!({
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/managed-by": "kubegrader",
                "kubegrader.io/instance": "default",
                "kubegrader.io/submission": "7",
                "kubegrader.io/attempt": "1",
                "kubegrader.io/run": format!("run-of-{owner}"),
                "kubegrader.io/owner": owner,
            },
            "annotations": {"kubegrader.io/owner-claim": claim.to_string()},
        },
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]},
    })
}

pub fn claim(process: &Identity) -> Value {
    json!({"process": process, "lease": false})
}

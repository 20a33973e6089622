//! Whether the owner of a pod is gone: what proves it, and what does not.

use std::process::{Command, Stdio};
use std::time::Duration;

use kubegrader::owner::identity::{Identity, Stat, host};
use kubegrader::owner::own_pod::Place;
use kubegrader::owner::sighting::{Seen, Sighting};
use kubegrader::owner::{Liveness, Process};
use tokio::time::{Instant, advance};

/// As `cat /proc/self/stat` wrote it in a pod of Kubernetes 1.34.
const STAT: &str = "8 (cat) R 1 1 1 0 -1 4194304 58 0 0 0 0 0 0 0 20 0 1 0 1765589 2387968 348 18446744073709551615 \
                    4198400 5785993 140735628665136 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 6141704 6178576 873549824 0 0 0 0 0";

/// Of the same pod, whose uid was f7a3dc01-4cb9-43a7-9c53-90141e39e995 and whose container was called c.
const MOUNTINFO: &str = "\
179 170 0:37 /kubepods/besteffort/podf7a3dc01-4cb9-43a7-9c53-90141e39e995/df118814 /sys/fs/cgroup/systemd ro - cgroup cgroup rw
180 164 254:0 /tmp/cluster/kubelet/pods/f7a3dc01-4cb9-43a7-9c53-90141e39e995/etc-hosts /etc/hosts rw,relatime - ext4 /dev/vda rw
181 166 254:0 /tmp/cluster/kubelet/pods/f7a3dc01-4cb9-43a7-9c53-90141e39e995/containers/c/3259827f /dev/termination-log rw,relatime - ext4 /dev/vda rw
";

fn process(pid: u32, started: u64) -> Identity {
    Identity {
        host: host().unwrap(),
        pid,
        started,
    }
}

fn stat(state: char, threads: u64, started: u64) -> Option<Stat> {
    Some(Stat {
        pid: 7,
        state,
        threads,
        started,
    })
}

#[test]
fn a_stat_is_read_by_its_fields() {
    let expected = Stat {
        pid: 8,
        state: 'R',
        threads: 1,
        started: 1_765_589,
    };
    assert_eq!(Stat::parse(STAT), Some(expected));
}

#[test]
fn a_commands_name_may_hold_what_it_likes() {
    let odd = STAT.replace("(cat)", "(a) Z 1 (b) S 2)");
    assert_eq!(Stat::parse(&odd), Stat::parse(STAT));
}

#[test]
fn half_a_stat_is_none() {
    assert_eq!(Stat::parse("8 (cat) R 1 1"), None);
    assert_eq!(Stat::parse(""), None);
}

#[test]
fn this_process_lives_and_is_known_to() {
    let this = Identity::of_this_process().unwrap();
    assert_eq!(this.pid, std::process::id());
    assert!(matches!(this.look(&this.host), Some(Liveness::Alive(_))));
}

#[test]
fn a_process_that_has_ended_is_gone_from_the_moment_that_it_is_a_zombie() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let text = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let claimed = process(child.id(), Stat::parse(&text).unwrap().started);
    let look = || claimed.look(&host().unwrap()).unwrap();
    assert!(matches!(look(), Liveness::Alive(_)), "{:?}", look());
    child.kill().unwrap();
    // Nobody has waited for it yet; the kernel ends it in its own time.
    while !matches!(look(), Liveness::Gone(_)) {
        std::thread::yield_now();
    }
    child.wait().unwrap();
    assert!(matches!(look(), Liveness::Gone(_)), "{:?}", look());
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let this = Identity::of_this_process().unwrap();
    let earlier = process(this.pid, this.started - 1);
    assert!(matches!(earlier.look(&this.host), Some(Liveness::Gone(_))));
}

#[test]
fn a_process_of_another_machine_or_pid_namespace_cannot_be_judged_here() {
    let this = Identity::of_this_process().unwrap();
    for there in [
        "another-boot/pid:[1]/time:[1]/host".to_owned(),
        this.host.replace("pid:[", "pid:[9"),
        format!("{}-clone", this.host),
        String::new(),
    ] {
        let claimed = Identity {
            host: there,
            pid: this.pid,
            started: 1,
        };
        assert_eq!(claimed.look(&this.host), None, "{claimed:?}");
    }
}

#[test]
fn only_what_the_kernel_says_proves_an_end() {
    let claimed = process(7, 100);
    let gone = |exists, stat| matches!(claimed.judge(exists, stat), Liveness::Gone(_));
    assert!(gone(Some(false), None));
    assert!(gone(Some(true), stat('S', 1, 101)));
    assert!(gone(Some(true), stat('Z', 1, 100)));
    assert!(gone(Some(true), stat('X', 0, 100)));
    // A first thread that ended alone, a /proc that hides other users' processes, a kernel that does not say.
    assert!(!gone(Some(true), stat('Z', 2, 100)));
    assert!(!gone(Some(true), None));
    assert!(!gone(None, None));
    assert!(!gone(Some(true), stat('S', 4, 100)));
}

#[test]
fn where_a_process_runs_is_read_from_what_the_kubelet_mounted() {
    let place = Place::parse(MOUNTINFO).unwrap();
    assert_eq!(place.pod, "f7a3dc01-4cb9-43a7-9c53-90141e39e995");
    assert_eq!((&*place.container, &*place.instance), ("c", "3259827f"));
    assert_eq!(Place::parse("21 1 254:0 / / rw - ext4 /dev/vda rw\n"), None);
    assert_eq!(
        Place::parse("1 1 0:1 /var/lib/docker/x /dev/termination-log rw - ext4 d rw\n"),
        None
    );
}

#[test]
fn an_earlier_start_of_the_same_container_is_gone_and_another_container_is_not() {
    let place = Place::parse(MOUNTINFO).unwrap();
    let mut earlier = place.clone();
    earlier.instance = "aaaaaaaa".to_owned();
    assert!(matches!(earlier.look(&place), Some(Liveness::Gone(_))));
    assert_eq!(place.look(&place), None);
    let mut other = earlier.clone();
    other.container = "sidecar".to_owned();
    assert_eq!(other.look(&place), None);
    let mut other = earlier;
    other.pod = "00000000-0000-0000-0000-000000000000".to_owned();
    assert_eq!(other.look(&place), None);
}

#[test]
fn a_process_is_the_same_owner_all_its_life() {
    assert_eq!(Process::current().id(), Process::current().id());
    assert_ne!(Process::elsewhere(None).id(), Process::elsewhere(None).id());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_does_not_change_is_counted_from_the_first_look() {
    let mut sighting = Sighting::new(Some("5".to_owned()), Instant::now());
    for seconds in (10..=60).step_by(10) {
        advance(Duration::from_secs(10)).await;
        assert_eq!(
            sighting.see(Some("5".to_owned()), Instant::now()),
            Seen::Unchanged(Duration::from_secs(seconds))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_changes_is_renewed_and_counts_anew() {
    let mut sighting = Sighting::new(Some("5".to_owned()), Instant::now());
    advance(Duration::from_secs(20)).await;
    let seen = sighting.see(Some("6".to_owned()), Instant::now());
    assert_eq!(seen, Seen::Renewed);
    advance(Duration::from_secs(10)).await;
    let seen = sighting.see(Some("6".to_owned()), Instant::now());
    assert_eq!(seen, Seen::Unchanged(Duration::from_secs(10)));
}

#[tokio::test(start_paused = true)]
async fn an_outage_between_two_looks_proves_nothing() {
    let mut sighting = Sighting::new(Some("5".to_owned()), Instant::now());
    advance(Duration::from_secs(300)).await;
    let seen = sighting.see(Some("5".to_owned()), Instant::now());
    assert_eq!(seen, Seen::Unchanged(Duration::ZERO));
    // Nor is a change in that time a sign of life now.
    advance(Duration::from_secs(300)).await;
    let seen = sighting.see(Some("6".to_owned()), Instant::now());
    assert_eq!(seen, Seen::Unchanged(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_missing_is_counted_like_one_that_does_not_change() {
    let mut sighting = Sighting::new(Some("5".to_owned()), Instant::now());
    advance(Duration::from_secs(10)).await;
    assert_eq!(
        sighting.see(None, Instant::now()),
        Seen::Unchanged(Duration::ZERO)
    );
    advance(Duration::from_secs(10)).await;
    assert_eq!(
        sighting.see(None, Instant::now()),
        Seen::Unchanged(Duration::from_secs(10))
    );
    advance(Duration::from_secs(10)).await;
    let seen = sighting.see(Some("9".to_owned()), Instant::now());
    assert_eq!(seen, Seen::Renewed);
}

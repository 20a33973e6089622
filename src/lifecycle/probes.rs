//! A container that the kubelet killed for its probe or its hook: its exit code is that of any killed process, and its events
//! alone say why.
//!
//! Facts: a container whose startup or liveness probe fails, or whose `postStart` hook does, gets the event `Killing` after
//! `Unhealthy` or `FailedPostStartHook`, and ends as `Error` (Kubernetes 1.34; docs/pod-lives.md, fact 18).

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use tokio::time::{Instant, sleep};

use super::Run;
use super::observe::{End, Remains};
use crate::cause::Cause;

/// How long the events may be asked for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the word of a kill may be behind the end of a container whose probe has failed: a busy kubelet writes events late.
const LATE: Duration = Duration::from_secs(8);
const NEXT_LOOK: Duration = Duration::from_secs(1);
/// The exit codes of a process that a signal has ended.
const BY_SIGNAL: std::ops::RangeInclusive<i32> = 129..=255;

impl Run {
    /// The end with its true cause, where the pod has probes or hooks of the course's, and one of them ended it.
    pub(super) async fn with_probes(&self, mut end: End) -> End {
        let may_be = end.verdict.cause == Cause::Error && end.remains == Remains::Ended;
        let main = self.manifest.default_container();
        if may_be
            && self.manifest.is_probed()
            && let Some(main) = main
            && let Some((cause, why)) = self.killed_for(main, &end).await
        {
            end.verdict.staff_text = format!(
                "{cause}: {}, after its {why} failed",
                end.verdict.staff_text
            );
            end.verdict.cause = cause;
        }
        end
    }

    async fn killed_for(&self, container: &str, end: &End) -> Option<(Cause, &'static str)> {
        let until = Instant::now() + LATE;
        loop {
            let events = self.list_events(PATIENCE).await?;
            let failed = failed(&events, container)?;
            if is_killed(&events, container) {
                return Some(failed);
            }
            let code = end.verdict.exit_code.unwrap_or_default();
            if !BY_SIGNAL.contains(&code) || Instant::now() >= until {
                return None;
            }
            sleep(NEXT_LOOK).await;
        }
    }
}

fn of_container<'a>(events: &'a [Event], container: &str) -> impl Iterator<Item = &'a Event> {
    let path = format!("spec.containers{{{container}}}");
    events
        .iter()
        .filter(move |event| event.involved_object.field_path.as_deref() == Some(&*path))
}

fn is_killed(events: &[Event], container: &str) -> bool {
    of_container(events, container).any(|event| event.reason.as_deref() == Some("Killing"))
}

/// What the kubelet kills a container for that has failed, and what that is called.
fn failed(events: &[Event], container: &str) -> Option<(Cause, &'static str)> {
    let hook = |event: &Event| event.reason.as_deref() == Some("FailedPostStartHook");
    let unhealthy = |probe: &str| {
        of_container(events, container).any(|event| {
            let message = event.message.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some("Unhealthy") && message.starts_with(probe)
        })
    };
    if of_container(events, container).any(hook) {
        return Some((Cause::FailedPostStartHook, "postStart hook"));
    }
    let probes = [
        ("Startup probe", "startup probe"),
        ("Liveness probe", "liveness probe"),
    ];
    let failed = probes.into_iter().find(|(told, _)| unhealthy(told));
    failed.map(|(_, why)| (Cause::Unhealthy, why))
}

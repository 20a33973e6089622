//! A container that the kubelet killed for its probe or its hook: its exit code is that of any killed process, and its events
//! alone say why.
//!
//! Facts: a container whose startup or liveness probe fails, or whose `postStart` hook does, gets the event `Killing` after
//! `Unhealthy` or `FailedPostStartHook`, and ends as `Error` (Kubernetes 1.34; docs/pod-lives.md, fact 18).

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;

use super::Run;
use super::observe::{End, Remains};
use crate::cause::Cause;

/// How long the events may be asked for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Run {
    /// The end with its true cause, where the pod has probes or hooks of the course's, and one of them ended it.
    pub(super) async fn with_probes(&self, mut end: End) -> End {
        let may_be = end.verdict.cause == Cause::Error && end.remains == Remains::Ended;
        let main = self.manifest.default_container();
        if may_be
            && self.manifest.is_probed()
            && let Some(main) = main
            && let Some(events) = self.list_events(PATIENCE).await
            && let Some((cause, why)) = killed_for(&events, main)
        {
            end.verdict.staff_text = format!(
                "{cause}: {}, after its {why} failed",
                end.verdict.staff_text
            );
            end.verdict.cause = cause;
        }
        end
    }
}

/// What the kubelet killed a container for, and what that is called.
fn killed_for(events: &[Event], container: &str) -> Option<(Cause, &'static str)> {
    let path = format!("spec.containers{{{container}}}");
    let of_container = || {
        events.iter().filter(|event| {
            let object = event.involved_object.field_path.as_deref();
            object == Some(&*path)
        })
    };
    let has = |reason: &str| of_container().any(|event| event.reason.as_deref() == Some(reason));
    let unhealthy = |probe: &str| {
        of_container().any(|event| {
            let message = event.message.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some("Unhealthy") && message.starts_with(probe)
        })
    };
    if !has("Killing") {
        return None;
    }
    if has("FailedPostStartHook") {
        return Some((Cause::FailedPostStartHook, "postStart hook"));
    }
    let probes = [
        ("Startup probe", "startup probe"),
        ("Liveness probe", "liveness probe"),
    ];
    let failed = probes.into_iter().find(|(told, _)| unhealthy(told));
    failed.map(|(_, why)| (Cause::Unhealthy, why))
}

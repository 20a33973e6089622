//! Events about pods: what the kubelet, the scheduler and the controllers tell people.
//!
//! The shapes and the aggregation are those of client-go's recorders, read off the events of a 1.34 cluster: the
//! same thing again raises `count`, and many alike become one `(combined from similar events)`. The scheduler
//! uses the newer recorder, which has `eventTime` and `series` instead.

use std::collections::VecDeque;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSeries, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::clock::Clock;
use super::default::random_uid;
use super::event::{Change, Key, Stored, key_of};
use super::namespaces;
use super::store::{State, Store};

/// A real server forgets an event after an hour.
const LIFETIME: Duration = Duration::from_hours(1);
/// More events are not kept, so that a cluster with many short pods does not grow for an hour.
const KEPT: usize = 20_000;
/// So many different messages of one kind about one pod stay apart; the next ones become one event.
const ALIKE: usize = 9;
/// Events count as alike within this time.
const ALIKE_WITHIN: SignedDuration = SignedDuration::from_mins(10);
const COMBINED: &str = "(combined from similar events): ";

/// Is it a trouble?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// It is how it should be.
    Normal,
    /// Somebody might have to do something.
    Warning,
}

/// Who says it.
#[derive(Debug, Clone, Copy)]
pub enum Reporter<'a> {
    /// The kubelet, or a controller such as `taint-eviction-controller` (whose host is empty).
    Component {
        /// `source.component`.
        component: &'a str,
        /// `source.host`.
        host: &'a str,
    },
    /// The scheduler, whose events look different.
    Scheduler {
        /// What it was about to do: `Binding`, `Scheduling`, `Preempting`.
        action: &'a str,
    },
}

/// One thing that happened to a pod.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// `type`.
    pub type_: EventType,
    /// One word for machines.
    pub reason: &'a str,
    /// A sentence for people.
    pub message: &'a str,
    /// Who says it.
    pub reporter: Reporter<'a>,
    /// The part of the pod that it is about, such as `spec.containers{main}`.
    pub field_path: Option<&'a str>,
}

/// When which event goes: the oldest first.
#[derive(Debug, Default)]
pub struct Shelf {
    ages: VecDeque<(Instant, Key, u64)>,
}

impl Store {
    /// Records what happened to a pod; in a namespace that is going nothing is recorded, as on a real server.
    pub fn record_event(&self, pod: &Pod, report: &Report<'_>) {
        let mut state = self.lock();
        if namespaces::check_open::<Event>(&state.namespaces, &key_of(pod)).is_err() {
            return;
        }
        let new = event(pod, report, &state.clock);
        let (again, alike) = state.alike(pod, &new);
        let stored = match again {
            Some(old) => {
                let repeated = repeated(&old.object, &new);
                state.put(Change::Modified, repeated, Some(old))
            }
            None if alike >= ALIKE => {
                let mut new = new;
                new.message = new.message.map(|text| format!("{COMBINED}{text}"));
                state.put(Change::Added, new, None)
            }
            None => state.put(Change::Added, new, None),
        };
        state.shelve(&stored);
    }
}

impl State {
    /// The event that says the same already, and how many say something alike.
    fn alike(&self, pod: &Pod, new: &Event) -> (Option<Stored<Event>>, usize) {
        let (namespace, name) = key_of(pod);
        let prefix = format!("{name}.");
        let now = self.clock.precise();
        let of_pod = self
            .events
            .objects
            .range((namespace.clone(), prefix.clone())..)
            .take_while(|((space, name), _)| *space == namespace && name.starts_with(&prefix))
            .map(|(_, stored)| stored)
            .filter(|stored| is_alike(&stored.object, new, now));
        let (mut same, mut combined, mut alike) = (None, None, 0);
        for stored in of_pod {
            let message = stored.object.message.as_deref().unwrap_or_default();
            if message.starts_with(COMBINED) {
                combined = Some(stored.clone());
            } else {
                alike += 1;
                if is_of_newer_recorder(new) || stored.object.message == new.message {
                    same = Some(stored.clone());
                }
            }
        }
        (combined.or(same), alike)
    }

    /// Notes the age of an event that was just written, and takes away those that are too old or too many.
    pub fn shelve(&mut self, stored: &Stored<Event>) {
        let now = Instant::now();
        let key = key_of(&*stored.object);
        self.shelf.ages.push_back((now, key, stored.version));
        while let Some((age, _, _)) = self.shelf.ages.front()
            && (self.shelf.ages.len() > KEPT || now.duration_since(*age) >= LIFETIME)
        {
            let Some((_, key, version)) = self.shelf.ages.pop_front() else {
                return;
            };
            // An event that was repeated since stands further back once more.
            let old = self.events.objects.get(&key).cloned();
            if let Some(old) = old.filter(|old| old.version == version) {
                self.put(Change::Deleted, old.object.as_ref().clone(), Some(old));
            }
        }
    }
}

/// The newer recorder takes events as the same whatever their message.
fn is_of_newer_recorder(event: &Event) -> bool {
    event.event_time.is_some()
}

/// Do two events of one pod differ in nothing but their message and their time?
fn is_alike(old: &Event, new: &Event, now: Timestamp) -> bool {
    let recent = |time: &Option<Time>| {
        time.as_ref()
            .is_none_or(|time| now.duration_since(time.0) < ALIKE_WITHIN)
    };
    old.reason == new.reason
        && old.type_ == new.type_
        && old.action == new.action
        && old.source == new.source
        && old.reporting_component == new.reporting_component
        && old.involved_object.uid == new.involved_object.uid
        && old.involved_object.field_path == new.involved_object.field_path
        && recent(&old.last_timestamp)
}

/// The old event, once more.
fn repeated(old: &Event, new: &Event) -> Event {
    let mut event = old.clone();
    if is_of_newer_recorder(new) {
        let count = old.series.as_ref().and_then(|series| series.count);
        event.series = Some(EventSeries {
            count: Some(count.unwrap_or(1) + 1),
            last_observed_time: new.event_time.clone(),
        });
        return event;
    }
    event.count = Some(old.count.unwrap_or(1) + 1);
    event.last_timestamp.clone_from(&new.last_timestamp);
    if let (Some(old), Some(new)) = (&mut event.message, &new.message)
        && old.starts_with(COMBINED)
    {
        *old = format!("{COMBINED}{new}");
    }
    event
}

fn event(pod: &Pod, report: &Report<'_>, clock: &Clock) -> Event {
    let (namespace, name) = key_of(pod);
    let moment = clock.precise();
    let mut event = Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", moment.as_nanosecond())),
            namespace: Some(namespace.clone()),
            uid: Some(random_uid()),
            creation_timestamp: Some(clock.now()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(name),
            namespace: Some(namespace),
            uid: pod.metadata.uid.clone(),
            resource_version: pod.metadata.resource_version.clone(),
            field_path: report.field_path.map(str::to_owned),
        },
        reason: Some(report.reason.to_owned()),
        message: Some(report.message.to_owned()),
        type_: Some(format!("{:?}", report.type_)),
        source: Some(EventSource::default()),
        ..Event::default()
    };
    match report.reporter {
        Reporter::Component { component, host } => {
            event.count = Some(1);
            event.first_timestamp = Some(clock.now());
            event.last_timestamp = Some(clock.now());
            event.source = Some(EventSource {
                component: Some(component.to_owned()),
                host: (!host.is_empty()).then(|| host.to_owned()),
            });
            event.reporting_component = Some(component.to_owned());
            event.reporting_instance = Some(host.to_owned());
        }
        Reporter::Scheduler { action } => {
            event.action = Some(action.to_owned());
            event.event_time = Some(MicroTime(microseconds(moment)));
            event.reporting_component = Some("default-scheduler".to_owned());
            event.reporting_instance = Some("default-scheduler-embedded".to_owned());
        }
    }
    event
}

/// Kubernetes writes a `MicroTime` with six digits.
fn microseconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(moment.as_microsecond()).unwrap_or(moment)
}

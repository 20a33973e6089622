//! What requests may do with each kind of object: its defaults, its rules, its table.

use k8s_openapi::api::core::v1::{Event, EventSource, Namespace, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::body::check_quantities;
use super::default;
use super::kind::Kind;
use super::namespaces;
use super::patch::Part;
use super::status_body::Refusal;
use super::table::{self, Column};
use super::{table_pod, validate, validate_event};

/// A kind that has paths.
pub trait Served: Kind {
    /// The columns of its table.
    const COLUMNS: &'static [Column];

    /// Fills in what the user left out, and throws away what only the server may set.
    fn fill(&mut self, namespace: &str, now: Time);

    /// Refuses a new object that breaks the rules.
    ///
    /// # Errors
    /// 400 or 422.
    fn check(&self) -> Result<(), Refusal>;

    /// Takes over what a request may change, besides the metadata.
    ///
    /// # Errors
    /// 400, or 422 for what must not change.
    fn change(new: &mut Self, old: &Self, wanted: Self, part: Part) -> Result<(), Refusal>;

    /// One row of its table.
    fn cells(&self) -> Vec<Value>;

    /// The object of a bookmark, still without `kind`, `apiVersion` and `metadata`.
    fn nothing() -> Value;
}

impl Served for Pod {
    const COLUMNS: &'static [Column] = table::PODS;

    fn fill(&mut self, namespace: &str, now: Time) {
        default::fill(self, namespace, now);
    }

    fn check(&self) -> Result<(), Refusal> {
        check_quantities(self)?;
        validate::check(self)
    }

    fn change(new: &mut Self, old: &Self, wanted: Self, part: Part) -> Result<(), Refusal> {
        match part {
            Part::Status => new.status = wanted.status,
            Part::Object => {
                new.spec = wanted.spec;
                default::fill_spec(new.spec.get_or_insert_default());
                check_quantities(new)?;
                validate::check_update(old, new)?;
                if new.spec != old.spec {
                    let generation = old.metadata.generation.unwrap_or(0);
                    new.metadata.generation = Some(generation + 1);
                }
            }
        }
        Ok(())
    }

    fn cells(&self) -> Vec<Value> {
        table_pod::cells(self)
    }

    fn nothing() -> Value {
        json!({"spec": {"containers": null}, "status": {}})
    }
}

impl Served for Event {
    const COLUMNS: &'static [Column] = table::EVENTS;

    fn fill(&mut self, namespace: &str, now: Time) {
        default::fill_metadata(&mut self.metadata, namespace, now);
        fill_event(self);
    }

    fn check(&self) -> Result<(), Refusal> {
        validate_event::check(self)
    }

    fn change(new: &mut Self, _old: &Self, wanted: Self, _part: Part) -> Result<(), Refusal> {
        *new = Self {
            metadata: std::mem::take(&mut new.metadata),
            ..wanted
        };
        fill_event(new);
        validate_event::check(new)
    }

    fn cells(&self) -> Vec<Value> {
        table::event_cells(self)
    }

    fn nothing() -> Value {
        json!({
            "involvedObject": {}, "source": {}, "firstTimestamp": null, "lastTimestamp": null, "eventTime": null,
            "reportingComponent": "", "reportingInstance": "",
        })
    }
}

/// Fields that a real server always writes.
fn fill_event(event: &mut Event) {
    event.source.get_or_insert_with(EventSource::default);
    event.reporting_component.get_or_insert_default();
    event.reporting_instance.get_or_insert_default();
}

impl Served for Namespace {
    const COLUMNS: &'static [Column] = table::NAMESPACES;

    fn fill(&mut self, _namespace: &str, now: Time) {
        namespaces::fill(self, now);
    }

    fn check(&self) -> Result<(), Refusal> {
        validate::check_namespace(&self.metadata)
    }

    fn change(new: &mut Self, _old: &Self, wanted: Self, part: Part) -> Result<(), Refusal> {
        match part {
            // The phase follows the deletion, whatever a client writes.
            Part::Status => {
                let phase = new.status.take().and_then(|status| status.phase);
                new.status = wanted.status;
                new.status.get_or_insert_default().phase = phase;
            }
            Part::Object => namespaces::label(&mut new.metadata),
        }
        validate::check_namespace(&new.metadata)
    }

    fn cells(&self) -> Vec<Value> {
        table::namespace_cells(self)
    }

    fn nothing() -> Value {
        json!({"spec": {}, "status": {}})
    }
}

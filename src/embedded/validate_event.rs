//! What the API server refuses of an event.
//!
//! Events with an `eventTime` are those of the newer recorder and have rules of their own.

use k8s_openapi::api::core::v1::Event;

use super::name_rules::qualified_name_faults;
use super::status_body::{Refusal, invalid, required, unsupported};
use super::validate::{Causes, check_metadata, each};

/// Checks an event that has its defaults.
///
/// # Errors
/// 422 `Invalid` with every cause that was found.
pub fn check(event: &Event) -> Result<(), Refusal> {
    let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
    let involved = event.involved_object.namespace.as_deref();
    let mut causes = Causes::new();
    if involved.unwrap_or_default() != namespace {
        causes.push(invalid(
            "involvedObject.namespace",
            involved.unwrap_or_default(),
            "does not match event.namespace",
        ));
    }
    if event.event_time.is_some() {
        causes.extend(check_new_form(event));
    }
    causes.extend(check_metadata(&event.metadata));
    if causes.is_empty() {
        return Ok(());
    }
    let name = event.metadata.name.as_deref().unwrap_or_default();
    Err(Refusal::invalid("", "Event", name, causes))
}

fn check_new_form(event: &Event) -> Causes {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let mut causes = Causes::new();
    let component = text(&event.reporting_component);
    if component.is_empty() {
        causes.push(required("reportingComponent", ""));
    }
    let faults = qualified_name_faults(&component);
    causes.extend(each("reportingComponent", &component, faults));
    for (field, value) in [
        ("reportingInstance", text(&event.reporting_instance)),
        ("action", text(&event.action)),
        ("reason", text(&event.reason)),
    ] {
        if value.is_empty() {
            causes.push(required(field, ""));
        }
    }
    let kind = text(&event.type_);
    if !matches!(kind.as_str(), "Normal" | "Warning") {
        causes.push(unsupported("type", &kind, &["Normal", "Warning"]));
    }
    causes
}

//! What a stage's file may say.
//!
//! kwok's `Stage` was the model for the words; why its format is not taken is in `docs/embedded.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::record::{EventType, Reporter};
use super::delay::Delay;
use super::moments::Moment;
use super::select::PodSelector;
use super::status;
use super::{Script, Step};

/// A file as it was written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct File {
    name: String,
    /// For the reader of the file.
    #[serde(default, rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    selector: SelectorPart,
    #[serde(default)]
    pods: Option<u64>,
    #[serde(default)]
    seed: u64,
    steps: Vec<StepPart>,
    #[serde(default)]
    on_delete: Option<Vec<StepPart>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectorPart {
    #[serde(default, rename = "matchLabels")]
    labels: BTreeMap<String, String>,
    #[serde(default, rename = "matchAnnotations")]
    annotations: BTreeMap<String, String>,
    #[serde(default, rename = "matchFields")]
    fields: BTreeMap<String, Value>,
}

/// A step as it was written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct StepPart {
    delay: Option<Value>,
    bind: Option<String>,
    ungate: bool,
    moment: Option<String>,
    status: Option<Map<String, Value>>,
    event: Option<EventStep>,
    delete: Option<DeleteStep>,
    remove: bool,
}

/// An event about the pod.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventStep {
    /// `Normal` or `Warning`.
    pub r#type: EventWord,
    /// One word, such as `FailedScheduling`.
    pub reason: String,
    /// A sentence; it may have variables.
    pub message: String,
    /// Who says it; the kubelet when nothing is given.
    #[serde(default = "kubelet")]
    pub component: String,
}

/// `EventType` as a file says it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub enum EventWord {
    /// `EventType::Normal`.
    Normal,
    /// `EventType::Warning`.
    Warning,
}

impl From<EventWord> for EventType {
    fn from(word: EventWord) -> Self {
        match word {
            EventWord::Normal => Self::Normal,
            EventWord::Warning => Self::Warning,
        }
    }
}

impl EventStep {
    /// Who says it: the scheduler's events have a shape of their own.
    #[must_use]
    pub fn reporter<'a>(&'a self, node: &'a str) -> Reporter<'a> {
        match (self.component.as_str(), self.reason.as_str()) {
            ("default-scheduler", "Scheduled") => Reporter::Scheduler { action: "Binding" },
            ("default-scheduler", "Preempted") => Reporter::Scheduler {
                action: "Preempting",
            },
            ("default-scheduler", _) => Reporter::Scheduler {
                action: "Scheduling",
            },
            ("kubelet", _) => Reporter::Component {
                component: "kubelet",
                host: node,
            },
            (component, _) => Reporter::Component {
                component,
                host: "",
            },
        }
    }
}

fn kubelet() -> String {
    "kubelet".to_owned()
}

/// Somebody deletes the pod.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeleteStep {
    /// Seconds; the pod's own when nothing is given.
    #[serde(default)]
    pub grace_period_seconds: Option<i64>,
}

/// A checked stage.
///
/// # Errors
/// The field and what is wrong with it.
pub fn check(file: File) -> Result<Script, String> {
    if file.name.is_empty() {
        return Err("name: it is empty".to_owned());
    }
    if file.pods == Some(0) {
        return Err("pods: a stage that no pod plays; leave it out for all pods".to_owned());
    }
    let SelectorPart {
        labels,
        annotations,
        fields,
    } = file.selector;
    let selector = PodSelector::new(labels, annotations, fields)
        .map_err(|problem| format!("selector.{problem}"))?;
    Ok(Script {
        name: file.name,
        selector,
        pods: file.pods,
        seed: file.seed,
        steps: checked_steps("steps", file.steps)?,
        on_delete: file
            .on_delete
            .map(|steps| checked_steps("onDelete", steps))
            .transpose()?,
    })
}

/// Checked steps; `field` is where they stand in the file.
///
/// # Errors
/// The field and what is wrong with it.
pub fn checked_steps(field: &str, parts: Vec<StepPart>) -> Result<Vec<Step>, String> {
    let numbered = parts.into_iter().enumerate();
    numbered
        .map(|(index, part)| {
            let deleting = field != "steps";
            checked(part, deleting).map_err(|problem| format!("{field}[{index}].{problem}"))
        })
        .collect()
}

fn checked(part: StepPart, deleting: bool) -> Result<Step, String> {
    let delay = match &part.delay {
        None => Delay::default(),
        Some(value) => Delay::parse(value).map_err(|problem| format!("delay: {problem}"))?,
    };
    if delay.counts_from_grace() && !deleting {
        return Err("delay: 'grace' has a meaning in onDelete alone".to_owned());
    }
    if part.bind.as_deref() == Some("") {
        return Err("bind: a node needs a name".to_owned());
    }
    let moment = part.moment.as_deref().map(Moment::named).transpose();
    let status = part.status.map(Value::Object);
    if let Some(patch) = &status {
        status::check(patch).map_err(|problem| format!("status{problem}"))?;
    }
    if let Some(event) = &part.event {
        super::template::check(&event.message)
            .map_err(|problem| format!("event.message: {problem}"))?;
    }
    Ok(Step {
        delay,
        bind: part.bind,
        ungate: part.ungate,
        moment: moment.map_err(|problem| format!("moment: {problem}"))?,
        status,
        event: part.event,
        delete: part.delete,
        remove: part.remove,
    })
}

//! What every kubelet writes, as data: the moments of a pod's life, and how it goes when it is deleted.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{ContainerState, Pod};
use serde_json::Value;

use super::Step;
use super::format::{StepPart, checked_steps};

/// Checked by this module's own tests, as the rest of the code is.
static MOMENTS: LazyLock<BTreeMap<String, Value>> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("moments.yaml")).unwrap_or_default());
static DELETIONS: LazyLock<BTreeMap<String, Vec<Step>>> =
    LazyLock::new(|| deletions().unwrap_or_default());

fn deletions() -> Result<BTreeMap<String, Vec<Step>>, String> {
    let parts: BTreeMap<String, Vec<StepPart>> =
        serde_saphyr::from_str(include_str!("deletions.yaml"))
            .map_err(|error| error.to_string())?;
    let checked = parts
        .into_iter()
        .map(|(name, steps)| Ok((name.clone(), checked_steps(&name, steps)?)));
    checked.collect()
}

/// The moment at which a kubelet takes a pod, and what it is where there are init containers.
const TAKEN: (&str, &str) = ("creating", "initializing");

/// A moment of a pod's life, by its name in `moments.yaml`.
#[derive(Debug, Clone, Copy)]
pub struct Moment(&'static str);

impl Moment {
    /// The moment of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self, String> {
        let known = MOMENTS.keys().map(String::as_str);
        let public = || known.clone().filter(|known| *known != TAKEN.1);
        public()
            .find(|known| *known == name)
            .map(Self)
            .ok_or_else(|| {
                let names: Vec<&str> = public().collect();
                format!("there is no {name:?}; there are {}", names.join(", "))
            })
    }

    /// The status that a kubelet writes then, as a patch.
    #[must_use]
    pub fn status(self, pod: &Pod) -> &'static Value {
        let init = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.init_containers.as_ref());
        let name = match self.0 {
            name if name == TAKEN.0 && init.is_some_and(|all| !all.is_empty()) => TAKEN.1,
            name => name,
        };
        MOMENTS.get(name).unwrap_or(&Value::Null)
    }
}

/// How a pod goes that is deleted now.
#[must_use]
pub fn deletion(pod: &Pod) -> Vec<Step> {
    let status = pod.status.clone().unwrap_or_default();
    let main = status.container_statuses.unwrap_or_default();
    let init = status.init_container_statuses.unwrap_or_default();
    let any = |of: fn(&ContainerState) -> bool| {
        main.iter()
            .chain(&init)
            .filter_map(|one| one.state.as_ref())
            .any(of)
    };
    let codes = main
        .iter()
        .map(|one| Some(one.state.as_ref()?.terminated.as_ref()?.exit_code));
    let case = match codes.collect::<Option<Vec<i32>>>() {
        _ if any(|state| state.running.is_some()) => "running",
        Some(codes) if codes.is_empty() => "waiting",
        Some(codes) if codes.iter().all(|code| *code == 0) => "succeeded",
        Some(_) => "failed",
        None => "waiting",
    };
    DELETIONS.get(case).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moments_and_deletions_that_are_built_in_are_sound() {
        let moments: BTreeMap<String, Value> =
            serde_saphyr::from_str(include_str!("moments.yaml")).unwrap();
        for (name, patch) in &moments {
            assert_eq!(super::super::status::check(patch), Ok(()), "{name}");
        }
        let deletions = deletions().unwrap();
        let names: Vec<&str> = deletions.keys().map(String::as_str).collect();
        assert_eq!(names, ["failed", "running", "succeeded", "waiting"]);
    }
}

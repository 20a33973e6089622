//! The volumes that a Pod's containers mount: checked when a site's hook has seen the Pod, which may add them.

use serde_json::Value;

use crate::error::{Error, Result};

/// Checks that each mount of a Pod names one of its volumes.
///
/// # Errors
/// [`Error::InvalidPod`] for the first that does not; the API server would say less of it.
pub fn check_all(pod: &Value) -> Result<()> {
    let names: Vec<&str> = names(&pod["spec"]["volumes"]).collect();
    for kind in ["initContainers", "containers"] {
        for (number, container) in items(&pod["spec"][kind]).enumerate() {
            let mounts = &container["volumeMounts"];
            for (at, mount) in items(mounts).enumerate() {
                let name = mount["name"].as_str().unwrap_or_default();
                if !names.contains(&name) {
                    let path = mount["mountPath"].as_str().unwrap_or_default();
                    return Err(Error::InvalidPod {
                        field: format!("spec.{kind}[{number}].volumeMounts[{at}].name"),
                        problem: format!(
                            "{path} is to come from a volume {name:?}, and the volumes are called {names:?}. \
                             KubeAutogradeExecutor.volume must be called \"data\""
                        ),
                    });
                }
            }
        }
    }
    Ok(())
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    items(list).filter_map(|item| item["name"].as_str())
}

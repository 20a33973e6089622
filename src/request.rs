//! A submission's pod from plain data: what grader-service's `make_pod` builds, without a cluster.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{EnvVar, LocalObjectReference, Toleration, Volume, VolumeMount};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::manifest::Manifest;
use crate::typed::typed;

/// What a submission's pod is made of; the fields are the executor's traits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// The pod's name.
    pub name: String,
    /// The image of the course.
    pub image: String,
    /// `Always`, `IfNotPresent`, `Never`, or nothing for Kubernetes' own choice.
    pub image_pull_policy: Option<String>,
    /// Names of secrets, or `{"name": ...}` objects.
    pub image_pull_secrets: Vec<Value>,
    /// The command with its arguments, given to the image's own entry point.
    pub args: Vec<String>,
    /// The directory that it runs in.
    pub working_dir: Option<String>,
    /// Kubernetes `EnvVar` objects.
    pub env: Vec<Value>,
    /// Kubernetes `Volume` objects, keys in camelCase or `snake_case`.
    pub volumes: Vec<Value>,
    /// Kubernetes `VolumeMount` objects, keys in camelCase or `snake_case`.
    pub volume_mounts: Vec<Value>,
    /// The pod's labels.
    pub labels: BTreeMap<String, String>,
    /// The pod's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Kubernetes `Toleration` objects.
    pub tolerations: Vec<Value>,
    /// The labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// The user id of the container.
    pub run_as_user: Option<i64>,
}

impl Request {
    /// The pod: one container `autograde` that runs once, as grader-service 0.12.5 makes it.
    ///
    /// # Errors
    /// [`Error::InvalidPod`] names the trait and the entry at fault, [`Error::InvalidImage`] the image.
    pub fn manifest(&self) -> Result<Manifest> {
        let image = Image::parse(&self.image)?;
        let volumes = self.volumes()?;
        let mounts = self.mounts(&volumes)?;
        let mut container = json!({
            "name": "autograde",
            "image": image.as_str(),
            "args": self.args,
            "env": list::<EnvVar>("env", &self.env)?,
            "resources": {},
            "securityContext": {},
            "volumeMounts": mounts,
        });
        set(
            &mut container,
            "imagePullPolicy",
            self.image_pull_policy
                .as_ref()
                .filter(|policy| !policy.is_empty()),
        );
        set(&mut container, "workingDir", self.working_dir.as_ref());
        set(
            &mut container["securityContext"],
            "runAsUser",
            self.run_as_user,
        );
        let mut spec = json!({
            "containers": [container],
            "restartPolicy": "Never",
            "securityContext": {},
            "volumes": volumes,
        });
        let secrets = self.pull_secrets()?;
        set(
            &mut spec,
            "imagePullSecrets",
            Some(secrets).filter(|secrets| !secrets.is_empty()),
        );
        let tolerations = list::<Toleration>("tolerations", &self.tolerations)?;
        set(
            &mut spec,
            "tolerations",
            Some(tolerations).filter(|tolerations| !tolerations.is_empty()),
        );
        set(
            &mut spec,
            "nodeSelector",
            Some(&self.node_selector).filter(|selector| !selector.is_empty()),
        );
        Manifest::new(json!({
            "metadata": {"name": self.name, "labels": self.labels, "annotations": self.annotations},
            "spec": spec,
        }))
    }

    fn volumes(&self) -> Result<Vec<Volume>> {
        let volumes = list::<Volume>("volumes", &self.volumes)?;
        let mut names = BTreeSet::new();
        for (at, volume) in volumes.iter().enumerate() {
            if volume.name.is_empty() {
                return Err(invalid(
                    format!("volumes[{at}].name"),
                    "the volume has no name. Set KubeAutogradeExecutor.volume to the volume that holds \
                     grader_service_dir, and call it \"data\", as in \
                     {\"name\": \"data\", \"persistentVolumeClaim\": {\"claimName\": ...}}"
                        .to_owned(),
                ));
            }
            if !names.insert(&volume.name) {
                return Err(invalid(
                    format!("volumes[{at}].name"),
                    format!("{:?} is the name of two volumes", volume.name),
                ));
            }
        }
        Ok(volumes)
    }

    fn mounts(&self, volumes: &[Volume]) -> Result<Vec<VolumeMount>> {
        let mounts = list::<VolumeMount>("volume_mounts", &self.volume_mounts)?;
        for (at, mount) in mounts.iter().enumerate() {
            if !volumes.iter().any(|volume| volume.name == mount.name) {
                let names: Vec<_> = volumes.iter().map(|volume| volume.name.as_str()).collect();
                return Err(invalid(
                    format!("volume_mounts[{at}].name"),
                    format!(
                        "{} is to come from a volume {:?}, and the volumes are called {names:?}. \
                         KubeAutogradeExecutor.volume must be called \"data\"",
                        mount.mount_path, mount.name
                    ),
                ));
            }
        }
        Ok(mounts)
    }

    fn pull_secrets(&self) -> Result<Vec<LocalObjectReference>> {
        let objects: Vec<Value> = self
            .image_pull_secrets
            .iter()
            .map(|secret| match secret {
                Value::String(name) => json!({"name": name}),
                other => other.clone(),
            })
            .collect();
        list("image_pull_secrets", &objects)
    }
}

fn list<T>(field: &str, values: &[Value]) -> Result<Vec<T>>
where
    T: serde::de::DeserializeOwned + serde::Serialize,
{
    let one = |(at, value): (usize, &Value)| typed(&format!("{field}[{at}]"), value.clone());
    values.iter().enumerate().map(one).collect()
}

fn set<T: serde::Serialize>(object: &mut Value, key: &str, value: Option<T>) {
    if let Some(value) = value {
        object[key] = json!(value);
    }
}

fn invalid(field: String, problem: String) -> Error {
    Error::InvalidPod { field, problem }
}

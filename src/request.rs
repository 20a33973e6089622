//! A submission's pod from plain data: what grader-service's `make_pod` builds, without a cluster.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Container, EnvVar, LocalObjectReference, PodSpec, Toleration, Volume, VolumeMount,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::embedded::name_rules::{label_value_faults, qualified_name_faults, subdomain_faults};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::overlay::overlay;
use crate::resources::Resources;
use crate::security::Security;
use crate::typed::typed;

/// The label that hands a Pod to a queue of Kueue ("Run Plain Pods").
const QUEUE: &str = "kueue.x-k8s.io/queue-name";

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
    /// The group that owns the volumes which can be given to one.
    pub fs_group: Option<i64>,
    /// What the container may use.
    pub resources: Resources,
    /// What its process may do.
    pub security: Security,
    /// The service account, whose token the container then gets.
    pub service_account: Option<String>,
    /// The Pod's `PriorityClass`.
    pub priority_class_name: Option<String>,
    /// The `LocalQueue` of Kueue that the Pod waits in.
    pub queue_name: Option<String>,
    /// Fields of `PodSpec` that replace those made here.
    pub extra_pod_config: Map<String, Value>,
    /// Fields of `Container` that replace those made here.
    pub extra_container_config: Map<String, Value>,
}

impl Request {
    /// The pod: one container `autograde` that runs once, as grader-service 0.12.5 makes it.
    ///
    /// # Errors
    /// [`Error::InvalidPod`] names the trait and the entry at fault. Images and mounts are not checked: a hook may still
    /// replace them, see [`crate::image::check_all`] and [`crate::mounts::check_all`].
    pub fn manifest(&self) -> Result<Manifest> {
        self.check_names()?;
        let volumes = self.volumes()?;
        let mounts = list::<VolumeMount>("volume_mounts", &self.volume_mounts)?;
        let container = self.container(&mounts)?;
        let mut spec = json!({
            "containers": [container],
            "restartPolicy": "Never",
            "securityContext": {},
            "volumes": volumes,
        });
        let context = &mut spec["securityContext"];
        set(context, "fsGroup", self.fs_group);
        let secrets = self.pull_secrets()?;
        set(
            &mut spec,
            "imagePullSecrets",
            filled(secrets, Vec::is_empty),
        );
        let tolerations = list::<Toleration>("tolerations", &self.tolerations)?;
        set(&mut spec, "tolerations", filled(tolerations, Vec::is_empty));
        let selector = filled(&self.node_selector, |selector| selector.is_empty());
        set(&mut spec, "nodeSelector", selector);
        set(
            &mut spec,
            "serviceAccountName",
            self.service_account.as_ref(),
        );
        set(
            &mut spec,
            "priorityClassName",
            self.priority_class_name.as_ref(),
        );
        if self.service_account.is_none() && !self.security.keeps_token() {
            spec["automountServiceAccountToken"] = json!(false);
        }
        overlay::<PodSpec>("extra_pod_config", &mut spec, &self.extra_pod_config)?;
        let mut labels = json!(self.labels);
        if !self.labels.contains_key(QUEUE) {
            set(&mut labels, QUEUE, self.queue_name.as_ref());
        }
        Manifest::new(json!({
            "metadata": {"name": self.name, "labels": labels, "annotations": self.annotations},
            "spec": spec,
        }))
    }

    fn container(&self, mounts: &[VolumeMount]) -> Result<Value> {
        self.resources.check()?;
        let mut container = json!({
            "name": "autograde",
            "image": self.image,
            "args": self.args,
            "env": list::<EnvVar>("env", &self.env)?,
            "resources": self.resources.to_value(),
            "securityContext": {},
            "volumeMounts": mounts,
        });
        let policy = self.image_pull_policy.as_ref();
        let policy = policy.filter(|policy| !policy.is_empty());
        set(&mut container, "imagePullPolicy", policy);
        set(&mut container, "workingDir", self.working_dir.as_ref());
        let context = &mut container["securityContext"];
        set(context, "runAsUser", self.run_as_user);
        self.security.restrict_container(context);
        overlay::<Container>(
            "extra_container_config",
            &mut container,
            &self.extra_container_config,
        )?;
        Ok(container)
    }

    /// Checks the parts that are given, each by itself: what a site's config can be told when it is loaded, long before
    /// there is a submission. Neither name nor image is looked at.
    ///
    /// # Errors
    /// [`Error::InvalidPod`] names the trait and the entry at fault.
    pub fn check(&self) -> Result<()> {
        self.check_names()?;
        self.resources.check()?;
        self.pull_secrets()?;
        list::<EnvVar>("env", &self.env)?;
        list::<Toleration>("tolerations", &self.tolerations)?;
        list::<VolumeMount>("volume_mounts", &self.volume_mounts)?;
        self.volumes()?;
        overlay::<PodSpec>("extra_pod_config", &mut json!({}), &self.extra_pod_config)?;
        let container = &self.extra_container_config;
        overlay::<Container>("extra_container_config", &mut json!({}), container)
    }

    fn check_names(&self) -> Result<()> {
        for (field, labels) in [
            ("labels", &self.labels),
            ("node_selector", &self.node_selector),
        ] {
            for (key, value) in labels {
                check_name(&format!("{field}, key {key:?}"), qualified_name_faults(key))?;
                check_name(&format!("{field}[{key:?}]"), label_value_faults(value))?;
            }
        }
        for key in self.annotations.keys() {
            // Annotations' keys may be written in capitals, which labels' prefixes may not.
            let faults = qualified_name_faults(&key.to_lowercase());
            check_name(&format!("annotations, key {key:?}"), faults)?;
        }
        for (field, name) in [
            ("service_account", &self.service_account),
            ("priority_class_name", &self.priority_class_name),
            ("queue_name", &self.queue_name),
        ] {
            check_name(field, name.as_deref().map_or(Vec::new(), subdomain_faults))?;
        }
        let queue = self.queue_name.as_deref().unwrap_or_default();
        check_name("queue_name", label_value_faults(queue))
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

fn check_name(field: &str, faults: Vec<String>) -> Result<()> {
    match faults.into_iter().next() {
        Some(fault) => Err(invalid(field.to_owned(), fault)),
        None => Ok(()),
    }
}

fn filled<T>(value: T, is_empty: impl Fn(&T) -> bool) -> Option<T> {
    Some(value).filter(|value| !is_empty(value))
}

fn set<T: serde::Serialize>(object: &mut Value, key: &str, value: Option<T>) {
    if let Some(value) = value {
        object[key] = json!(value);
    }
}

fn invalid(field: String, problem: String) -> Error {
    Error::InvalidPod { field, problem }
}

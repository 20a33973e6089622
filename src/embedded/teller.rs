//! What a kubelet says of a pod in events, in its words, read off a 1.34 cluster.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use super::container::Slot;
use super::event::key_of;
use super::kubelet::{NODE_NAME, Node};
use super::record::{EventType, Report, Reporter};
use super::volumes::Fault;

/// Tells of one pod.
#[derive(Debug)]
pub struct Teller {
    node: Arc<Node>,
    pod: Arc<Pod>,
}

/// A container and its place in the pod.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Its place.
    pub slot: Slot,
    /// Its name.
    pub name: &'a str,
}

impl Teller {
    /// Tells of this pod.
    #[must_use]
    pub fn new(node: Arc<Node>, pod: Arc<Pod>) -> Self {
        Self { node, pod }
    }

    /// An image is there: any is here.
    pub fn pulled(&self, container: Named<'_>, image: &str) {
        let message = format!("Container image {image:?} already present on machine");
        self.normal("Pulled", &message, Some(container));
    }

    /// A container is made.
    pub fn created(&self, container: Named<'_>) {
        let message = format!("Created container: {}", container.name);
        self.normal("Created", &message, Some(container));
    }

    /// A container runs.
    pub fn started(&self, container: Named<'_>) {
        let message = format!("Started container {}", container.name);
        self.normal("Started", &message, Some(container));
    }

    /// A container cannot be made or started.
    pub fn failed(&self, container: Named<'_>, error: &str) {
        let message = format!("Error: {error}");
        self.warning("Failed", &message, Some(container));
    }

    /// A running container is asked to end.
    pub fn killing(&self, container: Named<'_>) {
        let message = format!("Stopping container {}", container.name);
        self.normal("Killing", &message, Some(container));
    }

    /// A container waits before it is started again.
    pub fn back_off(&self, container: Named<'_>) {
        let (namespace, name) = key_of(&*self.pod);
        let uid = self.pod.metadata.uid.as_deref().unwrap_or_default();
        let message = format!(
            "Back-off restarting failed container {} in pod {name}_{namespace}({uid})",
            container.name
        );
        self.warning("BackOff", &message, Some(container));
    }

    /// A volume cannot be set up.
    pub fn failed_mount(&self, fault: &Fault) {
        let message = format!(
            "MountVolume.SetUp failed for volume {:?} : {}",
            fault.volume, fault.message
        );
        self.warning("FailedMount", &message, None);
    }

    /// The pod's deadline has passed.
    pub fn deadline_exceeded(&self, message: &str) {
        self.normal("DeadlineExceeded", message, None);
    }

    fn normal(&self, reason: &str, message: &str, container: Option<Named<'_>>) {
        self.tell(EventType::Normal, reason, message, container);
    }

    fn warning(&self, reason: &str, message: &str, container: Option<Named<'_>>) {
        self.tell(EventType::Warning, reason, message, container);
    }

    fn tell(&self, type_: EventType, reason: &str, message: &str, container: Option<Named<'_>>) {
        let field_path = container.map(|Named { slot, name }| match slot {
            Slot::Init(_) => format!("spec.initContainers{{{name}}}"),
            Slot::Main(_) => format!("spec.containers{{{name}}}"),
        });
        let report = Report {
            type_,
            reason,
            message,
            reporter: Reporter::Component {
                component: "kubelet",
                host: NODE_NAME,
            },
            field_path: field_path.as_deref(),
        };
        self.node.store.record_event(&self.pod, &report);
    }
}

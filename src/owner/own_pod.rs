//! The Kubernetes pod that this process runs in.
//!
//! A container's own name of its pod may be another's: `HOSTNAME` is `spec.hostname` where that is set, and the node's
//! name with `hostNetwork`. What cannot be wrong is what the kubelet mounted: the root of the mount at
//! `/dev/termination-log` is `.../pods/<uid>/containers/<container>/<instance>` (Kubernetes, kubelet `makeMounts`; seen
//! on 1.34), with a new instance for each start of the container.

use std::time::Duration;

use kube::Api;
use serde::{Deserialize, Serialize};

use super::liveness::Liveness;
use crate::cluster::Connection;
use crate::cluster::reading::read_pod;
use crate::cluster::retry::{Failure, REQUEST_TIMEOUT, once, within};
use crate::pod_view::PodView;

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Which start of which container of which pod this process belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The pod's uid.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// Differs from start to start of the container.
    pub instance: String,
}

impl Place {
    /// Reads the text of `/proc/self/mountinfo` (proc(5): field 4 is the root of the mount in its file system, field 5
    /// the mount point).
    #[must_use]
    pub fn parse(mountinfo: &str) -> Option<Self> {
        let root = mountinfo.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(3);
            let (root, point) = (fields.next()?, fields.next()?);
            (point == "/dev/termination-log").then_some(root)
        })?;
        let mut parts = root.rsplit('/');
        let (instance, container) = (parts.next()?, parts.next()?);
        let is_pods = parts.next()? == "containers";
        let pod = parts.next()?;
        (is_pods && parts.next()? == "pods" && pod.len() == 36).then(|| Self {
            pod: pod.to_owned(),
            container: container.to_owned(),
            instance: instance.to_owned(),
        })
    }

    /// Where this process runs; `None` outside Kubernetes, and with runtimes that mount otherwise.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/mountinfo").ok()?)
    }

    /// Whether a process at this place is gone because its container has been started anew since, as `here` tells.
    #[must_use]
    pub fn look(&self, here: &Self) -> Option<Liveness> {
        let same = self.pod == here.pod && self.container == here.container;
        (same && self.instance != here.instance).then(|| {
            Liveness::Gone(format!(
                "container {} of this process's own pod has been started anew since",
                self.container
            ))
        })
    }
}

/// A pod by the name under which it was read and the uid that it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl PodRef {
    /// The pod of this process, if it can be read there under its own name: one request for a connection.
    ///
    /// # Errors
    /// The [`Failure`] of a read that was not answered, or is forbidden by now.
    pub(super) async fn find(
        connection: &Connection,
        place: Option<&Place>,
    ) -> Result<Option<Self>, Failure> {
        let namespace = std::fs::read_to_string(NAMESPACE);
        let (Some(place), Ok(namespace), Ok(name)) = (place, namespace, std::env::var("HOSTNAME"))
        else {
            return Ok(None);
        };
        let pods: Api<PodView> = connection.pods(namespace.trim());
        let pod = match once(pods.get(&name)).await {
            Err(Failure::Refused(status)) if status.code != 403 => return Ok(None),
            read => read?,
        };
        Ok((pod.uid() == place.pod).then(|| Self {
            namespace: namespace.trim().to_owned(),
            name,
            uid: place.pod.clone(),
        }))
    }

    /// Whether a process in this pod is gone because the pod is; `None` when that cannot be told.
    pub(super) async fn look(&self, connection: &Connection) -> Option<Liveness> {
        let look = |client| async move {
            let pods: Api<PodView> = Api::namespaced(client, &self.namespace);
            within(REQUEST_TIMEOUT, read_pod(&pods, &self.name)).await
        };
        self.judge(&Box::pin(connection.ask(PATIENCE, look)).await)
    }

    fn judge(&self, answer: &Result<Option<PodView>, Failure>) -> Option<Liveness> {
        let Self {
            namespace,
            name,
            uid,
        } = self;
        match answer {
            Ok(Some(pod)) if pod.uid() != uid => Some(Liveness::Gone(format!(
                "its process ran in pod {namespace}/{name}, which is another one now"
            ))),
            // The phase alone is no proof: a pod whose node is lost fails while its containers may run.
            Ok(Some(pod)) if pod.is_terminal() && pod.all_terminated() => {
                Some(Liveness::Gone(format!(
                    "its process ran in pod {namespace}/{name}, whose containers have all ended"
                )))
            }
            Ok(None) => Some(Liveness::Gone(format!(
                "its process ran in pod {namespace}/{name}, which is gone"
            ))),
            _ => None,
        }
    }
}

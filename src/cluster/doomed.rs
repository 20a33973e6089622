//! A pod that must go: deleted now, or, where the API server does not answer, as soon as it does.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{DeleteParams, Preconditions, Request};
use kube::core::Status;
use kube::{Api, Client};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::{Instant, sleep};

use super::retry::{Failure, once_on_pod};
use super::{Connection, Turn};
use crate::pod_view::PodView;
use crate::step::Steps;
use crate::under_way::UnderWay;

/// How long one round of tries in the background lasts; the pause after a round is of the same length at most.
const ROUND: Duration = Duration::from_secs(30);

/// How long a delete that is forbidden is tried again: an API server that has just begun may know no Roles yet
/// (kubernetes/kubernetes#121635), and a Role may be mended.
pub(crate) const ALLOWED_WITHIN: Duration = Duration::from_mins(5);

/// What a delete is answered with, a Pod or a `Status`: that it is one of Kubernetes' objects is all that is asked of it.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
}

/// Whether a delete was refused for the pod's uid (`registry/store.go`, `BeforeDelete`, and `storage/errors.go`: "the UID in the
/// precondition" and "UID in precondition").
fn is_another(status: &Status) -> bool {
    status.code == 409
        && status.message.contains("UID in")
        && status.message.contains("precondition")
}

/// Deletes a pod once, if nothing of it has changed since it was read. Else that is [`Failure::Refused`] with 409.
pub(crate) async fn delete_as_read(
    client: Client,
    namespace: &str,
    pod: &PodView,
    grace: u32,
) -> Result<(), Failure> {
    let params = DeleteParams {
        grace_period_seconds: Some(grace),
        preconditions: Some(Preconditions {
            uid: Some(pod.uid().to_owned()),
            resource_version: pod.metadata.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    let pods: Api<PodView> = Api::namespaced(client, namespace);
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    once_on_pod(pods.delete(name, &params)).await.map(drop)
}

/// A pod that must go.
#[derive(Debug, Clone)]
pub struct Doomed {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: never the pod that took the name in the meantime.
    pub uid: String,
    /// The grace that its containers get, in seconds.
    pub grace: u32,
}

impl Doomed {
    /// Deletes it, trying for at most `limit`; a pod that is gone already is no failure.
    ///
    /// # Errors
    /// The [`Failure`] that no repetition mended.
    pub async fn delete(&self, connection: &Connection, limit: Duration) -> Result<(), Failure> {
        let params = DeleteParams {
            grace_period_seconds: Some(self.grace),
            preconditions: Some(Preconditions {
                uid: Some(self.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let pods = Request::new(format!("/api/v1/namespaces/{}/pods", self.namespace));
        let delete = |client: Client| {
            let request = pods.delete(&self.name, &params);
            async move {
                let request = request.map_err(|error| Failure::Hopeless(error.to_string()))?;
                match client
                    .request::<Answer>(request)
                    .await
                    .map_err(Failure::of_pod)
                {
                    Err(Failure::Refused(status)) if status.code == 404 => Ok(()),
                    // The name is another pod's by now.
                    Err(Failure::Refused(status)) if is_another(&status) => Ok(()),
                    // Somebody else has written it in the meantime.
                    Err(Failure::Refused(status)) if status.code == 409 => {
                        Err(Failure::Unanswered(status.message.clone()))
                    }
                    other => other.map(drop),
                }
            }
        };
        // What runs is stopped for its time, and what has ended keeps nobody waiting.
        let turn = if self.grace == 0 {
            Turn::Delete
        } else {
            Turn::Urgent
        };
        connection.ask_by(turn, limit, delete).await
    }

    /// Goes on trying until it is deleted, or the process ends, which waits for it a little; not where it is forbidden to delete it.
    pub fn delete_in_background(self, connection: &Arc<Connection>, steps: Steps) {
        let connection = Arc::clone(connection);
        let under_way = UnderWay::begin();
        tokio::spawn(async move {
            let mut under_way = Some(under_way);
            let mut forbidden_since = None;
            loop {
                let failure = match self.delete(&connection, ROUND).await {
                    Ok(()) => return steps.info("deleted, after a while"),
                    Err(failure) => failure,
                };
                let is_hopeful = if failure.is_of_access() {
                    under_way = None;
                    let since = forbidden_since.get_or_insert_with(Instant::now);
                    since.elapsed() < ALLOWED_WITHIN
                } else {
                    forbidden_since = None;
                    failure.is_transient()
                };
                if !is_hopeful {
                    return steps.warn(&format!(
                        "the pod may not be deleted and is left behind: {failure}"
                    ));
                }
                sleep(ROUND.mul_f64(rand::random_range(0.1..1.0))).await;
                under_way.get_or_insert_with(UnderWay::begin);
            }
        });
    }
}

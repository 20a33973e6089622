//! One pod, read by its name: nothing but an API server's own word counts.

use kube::Api;

use super::retry::Failure;
use crate::pod_view::PodView;

/// Reads a pod; `None` where the API server says that there is none of this name.
///
/// # Errors
/// The [`Failure`]. An answer that is no Pod is [`Failure::Unanswered`], as is a page of a proxy; see [`Failure::of_pod`].
pub(crate) async fn read_pod(pods: &Api<PodView>, name: &str) -> Result<Option<PodView>, Failure> {
    match pods.get(name).await.map_err(Failure::of_pod) {
        Ok(pod) if pod.uid().is_empty() => {
            Err(Failure::Unanswered("an answer that is no Pod".to_owned()))
        }
        Ok(pod) => Ok(Some(pod)),
        // A pod that lacks its node is answered with the node's name.
        Err(Failure::Refused(status))
            if status.code == 404 && status.details.as_ref().is_some_and(|of| of.name == name) =>
        {
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

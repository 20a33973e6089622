//! Whether a pod would be taken, without a server that it is sent to.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::served::Served;

/// What is wrong with a new pod, in the words of an API server of Kubernetes 1.34: fields and their problems.
pub(crate) fn causes(mut pod: Pod) -> Vec<(String, String)> {
    pod.fill("default", Time(Timestamp::now()));
    let Err(refusal) = pod.check() else {
        return Vec::new();
    };
    match refusal.details.and_then(|details| details.causes) {
        Some(causes) => causes
            .into_iter()
            .map(|cause| {
                let text = |text: Option<String>| text.unwrap_or_default();
                (text(cause.field), text(cause.message))
            })
            .collect(),
        None => vec![("spec".to_owned(), refusal.message)],
    }
}

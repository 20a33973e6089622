//! Namespaces: an object can only be created in one that exists and is not being deleted.

use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition, NamespaceSpec, NamespaceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::collection::Collection;
use super::default::fill_metadata;
use super::event::Key;
use super::kind::Kind;
use super::status_body::{NAMESPACES, Refusal};

/// The label that every namespace carries.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The namespaces of a new cluster.
pub const ALWAYS_THERE: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// What the namespace controller says of a namespace that is empty: type, reason, message.
const EMPTIED: [(&str, &str, &str); 5] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    (
        "NamespaceContentRemaining",
        "ContentRemoved",
        "All content successfully removed",
    ),
    (
        "NamespaceFinalizersRemaining",
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
];

/// May this object be created?
///
/// # Errors
/// 404 when its namespace does not exist, 403 when that is being deleted.
pub fn check_open<T: Kind>(all: &Collection<Namespace>, key: &Key) -> Result<(), Refusal> {
    let (namespace, name) = key;
    match all.objects.get(&(String::new(), namespace.clone())) {
        None => Err(Refusal::not_found(NAMESPACES, namespace)),
        Some(found) if found.object.metadata.deletion_timestamp.is_some() => {
            Err(Refusal::namespace_terminating(T::RESOURCE, name, namespace))
        }
        Some(_) => Ok(()),
    }
}

/// Refuses to delete a namespace that every cluster has.
///
/// # Errors
/// 403.
pub fn check_deletable(name: &str) -> Result<(), Refusal> {
    if matches!(name, "default" | "kube-system" | "kube-public") {
        let why = "this namespace may not be deleted";
        return Err(Refusal::forbidden(NAMESPACES, name, why));
    }
    Ok(())
}

/// A new namespace of this name.
#[must_use]
pub fn named(name: &str, now: Time) -> Namespace {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    fill(&mut namespace, now);
    namespace
}

/// Fills in what the server sets.
pub fn fill(namespace: &mut Namespace, now: Time) {
    fill_metadata(&mut namespace.metadata, "", now);
    label(&mut namespace.metadata);
    namespace.spec = Some(NamespaceSpec {
        finalizers: Some(vec!["kubernetes".to_owned()]),
    });
    namespace.status = Some(NamespaceStatus {
        phase: Some("Active".to_owned()),
        ..NamespaceStatus::default()
    });
}

/// Every namespace carries its name as a label.
pub fn label(metadata: &mut ObjectMeta) {
    let name = metadata.name.clone().unwrap_or_default();
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(NAME_LABEL.to_owned(), name);
}

/// The last state of a namespace that is being deleted, when nothing is in it any more.
#[must_use]
pub fn emptied(namespace: &Namespace, now: &Time) -> Namespace {
    let condition = |(kind, reason, message): (&str, &str, &str)| NamespaceCondition {
        type_: kind.to_owned(),
        status: "False".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(now.clone()),
    };
    let mut namespace = namespace.clone();
    namespace.status.get_or_insert_default().conditions =
        Some(EMPTIED.into_iter().map(condition).collect());
    namespace
}

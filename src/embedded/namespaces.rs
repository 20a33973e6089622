//! The set of namespaces: a pod can only be created in one that exists and is not being deleted.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, NamespaceSpec, NamespaceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::default::random_uid;
use super::event::Key;
use super::status_body::{NAMESPACES, PODS, Refusal};

/// The label that every namespace carries.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// All namespaces by name.
#[derive(Debug, Default)]
pub struct Namespaces {
    all: BTreeMap<String, Namespace>,
}

impl Namespaces {
    /// Adds an empty namespace.
    pub fn insert(&mut self, name: &str, version: u64, now: Time) {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        self.all
            .insert(name.to_owned(), fill(namespace, version, now));
    }

    /// In name order.
    #[must_use]
    pub fn all(&self) -> Vec<Namespace> {
        self.all.values().cloned().collect()
    }

    /// One namespace.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Namespace> {
        self.all.get(name)
    }

    /// May this pod be created?
    ///
    /// # Errors
    /// 404 when its namespace does not exist, 403 when that is being deleted.
    pub fn check_open(&self, (namespace, name): &Key) -> Result<(), Refusal> {
        match self.all.get(namespace) {
            None => Err(Refusal::not_found(NAMESPACES, namespace)),
            Some(found) if found.metadata.deletion_timestamp.is_some() => {
                let why = format!(
                    "unable to create new content in namespace {namespace} because it is being terminated"
                );
                Err(Refusal::forbidden(PODS, name, &why))
            }
            Some(_) => Ok(()),
        }
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// 409 when it exists.
    pub fn create(
        &mut self,
        wanted: Namespace,
        version: u64,
        now: Time,
        dry_run: bool,
    ) -> Result<Namespace, Refusal> {
        let name = wanted.metadata.name.clone().unwrap_or_default();
        if self.all.contains_key(&name) {
            return Err(Refusal::already_exists(NAMESPACES, &name));
        }
        let made = fill(wanted, version, now);
        if !dry_run {
            self.all.insert(name, made.clone());
        }
        Ok(made)
    }

    /// Marks a namespace as being deleted.
    ///
    /// # Errors
    /// 404, or 403 for the namespaces that every cluster has.
    pub fn terminate(
        &mut self,
        name: &str,
        version: u64,
        now: Time,
        dry_run: bool,
    ) -> Result<Namespace, Refusal> {
        let found = self
            .all
            .get_mut(name)
            .ok_or_else(|| Refusal::not_found(NAMESPACES, name))?;
        if matches!(name, "default" | "kube-system") {
            return Err(Refusal::forbidden(
                NAMESPACES,
                name,
                "this namespace may not be deleted",
            ));
        }
        let mut marked = found.clone();
        marked.metadata.deletion_timestamp.get_or_insert(now);
        marked.metadata.resource_version = Some(version.to_string());
        marked.status.get_or_insert_default().phase = Some("Terminating".to_owned());
        if !dry_run {
            *found = marked.clone();
        }
        Ok(marked)
    }

    /// Removes a namespace that is being deleted; the caller knows that it holds no pod.
    pub fn remove_if_terminating(&mut self, name: &str) {
        let terminating = |namespace: &Namespace| namespace.metadata.deletion_timestamp.is_some();
        if self.all.get(name).is_some_and(terminating) {
            self.all.remove(name);
        }
    }
}

fn fill(mut namespace: Namespace, version: u64, now: Time) -> Namespace {
    let metadata = &mut namespace.metadata;
    let name = metadata.name.clone().unwrap_or_default();
    metadata
        .labels
        .get_or_insert_default()
        .insert(NAME_LABEL.to_owned(), name);
    metadata.uid = Some(random_uid());
    metadata.creation_timestamp = Some(now);
    metadata.resource_version = Some(version.to_string());
    metadata.managed_fields = None;
    namespace.spec = Some(NamespaceSpec {
        finalizers: Some(vec!["kubernetes".to_owned()]),
    });
    namespace.status = Some(NamespaceStatus {
        phase: Some("Active".to_owned()),
        ..NamespaceStatus::default()
    });
    namespace
}

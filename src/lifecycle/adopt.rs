//! Owning a pod: the word of it that others read, and taking over the pod of another run.

use std::sync::Arc;

use kube::api::{Patch, PatchParams, PostParams, Request};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Run, clock, create};
use crate::cluster::retry::{Failure, OUTAGE, once_on_pod};
use crate::error::{Error, Result};
use crate::manifest::{annotations, labels};
use crate::name::unique_id;
use crate::owner::claim::Holder;
use crate::owner::process::UnderWay;
use crate::owner::sighting::{LONGEST, LOOK};
use crate::owner::{Beat, Liveness, claim, liveness};
use crate::packed::Packed;
use crate::pod_view::PodView;

/// How often a pod is put whose status changes between the read and the put.
const PUTS: usize = 5;

/// What a run holds as long as it is under way, so that nobody takes its pod for abandoned.
#[derive(Debug, Default)]
pub(super) struct Hold {
    pub(super) under_way: Option<UnderWay>,
    pub(super) beat: Option<Beat>,
    /// The uid of an earlier run's pod that makes way. It was marked as this run's, so that no other takes it.
    pub(super) replaced: Option<String>,
    /// An earlier run's pod that this run has begun to take over: the answer to that may have been lost.
    pub(super) taking: Option<Taking>,
    /// The pod lacks the label that the watch goes by.
    pub(super) unlabelled: bool,
}

/// A pod that is being taken over, as it was before.
#[derive(Debug, Clone)]
pub(super) struct Taking {
    pub(super) uid: String,
    /// Whether its end has been told to nobody: it had none, or its run had left it. What ended under an owner that died may have
    /// been told of already, and is no new run's result.
    pub(super) is_of_use: bool,
}

/// What came of an attempt to mark a pod.
pub(super) enum Marked {
    /// It is marked; its state after that.
    Yes(Arc<PodView>),
    /// It is another pod, or has changed since it was read.
    Changed,
    /// Neither PATCH nor PUT is allowed.
    Forbidden,
}

impl Run {
    /// Makes the pod say that it is this run's, and this process's, from its create on: the manifest as it is sent.
    pub(super) async fn claim(&mut self) -> Result<()> {
        if self.hold.under_way.is_some() {
            return Ok(());
        }
        let process = &self.process;
        let run = unique_id();
        self.hold.under_way = Some(process.begin(&run, &self.namespace, &self.name));
        let beat = Beat::begin(&self.connection, process, &self.namespace, &self.steps);
        let beat = Box::pin(beat).await;
        let owners = self.connection.owners();
        let claim = owners.claim(&self.connection, process, beat.is_held).await;
        self.hold.beat = Some(beat);
        let (owner, annotations) = claim::marks(process.id(), &claim);
        let mut labels = create::labels(&self.options, run);
        labels.extend(owner);
        let mut manifest = self.manifest.to_manifest();
        manifest.set_namespace(&self.namespace);
        manifest.set_default_label(labels::MANAGED_BY, "kubegrader")?;
        manifest.add_labels(&labels)?;
        manifest.add_annotations(&annotations)?;
        if let Some(timeout) = self.options.timeout {
            manifest.set_deadline(clock::safety_net(timeout, self.options.start_timeout));
        }
        self.manifest = Packed::from(&manifest);
        Ok(())
    }

    /// Whether the owner of a pod is gone; takes as long as a Lease must be watched for that.
    async fn owner_of(&self, pod: &PodView) -> Result<Liveness> {
        let mut is_told = false;
        let until = Instant::now() + LONGEST;
        loop {
            let judge = liveness::liveness(&self.connection, &self.process, &self.namespace, pod);
            match Box::pin(judge).await {
                Liveness::Watched(why) if Instant::now() >= until => {
                    return Ok(Liveness::Unknown(why));
                }
                Liveness::Watched(why) => {
                    if !is_told {
                        is_told = true;
                        self.steps
                            .info(&format!("the pod is there already, and {why}"));
                    }
                }
                known => return Ok(known),
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(self.cancelled()),
                () = sleep(LOOK) => {}
            }
        }
    }

    /// Takes the pod of an earlier run, unless that run is under way somewhere: its state then. `None` where it has changed in the
    /// meantime.
    pub(super) async fn take(&mut self, pod: &Arc<PodView>) -> Result<Option<Arc<PodView>>> {
        if self.is_taken(pod) {
            return Ok(Some(Arc::clone(pod)));
        }
        if let Liveness::Alive(owner) = self.owner_of(pod).await? {
            return Err(self.taken_by(&owner));
        }
        self.hold.taking = Some(Taking {
            uid: pod.uid().to_owned(),
            is_of_use: !pod.is_terminal() || Holder::of(pod) == Holder::Detached,
        });
        self.take_over(pod).await
    }

    /// Whether a pod of an earlier run is marked as this one's, by a request whose answer was lost.
    pub(super) fn is_taken(&self, pod: &PodView) -> bool {
        let taking = self.hold.taking.as_ref();
        taking.is_some_and(|taking| taking.uid == pod.uid()) && self.is_marked(pod)
    }

    /// Whether a pod has the label of this run.
    pub(super) fn is_marked(&self, pod: &PodView) -> bool {
        let manifest = self.manifest.to_manifest();
        let ours = manifest.label(labels::RUN);
        ours.is_some() && pod.label(labels::RUN) == ours
    }

    /// Marks a pod of another run as this one's. Of two that try, one gets it.
    async fn take_over(&self, pod: &Arc<PodView>) -> Result<Option<Arc<PodView>>> {
        let manifest = self.manifest.to_manifest();
        let ours = |key| manifest.label(key);
        let change = json!({
            "labels": {labels::RUN: ours(labels::RUN), labels::OWNER: ours(labels::OWNER)},
            "annotations": {
                annotations::OWNER_CLAIM: manifest.annotation(annotations::OWNER_CLAIM),
            },
        });
        match self.mark(pod, true, &change).await? {
            Marked::Yes(pod) => Ok(Some(pod)),
            Marked::Changed => Ok(None),
            Marked::Forbidden => {
                self.steps.warn(
                    "the pod of an earlier run cannot be marked as this process's own: another process may take it too. \
                     Allow \"patch\" on \"pods\"",
                );
                Ok(Some(Arc::clone(pod)))
            }
        }
    }

    /// Leaves a pod to the caller, who asked for it: it names no owner any more, since one that has no run of it counts as gone.
    pub(super) async fn give_up(&self) {
        if self.hold.under_way.is_none() {
            // It was the caller's from the beginning.
            return;
        }
        let change = json!({
            "labels": {labels::OWNER: null},
            "annotations": {annotations::OWNER_CLAIM: null},
        });
        let mut pod = PodView::default();
        pod.metadata.uid = Some(self.uid.as_ref().to_owned());
        let problem = match Box::pin(self.mark(&pod, false, &change)).await {
            Ok(Marked::Yes(_) | Marked::Changed) => return,
            Ok(Marked::Forbidden) => "Allow \"patch\" on \"pods\"".to_owned(),
            Err(error) => error.to_string(),
        };
        self.process.let_be(&self.uid);
        self.steps.warn(&format!(
            "the pod is the caller's now and still names this process as its owner, so that it is deleted when this process is \
             gone: {problem}"
        ));
    }

    /// Changes labels and annotations of a pod; with `exact`, only if it is as it was read.
    pub(super) async fn mark(&self, pod: &PodView, exact: bool, change: &Value) -> Result<Marked> {
        let mark = |client| self.try_to_mark(client, pod, exact, change);
        let marked = Box::pin(self.connection.ask(OUTAGE, mark)).await;
        marked.map_err(|failure| {
            failure.into_error("marking pod", &self.object(), self.connection.server())
        })
    }

    async fn try_to_mark(
        &self,
        client: Client,
        pod: &PodView,
        exact: bool,
        change: &Value,
    ) -> Result<Marked, Failure> {
        let pods: Api<PodView> = Api::namespaced(client.clone(), &self.namespace);
        let mut metadata = change.clone();
        metadata["uid"] = json!(pod.uid());
        if exact {
            metadata["resourceVersion"] = json!(pod.metadata.resource_version);
        }
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let params = PatchParams::default();
        match outcome(once_on_pod(pods.patch(&self.name, &params, &patch)).await)? {
            Marked::Forbidden => self.put(&client, pod, exact, change).await,
            marked => Ok(marked),
        }
    }

    /// As a patch does, for a Role that allows `update` and not `patch`, as that of grader-service's chart.
    async fn put(
        &self,
        client: &Client,
        pod: &PodView,
        exact: bool,
        change: &Value,
    ) -> Result<Marked, Failure> {
        for _ in 0..PUTS {
            let marked = self.get_and_put(client, pod, exact, change).await?;
            match marked {
                // A status that changed in between.
                Some(Marked::Changed) if !exact => {}
                Some(marked) => return Ok(marked),
                None => return Ok(Marked::Changed),
            }
        }
        Ok(Marked::Changed)
    }

    /// `None`: it is another pod, or not as it was read.
    async fn get_and_put(
        &self,
        client: &Client,
        pod: &PodView,
        exact: bool,
        change: &Value,
    ) -> Result<Option<Marked>, Failure> {
        let request = Request::new(format!("/api/v1/namespaces/{}/pods", self.namespace));
        let hopeless = |error: kube::core::request::Error| Failure::Hopeless(error.to_string());
        let get = request
            .get(&self.name, &kube::api::GetParams::default())
            .map_err(hopeless)?;
        let mut whole: Value = match once_on_pod(client.request(get)).await {
            Ok(whole) => whole,
            Err(failure) if failure.code() == Some(404) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let metadata = &mut whole["metadata"];
        if metadata["uid"] != json!(pod.uid())
            || exact && metadata["resourceVersion"] != json!(pod.metadata.resource_version)
        {
            return Ok(None);
        }
        for (key, values) in change.as_object().into_iter().flatten() {
            for (name, value) in values.as_object().into_iter().flatten() {
                match (value, metadata[key].as_object_mut()) {
                    (Value::Null, Some(all)) => drop(all.remove(name)),
                    (Value::Null, None) => {}
                    _ => metadata[key][name] = value.clone(),
                }
            }
        }
        let body = whole.to_string().into_bytes();
        let put = request
            .replace(&self.name, &PostParams::default(), body)
            .map_err(hopeless)?;
        outcome(once_on_pod(client.request(put)).await).map(Some)
    }

    /// The error of a pod whose owner lives.
    pub(super) fn taken_by(&self, owner: &str) -> Error {
        Error::NameTaken {
            object: self.object(),
            owner: format!("it is of this submission, and its owner lives: {owner}"),
        }
    }
}

fn outcome(answer: Result<PodView, Failure>) -> Result<Marked, Failure> {
    match answer {
        Ok(pod) => Ok(Marked::Yes(Arc::new(pod))),
        Err(failure) => match failure.code() {
            Some(404 | 409) => Ok(Marked::Changed),
            Some(403) => Ok(Marked::Forbidden),
            _ => Err(failure),
        },
    }
}

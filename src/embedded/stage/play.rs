//! One played pod: its steps one after the other, until it is deleted.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::deletion::DeleteRequest;
use super::super::event::{Key, key_of};
use super::super::kind::Kind;
use super::super::kubelet::Wish;
use super::super::record::Report;
use super::super::status_body::Refusal;
use super::super::store::Store;
use super::format::{DeleteStep, EventStep};
use super::{Script, Stages, Step, moments, status};

/// A pod that lives by a script.
#[derive(Debug)]
pub struct Play {
    store: Arc<Store>,
    stages: Arc<Stages>,
    script: Arc<Script>,
    key: Key,
    uid: String,
    wish: watch::Receiver<Wish>,
}

/// How a wait ended.
enum Waited {
    ItIsTime,
    Deleted,
    Gone,
}

impl Play {
    /// A life that has not begun.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        stages: Arc<Stages>,
        script: Arc<Script>,
        pod: &Pod,
        wish: watch::Receiver<Wish>,
    ) -> Self {
        Self {
            store,
            stages,
            script,
            key: key_of(pod),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            wish,
        }
    }

    /// Lives until the pod is gone or the node stops.
    pub async fn run(mut self) {
        let script = Arc::clone(&self.script);
        let mut due = Instant::now();
        for (index, step) in script.steps.iter().enumerate() {
            due += self.delay(step, index);
            match self.wait(Some(due)).await {
                Waited::ItIsTime => self.perform(step),
                Waited::Deleted => return self.go().await,
                Waited::Gone => return,
            }
        }
        if let Waited::Deleted = self.wait(None).await {
            self.go().await;
        }
    }

    fn delay(&self, step: &Step, index: usize) -> Duration {
        let (namespace, name) = &self.key;
        let names = [self.script.name.as_str(), namespace, name];
        step.delay.draw(self.script.seed, &names, index)
    }

    async fn wait(&mut self, due: Option<Instant>) -> Waited {
        loop {
            match *self.wish.borrow_and_update() {
                Wish::Run => {}
                Wish::Stop(_) => return Waited::Deleted,
                Wish::Gone => return Waited::Gone,
            }
            let time = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = self.wish.changed() => if changed.is_err() { return Waited::Gone },
                () = time => return Waited::ItIsTime,
            }
        }
    }

    /// Somebody has deleted the pod: it goes as its file says, or as a real one.
    async fn go(&mut self) {
        let began = Instant::now();
        let steps = match &self.script.on_delete {
            Some(steps) => steps.clone(),
            None => match self.store.get::<Pod>(&self.key) {
                Ok(stored) => moments::deletion(&stored.object),
                Err(_) => return,
            },
        };
        let mut due = began;
        for (index, step) in steps.iter().enumerate() {
            let delay = self.delay(step, self.script.steps.len() + index);
            loop {
                let wish = *self.wish.borrow_and_update();
                let Wish::Stop(grace) = wish else { return };
                // A later delete may make the grace shorter.
                let from = if step.delay.counts_from_grace() {
                    began + Duration::from_secs(grace)
                } else {
                    due
                };
                tokio::select! {
                    biased;
                    changed = self.wish.changed() => if changed.is_err() { return },
                    () = sleep_until(from + delay) => {
                        due = from + delay;
                        break;
                    }
                }
            }
            self.perform(step);
        }
    }

    fn perform(&self, step: &Step) {
        let done = self.change(step);
        if let Err(refusal) = done {
            tracing::debug!(stage = %self.script.name, uid = %self.uid, %refusal.message, "a step of a played pod");
        }
    }

    fn change(&self, step: &Step) -> Result<(), Refusal> {
        if let Some(node) = &step.bind {
            self.update(|pod| {
                self.bind(pod, node);
                Ok(())
            })?;
        }
        if step.ungate {
            self.update(|pod| {
                if let Some(spec) = &mut pod.spec {
                    spec.scheduling_gates = None;
                }
                let generation = pod.metadata.generation.unwrap_or(0);
                pod.metadata.generation = Some(generation + 1);
                Ok(())
            })?;
        }
        if step.moment.is_some() || step.status.is_some() {
            self.update(|pod| self.patch(pod, step))?;
        }
        if let Some(event) = &step.event {
            self.tell(event)?;
        }
        if let Some(DeleteStep {
            grace_period_seconds,
        }) = step.delete
        {
            let request = DeleteRequest {
                grace: grace_period_seconds,
                ..DeleteRequest::of(&self.uid)
            };
            self.store.delete::<Pod>(&self.key, &request)?;
        }
        if step.remove {
            self.store
                .delete::<Pod>(&self.key, &DeleteRequest::at_once(&self.uid))?;
        }
        Ok(())
    }

    fn tell(&self, event: &EventStep) -> Result<(), Refusal> {
        let pod = self.store.get::<Pod>(&self.key)?.object;
        let now = self.stages.now().0.to_string();
        let message = status::scope(&pod, &now).text(&event.message);
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let report = Report {
            type_: event.r#type.into(),
            reason: &event.reason,
            message: &message.map_err(Refusal::internal)?,
            reporter: event.reporter(node.unwrap_or_default()),
            field_path: None,
        };
        self.store.record_event(&pod, &report);
        Ok(())
    }

    fn update(&self, edit: impl Fn(&mut Pod) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let edited = self.store.update(&self.key, false, |old: &Pod| {
            if old.metadata.uid.as_ref() != Some(&self.uid) {
                return Err(Refusal::not_found(Pod::RESOURCE, &self.key.1));
            }
            let mut new = old.clone();
            edit(&mut new)?;
            Ok(new)
        });
        edited.map(|_| ())
    }

    fn bind(&self, pod: &mut Pod, node: &str) {
        let spec = pod.spec.get_or_insert_default();
        if spec
            .node_name
            .as_deref()
            .is_some_and(|name| !name.is_empty())
        {
            return;
        }
        spec.node_name = Some(node.to_owned());
        let scheduled = PodCondition {
            type_: "PodScheduled".to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(self.stages.now()),
            ..PodCondition::default()
        };
        let conditions = pod
            .status
            .get_or_insert_default()
            .conditions
            .get_or_insert_default();
        conditions.retain(|one| one.type_ != scheduled.type_);
        conditions.push(scheduled);
    }

    fn patch(&self, pod: &mut Pod, step: &Step) -> Result<(), Refusal> {
        let now = self.stages.now().0.to_string();
        let moment = step.moment.map(|moment| moment.status(pod));
        for patch in moment.into_iter().chain(&step.status) {
            // A file's patches were tried when it was read; a pod of an odd shape may still refuse one.
            let status = status::apply(pod, patch, &now)
                .map_err(|problem| Refusal::internal(format!("status{problem}")))?;
            pod.status = Some(status);
        }
        Ok(())
    }
}

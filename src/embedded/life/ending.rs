//! The end of a pod's life: its containers are asked to end, then killed; then the pod says how it ended.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

use super::super::container::Slot;
use super::super::deletion::DeleteRequest;
use super::super::event::key_of;
use super::super::kubelet::Wish;
use super::super::pod_status::{ContainerView, Place, State};
use super::Life;

impl Life {
    /// Asks all containers to end, and sets when they must; a later call can only make it sooner.
    pub(super) fn stop(&mut self, seconds: u64) {
        let first = self.stop_began.is_none();
        let began = *self.stop_began.get_or_insert_with(Instant::now);
        let end = began + Duration::from_secs(seconds);
        self.kill_at = Some(self.kill_at.map_or(end, |at| at.min(end)));
        self.view.stopping = true;
        self.restarts.clear();
        self.mount_retry = None;
        if first {
            self.ask_to_end();
            self.publish();
        }
    }

    /// Asks the containers to end: first all but the sidecars, then one sidecar after the other, the last first.
    pub(super) fn ask_to_end(&mut self) {
        let slots = self.running.iter().map(|(slot, _)| *slot);
        let (sidecars, others): (Vec<Slot>, Vec<Slot>) =
            slots.partition(|slot| self.is_sidecar(*slot));
        let last = sidecars.into_iter().max_by_key(|slot| match slot {
            Slot::Init(index) | Slot::Main(index) => *index,
        });
        let next = if others.is_empty() {
            last.into_iter().collect()
        } else {
            others
        };
        for (slot, tree) in &self.running {
            if next.contains(slot) && !self.asked.contains(slot) {
                self.teller.killing(self.named(*slot));
                tree.terminate();
            }
        }
        self.asked.extend(next);
    }

    /// When all else has ended, the sidecars end too.
    pub(super) fn end_sidecars(&mut self) {
        if self.view.stopping || !self.has_final_phase() {
            return;
        }
        self.restarts.clear();
        if self.running.iter().all(|(slot, _)| self.is_sidecar(*slot)) && !self.running.is_empty() {
            let end = Instant::now() + Duration::from_secs(self.grace());
            self.kill_at.get_or_insert(end);
            self.ask_to_end();
        }
    }

    pub(super) fn kill(&mut self) {
        self.kill_at = None;
        for (_, tree) in &self.running {
            self.node.tasks.spawn(Arc::clone(tree).kill());
        }
    }

    /// Publishes the end, and waits until the pod is deleted when it was not.
    pub(super) async fn settle(&mut self) {
        if self.stop_began.is_none() {
            // First the ended containers, then the phase.
            self.publish();
        } else {
            self.lose_waiting();
        }
        self.view.settled = true;
        self.publish();
        loop {
            let wish = *self.wish.borrow_and_update();
            match wish {
                Wish::Gone => return,
                Wish::Stop(_) => {
                    let gone = self
                        .node
                        .store
                        .delete::<Pod>(&key_of(&*self.pod), &DeleteRequest::at_once(&self.uid));
                    if gone.is_err() {
                        return;
                    }
                }
                Wish::Run => {}
            }
            tokio::select! {
                changed = self.wish.changed() => if changed.is_err() { return },
                () = self.node.stop.cancelled() => return,
            }
        }
    }

    /// A pod is stopped whose containers never ran: what they waited for is forgotten, then they are lost.
    pub(super) fn lose_waiting(&mut self) {
        let never =
            |one: &ContainerView| matches!(one.state, State::Waiting { .. }) && one.last.is_none();
        let initialized = self.view.init.iter().all(ContainerView::is_initialized);
        if !initialized || !self.view.main.iter().any(never) {
            return;
        }
        let reason = if self.view.init.is_empty() {
            "ContainerCreating"
        } else {
            "PodInitializing"
        };
        let states = [
            State::Waiting {
                reason,
                message: None,
            },
            State::Lost,
        ];
        for state in states {
            for one in self.view.main.iter_mut().filter(|one| never(one)) {
                one.state = state.clone();
            }
            if !matches!(state, State::Lost) {
                self.publish();
                self.view.place = Place::Gone;
                self.publish();
            }
        }
    }

    /// The node stops: all processes go now, and nothing more is published.
    pub(super) async fn abandon(mut self) {
        self.kill();
        while !self.running.is_empty() {
            let Some(ending) = self.endings.recv().await else {
                break;
            };
            self.running.retain(|(slot, _)| *slot != ending.slot);
        }
        self.remove_folder().await;
    }

    pub(super) async fn remove_folder(&self) {
        if let Err(error) = tokio::fs::remove_dir_all(&self.folder).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.folder.display(), %error, "removing a pod's private folder");
        }
    }
}

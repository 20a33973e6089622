//! The names of the pods that a watch has seen and that are there still, by their submission: so that a run finds the
//! pods of other attempts without a request.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

use super::locked;
use crate::manifest::labels;
use crate::pod_view::PodView;

/// The names, by the value of the label [`labels::SUBMISSION`].
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<String, BTreeSet<String>>>);

impl Seen {
    /// Notes a pod that is there.
    pub(super) fn note(&self, pod: &PodView) {
        let Some((submission, name)) = submission_and_name(pod) else {
            return;
        };
        let mut all = locked(&self.0);
        if let Some(names) = all.get_mut(submission) {
            if !names.contains(name) {
                names.insert(name.to_owned());
            }
        } else {
            all.insert(submission.to_owned(), BTreeSet::from([name.to_owned()]));
        }
    }

    /// Forgets a pod that is gone.
    pub(super) fn forget(&self, pod: &PodView) {
        let Some((submission, name)) = submission_and_name(pod) else {
            return;
        };
        let mut all = locked(&self.0);
        if let Some(names) = all.get_mut(submission) {
            names.remove(name);
            if names.is_empty() {
                all.remove(submission);
            }
        }
    }

    /// Forgets all pods that a whole list does not show.
    pub(super) fn keep_listed(&self, listed: &HashSet<String>) {
        locked(&self.0).retain(|_, names| {
            names.retain(|name| listed.contains(name));
            !names.is_empty()
        });
    }

    /// The pods of a submission.
    pub(super) fn of(&self, submission: &str) -> Vec<String> {
        let all = locked(&self.0);
        all.get(submission).into_iter().flatten().cloned().collect()
    }
}

fn submission_and_name(pod: &PodView) -> Option<(&str, &str)> {
    Some((
        pod.label(labels::SUBMISSION)?,
        pod.metadata.name.as_deref()?,
    ))
}

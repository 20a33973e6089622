//! One error type. Each variant names the step that failed, the object, the cause, and what to do about it.

use std::path::PathBuf;
use std::time::Duration;

use crate::verdict::Verdict;

/// What kept a pod from being run or judged. A pod that failed is no error but an [`Outcome`](crate::Outcome).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster's address or credentials cannot be had: a kubeconfig, a context, a service account.
    #[error("loading the cluster's configuration: {problem}. {hint}")]
    Config {
        /// What was found.
        problem: String,
        /// What to do.
        hint: String,
    },

    /// An image reference that no registry and no kubelet would take.
    #[error(
        "image {image:?} cannot be: {problem}. Name an image in image_config_path or in a pre_spawn_hook"
    )]
    InvalidImage {
        /// The reference as it was written.
        image: String,
        /// What is wrong, with the characters at fault.
        problem: String,
    },

    /// The file of `image_config_path` is missing or has the wrong shape.
    #[error("image config {}{}: {problem}", path.display(), key.as_ref().map(|key| format!(", key {key}")).unwrap_or_default())]
    ImageConfig {
        /// The file.
        path: PathBuf,
        /// The key at fault, where one is.
        key: Option<String>,
        /// What is wrong.
        problem: String,
    },

    /// A pod, or a part of one, that cannot be sent to the API server.
    #[error("{field}: {problem}")]
    InvalidPod {
        /// The field or the trait at fault, as `volumes[0].name`.
        field: String,
        /// What is wrong and what to do.
        problem: String,
    },

    /// The API server answered with an error that no repetition mends, or went on doing so for too long.
    #[error("{step} {object}: {reason} ({code}): {message}{}", after(.hint))]
    Api {
        /// What was tried, as `creating pod`.
        step: &'static str,
        /// The object, as `default/name`.
        object: String,
        /// The HTTP status code.
        code: u16,
        /// Kubernetes' reason, as `Forbidden`.
        reason: String,
        /// The server's own words.
        message: String,
        /// What to do, where that is known.
        hint: &'static str,
        /// The verdict, where the answer is one on the pod: rejected by admission, quota used up.
        verdict: Option<Box<Verdict>>,
    },

    /// No answer from the API server.
    #[error(
        "{step} {object}: the API server {server} does not answer: {problem}. Is the cluster up, and the address right?"
    )]
    Unreachable {
        /// What was tried.
        step: &'static str,
        /// The object.
        object: String,
        /// The server's address.
        server: String,
        /// The last thing that went wrong.
        problem: String,
    },

    /// A pod of this name is there, and it belongs to somebody else.
    #[error(
        "creating pod {object}: a pod of this name is there already and does not belong to this submission \
             ({owner}). Delete it, or give this pod another name"
    )]
    NameTaken {
        /// The pod.
        object: String,
        /// What its labels say of it.
        owner: String,
    },

    /// The pod was created and no container of it ever ran.
    #[error("starting pod {object}: {verdict}{}", time_to_start(*limit))]
    NotStarted {
        /// The pod.
        object: String,
        /// Why.
        verdict: Box<Verdict>,
        /// The time to start, where it was over; else what the pod waited for is not waited for any longer.
        limit: Option<Duration>,
    },

    /// The pod was gone before it had ended, or the cluster ended it: evicted, preempted, deleted by someone.
    #[error("watching pod {object}: {verdict}")]
    Lost {
        /// The pod.
        object: String,
        /// What is known of its end.
        verdict: Box<Verdict>,
    },

    /// What had to be done before a further attempt failed; no pod of the submission is left.
    #[error("preparing attempt {attempt}: {problem}")]
    BeforeAttempt {
        /// The attempt, from 2.
        attempt: u32,
        /// What failed, in its own words.
        problem: String,
    },

    /// The run was cancelled; its pod, where it had one, is deleted.
    #[error("running pod {object}: cancelled; no pod is left behind")]
    Cancelled {
        /// The pod.
        object: String,
    },

    /// The run was detached; its pod goes on without it.
    #[error(
        "running pod {object}: detached; the pod runs on, for the next run of its submission and attempt"
    )]
    Detached {
        /// The pod.
        object: String,
    },

    /// A fault of kubegrader itself, or of the operating system under it.
    #[error("{step}: {problem}")]
    Internal {
        /// What was tried.
        step: &'static str,
        /// What happened.
        problem: String,
    },
}

fn after(hint: &str) -> String {
    if hint.is_empty() {
        String::new()
    } else {
        format!(". {hint}")
    }
}

fn time_to_start(limit: Option<Duration>) -> String {
    limit.map_or_else(String::new, |limit| {
        format!("; it had {} s to start", limit.as_secs_f64())
    })
}

impl Error {
    /// The verdict on the pod, where there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::NotStarted { verdict, .. } | Self::Lost { verdict, .. } => Some(verdict),
            Self::Api { verdict, .. } => verdict.as_deref(),
            _ => None,
        }
    }
}

/// A result with the crate's own [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

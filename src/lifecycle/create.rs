//! The create: exactly one pod, whatever happens to the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{PostParams, Request};
use kube::core::Status;
use serde::Deserialize;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::quota::{self, Queue};
use super::taken::Found;
use super::{Run, RunOptions};
use crate::cause::Cause;
use crate::cluster::retry::{
    Failure, OUTAGE, PATIENT_TIMEOUT, Patience, REQUEST_TIMEOUT, is_denial, within,
};
use crate::cluster::{Connection, Pace, Silent};
use crate::error::{Error, Result};
use crate::manifest::labels;
use crate::name::label_value;
use crate::pod_view::PodView;
use crate::verdict::{Phase, Verdict};

const STEP: &str = "creating pod";

/// What is read of a create's answer.
#[derive(Deserialize)]
struct Created {
    metadata: CreatedMeta,
}

#[derive(Deserialize)]
struct CreatedMeta {
    uid: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// From when on the wait for a create's turn is told as time in a queue.
const LONG: Duration = Duration::from_millis(10);
/// How long a create waits beyond an outage, in all, since the server has asked for it.
const GRANTED: Duration = Duration::from_mins(5);

/// What marks a pod as that of this run.
pub(super) fn labels(options: &RunOptions, run: String) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::from([
        (labels::INSTANCE, label_value(&options.instance)),
        (labels::RUN, run),
    ]);
    if let Some(submission) = &options.submission {
        all.insert(labels::SUBMISSION, label_value(submission));
        all.insert(labels::ATTEMPT, options.attempt.to_string());
    }
    all
}

impl Run {
    /// Creates the pod, or adopts the one that is there already: its state then.
    pub(super) async fn create(&mut self) -> Result<Option<Arc<PodView>>> {
        Box::pin(self.claim()).await?;
        if self.options.reap {
            crate::reap::in_background(
                &self.connection,
                &self.process,
                &self.namespace,
                &self.options.instance,
                &self.steps,
            );
        }
        let mut tries = Tries::default();
        let created = self.create_or_adopt(&mut tries).await;
        if created.is_err() && (tries.in_doubt || self.hold.taking.is_some()) {
            Box::pin(self.find_lost()).await;
        }
        created
    }

    /// Repeats the create while that may help.
    async fn create_or_adopt(&mut self, tries: &mut Tries) -> Result<Option<Arc<PodView>>> {
        let mut patience = Patience::new(OUTAGE);
        let mut granted = Duration::ZERO;
        let connection = Arc::clone(&self.connection);
        let mut queue = Queue::default();
        let (mut reloaded, mut replaced) = (false, false);
        loop {
            if self.cancel.is_cancelled() {
                return Err(self.cancelled());
            }
            let turn = self
                .take_turn(&connection, &mut patience, &mut granted)
                .await?;
            let generation = connection.generation();
            // Boxed, as is all that is seldom done here: a pod that waits for its turn holds no request.
            let posted = Box::pin(self.post(tries.unanswered >= 2)).await;
            drop(turn);
            let failure = match posted {
                Ok(created) => {
                    connection.pace().accepted();
                    self.has(&created.metadata.uid, "created");
                    self.note_labels(&created.metadata.labels);
                    return Ok(None);
                }
                Err(failure) => failure,
            };
            let failure = match failure {
                Failure::Unauthorized(status) if !reloaded => {
                    let renewed = tokio::select! {
                        renewed = Box::pin(connection.renew(generation)) => renewed,
                        () = self.cancel.cancelled() => return Err(self.cancelled()),
                    };
                    let Err(error) = renewed else {
                        reloaded = true;
                        continue;
                    };
                    // A plugin that fails once.
                    self.steps.warn(&error.to_string());
                    Failure::Busy(status, None)
                }
                failure => {
                    // What was answered otherwise was believed: credentials that are refused later are others.
                    reloaded &=
                        matches!(failure, Failure::Unauthorized(_)) || failure.code().is_none();
                    failure
                }
            };
            self.note(&failure, connection.pace(), &mut patience, &mut granted);
            tries.note(&failure);
            let failure = if may_be_there(&failure) {
                let found = match Box::pin(self.look()).await {
                    Err(Error::Api { code: 403, .. }) if quota::is_used_up(&failure) => {
                        Found::Nothing
                    }
                    found => found?,
                };
                match found {
                    Found::Ours => return Ok(None),
                    Found::Adopted(pod) => return Ok(Some(pod)),
                    Found::Replaced if !replaced => {
                        // Finding out whose it was may have taken longer than an outage may.
                        replaced = true;
                        patience = Patience::new(OUTAGE);
                        continue;
                    }
                    Found::Replaced => still_there(failure),
                    Found::Nothing => not_there(failure),
                }
            } else {
                failure
            };
            let failure = match failure {
                // A Role that allows it was known before: by a server that has just begun and knows none yet
                // (kubernetes/kubernetes#121635).
                Failure::Refused(status) if is_of_rights(&status) && self.has_been_allowed() => {
                    Failure::Busy(status, None)
                }
                failure => failure,
            };
            let Some(failure) = queue.wait(self, failure).await? else {
                patience = Patience::new(OUTAGE);
                continue;
            };
            if failure.is_transient() {
                self.steps
                    .warn(&format!("create failed and is tried again: {failure}"));
            }
            let waited = tokio::select! {
                () = self.cancel.cancelled() => return Err(self.cancelled()),
                waited = patience.wait(failure) => waited,
            };
            waited.map_err(|failure| self.refused(failure))?;
        }
    }

    /// Whether this user was known to have the right to create pods.
    pub(super) fn has_been_allowed(&self) -> bool {
        self.connection.pace().has_ever_accepted()
    }

    /// Waits until a create may be sent. An outage is not what a busy process makes its creates wait for.
    async fn take_turn<'a>(
        &mut self,
        connection: &'a Connection,
        patience: &mut Patience,
        granted: &mut Duration,
    ) -> Result<Option<SemaphorePermit<'a>>> {
        let asked = Instant::now();
        let turn = tokio::select! {
            turn = connection.pace().create(OUTAGE) => turn,
            () = self.cancel.cancelled() => return Err(self.cancelled()),
        };
        let turn = turn.map_err(|Silent| {
            let text = format!("no answer to any request within {} s", OUTAGE.as_secs());
            self.refused(Failure::Unanswered(text))
        })?;
        if asked.elapsed() >= LONG {
            self.clock.queue(asked);
            if connection.pace().has_accepted(OUTAGE) {
                *patience = Patience::new(OUTAGE);
            } else if let Some(pause) = connection.pace().pause_since(asked)
                && *granted + pause <= GRANTED
            {
                // The server has asked another run for it, and this one has waited too.
                *granted += patience.grant(pause);
            }
        }
        Ok(turn)
    }

    /// Slows all creates of the connection down where the server has too many requests.
    fn note(
        &mut self,
        failure: &Failure,
        pace: &Pace,
        patience: &mut Patience,
        granted: &mut Duration,
    ) {
        if failure.code().is_some() {
            pace.answered();
        }
        let Failure::Busy(status, retry_after) = failure else {
            return;
        };
        if let Some(asked) = retry_after.filter(|asked| *granted + *asked <= GRANTED) {
            // A server that says when it will be back is not away.
            *granted += patience.grant(asked);
        }
        if status.code != 429 {
            return;
        }
        pace.busy(*retry_after);
        if pace.has_accepted(OUTAGE) {
            // It is busy with others' creates, and this one's turn comes.
            self.clock.queue(Instant::now());
            *patience = Patience::new(OUTAGE);
        }
    }

    /// One create. The body is the manifest as it is, so that a field that this build does not know arrives; a field
    /// that the server does not know is refused, as with kubectl, and not dropped.
    ///
    /// `patient`: others before it were not answered. Then it has longer, unless the run is cancelled.
    async fn post(&self, patient: bool) -> Result<Created, Failure> {
        let params = PostParams {
            field_manager: Some("kubegrader".to_owned()),
            ..PostParams::default()
        };
        let url = format!("/api/v1/namespaces/{}/pods", self.namespace);
        let body = self.manifest.json().to_vec();
        let mut request = Request::new(url)
            .create(&params, body)
            .map_err(|error| Failure::Hopeless(error.to_string()))?;
        let strict = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = strict
            .parse()
            .map_err(|_| Failure::Hopeless(format!("{strict:?} is no URL")))?;
        let client = self.connection.client();
        let answer = async { client.request(request).await.map_err(Failure::of_pod) };
        if !patient {
            return within(REQUEST_TIMEOUT, answer).await;
        }
        tokio::select! {
            answer = within(PATIENT_TIMEOUT, answer) => answer,
            () = self.cancel.cancelled() => Err(Failure::Unanswered("cancelled".to_owned())),
        }
    }

    /// Notes whether the pod has the label that the watch goes by: admission may have taken it off.
    fn note_labels(&mut self, labels: &BTreeMap<String, String>) {
        self.hold.unlabelled =
            labels.get(labels::INSTANCE) != Some(&label_value(&self.options.instance));
        if self.hold.unlabelled {
            self.steps.warn(&format!(
                "the cluster's admission has taken off the label {}, so that no watch tells of the pod: it is read again and \
                 again instead, and nobody finds it when this process is killed",
                labels::INSTANCE
            ));
        }
    }

    pub(super) fn owns(&mut self, pod: &PodView, how: &str) {
        self.has(pod.uid(), how);
    }

    /// Takes a pod that the caller has created.
    pub(super) fn follow(&mut self, uid: &str) {
        self.has(uid, "followed");
    }

    fn has(&mut self, uid: &str, how: &str) {
        self.uid = uid.into();
        self.created = true;
        if let Some(under_way) = &mut self.hold.under_way {
            under_way.owns(&self.uid);
        }
        self.clock.create();
        self.steps.info(&format!("{how} (uid {uid})"));
    }

    /// The error of a create that will not succeed, with a verdict where the answer is one on the pod.
    fn refused(&self, failure: Failure) -> Error {
        let cause = match &failure {
            Failure::Refused(status)
                if status.code == 403 && status.message.contains("exceeded quota") =>
            {
                Some(Cause::QuotaExceeded)
            }
            Failure::Refused(status) if is_admission(status) => Some(Cause::Rejected),
            _ => None,
        };
        let mut error = failure.into_error(STEP, &self.object(), self.connection.server());
        if let (
            Error::Api {
                verdict, message, ..
            },
            Some(cause),
        ) = (&mut error, cause)
        {
            let text = format!("{cause}: {message}");
            *verdict = Some(Box::new(Verdict::new(Phase::Pending, cause, text)));
        }
        error
    }
}

/// The creates of a run that have failed.
#[derive(Default)]
struct Tries {
    /// How many of them nobody has answered.
    unanswered: u32,
    /// Whether one of them was perhaps applied all the same.
    in_doubt: bool,
}

impl Tries {
    fn note(&mut self, failure: &Failure) {
        self.unanswered += u32::from(matches!(failure, Failure::Unanswered(_)));
        self.in_doubt |= matches!(failure, Failure::Unanswered(_) | Failure::Busy(..));
    }
}

/// Whether the user has no right to create pods: it "cannot".
fn is_of_rights(status: &Status) -> bool {
    status.code == 403 && status.message.contains("\" cannot ")
}

/// 409 `AlreadyExists`, and the 409 of a name whose deletion is under way.
fn is_taken(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(status) => status.code == 409 && !is_denial(&status.message),
        _ => false,
    }
}

/// Whether a pod of the name may be there: it is, or the create was not answered, or a quota has no room, which a server looks at
/// before the name: the last place may be this pod's.
fn may_be_there(failure: &Failure) -> bool {
    is_taken(failure) || quota::is_used_up(failure) || matches!(failure, Failure::Unanswered(_))
}

/// The failure of a create whose name an earlier run's pod still has, which was told to go: the server's own words, should it stay
/// so.
fn still_there(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(status) if !quota::is_used_up_by(&status) => Failure::Busy(status, None),
        Failure::Unanswered(_) => {
            Failure::Unanswered("a pod of this name is still being deleted".to_owned())
        }
        other => other,
    }
}

/// The failure of a create whose name no pod has: it may be repeated.
fn not_there(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(status) if !quota::is_used_up_by(&status) => {
            Failure::Unanswered(Failure::Refused(status).to_string())
        }
        other => other,
    }
}

/// Whether the answer speaks of this pod (Pod Security, a quota, a webhook, a missing service account) and not of the
/// user's rights: a 403 for want of rights names no object.
fn is_admission(status: &Status) -> bool {
    let names_pod = status
        .details
        .as_ref()
        .is_some_and(|details| !details.name.is_empty());
    // With 400 it cannot be read as a pod: an unknown field, or a value of another type.
    status.code == 400
        || matches!(status.code, 403 | 422) && names_pod
        || is_denial(&status.message)
}

//! What may be repeated, how often, and when to stop: every request that is not a watch goes through here.
//!
//! Facts: Kubernetes API concepts, "Error codes": 429 and 5xx may be repeated after `Retry-After`; 401 may mean a
//! token that was renewed in the meantime; every other 4xx stays what it is.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use kube::core::Status;
use kube::core::response::StatusDetails;
use tokio::time::{Instant, timeout};

use super::config_error;
use crate::error::Error;
use crate::printable::on_one_line;

/// How long one request may take before it counts as unanswered.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a create may take that was twice not answered within [`REQUEST_TIMEOUT`]: an admission webhook may take 30 s, 10 s
/// where its configuration says nothing ("Dynamic Admission Control", time-outs).
pub const PATIENT_TIMEOUT: Duration = Duration::from_secs(35);
/// How long an API server may be away before a step is given up: the restart of a control plane takes less.
pub const OUTAGE: Duration = Duration::from_secs(30);

/// Why a request failed, sorted by what can be done about it.
#[derive(Debug)]
pub enum Failure {
    /// The server answered: no, and will again.
    Refused(Box<Status>),
    /// The server answered that it cannot just now, and for how long where it said so.
    Busy(Box<Status>, Option<Duration>),
    /// The credentials were refused.
    Unauthorized(Box<Status>),
    /// No answer: what was asked may have been done or not.
    Unanswered(String),
    /// No connection: what was asked has reached nobody.
    Unreached(String),
    /// The server cannot be talked to at all, as with a certificate that is not trusted.
    Hopeless(String),
}

impl Failure {
    /// Sorts an error of kube's client.
    #[must_use]
    pub fn of(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status),
            kube::Error::Auth(_) => Self::Hopeless("the credentials cannot be had".to_owned()),
            other => {
                let text = told(&other);
                if is_hopeless(&text) {
                    Self::Hopeless(text)
                } else if has_no_connection(&other) {
                    Self::Unreached(text)
                } else {
                    Self::Unanswered(text)
                }
            }
        }
    }

    /// Sorts an error of a request on one pod. A 404 that does not name what is missing, and a page instead of a `Status`, are a
    /// proxy's: nobody has said anything of the pod.
    #[must_use]
    pub fn of_pod(error: kube::Error) -> Self {
        match Self::of(error) {
            Self::Refused(status) if matches!(status.code, 404 | 409) && is_of_nobody(&status) => {
                Self::Unanswered(format!(
                    "{} from something that is no API server: {}",
                    status.code,
                    readable(&status.message)
                ))
            }
            other => other,
        }
    }

    fn of_status(status: Box<Status>) -> Self {
        let retry_after = status
            .details
            .as_ref()
            .map(|details| details.retry_after_seconds)
            .filter(|&seconds| seconds > 0);
        match status.code {
            401 if !is_denial(&status.message) => Self::Unauthorized(status),
            429 | 500..=599 => Self::Busy(
                status,
                retry_after.map(|seconds| Duration::from_secs(seconds.into())),
            ),
            _ => Self::Refused(status),
        }
    }

    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy(..) | Self::Unanswered(_) | Self::Unreached(_)
        )
    }

    /// Whether it is of who asks: rights or credentials that are not there, which may be so for a moment alone.
    #[must_use]
    pub fn is_of_access(&self) -> bool {
        match self {
            Self::Refused(status) => status.code == 403,
            Self::Unauthorized(_) | Self::Hopeless(_) => true,
            Self::Busy(..) | Self::Unanswered(_) | Self::Unreached(_) => false,
        }
    }

    /// The status code of the answer, where there was one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(status) | Self::Busy(status, _) | Self::Unauthorized(status) => {
                Some(status.code)
            }
            _ => None,
        }
    }

    /// The error that a caller sees.
    #[must_use]
    pub fn into_error(self, step: &'static str, object: &str, server: &str) -> Error {
        match self {
            Self::Refused(status) | Self::Busy(status, _) | Self::Unauthorized(status) => {
                Error::Api {
                    step,
                    object: object.to_owned(),
                    code: status.code,
                    hint: hint(&status),
                    message: readable(&status.message),
                    reason: if status.reason.is_empty() || status.reason.contains(' ') {
                        reason_of(status.code).to_owned()
                    } else {
                        status.reason.clone()
                    },
                    verdict: None,
                }
            }
            Self::Unanswered(problem) | Self::Unreached(problem) | Self::Hopeless(problem) => {
                Error::Unreachable {
                    step,
                    object: object.to_owned(),
                    server: server.to_owned(),
                    problem,
                }
            }
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(status) | Self::Busy(status, _) | Self::Unauthorized(status) => {
                write!(f, "{}: {}", status.code, readable(&status.message))
            }
            Self::Unanswered(problem) | Self::Unreached(problem) | Self::Hopeless(problem) => {
                f.write_str(problem)
            }
        }
    }
}

/// Whether an API server names what its answer is about, as it does in each 404 and 409 on a pod.
fn is_of_nobody(status: &Status) -> bool {
    let named = |details: &StatusDetails| !details.name.is_empty();
    // A webhook's refusal has a code of its own choice and names nothing.
    !status.details.as_ref().is_some_and(named) && !is_denial(&status.message)
}

/// Whether admission has refused an object, with a code of its own choice ("Dynamic Admission Control" and "Validating
/// Admission Policy" in Kubernetes' documentation).
pub(crate) fn is_denial(message: &str) -> bool {
    let policy =
        || message.contains("ValidatingAdmissionPolicy") && message.contains(" denied request");
    message.contains("admission webhook") || policy()
}

/// One request on a pod with a limit to its time; see [`Failure::of_pod`].
///
/// # Errors
/// The [`Failure`].
pub async fn once_on_pod<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    within(REQUEST_TIMEOUT, async {
        request.await.map_err(Failure::of_pod)
    })
    .await
}

/// One request with a limit to its time.
///
/// # Errors
/// The [`Failure`].
pub async fn once<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    within(REQUEST_TIMEOUT, async {
        request.await.map_err(Failure::of)
    })
    .await
}

/// The answer, or [`Failure::Unanswered`] when it has not come whole within `limit`.
///
/// # Errors
/// The [`Failure`].
pub async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(limit, answer).await.unwrap_or_else(|_| {
        Err(Failure::Unanswered(format!(
            "no answer within {} s",
            limit.as_secs_f64()
        )))
    })
}

/// The pauses between repetitions, with jitter, until an outage has lasted too long.
#[derive(Debug)]
pub struct Patience {
    until: Instant,
    pauses: backon::ExponentialBackoff,
}

impl Patience {
    /// Patience for `limit` from now on.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(2))
            .with_jitter()
            .without_max_times()
            .build();
        Self {
            until: Instant::now() + limit,
            pauses,
        }
    }

    /// The time that a request may take which is sent now.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until
            .saturating_duration_since(Instant::now())
            .min(REQUEST_TIMEOUT)
    }

    /// Lets the patience last for a long time that the server has asked for, where it would not; gives what was added. A short one
    /// is a pause like any other.
    pub fn grant(&mut self, asked: Duration) -> Duration {
        if asked < REQUEST_TIMEOUT {
            return Duration::ZERO;
        }
        let wanted = Instant::now() + asked + REQUEST_TIMEOUT;
        let added = wanted.saturating_duration_since(self.until);
        self.until += added;
        added
    }

    /// Waits before the next try; gives the failure back when it is one that no repetition mends, or patience is at
    /// its end.
    ///
    /// # Errors
    /// The failure that ends the step.
    pub async fn wait(&mut self, failure: Failure) -> Result<(), Failure> {
        if !failure.is_transient() {
            return Err(failure);
        }
        let pause = self.pauses.next().unwrap_or(Duration::from_secs(2));
        let pause = match &failure {
            Failure::Busy(_, Some(asked)) => pause.max(*asked),
            _ => pause,
        };
        if Instant::now() + pause > self.until {
            return Err(failure);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// An error of kube's with its sources, each told once. One of credentials that are had anew in the middle of a request, whose
/// own text has all that a plugin was given and has printed, is told as when they were first had.
pub(super) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    match sources.into_iter().find_map(|error| error.downcast_ref()) {
        Some(fault) => config_error::of_user(fault, None),
        None => chain(error),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let told = inner.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        source = inner.source();
    }
    text
}

/// Whether a request was not sent, since there was no connection to send it on.
fn has_no_connection(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut sources = std::iter::successors(Some(error), |error| error.source());
    sources.any(|error| {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        // Nothing but a connect is answered with it (connect(2) and send(2)).
        error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    })
}

/// Faults of the set-up that look like faults of the line.
fn is_hopeless(text: &str) -> bool {
    [
        "invalid peer certificate",
        "UnknownIssuer",
        "InvalidCertificate",
        "received corrupt message",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

/// A message fit for a log: a proxy's HTML page becomes its words, and no message is longer than a screen.
fn readable(message: &str) -> String {
    let mut in_tag = false;
    let text: String = message
        .chars()
        .filter(|&c| {
            let was_in_tag = in_tag;
            in_tag = (in_tag || c == '<') && c != '>';
            !was_in_tag && c != '<'
        })
        .collect();
    let text = if message.trim_start().starts_with('<') {
        &text
    } else {
        message
    };
    let text = on_one_line(text);
    let cut: String = text.chars().take(1000).collect();
    if cut.len() < text.len() {
        format!("{cut} ...")
    } else {
        cut
    }
}

fn reason_of(code: u16) -> &'static str {
    http::StatusCode::from_u16(code)
        .ok()
        .and_then(|code| code.canonical_reason())
        .unwrap_or("Error")
}

fn hint(status: &Status) -> &'static str {
    match status.code {
        401 => "Log in again, or give the service account a fresh token",
        403 if status.message.contains("exceeded quota") => {
            "Raise the namespace's ResourceQuota, or ask for less"
        }
        403 if status.message.contains("PodSecurity") => {
            "The namespace's Pod Security level forbids this pod"
        }
        // A user without the right "cannot" do something; what else is forbidden, the answer itself tells.
        403 if status.message.contains("\" cannot ") => {
            "Give the user or service account a Role with this verb on pods and pods/log in this namespace"
        }
        409 if status.message.contains("being deleted") => {
            "Something keeps the old pod, such as its finalizers or its node: see 'kubectl get pod -o yaml'"
        }
        404 if status.message.starts_with("namespaces") => {
            "Create the namespace, or set another one"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests;

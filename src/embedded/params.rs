//! The query of a request and the options in it, read and refused as the real server does.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, StatusCause};

use super::kind::Kind;
use super::selector::Selector;
use super::status_body::{Refusal, cause, forbidden, invalid, unsupported};

const META: &str = "meta.k8s.io";
const MATCH: &str = "resourceVersionMatch";
const NOT_WITH_CONTINUE: &str = "resourceVersionMatch is forbidden when continue is provided";

/// What becomes of fields that the server does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and named in `Warning` headers.
    Warn,
    /// The request is refused.
    Strict,
}

/// The query parameters of a request.
#[derive(Debug, Clone, Default)]
pub struct Params(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(all)| Self(all))
            .map_err(|error| Refusal::bad_request(error.body_text()))
    }
}

impl Params {
    /// The text of a parameter; empty when it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A switch, read as Kubernetes reads it: there and neither `false` nor `0`.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.0
            .get(name)
            .is_some_and(|value| !matches!(value.as_str(), "false" | "0"))
    }

    /// A whole number.
    ///
    /// # Errors
    /// 400 in Go's words.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let message = || format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
        text.parse()
            .map(Some)
            .map_err(|_| Refusal::bad_request(message()))
    }

    /// Both selectors.
    ///
    /// # Errors
    /// 400.
    pub fn selector<T: Kind>(&self) -> Result<Selector, Refusal> {
        Selector::parse::<T>(self.text("labelSelector"), self.text("fieldSelector"))
    }

    /// `dryRun=All`.
    ///
    /// # Errors
    /// 422 for anything else; `kind` is the kind of options, such as `CreateOptions`.
    pub fn dry_run(&self, kind: &str) -> Result<bool, Refusal> {
        let text = self.text("dryRun");
        let given: Vec<String> = (!text.is_empty())
            .then(|| text.to_owned())
            .into_iter()
            .collect();
        check_dry_run(kind, &given)
    }

    /// `timeoutSeconds` of a watch.
    ///
    /// # Errors
    /// 400.
    pub fn timeout(&self) -> Result<Option<Duration>, Refusal> {
        let seconds = self
            .number("timeoutSeconds")?
            .and_then(|seconds| u64::try_from(seconds).ok());
        Ok(seconds
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs))
    }

    /// `resourceVersion`; `None` when it is not there.
    ///
    /// # Errors
    /// The text of what is wrong, which lists and watches answer in different ways.
    pub fn version(&self) -> Result<Option<u64>, String> {
        let text = self.text("resourceVersion");
        if text.is_empty() {
            return Ok(None);
        }
        let fault = || {
            format!(
                "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
            )
        };
        text.parse().map(Some).map_err(|_| fault())
    }

    /// Checks `resourceVersionMatch` and `sendInitialEvents` against each other.
    ///
    /// # Errors
    /// 422.
    pub fn check_match(&self, watch: bool) -> Result<(), Refusal> {
        let initial = self.0.contains_key("sendInitialEvents");
        let causes = if watch {
            self.watch_faults(initial)
        } else {
            self.list_faults(initial)
        };
        if causes.is_empty() {
            return Ok(());
        }
        Err(Refusal::invalid(META, "ListOptions", "", causes))
    }

    fn watch_faults(&self, initial: bool) -> Vec<StatusCause> {
        let given = self.text(MATCH);
        let mut causes = Vec::new();
        if initial && given != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            causes.push(forbidden(MATCH, why));
        } else if !initial && !given.is_empty() {
            let why =
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(forbidden(MATCH, why));
        }
        if !matches!(given, "" | "NotOlderThan") {
            causes.push(unsupported(MATCH, given, &["NotOlderThan"]));
        }
        if !self.text("continue").is_empty() {
            causes.push(forbidden(MATCH, NOT_WITH_CONTINUE));
        }
        causes
    }

    fn list_faults(&self, initial: bool) -> Vec<StatusCause> {
        let given = self.text(MATCH);
        let version = self.text("resourceVersion");
        let mut causes = Vec::new();
        if !given.is_empty() && version.is_empty() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            causes.push(forbidden(MATCH, why));
        }
        if !given.is_empty() && !self.text("continue").is_empty() {
            causes.push(forbidden(MATCH, NOT_WITH_CONTINUE));
        }
        if !matches!(given, "" | "Exact" | "NotOlderThan") {
            causes.push(unsupported(MATCH, given, &["Exact", "NotOlderThan", ""]));
        }
        if given == "Exact" && version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            causes.push(forbidden(MATCH, why));
        }
        if initial {
            let why = "sendInitialEvents is forbidden for list";
            causes.push(forbidden("sendInitialEvents", why));
        }
        causes
    }

    /// The switch, when it is there.
    #[must_use]
    pub fn optional_flag(&self, name: &str) -> Option<bool> {
        self.0.contains_key(name).then(|| self.flag(name))
    }

    /// `fieldValidation`; `kind` is the kind of options, such as `CreateOptions`.
    ///
    /// # Errors
    /// 422 for an unknown word.
    pub fn field_validation(&self, kind: &str) -> Result<FieldValidation, Refusal> {
        let field = "fieldValidation";
        match self.text(field) {
            "" | "Ignore" => Ok(FieldValidation::Ignore),
            "Warn" => Ok(FieldValidation::Warn),
            "Strict" => Ok(FieldValidation::Strict),
            other => {
                let fault = unsupported(field, other, &["", "Ignore", "Strict", "Warn"]);
                Err(Refusal::invalid(META, kind, "", vec![fault]))
            }
        }
    }

    /// The options of a delete: those of the body when there is one, else those of the query.
    ///
    /// # Errors
    /// 400, 422, and the real server's 500 for a body that is no JSON.
    pub fn delete_options(&self, body: &[u8]) -> Result<(DeleteOptions, bool), Refusal> {
        let grace = self.number("gracePeriodSeconds")?;
        let options = if body.is_empty() {
            let text = |name| Some(self.text(name).to_owned()).filter(|value| !value.is_empty());
            DeleteOptions {
                grace_period_seconds: grace,
                propagation_policy: text("propagationPolicy"),
                dry_run: text("dryRun").map(|value| vec![value]),
                ..DeleteOptions::default()
            }
        } else {
            read_options(body)?
        };
        let policy = options.propagation_policy.as_deref().unwrap_or("nil");
        let policies = ["Foreground", "Background", "Orphan", "nil"];
        if !policies.contains(&policy) {
            let fault = unsupported("propagationPolicy", policy, &policies);
            return Err(Refusal::invalid(META, "DeleteOptions", "", vec![fault]));
        }
        if options.orphan_dependents.is_some() && policy != "nil" {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            let fault = invalid("propagationPolicy", policy, why);
            return Err(Refusal::invalid(META, "DeleteOptions", "", vec![fault]));
        }
        let dry_run = check_dry_run(
            "DeleteOptions",
            options.dry_run.as_deref().unwrap_or_default(),
        )?;
        Ok((options, dry_run))
    }
}

/// The real server answers 500 for a body that is no `DeleteOptions`.
fn read_options(body: &[u8]) -> Result<DeleteOptions, Refusal> {
    let options: DeleteOptions = serde_json::from_slice(body).map_err(|error| {
        Refusal::internal(format!(
            "couldn't get version/kind; json parse error: {error}"
        ))
    })?;
    let kind = options.kind.as_deref().unwrap_or("DeleteOptions");
    if kind != "DeleteOptions" {
        let version = options.api_version.as_deref().unwrap_or_default();
        return Err(Refusal::internal(format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:110\""
        )));
    }
    Ok(options)
}

fn check_dry_run(kind: &str, given: &[String]) -> Result<bool, Refusal> {
    if given.iter().all(|value| value == "All") {
        return Ok(!given.is_empty());
    }
    let message = format!("Unsupported value: {given:?}: supported values: \"All\"");
    let fault = cause("FieldValueNotSupported", "dryRun", message);
    Err(Refusal::invalid(META, kind, "", vec![fault]))
}

//! Names of pods and values of labels: what Kubernetes allows, short, unique and stable.

use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};

/// The length that Kubernetes allows a label's value ("Labels and Selectors") and a DNS-1123 label to have.
const LONGEST: usize = 63;

/// The name of the pod that grades a submission, as grader-service makes it from 0.7.0 on:
/// `autograde-job-<user>-<submission id>`, with the user's name in lower case, every run of other characters than
/// ASCII letters and digits as one hyphen, cut to 50 characters.
#[must_use]
pub fn autograde_pod(user: &str, submission: i64) -> String {
    let mut slug = String::with_capacity(user.len());
    for c in user.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(50);
    format!("autograde-job-{}-{submission}", slug.trim_matches('-'))
}

/// The name of a pod's further attempt: `<name>-attempt-<number>`, within the length that a pod's name may have.
#[must_use]
pub fn of_attempt(name: &str, attempt: u32) -> String {
    let suffix = format!("-attempt-{attempt}");
    let kept: String = name.chars().take(253 - suffix.len()).collect();
    // A pod's name has no label that ends with a hyphen.
    format!("{}{suffix}", kept.trim_end_matches(['-', '.']))
}

/// Whether a name can be a namespace's: a DNS-1123 label of at most 63 characters ("Object Names and IDs").
#[must_use]
pub fn is_namespace(name: &str) -> bool {
    name.len() <= LONGEST && !name.contains('.') && is_pod_name(name)
}

/// Whether a name can be a pod's: a DNS-1123 subdomain of at most 253 characters ("Object Names and IDs").
#[must_use]
pub fn is_pod_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A label's value for any text: the text itself where it may be one, else what is left of it and a hash, so that
/// two texts never get the same value.
#[must_use]
pub fn label_value(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: char| c.is_ascii_alphanumeric();
    if text.len() <= LONGEST
        && text.chars().all(allowed)
        && (text.is_empty() || text.starts_with(ends) && text.ends_with(ends))
    {
        return text.to_owned();
    }
    let hash = hex(&Sha256::digest(text.as_bytes())[..4]);
    let kept: String = text
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(LONGEST - 1 - hash.len())
        .collect();
    let kept = kept.trim_matches(|c| !ends(c));
    if kept.is_empty() {
        hash
    } else {
        format!("{kept}-{hash}")
    }
}

/// Bytes that nobody else gets. From the operating system, since a generator of this process is copied by a fork:
/// celery's workers would all draw the same.
#[must_use]
pub(crate) fn unique_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    if SysRng.try_fill_bytes(&mut bytes).is_err() {
        bytes = rand::random();
    }
    bytes
}

/// An id that nobody else gets: 32 hexadecimal digits.
#[must_use]
pub(crate) fn unique_id() -> String {
    hex(&unique_bytes())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! Whether an image reference can be: `ParseNormalizedNamed` of `distribution/reference` 0.6.0, which the kubelet applies
//! before it pulls, in the same steps and words.
//!
//! No parser of references is used since the maintained one, `oci-spec`, takes 70 ms for the first reference of a process,
//! and leaves out some of these rules.

use std::sync::LazyLock;

use regex_lite::Regex;

/// `ReferenceRegexp`, with its domain and its path as groups, and its tag and digest.
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let domain_component = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let ipv6 = r"\[(?:[a-fA-F0-9:]+)\]";
    let domain = format!(r"(?:{domain_component}(?:\.{domain_component})*|{ipv6})(?::[0-9]+)?");
    let path_component = "[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*";
    let path = format!("{path_component}(?:/{path_component})*");
    let tag = r"[\w][\w.-]{0,127}";
    let digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*[:][[:xdigit:]]{32,}";
    let all =
        format!("^(?:(?:{domain})/)?(?<path>{path})(?::(?:{tag}))?(?:@(?<digest>{digest}))?$");
    // Constant: `references_that_the_kubelet_takes_are_taken` fails where it is none.
    Regex::new(&all).ok()
});

const FORMAT: &str = "invalid reference format";
/// `RepositoryNameTotalLengthMax`, in bytes.
const LONGEST: usize = 255;
/// The registry of a reference that names none, and the repository of its images there.
const DEFAULT_DOMAIN: &str = "docker.io";
const OFFICIAL: &str = "library/";

/// Checks a reference.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn check(reference: &str) -> Result<(), &'static str> {
    if reference.len() == 64 && is_lower_hex(reference) {
        return Err("a repository's name cannot be 64 hexadecimal digits");
    }
    let (domain, rest) = split_domain(reference);
    let name = rest.split_once(':').map_or(rest, |(name, _)| name);
    if name.to_lowercase() != name {
        return Err("invalid reference format: repository name must be lowercase");
    }
    let library = if domain == DEFAULT_DOMAIN && !rest.contains('/') {
        OFFICIAL
    } else {
        ""
    };
    let whole = format!("{domain}/{library}{rest}");
    let parts = REFERENCE
        .as_ref()
        .and_then(|grammar| grammar.captures(&whole));
    let parts = parts.ok_or(FORMAT)?;
    if parts.name("path").is_some_and(|path| path.len() > LONGEST) {
        return Err("repository name must not be more than 255 characters");
    }
    parts
        .name("digest")
        .map_or(Ok(()), |digest| check_digest(digest.as_str()))
}

/// `splitDockerDomain`: the registry, and what comes after it.
pub(super) fn split_domain(reference: &str) -> (&str, &str) {
    match reference.split_once('/') {
        Some(("index.docker.io", rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.to_lowercase() != first =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, reference),
    }
}

/// `Digest.Validate` of `opencontainers/go-digest`.
fn check_digest(digest: &str) -> Result<(), &'static str> {
    let (algorithm, encoded) = digest.split_once(':').unwrap_or_default();
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err("unsupported digest algorithm"),
    };
    if encoded.len() != length {
        return Err("invalid checksum digest length");
    }
    if !is_lower_hex(encoded) {
        return Err("invalid checksum digest format");
    }
    Ok(())
}

fn is_lower_hex(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

//! What is said of a reference that cannot be.

use super::reference::split_domain;

/// What is wrong with a reference, with the characters at fault and where they stand.
pub(super) fn problem(reference: &str, rule: &str) -> String {
    if reference.is_empty() {
        return "it is empty".to_owned();
    }
    let name_end = reference.find(['@']).unwrap_or(reference.len());
    let faults: Vec<String> = reference
        .char_indices()
        .filter(|&(at, c)| !is_allowed(reference, name_end, at, c))
        .map(|(at, c)| format!("{c:?} at position {}", reference[..at].chars().count() + 1))
        .collect();
    if faults.is_empty() {
        return rule.to_owned();
    }
    format!("{rule}; not allowed: {}", faults.join(", "))
}

/// Whether a character may stand where it stands: repository names are lower case, tags need not be.
fn is_allowed(reference: &str, name_end: usize, at: usize, c: char) -> bool {
    let name = &reference[..name_end];
    let last_slash = name.rfind('/').map_or(0, |slash| slash + 1);
    let tag = name[last_slash..]
        .rfind(':')
        .map_or(name_end, |colon| last_slash + colon);
    let registry = split_domain(name).0;
    let registry = if name.starts_with(registry) {
        registry.len()
    } else {
        0
    };
    match c {
        'a'..='z' | '0'..='9' | '.' | '_' | '-' | '/' | ':' | '@' => true,
        'A'..='Z' => at < registry || at > tag,
        '+' => at > name_end,
        // An IPv6 address.
        '[' | ']' => at < registry,
        _ => false,
    }
}

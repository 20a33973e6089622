//! Lists: one consistent version, in pages.
//!
//! A page's `continue` token is the real server's: the version of the list and the key that comes next.
//! Older versions are rebuilt from the events that are kept; when those are gone the answer is 410.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::event::{Key, Stored};
use super::kind::Kind;
use super::params::Params;
use super::status_body::Refusal;
use super::store::{Snapshot, Store};
use super::watch::WatchRequest;

#[derive(Debug, Serialize, Deserialize)]
struct Token {
    v: String,
    rv: u64,
    start: String,
}

/// One page of objects.
#[derive(Debug)]
pub struct Page<T> {
    /// The objects.
    pub items: Vec<Stored<T>>,
    /// The version of the list.
    pub version: u64,
    /// Asks for the next page.
    pub next: Option<String>,
    /// How many objects come after this page; known only without selectors.
    pub remaining: Option<usize>,
}

impl<T: Kind> Page<T> {
    /// Reads what a list request asks for.
    ///
    /// # Errors
    /// 400, 410, 422, 504 in the real server's words.
    pub fn of(store: &Store, namespace: &str, params: &Params) -> Result<Self, Refusal> {
        let limit = params.number("limit")?.unwrap_or(0);
        let request = WatchRequest {
            namespace: namespace.to_owned(),
            selector: params.selector::<T>()?,
            ..WatchRequest::default()
        };
        params.check_match(false)?;
        let (snapshot, start) = choose::<T>(store, namespace, params)?;
        let version = snapshot.version;
        let mut rest = snapshot
            .objects
            .into_iter()
            .filter(|((space, _), _)| namespace.is_empty() || space == namespace)
            .filter(|(key, _)| start.as_ref().is_none_or(|start| key >= start))
            .peekable();
        let take = usize::try_from(limit)
            .ok()
            .filter(|limit| *limit > 0)
            .unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut last = None;
        while items.len() < take
            && let Some((key, stored)) = rest.next()
        {
            if request.covers(&*stored.object) {
                items.push(stored);
                last = Some(key);
            }
        }
        // Like a real server, which does not look whether anything that follows would match.
        let next = last.filter(|_| rest.peek().is_some());
        let selected =
            !params.text("labelSelector").is_empty() || !params.text("fieldSelector").is_empty();
        let remaining = next.is_some().then(|| rest.count()).filter(|_| !selected);
        Ok(Self {
            items,
            version,
            next: next.map(|key| encode(version, namespace, &key)),
            remaining,
        })
    }

    /// The `metadata` of the list.
    #[must_use]
    pub fn metadata(&self) -> serde_json::Value {
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if let Some(next) = &self.next {
            metadata["continue"] = json!(next);
        }
        if let Some(remaining) = self.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
        metadata
    }

    /// The list as JSON.
    #[must_use]
    pub fn json(&self) -> Bytes {
        let mut body = format!(
            r#"{{"kind":"{}List","apiVersion":"{}","metadata":{},"items":["#,
            T::KIND,
            T::API_VERSION,
            self.metadata()
        )
        .into_bytes();
        for (index, stored) in self.items.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            match stored.json.strip_prefix(T::HEAD) {
                Some(rest) => {
                    body.push(b'{');
                    body.extend_from_slice(rest);
                }
                None => body.extend_from_slice(&stored.json),
            }
        }
        body.extend_from_slice(b"]}");
        body.into()
    }
}

/// The version that is asked for and the key to start at.
fn choose<T: Kind>(
    store: &Store,
    namespace: &str,
    params: &Params,
) -> Result<(Snapshot<T>, Option<Key>), Refusal> {
    let token = params.text("continue");
    if !token.is_empty() {
        if !matches!(params.text("resourceVersion"), "" | "0") {
            let message = "specifying resource version is not allowed when using continue";
            return Err(Refusal::bad_request(message));
        }
        let (version, key) = decode(namespace, token)?;
        let snapshot = store.snapshot_at(version).map_err(|_| {
            Refusal::expired("The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.")
        })?;
        return Ok((snapshot, Some(key)));
    }
    let version = params
        .version()
        .map_err(|fault| Refusal::bad_request(format!("invalid resource version: {fault}")))?;
    let current = store.snapshot();
    let Some(version) = version else {
        return Ok((current, None));
    };
    if version > current.version {
        return Err(Refusal::too_large_version(version, current.version));
    }
    if params.text("resourceVersionMatch") != "Exact" {
        return Ok((current, None));
    }
    let exact = store.snapshot_at(version);
    exact
        .map(|snapshot| (snapshot, None))
        .map_err(|_| Refusal::expired("The resourceVersion for the provided list is too old."))
}

/// The real server's token: the key after which to go on, below the path that is listed.
fn encode(version: u64, namespace: &str, (space, name): &Key) -> String {
    let start = if namespace.is_empty() && !space.is_empty() {
        format!("/{space}/{name}\0")
    } else {
        format!("/{name}\0")
    };
    let token = Token {
        v: "meta.k8s.io/v1".to_owned(),
        rv: version,
        start,
    };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

fn decode(namespace: &str, text: &str) -> Result<(u64, Key), Refusal> {
    let refuse = |why: String| {
        Refusal::bad_request(format!(
            "invalid continue token: continue key is not valid: {why}"
        ))
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|error| refuse(error.to_string()))?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
    let start = token.start.trim_start_matches('/');
    let (space, name) = start.split_once('/').unwrap_or((namespace, start));
    Ok((token.rv, (space.to_owned(), name.to_owned())))
}

//! What a request asks for, as the API server's own `RequestInfo` reads it.

use std::fmt;

use axum::http::{Method, Request};

/// The verbs of Kubernetes' authorisation, and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Making an object.
    Create,
    /// Reading one object.
    Get,
    /// Reading many.
    List,
    /// Following many.
    Watch,
    /// Changing a part of one.
    Patch,
    /// Replacing one.
    Update,
    /// Deleting one.
    Delete,
    /// Deleting many.
    DeleteCollection,
    /// Reading a container's log, which Kubernetes calls `get` of `pods/log`.
    Log,
    /// Anything that is no resource: versions, health, discovery.
    Other,
}

impl Verb {
    /// Kubernetes' own word; `log` and `other` are ours.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Patch => "patch",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Log => "log",
            Self::Other => "other",
        }
    }

    /// The verb of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        ALL.into_iter().find(|verb| verb.as_str() == name)
    }
}

/// All verbs.
pub const ALL: [Verb; 10] = [
    Verb::Create,
    Verb::Get,
    Verb::List,
    Verb::Watch,
    Verb::Patch,
    Verb::Update,
    Verb::Delete,
    Verb::DeleteCollection,
    Verb::Log,
    Verb::Other,
];

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is to be done.
    pub verb: Verb,
    /// As `pods`; empty for what is no resource.
    pub resource: String,
    /// As `status`, `log`; empty for the object itself.
    pub subresource: String,
    /// Empty for all.
    pub namespace: String,
    /// Empty for many, and for a create.
    pub name: String,
    /// The whole path.
    pub path: String,
    /// Whether a list goes on from an earlier page.
    pub goes_on: bool,
}

impl Asked {
    /// Reads a request's method, path and query.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Self {
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        let mut parts = path
            .trim_matches('/')
            .split('/')
            .filter(|part| !part.is_empty());
        let in_core = parts.next() == Some("api") && parts.next().is_some();
        let parts: Vec<&str> = if in_core { parts.collect() } else { Vec::new() };
        let (namespace, rest) = match parts.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            // A namespace is an object in itself.
            ["namespaces", name] => (*name, parts.as_slice()),
            _ => ("", parts.as_slice()),
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
        let mut asked = Self {
            verb: Verb::Other,
            resource: part(0),
            subresource: part(2),
            namespace: namespace.to_owned(),
            name: part(1),
            path: path.to_owned(),
            goes_on: has(query, "continue", |value| !value.is_empty()),
        };
        asked.verb = asked.verb_of(request.method(), query);
        asked
    }

    fn verb_of(&self, method: &Method, query: &str) -> Verb {
        if self.resource.is_empty() {
            return Verb::Other;
        }
        let many = self.name.is_empty();
        match *method {
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE if many => Verb::DeleteCollection,
            Method::DELETE => Verb::Delete,
            _ if self.subresource == "log" => Verb::Log,
            _ if !many => Verb::Get,
            _ if has(query, "watch", |value| !matches!(value, "false" | "0")) => Verb::Watch,
            _ => Verb::List,
        }
    }

    /// The resource with its subresource, as `pods/log`.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

fn has(query: &str, key: &str, is: impl Fn(&str) -> bool) -> bool {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, value)| name == key && is(value))
}

/// Who is asked for what: the same text for the same request, whenever it comes.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.verb == Verb::Other {
            return write!(f, "{} {}", self.verb.as_str(), self.path);
        }
        write!(f, "{} {}", self.verb.as_str(), self.qualified())?;
        match (self.namespace.as_str(), self.name.as_str()) {
            ("", "") => Ok(()),
            (namespace, "") => write!(f, " {namespace}"),
            ("", name) => write!(f, " {name}"),
            (namespace, name) => write!(f, " {namespace}/{name}"),
        }
    }
}

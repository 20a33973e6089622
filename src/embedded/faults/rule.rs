//! A fault, the requests that may meet it, and how often.

use super::asked::{Asked, Verb};
use super::fault::Fault;

/// Which requests; what is `None` is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    /// What is to be done.
    pub verb: Option<Verb>,
    /// The namespace of the request, or of a watch event's object.
    pub namespace: Option<String>,
    /// The object's name; of a watch event its object's. A create carries no name, and neither do list and watch.
    pub name: Option<String>,
    /// The beginning of the path.
    pub path: Option<String>,
}

/// One fault by rule and by chance. Rules are looked at in the order in which they were added; the first that strikes
/// decides, but delays add up.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What happens.
    pub fault: Fault,
    /// To which requests.
    pub when: When,
    /// How probably, from 0 to 1.
    pub chance: f64,
    /// How many requests (or events) that match are spared before.
    pub skip: u64,
    /// How many are struck; `None`: no end.
    pub times: Option<u64>,
}

impl Rule {
    /// A fault that every request meets that can.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            when: When::default(),
            chance: 1.0,
            skip: 0,
            times: None,
        }
    }

    /// Only requests with this verb.
    #[must_use]
    pub fn verb(mut self, verb: Verb) -> Self {
        self.when.verb = Some(verb);
        self
    }

    /// Only in this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.when.namespace = Some(namespace.to_owned());
        self
    }

    /// Only for the object of this name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.when.name = Some(name.to_owned());
        self
    }

    /// Only under paths that begin so.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.when.path = Some(path.to_owned());
        self
    }

    /// So probably, from 0 to 1.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    /// Not the first `skip` that match.
    #[must_use]
    pub fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// At most so often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Whether it is meant for such a request.
    pub(super) fn matches(&self, asked: &Asked) -> bool {
        self.when.covers(asked, &asked.namespace, &asked.name) && self.fault.can_meet(asked.verb)
    }

    /// Whether it is meant for an event of a watch about this object; bookmarks are about none.
    pub(super) fn matches_line(
        &self,
        watch: &Asked,
        word: &str,
        namespace: &str,
        name: &str,
    ) -> bool {
        let is_bookmark = word == "BOOKMARK";
        is_bookmark == (self.fault == Fault::BookmarkLost)
            && word != "ERROR"
            && self.when.covers(watch, namespace, name)
    }
}

impl When {
    fn covers(&self, asked: &Asked, namespace: &str, name: &str) -> bool {
        let same =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        self.verb.is_none_or(|verb| verb == asked.verb)
            && same(&self.namespace, namespace)
            && same(&self.name, name)
            && self
                .path
                .as_deref()
                .is_none_or(|path| asked.path.starts_with(path))
    }
}

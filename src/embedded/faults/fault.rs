//! What can happen to a request, or to an event of a watch.

use std::time::Duration;

use super::asked::Verb;

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request arrives late by so much.
    Latency(Duration),
    /// The connection is refused: in process an error of that kind, on the socket a connection that is closed before
    /// anything is answered.
    Refused,
    /// The connection breaks before the server has read the request: nothing was done.
    ResetBefore,
    /// The request is done and the connection breaks before the answer: everything was done and nobody knows.
    ResetAfter,
    /// The answer's body breaks off after so many bytes.
    CutBody {
        /// How many bytes arrive.
        at_byte: usize,
    },
    /// The watch stays open and says no more, ever, as behind a firewall that forgot it; after so much time.
    WatchStalled(Duration),
    /// The server ends the watch properly, after so much time.
    WatchClosed(Duration),
    /// 410 `Expired`: for a list as its answer, in a watch as its last event after so much time.
    Gone(Duration),
    /// A bookmark of a watch is not sent.
    BookmarkLost,
    /// An event of a watch comes twice, the second time so much later. Then it is older than what came in between.
    EventDuplicated(Duration),
    /// An event of a watch, and with it all that come after, is late by so much.
    EventDelayed(Duration),
    /// An event of a watch lets the next event of another object go first. It waits for one at most so long, and never
    /// lets a bookmark, an event of its own object or the end of the watch go first.
    EventsReordered(Duration),
    /// 401.
    Unauthorized,
    /// 403 in the words of RBAC.
    Forbidden,
    /// 409 `Conflict`: for a create in the words of a quota that is counted at the same time, else in those of an object
    /// that was changed meanwhile.
    Conflict,
    /// 429 with the header `Retry-After`: for list and watch a `Status` (the watch cache begins anew), for all others the
    /// plain text of a server with too many requests in flight.
    TooManyRequests {
        /// Seconds.
        retry_after: u32,
    },
    /// 503 in the words of a server that shuts down, with the header `Retry-After`.
    Unavailable {
        /// Seconds.
        retry_after: u32,
    },
    /// 500: etcd did not answer in time.
    InternalError {
        /// Seconds; with them it is 500 `ServerTimeout`, which says them in `details` and in a header.
        retry_after: Option<u32>,
    },
    /// 502 with the HTML page of a proxy.
    BadGateway,
}

/// The names of all faults.
pub const NAMES: [&str; 19] = [
    "latency",
    "refused",
    "reset-before",
    "reset-after",
    "cut-body",
    "watch-stalled",
    "watch-closed",
    "gone",
    "bookmark-lost",
    "event-duplicated",
    "event-delayed",
    "events-reordered",
    "unauthorized",
    "forbidden",
    "conflict",
    "too-many-requests",
    "unavailable",
    "internal-error",
    "bad-gateway",
];

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the way to the server; others may follow.
    Way,
    /// The connection itself: no answer, whoever asks.
    Connection,
    /// The answer.
    Answer,
    /// One event of a watch.
    Event,
}

impl Fault {
    /// The name, as `reset-after`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Refused => "refused",
            Self::ResetBefore => "reset-before",
            Self::ResetAfter => "reset-after",
            Self::CutBody { .. } => "cut-body",
            Self::WatchStalled(_) => "watch-stalled",
            Self::WatchClosed(_) => "watch-closed",
            Self::Gone(_) => "gone",
            Self::BookmarkLost => "bookmark-lost",
            Self::EventDuplicated(_) => "event-duplicated",
            Self::EventDelayed(_) => "event-delayed",
            Self::EventsReordered(_) => "events-reordered",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::Unavailable { .. } => "unavailable",
            Self::InternalError { .. } => "internal-error",
            Self::BadGateway => "bad-gateway",
        }
    }

    pub(super) const fn place(&self) -> Place {
        match self {
            Self::Latency(_) => Place::Way,
            Self::Refused | Self::ResetBefore | Self::ResetAfter => Place::Connection,
            Self::BookmarkLost
            | Self::EventDuplicated(_)
            | Self::EventDelayed(_)
            | Self::EventsReordered(_) => Place::Event,
            _ => Place::Answer,
        }
    }

    /// Whether a real server could have this trouble with such a request.
    pub(super) const fn can_meet(&self, verb: Verb) -> bool {
        match self {
            Self::WatchStalled(_) | Self::WatchClosed(_) => matches!(verb, Verb::Watch),
            Self::Gone(_) => matches!(verb, Verb::Watch | Verb::List),
            Self::Conflict => matches!(
                verb,
                Verb::Create | Verb::Update | Verb::Patch | Verb::Delete
            ),
            _ => true,
        }
    }
}

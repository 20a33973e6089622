//! What goes on below kube's watcher, which begins a watch anew without a word when one has ended or is silent: a watch that
//! tells nothing, or ends as soon as it has begun, is found out here.
//!
//! An API server sends a bookmark before it ends a watch ("Watch bookmarks", Kubernetes API concepts): one that has brought not
//! even that was not a watch of the API server, whatever the proxy in between made of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::locked;
use super::watch::{Sight, WATCH_SECONDS, pause};

/// A watch that ends sooner has ended at once.
const AT_ONCE: Duration = Duration::from_secs(5);
/// How the line begins with which an API server gives a watch up ("Watch events", meta/v1).
const ERROR: &[u8] = br#"{"type":"ERROR""#;
/// So many of them in a row are no accident.
const OFTEN: u32 = 3;

/// Looks after the connections of one watch.
#[derive(Debug)]
pub(super) struct Vigil {
    sight: Arc<watch::Sender<Sight>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the present connection was made.
    began: Option<Instant>,
    /// Whether it has brought anything.
    is_heard: bool,
    /// How many in a row have ended at once.
    short: u32,
}

impl Vigil {
    pub(super) fn new(sight: Arc<watch::Sender<Sight>>) -> Arc<Self> {
        Arc::new(Self {
            sight,
            state: Mutex::default(),
        })
    }

    /// The client, with an eye on its watches.
    pub(super) fn client(self: &Arc<Self>, client: Client) -> Client {
        let vigil = Arc::clone(self);
        let namespace = client.default_namespace().to_owned();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (vigil, client) = (Arc::clone(&vigil), client.clone());
            async move { vigil.send(client, request).await }
        });
        Client::new(service, namespace)
    }

    async fn send(
        self: Arc<Self>,
        client: Client,
        request: Request<Body>,
    ) -> Result<Response<axum::body::Body>, kube::Error> {
        let is_watch = request
            .uri()
            .query()
            .is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
        if is_watch {
            sleep(self.begin()).await;
        }
        let answer = client.send(request).await;
        let has_begun = matches!(&answer, Ok(answer) if answer.status().is_success());
        if is_watch && !has_begun {
            // What did not begin is paused for by whoever began it.
            locked(&self.state).began = None;
        }
        let answer = answer?;
        if !is_watch || !has_begun {
            return Ok(answer.map(axum::body::Body::new));
        }
        Ok(answer.map(|body| axum::body::Body::new(self.heard(body))))
    }

    /// The body of a watch, which is listened to.
    fn heard(
        self: Arc<Self>,
        body: Body,
    ) -> impl http_body::Body<Data = Bytes, Error = kube::Error> {
        body.map_frame(move |frame| {
            let is_error = |bytes: &Bytes| bytes.starts_with(ERROR);
            if frame.data_ref().is_some_and(|bytes| !is_error(bytes)) {
                self.hear();
            }
            frame
        })
    }

    /// Judges the connection before, and says how long to pause.
    fn begin(&self) -> Duration {
        let mut state = locked(&self.state);
        let now = Instant::now();
        let before = state.began.replace(now);
        let was_heard = std::mem::take(&mut state.is_heard);
        let Some(before) = before else {
            return Duration::ZERO;
        };
        let lasted = now - before;
        let is_short = lasted < AT_ONCE;
        // A list that is due ends a watch as well, and not for its silence.
        let was_silent = !was_heard && lasted >= Duration::from_secs(WATCH_SECONDS.into());
        state.short = if is_short { state.short + 1 } else { 0 };
        if was_silent || state.short >= OFTEN {
            self.sight.send_if_modified(|sight| {
                let is_new = *sight == Sight::Clear;
                if is_new {
                    *sight = Sight::Blind(before);
                }
                is_new
            });
        }
        let pause = match state.short {
            0 | 1 => Duration::ZERO,
            often => pause(often - 1),
        };
        state.began = Some(now + pause);
        pause
    }

    /// Something has come.
    fn hear(&self) {
        let mut state = locked(&self.state);
        state.is_heard = true;
        let lasts = state.began.is_some_and(|began| began.elapsed() >= AT_ONCE);
        if lasts {
            state.short = 0;
        }
        if state.short < OFTEN {
            self.see();
        }
    }

    /// Whoever waits may rely on the watch again.
    fn see(&self) {
        self.sight.send_if_modified(|sight| {
            let was_blind = matches!(sight, Sight::Blind(_));
            if was_blind {
                *sight = Sight::Clear;
            }
            was_blind
        });
    }
}

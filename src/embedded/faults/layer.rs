//! Where faults happen: between a client and the service that answers it.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Request, Response};
use futures::StreamExt;
use tower::{Layer, Service, ServiceExt};

use super::Faults;
use super::answers::instead;
use super::asked::{Asked, Verb};
use super::body::{broken, cut, until};
use super::decide::Plan;
use super::fault::Fault;
use super::trace::Ticket;
use super::uptime::Connection;
use super::watch_lines;

/// Whether a request is one that the server would answer; others meet only what happens to connections.
type Admits = Arc<dyn Fn(&HeaderMap) -> bool + Send + Sync>;

/// Lets faults happen to the requests of a service; made by [`Faults::layer`].
#[derive(Clone)]
pub struct FaultLayer {
    faults: Faults,
    admits: Admits,
}

impl FaultLayer {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            faults,
            admits: Arc::new(|_| true),
        }
    }

    /// Tells by a request's headers whether it has the token: a request without it must learn nothing.
    #[must_use]
    pub(in crate::embedded) fn only_where(
        mut self,
        admits: impl Fn(&HeaderMap) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.admits = Arc::new(admits);
        self
    }
}

impl std::fmt::Debug for FaultLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultLayer")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = FaultService<S>;

    fn layer(&self, inner: S) -> FaultService<S> {
        FaultService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service whose requests meet faults. Its error is a connection that is refused or broken.
#[derive(Debug, Clone)]
pub struct FaultService<S> {
    inner: S,
    layer: FaultLayer,
}

impl<S, B> Service<Request<B>> for FaultService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response<Body>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The inner service is waited for with each request.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let FaultLayer { faults, admits } = &self.layer;
        let asked = Asked::of(&request);
        // Decided here and not in the future, so that the order is that of the requests.
        let (plan, ticket) = faults.decide(&asked, admits(request.headers()));
        if faults.uptime().is_down() {
            ticket.note("the server is down");
            return Box::pin(std::future::ready(Err(refused())));
        }
        let exchange = Exchange {
            plan,
            ticket,
            asked,
            faults: faults.clone(),
            connection: faults.uptime().connection(),
        };
        Box::pin(exchange.run(self.inner.clone(), request.map(Body::new)))
    }
}

/// What a client sees where nobody listens.
fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused")
}

/// One request and its answer.
struct Exchange {
    plan: Plan,
    ticket: Ticket,
    asked: Asked,
    faults: Faults,
    connection: Connection,
}

impl Exchange {
    async fn run<S>(mut self, inner: S, request: Request<Body>) -> io::Result<Response<Body>>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send,
        S::Future: Send,
    {
        let mut connection = self.connection.clone();
        tokio::select! {
            biased;
            answer = self.answer(inner, request) => Ok(self.wrap(answer?)),
            () = connection.ended() => {
                self.ticket.note("reset by the restart");
                Err(broken())
            }
        }
    }

    async fn answer<S>(&mut self, inner: S, request: Request<Body>) -> io::Result<Response<Body>>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send,
        S::Future: Send,
    {
        if !self.plan.latency.is_zero() {
            self.ticket.note("latency");
            tokio::time::sleep(self.plan.latency).await;
        }
        if let Some(fault) = self.plan.fault
            && !(self.asked.verb == Verb::Watch && is_told_later(fault))
        {
            self.ticket.note(fault.name());
        }
        match self.plan.fault {
            Some(Fault::Refused) => return Err(refused()),
            Some(Fault::ResetBefore) => return Err(broken()),
            _ => {}
        }
        let made_up = self
            .plan
            .fault
            .and_then(|fault| instead(fault, &self.asked));
        let answer = match made_up {
            Some(answer) => answer,
            None => match inner.oneshot(request).await {
                Ok(answer) => answer,
            },
        };
        self.ticket.note(answer.status().as_u16().to_string());
        if self.plan.fault == Some(Fault::ResetAfter) {
            return Err(broken());
        }
        Ok(answer)
    }

    fn wrap(self, mut answer: Response<Body>) -> Response<Body> {
        let streams = matches!(self.asked.verb, Verb::Watch | Verb::Log);
        if !answer.status().is_success() {
            return answer;
        }
        if let Some(Fault::CutBody { at_byte }) = self.plan.fault {
            // Without a length the body is sent in chunks, so that its end is missing even after the last byte.
            answer.headers_mut().remove(CONTENT_LENGTH);
            answer = answer.map(|body| cut(body, at_byte));
        }
        if !streams {
            return answer;
        }
        let Self {
            plan,
            ticket,
            asked,
            faults,
            connection,
        } = self;
        answer.map(|body| {
            if asked.verb == Verb::Watch {
                let lines = watch_lines::with_faults(body, asked, faults, plan.fault, ticket);
                until(lines, connection)
            } else {
                let chunks = body.into_data_stream();
                until(chunks.map(|chunk| chunk.map_err(|_| broken())), connection)
            }
        })
    }
}

/// What happens to a watch is written down when it happens.
fn is_told_later(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::WatchStalled(_) | Fault::WatchClosed(_) | Fault::Gone(_)
    )
}

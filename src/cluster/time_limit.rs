//! How long an answer may take to begin.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Method, Request};
use tokio::time::timeout;
use tower::{BoxError, Layer, Service};

use super::retry::{PATIENT_TIMEOUT, REQUEST_TIMEOUT};

/// Ends requests that are not answered in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimit;

/// A service whose answers have to begin in time.
#[derive(Debug, Clone)]
pub(super) struct Limited<S>(S);

impl<S> Layer<S> for TimeLimit {
    type Service = Limited<S>;

    fn layer(&self, service: S) -> Limited<S> {
        Limited(service)
    }
}

impl<S, B> Service<Request<B>> for Limited<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let limit = limit(&request);
        let answer = self.0.call(request);
        Box::pin(async move {
            match timeout(limit, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(format!("no answer within {} s", limit.as_secs()).into()),
            }
        })
    }
}

/// A create may wait for admission webhooks; who sends it knows for how long it is worth that.
fn limit<B>(request: &Request<B>) -> Duration {
    if request.method() == Method::POST {
        PATIENT_TIMEOUT
    } else {
        REQUEST_TIMEOUT
    }
}

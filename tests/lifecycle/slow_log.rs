//! A log that comes slowly, or breaks off: what has come of it is kept. Under paused time.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::step::Steps;
use kubegrader::{Outcome, RunOptions, run};
use tokio::time::{Duration, Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::support::played::{self, appears, succeed};
use crate::support::without_kubelet;

/// The outcome of a pod that succeeds, whose log is answered so the first time, the second time, and how often it was asked for.
async fn graded(answer: impl Fn(usize) -> Body + Send + Sync + 'static) -> (Outcome, usize) {
    let embedded = without_kubelet();
    let router = embedded.router();
    let (answer, asked) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (router, answer, asked) = (router.clone(), Arc::clone(&answer), Arc::clone(&counted));
        async move {
            if request.uri().path().ends_with("/log") {
                let body = answer(asked.fetch_add(1, Ordering::SeqCst));
                return Ok::<_, Infallible>(Response::new(body));
            }
            router.oneshot(request.map(Body::new)).await
        }
    });
    let cluster = Cluster::with_client(kube::Client::new(service, "default"), "in-process");
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    let options = RunOptions {
        log_limit: 40,
        ..RunOptions::default()
    };
    let running = run(&cluster, played::manifest(), options, &steps, cancel);
    let playing = async {
        appears(&embedded, "p").await;
        succeed(&embedded, "p").await;
    };
    let (outcome, ()) = tokio::join!(running, playing);
    assert_eq!(played::names(&embedded).await, [""; 0]);
    (outcome.unwrap(), asked.load(Ordering::SeqCst))
}

/// A line each so often.
fn lines(count: usize, pause: Duration) -> Body {
    let lines = stream::iter(0..count).then(move |line| async move {
        sleep(pause).await;
        Ok::<_, Infallible>(Bytes::from(format!("line {line}\n")))
    });
    Body::from_stream(lines)
}

/// A beginning, and the end of the connection.
fn broken() -> Body {
    let begun = [
        Ok(Bytes::from_static(b"line 0\nli")),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ];
    Body::from_stream(stream::iter(begun))
}

#[tokio::test(start_paused = true)]
async fn a_log_that_takes_longer_than_ten_seconds_is_read_to_its_end() {
    let began = Instant::now();
    let (outcome, asked) = graded(|_| lines(5, Duration::from_millis(4900))).await;
    assert_eq!(
        outcome.logs.as_deref(),
        Some("line 0\nline 1\nline 2\nline 3\nline 4\n")
    );
    assert_eq!((outcome.verdict.cause, asked), (Cause::Completed, 1));
    assert!(began.elapsed() > Duration::from_secs(24));
}

#[tokio::test(start_paused = true)]
async fn of_a_log_that_takes_longer_than_a_minute_there_is_what_came_in_a_minute() {
    let began = Instant::now();
    let (outcome, asked) = graded(|_| lines(1000, Duration::from_millis(1100))).await;
    let logs = "line 0\nline 1\n[... 392 bytes of the log are left out here ...]\nline 52\nline 53\n\
                [... the rest of the log could not be read ...]\n";
    assert_eq!(outcome.logs.as_deref(), Some(logs));
    assert_eq!((outcome.verdict.cause, asked), (Cause::Completed, 1));
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_breaks_off_is_read_once_more_from_its_beginning() {
    let again = |time| match time {
        0 => broken(),
        _ => Body::from("line 0\nline 1\n"),
    };
    let (outcome, asked) = graded(again).await;
    assert_eq!(outcome.logs.as_deref(), Some("line 0\nline 1\n"));
    assert_eq!((outcome.verdict.cause, asked), (Cause::Completed, 2));
}

#[tokio::test(start_paused = true)]
async fn of_a_log_that_breaks_off_each_time_there_is_its_beginning() {
    let (outcome, asked) = graded(|_| broken()).await;
    let logs = "line 0\nli\n[... the rest of the log could not be read ...]\n";
    assert_eq!(outcome.logs.as_deref(), Some(logs));
    assert_eq!((outcome.verdict.cause, asked), (Cause::Completed, 2));
}

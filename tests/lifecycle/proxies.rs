//! What stands between a client and an API server, and answers in its place: nobody has said anything of the pod then. Under
//! paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::support::played::{appears, manifest, names, read, succeed};
use crate::support::{PODS, patch, without_kubelet};

type Answers = fn(&Request<Body>) -> Option<Response<Body>>;

/// What answers in place of the API server, the first so many times.
#[derive(Clone)]
struct Proxy {
    answers: Answers,
    times: usize,
    answered: Arc<AtomicUsize>,
}

impl Proxy {
    fn new(times: usize, answers: Answers) -> Self {
        Self {
            answers,
            times,
            answered: Arc::default(),
        }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    fn pass(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let answer = (self.answers)(request)?;
        if self.answered() >= self.times {
            return None;
        }
        self.answered.fetch_add(1, Ordering::SeqCst);
        Some(answer)
    }

    fn cluster(&self, embedded: &EmbeddedCluster) -> Cluster {
        let (router, proxy) = (embedded.router(), self.clone());
        let service = ServiceBuilder::new()
            .layer(embedded.faults().layer())
            .service(tower::service_fn(move |request: Request<Body>| {
                let (router, answer) = (router.clone(), proxy.pass(&request));
                async move {
                    match answer {
                        Some(answer) => Ok(answer),
                        None => router.oneshot(request).await,
                    }
                }
            }))
            .map_request(|request: Request<kube::client::Body>| request.map(Body::new));
        Cluster::with_service(service)
    }
}

fn page(code: u16) -> Response<Body> {
    let mut answer = Response::new(Body::from("<html><h1>default backend</h1></html>"));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer
}

fn is_watch(request: &Request<Body>) -> bool {
    request
        .uri()
        .query()
        .is_some_and(|query| query.contains("watch=true"))
}

fn is_create(request: &Request<Body>) -> bool {
    request.method() == Method::POST && request.uri().path() == PODS
}

fn is_on_pod(request: &Request<Body>, method: &Method) -> bool {
    request.method() == method && request.uri().path() == format!("{PODS}/p")
}

/// Runs a pod that succeeds after a minute, and says how late that was told.
async fn run_for_a_minute(cluster: &Cluster, embedded: &EmbeddedCluster) -> (Outcome, Duration) {
    let (options, steps) = (RunOptions::default(), Steps::default());
    let running = run(
        cluster,
        manifest(),
        options,
        &steps,
        CancellationToken::new(),
    );
    let playing = async {
        appears(embedded, "p").await;
        sleep(Duration::from_mins(1)).await;
        succeed(embedded, "p").await;
        Instant::now()
    };
    let (outcome, since) =
        tokio::join!(async { (running.await.unwrap(), Instant::now()) }, playing);
    (outcome.0, outcome.1 - since)
}

/// A pod succeeds, and is gone, though the proxy has answered as often as it could.
async fn succeeds_behind(proxy: &Proxy, embedded: &EmbeddedCluster) {
    let (outcome, _) = run_for_a_minute(&proxy.cluster(embedded), embedded).await;
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert_eq!(proxy.answered(), proxy.times);
    assert_eq!(names(embedded).await, [""; 0]);
}

/// More than passes between two reads of a pod: `poll_interval` and some.
const POLLED: Duration = Duration::from_secs(8);

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_as_soon_as_it_has_begun_is_paused_for_and_the_pod_is_read() {
    let embedded = without_kubelet();
    let proxy = Proxy::new(usize::MAX, |request| {
        is_watch(request).then(|| Response::new(Body::empty()))
    });
    let cluster = proxy.cluster(&embedded);
    let stale = async {
        sleep(Duration::from_secs(50)).await;
        cluster.staleness()
    };
    let ((outcome, late), stale) = tokio::join!(run_for_a_minute(&cluster, &embedded), stale);
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert!(late < POLLED, "{late:?}");
    assert!(stale > Duration::from_secs(40), "{stale:?}");
    // Pauses that grow to 6.4 s.
    assert!(proxy.answered() < 40, "{}", proxy.answered());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_stays_silent_is_found_out_and_the_pod_is_read() {
    let embedded = without_kubelet();
    let proxy = Proxy::new(usize::MAX, |request| {
        let silence = futures::stream::pending::<Result<&str, std::io::Error>>();
        is_watch(request).then(|| Response::new(Body::from_stream(silence)))
    });
    let cluster = proxy.cluster(&embedded);
    let stale = async {
        sleep(Duration::from_secs(50)).await;
        cluster.staleness()
    };
    let ((outcome, late), stale) = tokio::join!(run_for_a_minute(&cluster, &embedded), stale);
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert!(late < POLLED, "{late:?}");
    assert!(stale > Duration::from_secs(40), "{stale:?}");
}

#[tokio::test(start_paused = true)]
async fn after_watches_that_ended_at_once_one_that_lasts_is_relied_upon_again() {
    let embedded = without_kubelet();
    let proxy = Proxy::new(5, |request| {
        is_watch(request).then(|| Response::new(Body::empty()))
    });
    let cluster = proxy.cluster(&embedded);
    let stale = async {
        sleep(Duration::from_secs(55)).await;
        cluster.staleness()
    };
    let ((outcome, late), stale) = tokio::join!(run_for_a_minute(&cluster, &embedded), stale);
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert!(late < Duration::from_millis(100), "{late:?}");
    assert_eq!(stale, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_the_first_event_of_a_watch_is_relied_upon() {
    let embedded = without_kubelet();
    let cluster = Proxy::new(0, |_| None).cluster(&embedded);
    let outage = async {
        appears(&embedded, "p").await;
        sleep(Duration::from_secs(10)).await;
        let refused = Rule::new(Fault::Refused);
        embedded.faults().add(refused);
        // The watch that is open ends by itself.
        sleep(Duration::from_secs(45)).await;
        assert!(cluster.staleness() > Duration::from_secs(20));
        embedded.faults().clear();
        sleep(Duration::from_secs(7)).await;
        succeed(&embedded, "p").await;
        sleep(Duration::from_millis(10)).await;
        cluster.staleness()
    };
    let (options, steps) = (RunOptions::default(), Steps::default());
    let running = run(
        &cluster,
        manifest(),
        options,
        &steps,
        CancellationToken::new(),
    );
    let (outcome, stale) = tokio::join!(running, outage);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(stale, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_a_proxy_answers_to_a_read_says_nothing_of_the_pod() {
    let answers: [Answers; 4] = [
        |request| is_on_pod(request, &Method::GET).then(|| page(404)),
        |request| is_on_pod(request, &Method::GET).then(|| page(409)),
        |request| is_on_pod(request, &Method::GET).then(|| Response::new(Body::from("{}"))),
        // As the default page of a proxy written in Go, or an API server that does not know pods.
        |request| {
            is_on_pod(request, &Method::GET).then(|| {
                let mut answer = page(404);
                *answer.body_mut() = Body::from("404 page not found\n");
                answer
            })
        },
    ];
    for answers in answers {
        let embedded = without_kubelet();
        // Each pod is read then.
        embedded
            .faults()
            .add(Rule::new(Fault::Forbidden).verb(Verb::List));
        succeeds_behind(&Proxy::new(3, answers), &embedded).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_proxy_answers_to_a_delete_leaves_no_pod_behind() {
    let answers: [Answers; 3] = [
        |request| is_on_pod(request, &Method::DELETE).then(|| page(404)),
        |request| is_on_pod(request, &Method::DELETE).then(|| page(409)),
        // A pod that was written in the meantime, and is still ours.
        |request| {
            is_on_pod(request, &Method::DELETE).then(|| {
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409,
                    "message": "Operation cannot be fulfilled on pods \"p\": the object has been modified; please apply \
                                your changes to the latest version and try again",
                    "details": {"name": "p", "kind": "pods"},
                });
                let mut answer = Response::new(Body::from(status.to_string()));
                *answer.status_mut() = StatusCode::CONFLICT;
                answer
            })
        },
    ];
    for answers in answers {
        succeeds_behind(&Proxy::new(2, answers), &without_kubelet()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_in_answer_to_the_create_is_no_answer() {
    let answers: [Answers; 2] = [
        |request| is_create(request).then(|| page(404)),
        |request| is_create(request).then(|| page(409)),
    ];
    for answers in answers {
        succeeds_behind(&Proxy::new(2, answers), &without_kubelet()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_loses_the_label_that_the_watch_goes_by_is_still_there() {
    let embedded = without_kubelet();
    let cluster = Proxy::new(0, |_| None).cluster(&embedded);
    let relabelling = async {
        appears(&embedded, "p").await;
        sleep(Duration::from_secs(20)).await;
        let labels = json!({"metadata": {"labels": {"kubegrader.io/instance": null}}});
        let merge = "application/merge-patch+json";
        let (code, _) = patch(&embedded.router(), &format!("{PODS}/p"), merge, &labels).await;
        assert_eq!(code, 200);
    };
    let ((outcome, late), ()) = tokio::join!(run_for_a_minute(&cluster, &embedded), relabelling);
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert!(late < POLLED, "{late:?}");
    assert_eq!(read(&embedded, "p").await["code"], 404);
}

/// As Envoy and other gateways answer: JSON that is no `Status`.
fn gateway(code: u16) -> Response<Body> {
    let mut answer = Response::new(Body::from(r#"{"message": "no healthy upstream"}"#));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn json_of_a_gateway_is_tried_again_as_its_code_says_whatever_was_asked() {
    let asked: [Answers; 4] = [
        |request| is_create(request).then(|| gateway(503)),
        |request| is_on_pod(request, &Method::DELETE).then(|| gateway(504)),
        |request| is_on_pod(request, &Method::GET).then(|| gateway(502)),
        |request| is_on_pod(request, &Method::DELETE).then(|| gateway(404)),
    ];
    for answers in asked {
        let embedded = without_kubelet();
        // So that the pod is read too.
        let forbidden = Rule::new(Fault::Forbidden)
            .verb(Verb::List)
            .path("/api/v1/");
        embedded.faults().add(forbidden);
        succeeds_behind(&Proxy::new(1, answers), &embedded).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_page_that_is_longer_than_any_errors_text_the_code_is_what_counts() {
    let embedded = without_kubelet();
    let proxy = Proxy::new(usize::MAX, |request| {
        is_create(request).then(|| {
            let mut answer = Response::new(Body::from("x".repeat(1024 * 1024)));
            *answer.status_mut() = StatusCode::FORBIDDEN;
            answer
        })
    });
    let (options, steps) = (RunOptions::default(), Steps::default());
    let cancel = CancellationToken::new();
    let ended = run(
        &proxy.cluster(&embedded),
        manifest(),
        options,
        &steps,
        cancel,
    )
    .await;
    assert!(
        matches!(ended, Err(Error::Api { code: 403, .. })),
        "{ended:?}"
    );
    assert_eq!(proxy.answered(), 1);
}

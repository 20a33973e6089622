//! How fast pods are created, and that requests which hang hold up no other. Under paused time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response};
use futures::future::join_all;
use http_body_util::BodyExt as _;
use kubegrader::cause::Cause;
use kubegrader::cluster::Cluster;
use kubegrader::embedded::{EmbeddedCluster, History};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::support::played::{appears, completed, names, set, status, succeed, until};
use crate::support::{PODS, patch, without_kubelet};

type Sent = Request<kube::client::Body>;

/// A cluster that leaves those requests without an answer.
fn hanging(embedded: &EmbeddedCluster, hangs: fn(&Sent) -> bool) -> Cluster {
    let router = embedded.router();
    let service = tower::service_fn(move |request: Sent| {
        let (router, hangs) = (router.clone(), hangs(&request));
        async move {
            if hangs {
                return std::future::pending::<Result<_, Infallible>>().await;
            }
            router.oneshot(request.map(Body::new)).await
        }
    });
    Cluster::with_client(kube::Client::new(service, "default"), "in-process")
}

async fn run_pod(cluster: &Cluster, name: String, options: RunOptions) -> Result<Outcome, Error> {
    let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let (manifest, steps) = (Manifest::new(pod).unwrap(), Steps::default());
    run(cluster, manifest, options, &steps, CancellationToken::new()).await
}

#[tokio::test(start_paused = true)]
async fn logs_that_hang_hold_up_no_other_pods_log_and_delete() {
    let embedded = without_kubelet();
    let hangs = |request: &Sent| {
        request.uri().path().contains("/pods/stuck-") && request.uri().path().ends_with("/log")
    };
    let cluster = hanging(&embedded, hangs);
    let stuck = (0..100).map(|n| run_pod(&cluster, format!("stuck-{n}"), RunOptions::default()));
    let scene = async {
        for n in 0..100 {
            let name = format!("stuck-{n}");
            appears(&embedded, &name).await;
            succeed(&embedded, &name).await;
        }
        let playing = async {
            appears(&embedded, "p").await;
            succeed(&embedded, "p").await;
        };
        let began = Instant::now();
        let (outcome, ()) = tokio::join!(
            run_pod(&cluster, "p".to_owned(), RunOptions::default()),
            playing
        );
        (outcome.unwrap(), began.elapsed())
    };
    let (stuck, (outcome, took)) = tokio::join!(join_all(stuck), scene);
    assert_eq!(outcome.verdict.cause, Cause::Completed);
    assert!(outcome.logs.is_some());
    assert!(took < Duration::from_secs(4), "{took:?}");
    for outcome in stuck {
        assert_eq!(outcome.unwrap().logs, None);
    }
    assert_eq!(names(&embedded).await, [""; 0]);
}

/// A server whose way to the nodes is down answers all but logs.
#[tokio::test(start_paused = true)]
async fn logs_that_hang_while_all_else_is_answered_hold_up_no_limit_and_no_delete() {
    let embedded = without_kubelet();
    let cluster = hanging(&embedded, |request: &Sent| {
        request.uri().path().ends_with("/log")
    });
    let none = RunOptions::default();
    let stuck = (0..120).map(|n| run_pod(&cluster, format!("stuck-{n}"), none.clone()));
    let small = async {
        for n in 0..100 {
            let (name, options) = (
                format!("small-{n}"),
                RunOptions {
                    log_limit: 0,
                    ..RunOptions::default()
                },
            );
            let playing = async {
                appears(&embedded, &name).await;
                succeed(&embedded, &name).await;
            };
            let (outcome, ()) = tokio::join!(run_pod(&cluster, name.clone(), options), playing);
            outcome.unwrap();
            sleep(Duration::from_millis(400)).await;
        }
    };
    let limited = async {
        for n in 0..120 {
            let name = format!("stuck-{n}");
            appears(&embedded, &name).await;
            succeed(&embedded, &name).await;
        }
        let began = Instant::now();
        let options = RunOptions {
            timeout: Some(Duration::from_secs(4)),
            ..RunOptions::default()
        };
        let playing = async {
            appears(&embedded, "p").await;
            let running = status("Running", &json!({"running": {}}));
            set(&embedded, "p", &running).await;
            until(&embedded, "p", |pod| pod["code"] == 404).await;
            began.elapsed()
        };
        tokio::join!(run_pod(&cluster, "p".to_owned(), options), playing)
    };
    let (_, (), (outcome, took)) = tokio::join!(join_all(stuck), small, limited);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::DeadlineExceeded);
    assert!(took < Duration::from_secs(6), "{took:?}");
}

/// A webhook may look at the deletes of another namespace, and take its time.
#[tokio::test(start_paused = true)]
async fn deletes_that_are_slow_hold_up_no_other_pods_limit() {
    let embedded = without_kubelet();
    let router = embedded.router();
    let cluster = Cluster::with_service(tower::service_fn(move |request: Sent| {
        let router = router.clone();
        async move {
            let path = request.uri().path();
            if request.method() == Method::DELETE && path.contains("/pods/slow-") {
                sleep(Duration::from_secs(9)).await;
            }
            router.oneshot(request.map(Body::new)).await
        }
    }));
    let none = RunOptions::default();
    let slow = (0..160).map(|n| run_pod(&cluster, format!("slow-{n}"), none.clone()));
    let limited = async {
        for n in 0..160 {
            let name = format!("slow-{n}");
            appears(&embedded, &name).await;
            succeed(&embedded, &name).await;
        }
        let options = RunOptions {
            timeout: Some(Duration::from_secs(4)),
            ..RunOptions::default()
        };
        let playing = async {
            appears(&embedded, "p").await;
            let running = status("Running", &json!({"running": {}}));
            set(&embedded, "p", &running).await;
            let began = Instant::now();
            until(&embedded, "p", |pod| pod["code"] == 404).await;
            began.elapsed()
        };
        tokio::join!(run_pod(&cluster, "p".to_owned(), options), playing)
    };
    let (ended, (outcome, took)) = tokio::join!(join_all(slow), limited);
    assert_eq!(outcome.unwrap().verdict.cause, Cause::DeadlineExceeded);
    assert!(took < Duration::from_secs(5), "{took:?}");
    for outcome in ended {
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    }
}

/// An idle pod's watch says nothing for a while when it is open again.
#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_for_a_moment_makes_no_storm_of_reads() {
    const PODS_AT_WORK: usize = 100;
    let embedded = without_kubelet();
    let client = embedded.client("default");
    let cluster = Cluster::with_service(tower::service_fn(move |request: Sent| {
        let client = client.clone();
        async move { client.send(request).await }
    }));
    let none = RunOptions::default();
    let runs = (0..PODS_AT_WORK).map(|n| run_pod(&cluster, format!("p{n}"), none.clone()));
    let playing = async {
        let running = status("Running", &json!({"running": {}}));
        for n in 0..PODS_AT_WORK {
            let name = format!("p{n}");
            appears(&embedded, &name).await;
            set(&embedded, &name, &running).await;
        }
        embedded.restart(History::Kept, Duration::from_millis(200));
        sleep(Duration::from_secs(30)).await;
        let trace = embedded.faults().trace();
        let reads = trace.iter().filter(|line| line.starts_with("get pods"));
        let reads = reads.count();
        for n in 0..PODS_AT_WORK {
            succeed(&embedded, &format!("p{n}")).await;
        }
        reads
    };
    let (outcomes, reads) = tokio::join!(join_all(runs), playing);
    for outcome in outcomes {
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    }
    assert!(reads <= PODS_AT_WORK, "{reads} reads");
}

/// The server asks one run for a pause, and all wait.
#[tokio::test(start_paused = true)]
async fn a_pause_that_the_server_asked_another_run_for_is_no_outage() {
    let embedded = without_kubelet();
    let (router, asked) = (embedded.router(), Arc::new(AtomicUsize::new(0)));
    let cluster = Cluster::with_service(tower::service_fn(move |request: Sent| {
        let (router, asked) = (router.clone(), Arc::clone(&asked));
        async move {
            if request.method() != Method::POST || !request.uri().path().ends_with("/pods") {
                return router.oneshot(request.map(Body::new)).await;
            }
            let answer = Response::builder();
            let refusal = match asked.fetch_add(1, Ordering::SeqCst) {
                0 => answer.status(429).header("retry-after", "32"),
                // For a moment after it.
                1..=20 => answer.status(500),
                _ => return router.oneshot(request.map(Body::new)).await,
            };
            Ok(refusal.body(Body::from("not now")).unwrap())
        }
    }));
    let first = run_pod(&cluster, "first".to_owned(), RunOptions::default());
    let others = async {
        sleep(Duration::from_secs(1)).await;
        let runs = (0..20).map(|n| run_pod(&cluster, format!("p{n}"), RunOptions::default()));
        join_all(runs).await
    };
    let playing = async {
        for name in (0..20).map(|n| format!("p{n}")).chain(["first".to_owned()]) {
            appears(&embedded, &name).await;
            succeed(&embedded, &name).await;
        }
    };
    let (first, others, ()) = tokio::join!(first, others, playing);
    for outcome in others.into_iter().chain([first]) {
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn creates_that_are_never_answered_are_given_up_however_many_there_are() {
    let embedded = without_kubelet();
    let cluster = hanging(&embedded, |request| request.method() == Method::POST);
    let began = Instant::now();
    let runs = (0..500).map(|n| run_pod(&cluster, format!("p{n}"), RunOptions::default()));
    for ended in join_all(runs).await {
        assert!(matches!(ended, Err(Error::Unreachable { .. })), "{ended:?}");
    }
    let took = began.elapsed();
    // Two tries of 10 s and one of 35 s, and pauses in between.
    assert!(took < Duration::from_secs(65), "{took:?}");
}

/// A webhook takes three seconds for each.
#[tokio::test(start_paused = true)]
async fn creates_that_are_answered_slowly_are_not_all_under_way_at_once() {
    let embedded = without_kubelet();
    let (router, count) = (embedded.router(), Arc::new(Mutex::new((0_usize, 0_usize))));
    let most = Arc::clone(&count);
    let cluster = Cluster::with_service(tower::service_fn(move |request: Sent| {
        let (router, count) = (router.clone(), Arc::clone(&count));
        async move {
            let is_create = request.method() == Method::POST;
            if is_create {
                let mut count = count.lock().unwrap();
                count.0 += 1;
                count.1 = count.1.max(count.0);
            }
            if is_create {
                sleep(Duration::from_secs(3)).await;
                count.lock().unwrap().0 -= 1;
            }
            router.oneshot(request.map(Body::new)).await
        }
    }));
    let runs = (0..600).map(|n| run_pod(&cluster, format!("p{n}"), RunOptions::default()));
    let playing = async {
        for n in 0..600 {
            let name = format!("p{n}");
            appears(&embedded, &name).await;
            succeed(&embedded, &name).await;
        }
    };
    let (outcomes, ()) = tokio::join!(join_all(runs), playing);
    for outcome in outcomes {
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    }
    let most = most.lock().unwrap().1;
    assert!(most <= 200, "{most} at once");
}

/// A server that takes twenty creates a second, and says to the others when to come again.
fn busy(embedded: &EmbeddedCluster, refused: &Arc<AtomicUsize>) -> Cluster {
    let (router, refused) = (embedded.router(), Arc::clone(refused));
    let (began, taken) = (Instant::now(), Arc::new(Mutex::new((0, 0))));
    let service = tower::service_fn(move |request: Sent| {
        let (router, refused, taken) = (router.clone(), Arc::clone(&refused), Arc::clone(&taken));
        async move {
            if request.method() == Method::POST && !is_taken(&taken, began.elapsed().as_secs()) {
                refused.fetch_add(1, Ordering::SeqCst);
                let answer = Response::builder().status(429).header("retry-after", "1");
                return Ok(answer
                    .body(Body::from("Too many requests, please try again later."))
                    .unwrap());
            }
            router.oneshot(request.map(Body::new)).await
        }
    });
    Cluster::with_service(service)
}

/// A server that refuses every create, and whose each it was.
fn refusing(embedded: &EmbeddedCluster, asked: &Arc<Mutex<BTreeMap<String, usize>>>) -> Cluster {
    let (router, asked) = (embedded.router(), Arc::clone(asked));
    Cluster::with_service(tower::service_fn(move |request: Sent| {
        let (router, asked) = (router.clone(), Arc::clone(&asked));
        async move {
            if request.method() != Method::POST || !request.uri().path().ends_with("/pods") {
                return router.oneshot(request.map(Body::new)).await;
            }
            let body = request.into_body().collect().await.expect("a body");
            let pod: Value = serde_json::from_slice(&body.to_bytes()).expect("a pod");
            let name = pod["metadata"]["name"].as_str().expect("a name").to_owned();
            *asked.lock().unwrap().entry(name).or_default() += 1;
            let answer = Response::builder().status(429).header("retry-after", "1");
            let text = "Too many requests, please try again later.";
            Ok(answer.body(Body::from(text)).unwrap())
        }
    }))
}

/// Seed 34986 of the schedules.
#[tokio::test(start_paused = true)]
async fn runs_whose_creates_are_refused_take_turns_and_end_when_none_is_accepted() {
    let embedded = without_kubelet();
    let asked = Arc::<Mutex<BTreeMap<String, usize>>>::default();
    let cluster = refusing(&embedded, &asked);
    let began = Instant::now();
    let runs = (0..20).map(|n| run_pod(&cluster, format!("p{n}"), RunOptions::default()));
    for ended in join_all(runs).await {
        assert!(
            matches!(ended, Err(Error::Api { code: 429, .. })),
            "{ended:?}"
        );
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
    let asked = asked.lock().unwrap();
    let (least, most) = (asked.values().min(), asked.values().max());
    assert!(most <= least.map(|least| least + 2).as_ref(), "{asked:?}");
}

/// Whether one more is taken in this second.
fn is_taken(taken: &Mutex<(u64, usize)>, second: u64) -> bool {
    let mut taken = taken.lock().unwrap();
    if taken.0 != second {
        *taken = (second, 0);
    }
    taken.1 += 1;
    taken.1 <= 20
}

#[tokio::test(start_paused = true)]
async fn a_refusal_slows_the_creates_of_all_and_none_is_given_up() {
    let embedded = without_kubelet();
    let refused = Arc::<AtomicUsize>::default();
    let cluster = busy(&embedded, &refused);
    let limits = RunOptions {
        start_timeout: Some(Duration::from_secs(5)),
        ..RunOptions::default()
    };
    let runs = (0..1000).map(|n| run_pod(&cluster, format!("p{n}"), limits.clone()));
    let playing = async {
        loop {
            for name in names(&embedded).await {
                let path = format!("{PODS}/{name}/status");
                let body = json!({"status": status("Succeeded", &completed())});
                patch(
                    &embedded.router(),
                    &path,
                    "application/merge-patch+json",
                    &body,
                )
                .await;
            }
            sleep(Duration::from_secs(1)).await;
        }
    };
    let outcomes = tokio::select! {
        outcomes = join_all(runs) => outcomes,
        () = playing => Vec::new(),
    };
    assert_eq!(outcomes.len(), 1000);
    for outcome in outcomes {
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    }
    // On their own, most of a thousand would be refused in each second of the fifty.
    let refused = refused.load(Ordering::SeqCst);
    assert!(refused < 300, "{refused}");
    assert_eq!(names(&embedded).await, [""; 0]);
}

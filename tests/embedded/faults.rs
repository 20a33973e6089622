//! Each fault as a client in this process sees it, in paused time.

use std::io::ErrorKind;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Method, Request, Response};
use futures::StreamExt;
use futures::future::join_all;
use http_body_util::BodyExt;
use k8s_openapi::jiff::SignedDuration;
use kubegrader::embedded::faults::{Fault, Faults, NAMES, Rule, Verb};
use kubegrader::embedded::{EmbeddedCluster, History, Options};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tower::{Layer, ServiceExt};

use crate::support::{PODS, create, get, patch, short, without_kubelet};

const P: &str = "/api/v1/namespaces/default/pods/p";
const WATCH: &str = "/api/v1/namespaces/default/pods?watch=true";

/// One request through the faults.
async fn ask(
    cluster: &EmbeddedCluster,
    method: Method,
    path: &str,
    body: &Value,
) -> std::io::Result<Response<Body>> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("a request");
    cluster
        .faults()
        .layer()
        .layer(cluster.router())
        .oneshot(request)
        .await
}

async fn read(cluster: &EmbeddedCluster, path: &str) -> std::io::Result<Response<Body>> {
    ask(cluster, Method::GET, path, &Value::Null).await
}

async fn code(cluster: &EmbeddedCluster, path: &str) -> u16 {
    read(cluster, path)
        .await
        .expect("an answer")
        .status()
        .as_u16()
}

async fn json_of(answer: Response<Body>) -> Value {
    let bytes = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}})
}

fn with(rule: Rule) -> EmbeddedCluster {
    let cluster = without_kubelet();
    cluster.faults().add(rule);
    cluster
}

/// The events of a watch that come within a minute.
async fn minute(answer: Response<Body>) -> Vec<(String, String)> {
    let mut body = answer.into_body().into_data_stream();
    let mut events = Vec::new();
    let end = Instant::now() + Duration::from_secs(59);
    while let Ok(Some(line)) = tokio::time::timeout_at(end, body.next()).await {
        let event: Value = serde_json::from_slice(&line.expect("a line")).expect("JSON");
        events.push(short(&event));
    }
    events
}

fn named(word: &str, name: &str) -> (String, String) {
    (word.to_owned(), name.to_owned())
}

async fn change(cluster: &EmbeddedCluster, name: &str, value: &str) {
    let body = json!({"metadata": {"annotations": {"a": value}}});
    let (code, _) = patch(
        &cluster.router(),
        &format!("{PODS}/{name}"),
        "application/merge-patch+json",
        &body,
    )
    .await;
    assert_eq!(code, 200);
}

#[tokio::test(start_paused = true)]
async fn a_late_request_is_done_late() {
    let cluster = with(Rule::new(Fault::Latency(Duration::from_secs(3))));
    let began = Instant::now();
    let p = pod("p");
    let creating = ask(&cluster, Method::POST, PODS, &p);
    let looking = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        get(&cluster.router(), P).await.0
    };
    let (created, early) = tokio::join!(creating, looking);
    assert_eq!(
        (created.expect("an answer").status().as_u16(), early),
        (201, 404)
    );
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_refused_or_reset_before_changes_nothing() {
    for (fault, kind) in [
        (Fault::Refused, ErrorKind::ConnectionRefused),
        (Fault::ResetBefore, ErrorKind::ConnectionReset),
    ] {
        let cluster = with(Rule::new(fault));
        let error = ask(&cluster, Method::POST, PODS, &pod("p"))
            .await
            .expect_err("broken");
        assert_eq!(error.kind(), kind);
        assert_eq!(get(&cluster.router(), P).await.0, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_reset_after_has_done_what_was_asked() {
    let cluster = with(Rule::new(Fault::ResetAfter));
    let error = ask(&cluster, Method::POST, PODS, &pod("p"))
        .await
        .expect_err("broken");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(get(&cluster.router(), P).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn kubes_client_takes_a_broken_connection_for_one() {
    let cluster = with(Rule::new(Fault::ResetAfter));
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
        kube::Api::default_namespaced(cluster.client("default"));
    let error = pods.get("p").await.expect_err("broken");
    let kube::Error::Service(source) = error else {
        panic!("{error}")
    };
    let kind = source
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    assert_eq!(kind, Some(ErrorKind::ConnectionReset));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_cut_at_the_byte() {
    for at_byte in [0, 1, 100] {
        let cluster = with(Rule::new(Fault::CutBody { at_byte }));
        create(&cluster.router(), &pod("p")).await;
        let answer = read(&cluster, P).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body().into_data_stream();
        let mut read = 0;
        let error = loop {
            match body.next().await.expect("a chunk or an error") {
                Ok(chunk) => read += chunk.len(),
                Err(error) => break error,
            }
        };
        assert_eq!(read, at_byte, "{error}");
    }
}

/// What a 1.34 answers in such trouble: code, `Retry-After`, and the `Status`.
#[tokio::test(start_paused = true)]
async fn a_server_in_trouble_answers_in_kubernetes_words() {
    let get_p = (Method::GET, P);
    let cases = [
        (
            Fault::Unauthorized,
            get_p.clone(),
            401,
            None,
            json!({"message": "Unauthorized", "reason": "Unauthorized"}),
        ),
        (
            Fault::Forbidden,
            get_p.clone(),
            403,
            None,
            json!({"message": "pods \"p\" is forbidden: User \"embedded\" cannot get resource \"pods\" in API group \"\" in the namespace \"default\"",
                   "reason": "Forbidden", "details": {"name": "p", "kind": "pods"}}),
        ),
        (
            Fault::Forbidden,
            (Method::GET, "/api/v1/namespaces/default/pods/p/log"),
            403,
            None,
            json!({"message": "pods \"p\" is forbidden: User \"embedded\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"default\"",
                   "reason": "Forbidden", "details": {"name": "p", "kind": "pods"}}),
        ),
        (
            Fault::Forbidden,
            (Method::GET, "/api/v1/pods"),
            403,
            None,
            json!({"message": "pods is forbidden: User \"embedded\" cannot list resource \"pods\" in API group \"\" at the cluster scope",
                   "reason": "Forbidden", "details": {"kind": "pods"}}),
        ),
        (
            Fault::Forbidden,
            (Method::DELETE, PODS),
            403,
            None,
            json!({"message": "pods is forbidden: User \"embedded\" cannot deletecollection resource \"pods\" in API group \"\" in the namespace \"default\"",
                   "reason": "Forbidden", "details": {"kind": "pods"}}),
        ),
        (
            Fault::Forbidden,
            (Method::GET, "/api/v1/namespaces/default"),
            403,
            None,
            json!({"message": "namespaces \"default\" is forbidden: User \"embedded\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"default\"",
                   "reason": "Forbidden", "details": {"name": "default", "kind": "namespaces"}}),
        ),
        (
            Fault::Forbidden,
            (Method::GET, "/version"),
            403,
            None,
            json!({"message": "forbidden: User \"embedded\" cannot get path \"/version\"", "reason": "Forbidden", "details": {}}),
        ),
        (
            Fault::Conflict,
            (Method::PATCH, P),
            409,
            None,
            json!({"message": "Operation cannot be fulfilled on pods \"p\": the object has been modified; please apply your changes to the latest version and try again",
                   "reason": "Conflict", "details": {"name": "p", "kind": "pods"}}),
        ),
        (
            Fault::Conflict,
            (Method::POST, PODS),
            409,
            None,
            json!({"message": "Operation cannot be fulfilled on resourcequotas \"quota\": the object has been modified; please apply your changes to the latest version and try again",
                   "reason": "Conflict", "details": {"name": "quota", "kind": "resourcequotas"}}),
        ),
        (
            Fault::Gone(Duration::ZERO),
            (Method::GET, PODS),
            410,
            None,
            json!({"message": "The resourceVersion for the provided list is too old.", "reason": "Expired"}),
        ),
        (
            Fault::TooManyRequests { retry_after: 2 },
            (Method::GET, PODS),
            429,
            Some("2"),
            json!({"message": "storage is (re)initializing", "reason": "TooManyRequests", "details": {"retryAfterSeconds": 2}}),
        ),
        (
            Fault::InternalError { retry_after: None },
            get_p.clone(),
            500,
            None,
            json!({"message": "etcdserver: request timed out"}),
        ),
        (
            Fault::InternalError {
                retry_after: Some(2),
            },
            (Method::POST, PODS),
            500,
            Some("2"),
            json!({"message": "The create operation against pods could not be completed at this time, please try again.",
                   "reason": "ServerTimeout", "details": {"kind": "pods", "retryAfterSeconds": 2}}),
        ),
        (
            Fault::Unavailable { retry_after: 1 },
            get_p,
            503,
            Some("1"),
            json!({"message": "apiserver is shutting down", "reason": "ServiceUnavailable"}),
        ),
    ];
    for (fault, (method, path), code, retry_after, mut status) in cases {
        let cluster = with(Rule::new(fault));
        let answer = ask(&cluster, method, path, &pod("p"))
            .await
            .expect("an answer");
        let header = answer
            .headers()
            .get(RETRY_AFTER)
            .map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(
            (answer.status().as_u16(), header.as_deref()),
            (code, retry_after),
            "{fault:?}"
        );
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        let rest = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code});
        status
            .as_object_mut()
            .expect("an object")
            .extend(rest.as_object().expect("an object").clone());
        assert_eq!(json_of(answer).await, status, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_in_flight_are_answered_in_plain_text() {
    let cluster = with(Rule::new(Fault::TooManyRequests { retry_after: 1 }));
    let answer = read(&cluster, P).await.expect("an answer");
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()[RETRY_AFTER], "1");
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert_eq!(body, "Too many requests, please try again later.\n");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_answers_with_its_page() {
    let cluster = with(Rule::new(Fault::BadGateway));
    let answer = read(&cluster, P).await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()[CONTENT_TYPE]),
        (502, &"text/html".parse().expect("a value"))
    );
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert!(body.starts_with(b"<html>"), "{body:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_may_be_allowed_where_a_watch_is_not_and_the_other_way_round() {
    for (verb, expected) in [(Verb::Watch, (200, 403)), (Verb::List, (403, 200))] {
        let cluster = with(Rule::new(Fault::Forbidden).verb(verb));
        assert_eq!(
            (code(&cluster, PODS).await, code(&cluster, WATCH).await),
            expected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_watch_stays_open_and_silent_beyond_its_own_timeout() {
    let cluster = with(Rule::new(Fault::WatchStalled(Duration::from_secs(5))));
    let answer = read(&cluster, &format!("{WATCH}&timeoutSeconds=30"))
        .await
        .expect("an answer");
    let mut body = answer.into_body().into_data_stream();
    create(&cluster.router(), &pod("early")).await;
    assert!(body.next().await.expect("a line").is_ok());
    tokio::time::sleep(Duration::from_secs(6)).await;
    create(&cluster.router(), &pod("late")).await;
    assert!(timeout(Duration::from_hours(1), body.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_closed_before_its_time() {
    let cluster = with(Rule::new(Fault::WatchClosed(Duration::from_secs(5))));
    let began = Instant::now();
    let answer = read(&cluster, WATCH).await.expect("an answer");
    create(&cluster.router(), &pod("p")).await;
    assert_eq!(minute(answer).await, [named("ADDED", "p")]);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_410() {
    let cluster = with(Rule::new(Fault::Gone(Duration::from_secs(5))));
    let mut body = read(&cluster, WATCH)
        .await
        .expect("an answer")
        .into_body()
        .into_data_stream();
    let line = body.next().await.expect("a line").expect("a line");
    let event: Value = serde_json::from_slice(&line).expect("JSON");
    assert_eq!(
        event,
        json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
               "message": "The resourceVersion for the provided watch is too old.", "reason": "Expired", "code": 410}})
    );
    assert!(body.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_is_lost_and_the_next_one_comes() {
    let cluster = with(Rule::new(Fault::BookmarkLost).times(1));
    let began = Instant::now();
    let answer = read(&cluster, &format!("{WATCH}&allowWatchBookmarks=true"))
        .await
        .expect("an answer");
    let mut body = answer.into_body().into_data_stream();
    let line = body.next().await.expect("a line").expect("a line");
    assert!(line.starts_with(b"{\"type\":\"BOOKMARK\""), "{line:?}");
    assert_eq!(began.elapsed(), Duration::from_mins(2));
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_twice() {
    let cluster = with(Rule::new(Fault::EventDuplicated(Duration::ZERO)).name("p"));
    let answer = read(&cluster, WATCH).await.expect("an answer");
    create(&cluster.router(), &pod("p")).await;
    create(&cluster.router(), &pod("q")).await;
    assert_eq!(
        minute(answer).await,
        [
            named("ADDED", "p"),
            named("ADDED", "p"),
            named("ADDED", "q")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_may_come_when_it_is_old() {
    let cluster = with(Rule::new(Fault::EventDuplicated(Duration::from_secs(5))).times(1));
    let answer = read(&cluster, WATCH).await.expect("an answer");
    create(&cluster.router(), &pod("p")).await;
    change(&cluster, "p", "1").await;
    assert_eq!(
        minute(answer).await,
        [
            named("ADDED", "p"),
            named("MODIFIED", "p"),
            named("ADDED", "p")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_is_late_and_those_after_it_too() {
    let cluster = with(Rule::new(Fault::EventDelayed(Duration::from_secs(5))).name("p"));
    let mut body = read(&cluster, WATCH)
        .await
        .expect("an answer")
        .into_body()
        .into_data_stream();
    create(&cluster.router(), &pod("p")).await;
    create(&cluster.router(), &pod("q")).await;
    let began = Instant::now();
    for name in ["p", "q"] {
        let line = body.next().await.expect("a line").expect("a line");
        let event: Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(
            (short(&event), began.elapsed()),
            (named("ADDED", name), Duration::from_secs(5))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_two_objects_change_their_places_and_those_of_one_do_not() {
    let cluster = with(Rule::new(Fault::EventsReordered(Duration::from_secs(5))).name("p"));
    let answer = read(&cluster, WATCH).await.expect("an answer");
    create(&cluster.router(), &pod("p")).await;
    change(&cluster, "p", "1").await;
    create(&cluster.router(), &pod("q")).await;
    assert_eq!(
        minute(answer).await,
        [
            named("ADDED", "p"),
            named("ADDED", "q"),
            named("MODIFIED", "p")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_held_back_comes_before_the_watch_ends() {
    let cluster = with(Rule::new(Fault::EventsReordered(Duration::from_hours(1))));
    cluster
        .faults()
        .add(Rule::new(Fault::WatchClosed(Duration::from_secs(5))));
    let answer = read(&cluster, WATCH).await.expect("an answer");
    create(&cluster.router(), &pod("p")).await;
    assert_eq!(minute(answer).await, [named("ADDED", "p")]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_spares_the_first_and_ends() {
    let cluster = with(
        Rule::new(Fault::Unauthorized)
            .verb(Verb::Get)
            .skip(1)
            .times(2),
    );
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(code(&cluster, P).await);
    }
    assert_eq!(codes, [404, 401, 401, 404]);
    cluster.faults().add(Rule::new(Fault::Unauthorized));
    assert_eq!(code(&cluster, P).await, 401);
    cluster.faults().clear();
    assert_eq!(code(&cluster, P).await, 404);
}

#[tokio::test(start_paused = true)]
async fn a_rule_looks_at_verb_namespace_name_and_path() {
    let q = "/api/v1/namespaces/kube-system/pods/q";
    for (rule, expected) in [
        (Rule::new(Fault::Unauthorized).name("p"), [401, 404, 200]),
        (
            Rule::new(Fault::Unauthorized).namespace("kube-system"),
            [404, 401, 200],
        ),
        (
            Rule::new(Fault::Unauthorized).path("/api/v1/namespaces/default"),
            [401, 404, 200],
        ),
        (
            Rule::new(Fault::Unauthorized).verb(Verb::Get),
            [401, 401, 200],
        ),
        (
            Rule::new(Fault::Unauthorized).verb(Verb::Other),
            [404, 404, 401],
        ),
    ] {
        let cluster = with(rule.clone());
        let codes = [
            code(&cluster, P).await,
            code(&cluster, q).await,
            code(&cluster, "/version").await,
        ];
        assert_eq!(codes, expected, "{rule:?}");
    }
}

#[test]
fn every_fault_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = NAMES.into_iter().collect();
    assert_eq!(names.len(), NAMES.len());
    assert!(names.contains(Fault::EventsReordered(Duration::ZERO).name()));
}

/// Fifty pods are made, read and deleted at once, under half a dozen faults by chance.
async fn crowd(seed: u64, backwards: bool) -> Vec<String> {
    let faults = Faults::new(seed);
    let cluster = EmbeddedCluster::start(Options {
        kubelet: false,
        faults: faults.clone(),
        ..Options::default()
    });
    for fault in [
        Fault::Refused,
        Fault::ResetAfter,
        Fault::BadGateway,
        Fault::Unauthorized,
    ] {
        faults.add(Rule::new(fault).chance(0.2));
    }
    faults.add(Rule::new(Fault::Latency(Duration::from_secs(1))).chance(0.5));
    faults.add(Rule::new(Fault::EventDuplicated(Duration::ZERO)).chance(0.5));
    let one = |index: usize| {
        let cluster = cluster.clone();
        async move {
            let name = format!("p{index}");
            let path = format!("{PODS}/{name}");
            // A put names the pod, so that its fate is its own.
            let _ = ask(&cluster, Method::PUT, &path, &pod(&name)).await;
            let _ = read(&cluster, &path).await;
            let _ = ask(&cluster, Method::DELETE, &path, &json!({})).await;
        }
    };
    let mut order: Vec<usize> = (0..50).collect();
    if backwards {
        order.reverse();
    }
    join_all(order.into_iter().map(one)).await;
    faults.trace()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_tells_the_same_story_and_another_seed_another() {
    let first = crowd(1, false).await;
    assert_eq!(first.len(), 150);
    assert_eq!(first, crowd(1, false).await);
    assert_ne!(first, crowd(2, false).await);
}

#[tokio::test(start_paused = true)]
async fn in_which_order_requests_come_does_not_change_what_happens_to_each() {
    let (mut forwards, mut backwards) = (crowd(1, false).await, crowd(1, true).await);
    assert_ne!(forwards, backwards);
    forwards.sort();
    backwards.sort();
    assert_eq!(forwards, backwards);
}

#[tokio::test(start_paused = true)]
async fn a_chance_is_as_often_as_it_says() {
    let cluster = with(Rule::new(Fault::Unauthorized).chance(0.25));
    let mut struck = 0;
    for _ in 0..1000 {
        struck += u32::from(code(&cluster, P).await == 401);
    }
    assert!((200..300).contains(&struck), "{struck}");
}

#[tokio::test(start_paused = true)]
async fn a_trace_says_what_happened_to_each_request() {
    let cluster = with(Rule::new(Fault::ResetAfter).verb(Verb::Create).times(1));
    cluster
        .faults()
        .add(Rule::new(Fault::EventDuplicated(Duration::ZERO)));
    cluster
        .faults()
        .add(Rule::new(Fault::WatchClosed(Duration::from_secs(1))));
    let answer = read(&cluster, WATCH).await.expect("an answer");
    let _ = ask(&cluster, Method::POST, PODS, &pod("p")).await;
    assert_eq!(code(&cluster, P).await, 200);
    assert_eq!(code(&cluster, P).await, 200);
    minute(answer).await;
    cluster.restart(History::Lost, Duration::from_secs(5));
    read(&cluster, "/version").await.expect_err("down");
    assert_eq!(
        cluster.faults().trace(),
        [
            "watch pods default #1: 200, event-duplicated ADDED p, watch-closed",
            "create pods default #1: reset-after, 201",
            "get pods default/p #1: 200",
            "get pods default/p #2: 200",
            "-- restart, history lost, 5 s down",
            "other /version #1: the server is down",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_restart_ends_watches_and_refuses_requests_for_a_while() {
    let cluster = without_kubelet();
    let created = create(&cluster.router(), &pod("p")).await;
    let mut body = read(&cluster, WATCH)
        .await
        .expect("an answer")
        .into_body()
        .into_data_stream();
    assert!(body.next().await.expect("a line").is_ok());
    cluster.restart(History::Kept, Duration::from_secs(5));
    assert!(body.next().await.expect("an error").is_err());
    assert!(body.next().await.is_none());
    assert_eq!(
        read(&cluster, P).await.expect_err("down").kind(),
        ErrorKind::ConnectionRefused
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(code(&cluster, P).await, 200);
    // Nothing is forgotten.
    change(&cluster, "p", "1").await;
    let version = created["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version");
    let answer = read(&cluster, &format!("{WATCH}&resourceVersion={version}"))
        .await
        .expect("an answer");
    assert_eq!(minute(answer).await, [named("MODIFIED", "p")]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_breaks_a_request_that_is_under_way() {
    let cluster = with(Rule::new(Fault::Latency(Duration::from_secs(10))));
    let asking = read(&cluster, P);
    let restarting = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.restart(History::Kept, Duration::ZERO);
    };
    let (answer, ()) = tokio::join!(asking, restarting);
    assert_eq!(
        answer.expect_err("broken").kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(code(&cluster, "/version").await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lost_its_history_answers_old_versions_with_410() {
    let cluster = without_kubelet();
    let created = create(&cluster.router(), &pod("p")).await;
    let version = created["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version");
    cluster.restart(History::Lost, Duration::ZERO);
    let answer = read(&cluster, &format!("{WATCH}&resourceVersion={version}"))
        .await
        .expect("an answer");
    assert_eq!(minute(answer).await, [named("ERROR", "Expired")]);
    let exact = format!("{PODS}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(code(&cluster, &exact).await, 410);
    // What there is is known.
    let list = json_of(read(&cluster, PODS).await.expect("an answer")).await;
    assert_eq!(list["items"][0]["metadata"]["name"], "p");
    let now = list["metadata"]["resourceVersion"]
        .as_str()
        .expect("a version");
    let answer = read(&cluster, &format!("{WATCH}&resourceVersion={now}"))
        .await
        .expect("an answer");
    change(&cluster, "p", "1").await;
    assert_eq!(minute(answer).await, [named("MODIFIED", "p")]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_is_wrong_in_what_the_server_writes() {
    let cluster = without_kubelet();
    for skew in [-3600, 7200] {
        cluster.set_clock_skew(SignedDuration::from_secs(skew));
        let name = format!("p{}", skew.abs());
        let created = create(&cluster.router(), &pod(&name)).await;
        let written: k8s_openapi::jiff::Timestamp = created["metadata"]["creationTimestamp"]
            .as_str()
            .expect("a time")
            .parse()
            .expect("a time");
        let off = written.as_second() - k8s_openapi::jiff::Timestamp::now().as_second();
        assert!((off - skew).abs() < 60, "{off}");
    }
    assert_eq!(cluster.clock_skew(), SignedDuration::from_secs(7200));
}

//! Whatever is asked of the API, it answers: no panic, no hang, and every refusal is a well-formed `Status`.
//!
//! `PROPTEST_CASES=20000 cargo test --test fuzz` looks longer. What it found has a test with a name here.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::test_runner::Config;
use tower::ServiceExt;

use crate::asked::{Asked, alive, asked, fault_of, panics, valid_pod, watch_over};
use crate::support::{create, without_kubelet};

/// Longer than any watch lives, on a clock that is paused.
const FOREVER: Duration = Duration::from_hours(24);

/// Sends a request and says what is wrong with the answer.
async fn fault(router: &Router, asked: &Asked) -> Option<String> {
    let mut request = Request::builder().method(asked.method).uri(asked.target());
    for (name, value) in &asked.headers {
        request = request.header(*name, value);
    }
    // Not every text is a URL: those are tried on the socket.
    let request = request.body(Body::from(asked.body.clone())).ok()?;
    let answer = async {
        let answer = router.clone().oneshot(request).await.expect("infallible");
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.map(|all| all.to_bytes());
        (code, bytes)
    };
    let answered = tokio::time::timeout(FOREVER, answer).await;
    alive();
    match answered {
        Err(_) => Some("no end".to_owned()),
        Ok((code, Err(error))) => Some(format!("{code}: the body broke off: {error}")),
        Ok((code, Ok(bytes))) => fault_of(asked, code, &bytes),
    }
}

/// The faults of some requests to one cluster with two pods, which no kubelet runs.
fn faults(all: &[Asked]) -> Vec<String> {
    watch_over();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let cluster = without_kubelet();
        let router = cluster.router();
        for name in ["a", "b"] {
            create(&router, &valid_pod(name)).await;
        }
        let mut found = Vec::new();
        for asked in all {
            if let Some(fault) = fault(&router, asked).await {
                found.push(format!("{} {}: {fault}", asked.method, asked.target()));
            }
        }
        found
    })
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(400) })]

    #[test]
    fn any_requests_are_answered(all in prop::collection::vec(asked(), 1..6)) {
        let found = faults(&all);
        prop_assert!(found.is_empty(), "{found:#?}");
        prop_assert!(panics().is_empty(), "{:#?}", panics());
    }
}

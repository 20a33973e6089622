//! The Lease of a process is renewed in time, however busy the process is. Under paused time.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Method, Request, Response};
use futures::future::join_all;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Cluster, RunOptions, run};
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::{Layer as _, ServiceExt as _};

use crate::support::owners::living;
use crate::support::without_kubelet;

/// When the Lease was written.
type Writes = Arc<Mutex<Vec<Instant>>>;

/// Pods may not be listed, and each read of one takes a second, so that thousands of them wait for their turns.
fn slow(writes: &Writes) -> Cluster {
    let embedded = without_kubelet();
    embedded.faults().add(
        Rule::new(Fault::Forbidden)
            .verb(Verb::List)
            .path("/api/v1/"),
    );
    let server = embedded.faults().layer().layer(embedded.router());
    let writes = Arc::clone(writes);
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (server, writes, embedded) = (server.clone(), Arc::clone(&writes), embedded.clone());
        async move {
            let path = request.uri().path().to_owned();
            if path.contains("/leases") {
                writes.lock().unwrap().push(Instant::now());
                let version = writes.lock().unwrap().len().to_string();
                let lease =
                    json!({"metadata": {"name": "l", "resourceVersion": version}, "spec": {}});
                return Ok(Response::new(Body::from(lease.to_string())));
            }
            if request.method() == Method::GET && path.contains("/pods/") {
                sleep(Duration::from_secs(1)).await;
            }
            let answer = server.oneshot(request.map(Body::new)).await;
            drop(embedded);
            answer
        }
    });
    let client = kube::Client::new(service, "default");
    Cluster::with_client(client, "in-process").owned_by(living())
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_in_time_while_thousands_of_reads_wait_for_their_turns() {
    let writes = Writes::default();
    let cluster = slow(&writes);
    let cancel = CancellationToken::new();
    let steps = Steps::default();
    let runs = (0..2500).map(|number| {
        let pod = json!({"metadata": {"name": format!("b{number}")}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
        let manifest = Manifest::new(pod).unwrap();
        run(&cluster, manifest, RunOptions::default(), &steps, cancel.clone())
    });
    let ending = async {
        sleep(Duration::from_mins(5)).await;
        cancel.cancel();
    };
    tokio::join!(join_all(runs), ending);
    let writes = writes.lock().unwrap();
    let gaps = writes.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(writes.len() > 10, "{}", writes.len());
    // Every twenty seconds; who sees none for a minute takes this process for gone.
    assert!(gaps.max().unwrap() < Duration::from_secs(30));
}

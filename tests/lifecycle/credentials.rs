//! Credentials that are refused are read anew, by every kind of request: a token may have been renewed meanwhile.

use std::path::PathBuf;

use kubegrader::cause::Cause;
use kubegrader::cluster::{Cluster, Options};
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::step::Steps;
use kubegrader::{Error, Outcome, RunOptions, run};
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::support::{PODS, get, patch, without_kubelet};

fn cluster_of(kubeconfig: PathBuf) -> Cluster {
    Cluster::new(Options {
        kubeconfig: Some(kubeconfig),
        ..Options::default()
    })
}

async fn run_pod(cluster: &Cluster) -> Result<Outcome, Error> {
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let manifest = Manifest::new(pod).unwrap();
    let (steps, cancel) = (Steps::default(), CancellationToken::new());
    run(cluster, manifest, RunOptions::default(), &steps, cancel).await
}

/// Plays the kubelet: the pod succeeds as soon as it is there.
async fn play(embedded: EmbeddedCluster) {
    let router = embedded.router();
    while get(&router, &format!("{PODS}/p")).await.0 != 200 {
        sleep(std::time::Duration::from_millis(5)).await;
    }
    let status = json!({"status": {"phase": "Succeeded", "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
    }]}});
    let path = format!("{PODS}/p/status");
    patch(&router, &path, "application/merge-patch+json", &status).await;
}

#[tokio::test]
async fn a_token_that_was_renewed_after_it_was_read_is_read_again() {
    let embedded = without_kubelet();
    let folder = tempfile::tempdir().unwrap();
    let server = embedded.serve(&folder.path().join("server")).await.unwrap();
    let good = std::fs::read_to_string(&server.kubeconfig).unwrap();
    let path = folder.path().join("kubeconfig");
    let mut old: serde_json::Value = serde_json::from_str(&good).unwrap();
    old["users"][0]["user"]["token"] = json!("expired");
    std::fs::write(&path, old.to_string()).unwrap();

    let cluster = cluster_of(path.clone());
    cluster.connect().await.unwrap();
    std::fs::write(&path, good).unwrap();
    let (outcome, ()) = tokio::join!(run_pod(&cluster), play(embedded.clone()));
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(get(&embedded.router(), PODS).await.1["items"], json!([]));
}

#[tokio::test]
async fn a_token_that_is_refused_once_stops_no_kind_of_request() {
    for verb in [
        Verb::List,
        Verb::Watch,
        Verb::Create,
        Verb::Log,
        Verb::Delete,
    ] {
        let embedded = without_kubelet();
        let folder = tempfile::tempdir().unwrap();
        let server = embedded.serve(folder.path()).await.unwrap();
        embedded
            .faults()
            .add(Rule::new(Fault::Unauthorized).verb(verb).times(1));
        let cluster = cluster_of(server.kubeconfig.clone());
        let (outcome, ()) = tokio::join!(run_pod(&cluster), play(embedded.clone()));
        assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed, "{verb:?}");
        embedded.faults().clear();
        assert_eq!(
            get(&embedded.router(), PODS).await.1["items"],
            json!([]),
            "{verb:?}"
        );
    }
}

#[tokio::test]
async fn a_token_that_stays_refused_is_told_with_what_to_do() {
    let embedded = without_kubelet();
    let folder = tempfile::tempdir().unwrap();
    let server = embedded.serve(folder.path()).await.unwrap();
    embedded.faults().add(Rule::new(Fault::Unauthorized));
    let cluster = cluster_of(server.kubeconfig.clone());
    let error = run_pod(&cluster).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "creating pod default/p: Unauthorized (401): Unauthorized. Log in again, or give the service account a fresh token"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_twice_with_another_answer_in_between_is_read_anew_twice() {
    let embedded = without_kubelet();
    let folder = tempfile::tempdir().unwrap();
    let server = embedded.serve(folder.path()).await.unwrap();
    let create = |fault| Rule::new(fault).verb(Verb::Create).times(1);
    let faults = embedded.faults();
    faults.add(create(Fault::Unauthorized));
    faults.add(create(Fault::InternalError { retry_after: None }));
    faults.add(create(Fault::Unauthorized));
    let cluster = cluster_of(server.kubeconfig.clone());
    let (outcome, ()) = tokio::join!(run_pod(&cluster), play(embedded.clone()));
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
}

#[tokio::test]
async fn a_pod_whose_creates_answer_was_lost_is_found_though_the_look_for_it_is_refused_once() {
    let embedded = without_kubelet();
    let folder = tempfile::tempdir().unwrap();
    let server = embedded.serve(folder.path()).await.unwrap();
    let once = |fault, verb| Rule::new(fault).verb(verb).times(1);
    embedded.faults().add(once(Fault::ResetAfter, Verb::Create));
    embedded.faults().add(once(Fault::Unauthorized, Verb::Get));
    let cluster = cluster_of(server.kubeconfig.clone());
    let (outcome, ()) = tokio::join!(run_pod(&cluster), play(embedded.clone()));
    assert_eq!(outcome.unwrap().verdict.cause, Cause::Completed);
    assert_eq!(get(&embedded.router(), PODS).await.1["items"], json!([]));
}

//! The reaper deletes the pods whose owner is proven to be gone, and no others.
//!
//! None is called p: the tests beside these have runs with pods of that name, and a reaper leaves what its own process wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Method, Request, Response, header::CONTENT_TYPE};
use kubegrader::embedded::EmbeddedCluster;
use kubegrader::embedded::faults::{Fault, Rule, Verb};
use kubegrader::manifest::Manifest;
use kubegrader::owner::Identity;
use kubegrader::reap::{Action, ReapOptions, reap, reap_soon};
use kubegrader::step::Steps;
use kubegrader::{Cluster, Error, RunOptions, run};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::support::door::Door;
use crate::support::owners::{alive, another, claim, dead, far, living, owned};
use crate::support::{PODS, create, get, patch, without_kubelet};

/// What of all requests only the reaper's list of pods has.
const REAPED_PODS: &str = "instance%3Ddefault%2Capp.kubernetes.io%2Fmanaged-by";

async fn names(embedded: &EmbeddedCluster) -> Vec<String> {
    let (_, list) = get(&embedded.router(), PODS).await;
    let items = list["items"].as_array().unwrap();
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    items.iter().map(name).collect()
}

/// Name, action and reason of all pods, in the order of their names.
async fn reaped(cluster: &Cluster, options: &ReapOptions) -> Vec<(String, Action, String)> {
    let report = reap(cluster, options, &Steps::default()).await.unwrap();
    let line = |pod: kubegrader::reap::Reaped| (pod.name, pod.action, pod.reason);
    report.into_iter().map(line).collect()
}

async fn end(embedded: &EmbeddedCluster, name: &str, finished_at: &str) {
    let status = json!({"status": {"phase": "Succeeded", "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": finished_at}},
    }]}});
    let path = format!("{PODS}/{name}/status");
    let (code, _) = patch(
        &embedded.router(),
        &path,
        "application/merge-patch+json",
        &status,
    )
    .await;
    assert_eq!(code, 200);
}

#[tokio::test(start_paused = true)]
async fn of_all_pods_only_those_of_a_dead_process_go() {
    let embedded = without_kubelet();
    let living = alive();
    for pod in [
        owned("dead", "a", &claim(&dead())),
        owned("detached", "detached", &json!(null)),
        owned("far", "b", &claim(&far())),
        owned("living", "c", &claim(&living)),
        owned("nothing-said", "d", &json!({})),
        owned("unreadable", "e", &json!("what?")),
    ] {
        create(&embedded.router(), &pod).await;
    }
    let mut unnamed = owned("unnamed", "x", &json!({}));
    let labels = unnamed["metadata"]["labels"].as_object_mut().unwrap();
    labels.remove("kubegrader.io/owner");
    create(&embedded.router(), &unnamed).await;

    let options = ReapOptions::default();
    let report = reaped(&Door::default().cluster(&embedded), &options).await;
    let told: Vec<_> = report
        .iter()
        .map(|(name, action, _)| (name.as_str(), *action))
        .collect();
    assert_eq!(
        told,
        [
            ("dead", Action::Deleted),
            ("detached", Action::Left),
            ("far", Action::Left),
            ("living", Action::Left),
            ("nothing-said", Action::Left),
            ("unnamed", Action::Left),
            ("unreadable", Action::Left),
        ]
    );
    assert!(
        report[0].2.starts_with("process "),
        "the proof: {}",
        report[0].2
    );
    assert_eq!(report[5].2, "it names no owner");
    assert!(!names(&embedded).await.contains(&"dead".to_owned()));
    assert_eq!(names(&embedded).await.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn pods_of_another_instance_and_of_another_manager_are_not_even_looked_at() {
    let embedded = without_kubelet();
    for (name, label, value) in [
        ("other-instance", "kubegrader.io/instance", "other"),
        ("other-manager", "app.kubernetes.io/managed-by", "helm"),
    ] {
        let mut pod = owned(name, "a", &claim(&dead()));
        pod["metadata"]["labels"][label] = json!(value);
        create(&embedded.router(), &pod).await;
    }
    let cluster = Door::default().cluster(&embedded);
    assert_eq!(reaped(&cluster, &ReapOptions::default()).await, []);
    let options = ReapOptions {
        instance: "other".to_owned(),
        ..ReapOptions::default()
    };
    let report = reaped(&cluster, &options).await;
    assert_eq!(
        (report.len(), &*report[0].0, report[0].1),
        (1, "other-instance", Action::Deleted)
    );
    assert_eq!(names(&embedded).await, ["other-manager"]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_deletes_nothing() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("dead", "a", &claim(&dead()))).await;
    let options = ReapOptions {
        dry_run: true,
        ..ReapOptions::default()
    };
    let door = Door::default();
    let report = reaped(&door.cluster(&embedded), &options).await;
    assert_eq!(report[0].1, Action::WouldDelete);
    assert_eq!(names(&embedded).await, ["dead"]);
    assert_eq!(door.count(&Method::DELETE, ""), 0);
}

/// execve(2) keeps the number and the start of a process.
#[tokio::test(start_paused = true)]
async fn what_an_earlier_program_of_the_same_process_owned_goes() {
    let embedded = without_kubelet();
    let this = Identity::of_this_process().unwrap();
    create(&embedded.router(), &owned("q", "a", &claim(&this))).await;
    let report = reaped(&Door::default().cluster(&embedded), &ReapOptions::default()).await;
    let text = "it is that of a program which this process ran before the present one";
    assert_eq!(report, [("q".to_owned(), Action::Deleted, text.to_owned())]);
    assert_eq!(names(&embedded).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_adopted_between_list_and_delete_is_not_hit() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("q", "a", &claim(&dead()))).await;
    let living = claim(&alive());
    let adopted = json!({"metadata": {
        "labels": {"kubegrader.io/owner": "b"},
        "annotations": {"kubegrader.io/owner-claim": living.to_string()},
    }});
    let adoption = Request::patch(format!("{PODS}/q"))
        .header(CONTENT_TYPE, "application/merge-patch+json")
        .body(Body::from(adopted.to_string()))
        .unwrap();
    let door = Door::default().overtaken(Method::DELETE, vec![adoption]);
    let report = reaped(&door.cluster(&embedded), &ReapOptions::default()).await;
    assert_eq!(report[0].1, Action::Left, "{report:?}");
    assert_eq!(door.count(&Method::DELETE, ""), 1);
    assert_eq!(names(&embedded).await, ["q"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_status_changes_between_list_and_delete_goes_all_the_same() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("q", "a", &claim(&dead()))).await;
    let status = json!({"status": {"message": "changed"}});
    let change = Request::patch(format!("{PODS}/q/status"))
        .header(CONTENT_TYPE, "application/merge-patch+json")
        .body(Body::from(status.to_string()))
        .unwrap();
    let door = Door::default().overtaken(Method::DELETE, vec![change]);
    let report = reaped(&door.cluster(&embedded), &ReapOptions::default()).await;
    assert_eq!(report[0].1, Action::Deleted, "{report:?}");
    assert_eq!(door.count(&Method::DELETE, ""), 2);
    assert_eq!(names(&embedded).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_finished_pod_of_an_unknown_owner_goes_after_its_time_by_the_servers_clock() {
    let embedded = without_kubelet();
    let far = claim(&far());
    let living = claim(&alive());
    create(&embedded.router(), &owned("ended", "a", &far)).await;
    create(&embedded.router(), &owned("ended-of-living", "b", &living)).await;
    create(&embedded.router(), &owned("unended", "a", &far)).await;
    end(&embedded, "ended", "2026-01-01T12:00:00Z").await;
    end(&embedded, "ended-of-living", "2026-01-01T12:00:00Z").await;

    let reap_at = async |door: Door, finished_for| {
        let options = ReapOptions {
            finished_for,
            ..ReapOptions::default()
        };
        let report = reaped(&door.cluster(&embedded), &options).await;
        let deleted = report
            .into_iter()
            .filter(|pod| pod.1 == Action::Deleted)
            .map(|pod| (pod.0, pod.2));
        deleted.collect::<Vec<_>>()
    };
    let quarter = Some(Duration::from_mins(15));
    let too_early = Door::default().at("Thu, 01 Jan 2026 12:14:59 GMT");
    let in_time = Door::default().at("Thu, 01 Jan 2026 12:15:00 GMT");
    assert_eq!(reap_at(Door::default(), quarter).await, []);
    assert_eq!(reap_at(too_early, quarter).await, []);
    assert_eq!(reap_at(in_time.clone(), None).await, []);
    let deleted = reap_at(in_time, quarter).await;
    assert_eq!(deleted.len(), 1, "{deleted:?}");
    assert_eq!(deleted[0].0, "ended");
    assert!(
        deleted[0].1.starts_with("it has been finished for 900 s"),
        "{deleted:?}"
    );
    assert_eq!(names(&embedded).await, ["ended-of-living", "unended"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_promises_a_lease_is_left_where_leases_cannot_be_read() {
    let embedded = without_kubelet();
    let promising = json!({"process": far(), "lease": true});
    create(&embedded.router(), &owned("q", "a", &promising)).await;
    for door in [
        Door::default(),
        Door::default().forbid(Method::GET, "/leases"),
    ] {
        let report = reaped(&door.cluster(&embedded), &ReapOptions::default()).await;
        assert_eq!(report[0].1, Action::Left, "{report:?}");
        assert_eq!(door.count(&Method::GET, "/leases/kubegrader-a"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_goes_whose_owners_own_pod_is_gone_or_another_or_over() {
    let embedded = without_kubelet();
    let pod = |name: &str, service: &str, uid: &str| {
        let pod = json!({"namespace": "default", "name": service, "uid": uid});
        owned(name, name, &json!({"process": far(), "pod": pod}))
    };
    let service = |name: &str| json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let router = embedded.router();
    let runs = create(&router, &service("service-1")).await["metadata"]["uid"].clone();
    let over = create(&router, &service("service-2")).await["metadata"]["uid"].clone();
    let lost = create(&router, &service("service-3")).await["metadata"]["uid"].clone();
    end(&embedded, "service-2", "2026-01-01T12:00:00Z").await;
    // As the pod garbage collector leaves the pod of a node that is gone: failed, and its container may run.
    let status = json!({"status": {"phase": "Failed", "containerStatuses": [{
        "name": "c", "image": "i:1", "imageID": "", "ready": false, "restartCount": 0, "state": {"running": {}},
    }]}});
    let media = "application/merge-patch+json";
    patch(&router, &format!("{PODS}/service-3/status"), media, &status).await;
    for pod in [
        pod("of-running", "service-1", runs.as_str().unwrap()),
        pod("of-earlier", "service-1", "another-uid"),
        pod("of-over", "service-2", over.as_str().unwrap()),
        pod("of-lost", "service-3", lost.as_str().unwrap()),
        pod("of-gone", "service-4", "some-uid"),
    ] {
        create(&router, &pod).await;
    }
    let door = Door::default();
    let report = reaped(&door.cluster(&embedded), &ReapOptions::default()).await;
    let told: Vec<_> = report
        .iter()
        .map(|(name, action, _)| (name.as_str(), *action))
        .collect();
    assert_eq!(
        told,
        [
            ("of-earlier", Action::Deleted),
            ("of-gone", Action::Deleted),
            ("of-lost", Action::Left),
            ("of-over", Action::Deleted),
            ("of-running", Action::Left),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_an_owner_whose_own_pod_may_not_be_read_is_left() {
    let embedded = without_kubelet();
    let pod = json!({"namespace": "elsewhere", "name": "service", "uid": "u"});
    let claim = json!({"process": far(), "pod": pod});
    create(&embedded.router(), &owned("q", "a", &claim)).await;
    let door = Door::default().forbid(Method::GET, "/namespaces/elsewhere/");
    let report = reaped(&door.cluster(&embedded), &ReapOptions::default()).await;
    assert_eq!(report[0].1, Action::Left, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn more_pods_than_a_page_holds_are_all_judged_and_each_owner_is_asked_after_once() {
    let embedded = without_kubelet();
    let pod = json!({"namespace": "default", "name": "service", "uid": "u"});
    let claim = json!({"process": far(), "pod": pod});
    for number in 0..501 {
        create(
            &embedded.router(),
            &owned(&format!("old-{number}"), "a", &claim),
        )
        .await;
    }
    let door = Door::default();
    let report = reaped(&door.cluster(&embedded), &ReapOptions::default()).await;
    let others: Vec<_> = report
        .iter()
        .filter(|pod| pod.1 != Action::Deleted)
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(report.len(), 501);
    assert_eq!(names(&embedded).await, [""; 0]);
    assert_eq!(door.count(&Method::GET, "/pods?"), 2);
    assert_eq!(door.count(&Method::GET, "/pods/service"), 1);
}

#[tokio::test(start_paused = true)]
async fn where_listing_is_forbidden_that_is_told() {
    let embedded = without_kubelet();
    let cluster = Door::default()
        .forbid(Method::GET, "/pods")
        .cluster(&embedded);
    let error = reap(&cluster, &ReapOptions::default(), &Steps::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Api { code: 403, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_process_never_reaps_what_it_runs_and_reaps_what_it_left() {
    let embedded = without_kubelet();
    // Its deletes are forbidden, until somebody mends that.
    let forbidding = Door::default()
        .forbid(Method::DELETE, "/pods/q")
        .cluster(&embedded);
    let process = living();
    let forbidding = forbidding.owned_by(process.clone());
    let cluster = Door::default().cluster(&embedded).owned_by(process);
    let pod =
        json!({"metadata": {"name": "q"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let cancel = CancellationToken::new();
    let steps = Steps::default();
    let running = run(
        &forbidding,
        Manifest::new(pod).unwrap(),
        RunOptions::default(),
        &steps,
        cancel.clone(),
    );
    let reaping = async {
        while names(&embedded).await.is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        let report = reaped(&cluster, &ReapOptions::default()).await;
        assert_eq!(report[0].1, Action::Left, "{report:?}");
        assert_eq!(report[0].2, "a run of this process is at work on it");
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(running, reaping);
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    assert_eq!(names(&embedded).await, ["q"]);
    let report = reaped(&cluster, &ReapOptions::default()).await;
    assert_eq!(report[0].1, Action::Deleted, "{report:?}");
    assert_eq!(names(&embedded).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_process_with_runs_reaps_in_the_background_at_a_list_in_five_minutes() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("dead", "a", &claim(&dead()))).await;
    let door = Door::default();
    let cluster = door.cluster(&embedded);
    let cancel = CancellationToken::new();
    let steps = Steps::default();
    let running = async {
        let runs = (0..20).map(|number| {
            let name = format!("p{number}");
            let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
            let options = RunOptions {
                reap: true,
                ..RunOptions::default()
            };
            run(&cluster, Manifest::new(pod).unwrap(), options, &steps, cancel.clone())
        });
        futures::future::join_all(runs).await
    };
    let watching = async {
        sleep(Duration::from_secs(15)).await;
        assert!(!names(&embedded).await.contains(&"dead".to_owned()));
        assert_eq!(names(&embedded).await.len(), 20);
        // The other list of pods is the shared watch's.
        let lists = |of| door.count(&Method::GET, of);
        assert_eq!((lists(REAPED_PODS), lists("/leases?")), (1, 1));
        sleep(Duration::from_secs(3600)).await;
        let rounds = lists(REAPED_PODS);
        assert!((10..=13).contains(&rounds), "{rounds}");
        assert_eq!(lists("/leases?"), rounds);
        cancel.cancel();
    };
    tokio::join!(running, watching);
    assert_eq!(names(&embedded).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_process_without_runs_reaps_once_and_again_where_nobody_answered() {
    let embedded = without_kubelet();
    create(&embedded.router(), &owned("dead", "a", &claim(&dead()))).await;
    let refused = Rule::new(Fault::Refused).verb(Verb::List);
    embedded.faults().add(refused);
    let door = Door::default();
    // The process of this program has the runs of the tests beside this one.
    let cluster = door.cluster(&embedded).owned_by(another());
    let steps = Steps::default();
    reap_soon(&cluster, None, "default", &steps).await.unwrap();
    sleep(Duration::from_secs(120)).await;
    let refused = door.count(&Method::GET, REAPED_PODS);
    assert!(refused > 0);
    assert_eq!(door.count(&Method::DELETE, "/pods"), 0);
    embedded.faults().clear();
    sleep(Duration::from_secs(360)).await;
    assert_eq!(names(&embedded).await, [""; 0]);
    assert_eq!(door.count(&Method::GET, REAPED_PODS), refused + 1);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(door.count(&Method::GET, REAPED_PODS), refused + 1);
}

/// A Lease that nobody renews.
fn lease(owner: &str) -> Value {
    json!({
        "kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "code": 200,
        "metadata": {"name": format!("kubegrader-{owner}"), "resourceVersion": "1"},
        "spec": {"holderIdentity": owner, "leaseDurationSeconds": 60},
    })
}

/// The first was made when the Lease could not be had.
#[tokio::test(start_paused = true)]
async fn what_one_pod_of_an_owner_does_not_promise_another_may() {
    for promises in [[false, true], [true, false]] {
        let embedded = without_kubelet();
        for (name, lease) in ["q", "r"].into_iter().zip(promises) {
            let claim = json!({"process": far(), "lease": lease});
            create(&embedded.router(), &owned(name, "a", &claim)).await;
        }
        let door = Door::default().answer(Method::GET, "/leases/kubegrader-a", 1000, &lease("a"));
        let report = reaped(&door.cluster(&embedded), &ReapOptions::default()).await;
        let actions: Vec<_> = report.iter().map(|pod| pod.1).collect();
        assert_eq!(actions, [Action::Deleted, Action::Deleted], "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_dead_owners_whose_leases_are_answered_slowly_are_found_out_in_one_round() {
    let embedded = without_kubelet();
    for number in 0..100 {
        let (name, owner) = (format!("q{number}"), format!("o{number}"));
        let claim = json!({"process": far(), "lease": true});
        create(&embedded.router(), &owned(&name, &owner, &claim)).await;
    }
    let router = embedded.router();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let router = router.clone();
        async move {
            let path = request.uri().path().to_owned();
            let Some((_, owner)) = path.split_once("/leases/kubegrader-") else {
                return router.oneshot(request.map(Body::new)).await;
            };
            sleep(Duration::from_millis(500)).await;
            Ok(Response::new(Body::from(lease(owner).to_string())))
        }
    });
    let cluster = Cluster::with_client(kube::Client::new(service, "default"), "in-process");
    let report = reaped(&cluster.owned_by(another()), &ReapOptions::default()).await;
    let left = report.iter().filter(|pod| pod.1 != Action::Deleted).count();
    assert_eq!((report.len(), left), (100, 0));
    assert_eq!(names(&embedded).await, Vec::<String>::new());
}

/// A pod that was deleted by force is gone while its process may run on, and renews its Lease.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_goes_before_what_another_pod_of_the_owner_claims() {
    let embedded = without_kubelet();
    let gone = json!({"namespace": "default", "name": "service", "uid": "gone"});
    let claims = [
        json!({"process": far(), "pod": gone, "lease": false}),
        json!({"process": far(), "lease": true}),
    ];
    for (name, claim) in ["q", "r"].into_iter().zip(claims) {
        create(&embedded.router(), &owned(name, "a", &claim)).await;
    }
    let (router, version) = (embedded.router(), Arc::new(AtomicUsize::new(0)));
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (router, version) = (router.clone(), Arc::clone(&version));
        async move {
            if !request.uri().path().contains("/leases/") {
                return router.oneshot(request.map(Body::new)).await;
            }
            let mut lease = lease("a");
            let version = version.fetch_add(1, Ordering::SeqCst);
            lease["metadata"]["resourceVersion"] = json!(version.to_string());
            Ok(Response::new(Body::from(lease.to_string())))
        }
    });
    let cluster = Cluster::with_client(kube::Client::new(service, "default"), "in-process");
    let report = reaped(&cluster.owned_by(another()), &ReapOptions::default()).await;
    let actions: Vec<_> = report.iter().map(|pod| pod.1).collect();
    assert_eq!(actions, [Action::Left, Action::Left], "{report:?}");
}

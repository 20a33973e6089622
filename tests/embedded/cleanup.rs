//! Nothing stays behind: processes and folders of pods, containers and clusters that have ended.

use std::path::Path;

use kube::api::DeleteParams;

use crate::support::scene::Scene;
use crate::support::{eventually, phase, runs, script};

#[tokio::test]
async fn nothing_that_came_out_of_a_pod_outlives_it() {
    let scene = Scene::new();
    // A session of its own, an orphan, and one with an empty environment; none ends by itself.
    let leave = "trap '' TERM; setsid sleep 771234 & (sleep 771235 &) ; (env -i setsid sleep 771236 &) ; while :; do sleep 1; done";
    scene.create(&script("a", leave)).await;
    eventually("three processes run", || {
        ["771234", "771235", "771236"]
            .iter()
            .all(|marker| runs(&format!("sleep\0{marker}")))
    })
    .await;
    scene
        .pods
        .delete("a", &DeleteParams::default().grace_period(0))
        .await
        .expect("deleted");
    eventually("no process is left", || {
        !["771234", "771235", "771236"]
            .iter()
            .any(|marker| runs(&format!("sleep\0{marker}")))
    })
    .await;
}

#[tokio::test]
async fn what_a_container_leaves_behind_ends_with_it() {
    let scene = Scene::new();
    let pod = scene
        .finished(&script("a", "setsid sleep 772234 & true"))
        .await;
    assert_eq!(phase(&pod), "Succeeded");
    assert!(!runs("sleep\x00772234"));
}

#[tokio::test]
async fn a_stopped_cluster_leaves_no_process_and_no_folder() {
    let scene = Scene::new();
    scene
        .create(&script(
            "a",
            "echo $HOME; trap '' TERM; sleep 773234 & wait; sleep 773235",
        ))
        .await;
    eventually("it runs", || runs("sleep\x00773234")).await;
    let home = scene.log("a").await;
    assert!(Path::new(home.trim()).is_dir());
    scene.cluster.stop().await;
    scene.cluster.stop().await;
    assert!(!runs("sleep\x0077323"));
    assert!(!Path::new(home.trim()).exists());
}

#[tokio::test]
async fn the_private_folder_goes_with_the_pod() {
    let scene = Scene::new();
    scene
        .finished(&script("a", "echo $HOME; touch $HOME/x $TMPDIR/y"))
        .await;
    let home = scene.log("a").await;
    assert!(Path::new(home.trim()).join("x").exists());
    scene
        .pods
        .delete("a", &DeleteParams::default())
        .await
        .expect("deleted");
    eventually("the folder is gone", || !Path::new(home.trim()).exists()).await;
}

#[tokio::test]
async fn a_dropped_cluster_takes_its_processes_with_it() {
    let scene = Scene::new();
    scene
        .create(&script("a", "setsid sleep 774234 & sleep 774235"))
        .await;
    eventually("it runs", || runs("sleep\x00774234")).await;
    drop(scene);
    eventually("nothing is left", || !runs("sleep\x0077423")).await;
}

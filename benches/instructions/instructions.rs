//! How many instructions the steps take that every pod goes through: `make instructions`. Counted by callgrind, which a busy
//! machine does not disturb; a step that takes a tenth more than was recorded here fails.
//!
//! Recorded with Rust 1.95 on x86-64. Another compiler may count otherwise: then the figures are recorded anew, in a commit of
//! their own.

use std::hint::black_box;

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use kube::core::WatchEvent;
use kubegrader::image::ImageConfig;
use kubegrader::manifest::Manifest;
use kubegrader::packed::Packed;
use kubegrader::pod_view::PodView;
use kubegrader::request::Request;
use kubegrader::verdict::{State, judge};
use serde_json::{Value, json};

/// The last event of a grading's pod on Kubernetes 1.34: its container has ended.
const EVENT: &str = include_str!("pod_event.json");

/// What was recorded, and a tenth.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions / 10 * 11)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

fn ended() -> PodView {
    match serde_json::from_str(EVENT) {
        Ok(WatchEvent::Modified(pod)) => pod,
        other => panic!("{other:?}"),
    }
}

fn request() -> Value {
    json!({
        "name": "autograde-job-alice-7",
        "image": "registry.example/algebra:1",
        "image_pull_policy": "Always",
        "args": ["grader-convert", "autograde", "-i", "/srv/in", "-o", "/srv/out", "-p", "*.ipynb"],
        "working_dir": "/",
        "env": [{"name": "ASSIGNMENT_SETTINGS", "value": "{}"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "grader"}}],
        "volume_mounts": [
            {"name": "data", "mountPath": "/srv/in", "subPath": "in/submission_7"},
            {"name": "data", "mountPath": "/srv/out", "subPath": "out/submission_7"},
        ],
        "run_as_user": 1000,
    })
}

fn manifest(request: Value) -> Manifest {
    let request: Request = serde_json::from_value(request).expect("a request");
    request.manifest().expect("a manifest")
}

fn packed() -> Packed {
    Packed::from(manifest(request()))
}

/// An image config of a hundred lectures, as a file.
fn images() -> tempfile::NamedTempFile {
    let lectures: serde_json::Map<String, Value> = (0..100)
        .map(|number| {
            let image = format!("registry.example/lecture-{number}:1");
            (format!("lecture-{number}"), json!({"Sheet 1": image}))
        })
        .collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    serde_json::to_writer(&file, &lectures).expect("a written file");
    file
}

#[library_benchmark(config = at_most(137_758))]
fn an_event_is_decoded() -> WatchEvent<PodView> {
    serde_json::from_str(black_box(EVENT)).expect("an event")
}

#[library_benchmark(config = at_most(2_554))]
#[bench::ended(ended())]
fn a_pod_is_judged(pod: PodView) -> (State, PodView) {
    (judge(black_box(&pod), false), pod)
}

// The first of a process compiles the expression of an image reference.
#[library_benchmark(config = at_most(411_799))]
#[bench::of_a_process(manifest(request()).to_value())]
fn the_first_image_is_checked(pod: Value) -> (bool, Value) {
    (kubegrader::image::check_all(black_box(&pod)).is_ok(), pod)
}

#[library_benchmark(config = at_most(184_842))]
#[bench::of_a_submission(request())]
fn a_manifest_is_made(request: Value) -> Manifest {
    manifest(black_box(request))
}

#[library_benchmark(config = at_most(78_718))]
#[bench::of_a_submission(packed())]
fn a_manifest_is_unpacked_and_packed(packed: Packed) -> (Packed, Packed) {
    (Packed::from(black_box(&packed).to_manifest()), packed)
}

#[library_benchmark(config = at_most(398_646))]
#[bench::of_a_hundred_lectures(images())]
fn an_image_is_found(file: tempfile::NamedTempFile) -> (Option<String>, tempfile::NamedTempFile) {
    let config = ImageConfig::read(file.path()).expect("an image config");
    let image = config.image("lecture-42", "Sheet 1").expect("an entry");
    (image.map(str::to_owned), file)
}

library_benchmark_group!(
    name = steps,
    benchmarks = [
        an_event_is_decoded,
        a_pod_is_judged,
        the_first_image_is_checked,
        a_manifest_is_made,
        a_manifest_is_unpacked_and_packed,
        an_image_is_found,
    ]
);

main!(library_benchmark_groups = steps);

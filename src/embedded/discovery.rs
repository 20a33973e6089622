//! What clients ask before they ask for pods: version, health, and which resources there are.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::api::Api;

/// The paths of discovery and health.
pub fn routes() -> Router<Api> {
    // The real server answers these with and without a slash at the end, and clients use both.
    let both = |router: Router<Api>, path: &str, body: fn() -> Value| {
        let answer = move || get(async move || Json(body()));
        router
            .route(path, answer())
            .route(&format!("{path}/"), answer())
    };
    let health = || get(async || "ok");
    let router = Router::new()
        .route("/healthz", health())
        .route("/livez", health())
        .route("/readyz", health())
        .route("/openapi/v3", get(async || Json(documents())))
        .route("/openapi/v3/api/v1", get(async || Json(document())));
    let router = both(router, "/version", version);
    let router = both(router, "/api", versions);
    let router = both(router, "/apis", groups);
    let router = both(router, "/apis/authorization.k8s.io", || {
        group("authorization.k8s.io")
    });
    let router = both(router, "/apis/authorization.k8s.io/v1", reviews);
    let router = both(router, "/apis/policy", || group("policy"));
    let router = both(router, "/apis/policy/v1", || {
        resource_list("policy/v1", &[])
    });
    both(router, "/api/v1", resources)
}

/// The release of Kubernetes whose answers are imitated.
fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.4+embedded", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

/// The list of schemas, and the one there is: `kubectl apply` only looks whether the server checks fields.
fn documents() -> Value {
    json!({"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}})
}

fn document() -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let parameters = [parameter("fieldValidation"), parameter("dryRun")];
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.34.4+embedded"},
        "paths": {"/api/v1/namespaces/{namespace}/pods/{name}": {"patch": {
            "parameters": parameters, "x-kubernetes-group-version-kind": kind, "responses": {},
        }}},
    })
}

fn groups() -> Value {
    let groups = ["authorization.k8s.io", "policy"].map(|name| {
        let mut group = group(name);
        if let Value::Object(fields) = &mut group {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        group
    });
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": [version], "preferredVersion": version,
    })
}

fn resource(name: &str, singular: &str, namespaced: bool, kind: &str, verbs: &[&str]) -> Value {
    json!({"name": name, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": verbs})
}

fn resource_list(version: &str, resources: &[Value]) -> Value {
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources})
}

fn reviews() -> Value {
    let review =
        |name: &str, singular: &str, kind: &str| resource(name, singular, false, kind, &["create"]);
    let access = review(
        "selfsubjectaccessreviews",
        "selfsubjectaccessreview",
        "SelfSubjectAccessReview",
    );
    let rules = review(
        "selfsubjectrulesreviews",
        "selfsubjectrulesreview",
        "SelfSubjectRulesReview",
    );
    resource_list("authorization.k8s.io/v1", &[access, rules])
}

fn versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// The verbs of a resource that has all of them.
const ALL_VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

fn resources() -> Value {
    let mut events = resource("events", "event", true, "Event", ALL_VERBS);
    events["shortNames"] = json!(["ev"]);
    let mut pods = resource("pods", "pod", true, "Pod", ALL_VERBS);
    pods["shortNames"] = json!(["po"]);
    pods["categories"] = json!(["all"]);
    let verbs = [
        "create", "delete", "get", "list", "patch", "update", "watch",
    ];
    let mut namespaces = resource("namespaces", "namespace", false, "Namespace", &verbs);
    namespaces["shortNames"] = json!(["ns"]);
    let changes = ["get", "patch", "update"];
    let namespace_status = resource("namespaces/status", "", false, "Namespace", &changes);
    let log = resource("pods/log", "", true, "Pod", &["get"]);
    let status = resource("pods/status", "", true, "Pod", &changes);
    let mut eviction = resource("pods/eviction", "", true, "Eviction", &["create"]);
    eviction["group"] = json!("policy");
    eviction["version"] = json!("v1");
    let all = [
        events,
        namespaces,
        namespace_status,
        pods,
        eviction,
        log,
        status,
    ];
    resource_list("v1", &all)
}

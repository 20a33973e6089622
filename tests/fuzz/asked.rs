//! Requests that no client would send, and what every answer must be like.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// One request, as the parts of a URL and a message.
#[derive(Clone)]
pub struct Asked {
    pub method: &'static str,
    pub path: String,
    pub query: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(2000)
            .collect();
        write!(
            f,
            "{} {} {:?} {body:?}",
            self.method,
            self.target(),
            self.headers
        )
    }
}

/// Panics of any thread since the hook was set: a task of a server swallows its own.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static ALIVE: AtomicU64 = AtomicU64::new(0);

/// Counts panics from now on, and ends the process when nothing moves for a minute: a loop that spins cannot be
/// cancelled.
pub fn watch_over() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A test that fails panics as well.
            let is_ours = info
                .location()
                .is_some_and(|at| at.file().starts_with("tests/"));
            if !is_ours && let Ok(mut panics) = PANICS.lock() {
                panics.push(info.to_string());
            }
            default(info);
        }));
        std::thread::spawn(|| {
            let mut last = ALIVE.load(Ordering::Relaxed);
            loop {
                std::thread::sleep(Duration::from_mins(1));
                let now = ALIVE.load(Ordering::Relaxed);
                if now == last {
                    eprintln!("no request has ended for a minute: the server hangs");
                    std::process::abort();
                }
                last = now;
            }
        });
    });
}

/// Tells the watchdog that a request has ended.
pub fn alive() {
    ALIVE.fetch_add(1, Ordering::Relaxed);
}

/// The panics so far.
pub fn panics() -> Vec<String> {
    PANICS
        .lock()
        .map_or_else(|_| vec!["poisoned".to_owned()], |all| all.clone())
}

/// Words of a 500 that the real server answers too.
const KNOWN_FAULTS: [&str; 6] = [
    "couldn't get version/kind; json parse error",
    "no kind ",
    "resourceVersion should not be set on objects to be created",
    "resourceVersion: Invalid value",
    "jsonpatch",
    "json: ",
];

/// What is wrong with an answer; `None` when nothing is.
pub fn fault_of(asked: &Asked, code: u16, body: &[u8]) -> Option<String> {
    // An answer to HEAD has no body that could be looked at.
    if code < 400 || asked.method == "HEAD" {
        return None;
    }
    // Go's own answer where Kubernetes has no path at all.
    if code == 404 && body == b"404 page not found\n" {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let Ok(status) = serde_json::from_slice::<Value>(body) else {
        return Some(format!("{code} without JSON: {text:?}"));
    };
    let message = status["message"].as_str().unwrap_or_default();
    let well_formed = status["kind"] == "Status"
        && status["apiVersion"] == "v1"
        && status["status"] == "Failure"
        && status["code"] == code
        && !message.is_empty();
    if !well_formed {
        return Some(format!("{code} without a Status: {text}"));
    }
    let known = match code {
        500 => KNOWN_FAULTS.iter().any(|known| message.contains(known)),
        504 => message.contains("Too large resource version"),
        501..=599 => false,
        _ => true,
    };
    (!known).then(|| format!("{code}: {message}"))
}

pub fn valid_pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "generateName": "g-", "labels": {"course": "a"}, "annotations": {"why": "fuzz"},
                     "finalizers": ["example.com/hold"]},
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "activeDeadlineSeconds": 9,
            "initContainers": [{"name": "i", "image": "x:1", "command": ["true"]}],
            "containers": [{
                "name": "c", "image": "x:1", "command": ["true"], "args": ["$(A)"],
                "env": [{"name": "A", "value": "1"},
                        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "ports": [{"containerPort": 80, "name": "web"}],
                "resources": {"requests": {"cpu": "1m"}, "limits": {"memory": "1Gi"}},
                "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "s"}],
                "securityContext": {"runAsUser": 1000},
            }],
            "volumes": [{"name": "v", "hostPath": {"path": "/v"}}],
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                   "containerStatuses": [{"name": "c", "ready": true, "restartCount": 0, "image": "x:1", "imageID": "",
                                          "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]},
    })
}

fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "",
            " ",
            "a",
            "b",
            "A",
            "-1",
            "0",
            "1",
            "true",
            "false",
            "All",
            "é",
            "\u{0}",
            "\u{202e}",
            "'",
            "\"",
            "{}",
            "[]",
            "null",
            "..",
            ".",
            "/",
            "%",
            "a/b",
            "a=b",
            "a==b",
            "a!=b",
            "!a",
            "a in (b,c)",
            "a in (",
            "a notin ()",
            "a>1",
            "=",
            ",",
            "metadata.name=a",
            "status.phase=Running",
            "spec.nodeName!=",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "1e9",
            "NaN",
            "2026-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "-262144-01-01T00:00:00Z",
            "NotOlderThan",
            "Exact",
            "Background",
            "Orphan",
            "Strict",
            "eyJ2IjoxfQ",
            "eyJydiI6MX0=",
            "::",
            "1Gi",
            "99999999999999999999Ei",
            "-1m",
            "Never",
            "Always",
            "Succeeded",
            "example.com/x",
            "kubernetes.io/x",
            "🎓",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[a-z0-9.-]{0,80}",
        Just("x".repeat(5000)),
    ]
}

fn odd_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        odd_text().prop_map(Value::from),
        select(vec![0, 1, -1, 65536, i64::MAX, i64::MIN, 4_294_967_296]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(odd_text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every place in a document, as JSON pointers.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(inner, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(all) => {
            for (index, inner) in all.iter().enumerate() {
                pointers(inner, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[derive(Debug, Clone)]
enum Change {
    Replace(Value),
    Remove,
    Double,
    Add(String, Value),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => odd_value().prop_map(Change::Replace),
        2 => Just(Change::Remove),
        1 => Just(Change::Double),
        1 => (odd_text(), odd_value()).prop_map(|(key, value)| Change::Add(key, value)),
    ]
}

fn changed(mut value: Value, changes: Vec<(Index, Change)>) -> Value {
    for (index, change) in changes {
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        let at = index.get(&all).clone();
        let Some(place) = value.pointer_mut(&at) else {
            continue;
        };
        match (change, place) {
            (Change::Replace(new), place) => *place = new,
            (Change::Remove, place) => *place = Value::Null,
            (Change::Double, Value::Array(all)) => all.extend(all.clone()),
            (Change::Add(key, new), Value::Object(map)) => {
                map.insert(key, new);
            }
            _ => {}
        }
    }
    value
}

fn document() -> impl Strategy<Value = Value> {
    let step = (
        select(vec![
            "add", "remove", "replace", "move", "copy", "test", "x",
        ]),
        select(vec![
            "",
            "/",
            "/metadata/labels/a",
            "/metadata/labels",
            "/spec/containers/0/image",
            "/spec/containers/-",
            "/status",
            "/metadata/name",
            "/a~2b",
            "/spec/containers/99999999999999999999",
        ]),
        odd_value(),
    )
        .prop_map(
            |(op, path, value)| json!({"op": op, "path": path, "from": path, "value": value}),
        );
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
                         "preconditions": {"uid": "u", "resourceVersion": "1"}, "propagationPolicy": "Background",
                         "dryRun": ["All"]});
    let namespace = json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "other"}});
    let event = json!({"kind": "Event", "apiVersion": "v1", "metadata": {"name": "e"}, "reason": "R", "type": "Normal",
                       "involvedObject": {"kind": "Pod", "name": "a", "namespace": "default"}});
    let review = json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let base = prop_oneof![
        6 => select(vec!["a", "b", "new"]).prop_map(valid_pod),
        2 => Just(options),
        1 => Just(namespace),
        1 => Just(event),
        1 => Just(review),
    ];
    let changes = prop::collection::vec((any::<Index>(), change()), 0..4);
    prop_oneof![
        6 => (base, changes).prop_map(|(base, changes)| changed(base, changes)),
        2 => prop::collection::vec(step, 0..4).prop_map(Value::from),
        1 => odd_value(),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let cut = (document(), any::<Index>()).prop_map(|(document, at)| {
        let mut bytes = document.to_string().into_bytes();
        bytes.truncate(at.index(bytes.len() + 1));
        bytes
    });
    prop_oneof![
        8 => document().prop_map(|document| document.to_string().into_bytes()),
        2 => Just(Vec::new()),
        1 => cut,
        1 => prop::collection::vec(any::<u8>(), 0..200),
        // Nested deeper than any stack likes.
        1 => Just(b"[".repeat(100_000)),
        1 => Just(br#"{"metadata":"#.repeat(20_000)),
    ]
}

/// Percent-encodes what a URL cannot hold.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(vec!["a", "b", "new", "default"]).prop_map(str::to_owned),
        1 => odd_text().prop_map(|text| encoded(&text)),
        1 => select(vec!["%ff", "%00", "%", "%2", "%2F..%2F", "%e2%80%ae"]).prop_map(str::to_owned),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let template = select(vec![
        "/api/v1/pods",
        "/api/v1/namespaces/{n}/pods",
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces/default/pods/{n}",
        "/api/v1/namespaces/{n}/pods/{n}",
        "/api/v1/namespaces/default/pods/{n}/status",
        "/api/v1/namespaces/default/pods/{n}/log",
        "/api/v1/namespaces/default/pods/{n}/{n}",
        "/api/v1/namespaces",
        "/api/v1/namespaces/{n}",
        "/api/v1/namespaces/{n}/{n}",
        "/api/v1/events",
        "/api/v1/namespaces/default/events",
        "/api/v1/namespaces/default/events/{n}",
        "/apis/events.k8s.io/v1/namespaces/default/events",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/api",
        "/api/",
        "/apis",
        "/api/v1",
        "/version",
        "/healthz",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/api/v1",
        "/{n}",
        "/{n}/{n}",
        "//",
        "/",
    ]);
    (template, segment(), segment())
        .prop_map(|(template, one, two)| template.replacen("{n}", &one, 1).replacen("{n}", &two, 1))
}

fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        20 => select(vec![
            "watch", "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector",
            "allowWatchBookmarks", "sendInitialEvents", "timeoutSeconds", "dryRun", "fieldManager", "fieldValidation",
            "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "follow", "tailLines", "limitBytes",
            "sinceSeconds", "sinceTime", "timestamps", "previous", "container", "pretty", "force", "stream", "timeout",
        ]).prop_map(str::to_owned),
        1 => odd_text(),
    ];
    let pair = (name, odd_text())
        .prop_map(|(name, value)| format!("{}={}", encoded(&name), encoded(&value)));
    prop_oneof![
        8 => prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&")),
        1 => select(vec!["&", "=", "&&=&", "watch", "watch&watch", "%", "%ff=%ff", "a=1&a=2", "?", "limit=1;x"])
            .prop_map(str::to_owned),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let accept = select(vec![
        "*/*",
        "application/json",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "application/vnd.kubernetes.protobuf",
        "application/yaml",
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
        "text/plain",
        "",
        ";;;,,,=",
    ]);
    let media = select(vec![
        "application/json",
        "application/json; charset=utf-8",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "text/plain",
        "",
        "/",
    ]);
    (accept, media).prop_map(|(accept, media)| {
        vec![
            ("accept", accept.to_owned()),
            ("content-type", media.to_owned()),
        ]
    })
}

/// A request that a client could send, but for its body and its query.
fn nearly_sensible() -> impl Strategy<Value = Asked> {
    const PODS: &str = "/api/v1/namespaces/default/pods";
    const JSON: &str = "application/json";
    let changes = || prop::collection::vec((any::<Index>(), change()), 0..3);
    let pod = |name: &'static str| {
        changes().prop_map(move |changes| changed(valid_pod(name), changes).to_string())
    };
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
                         "preconditions": {"uid": "u"}, "propagationPolicy": "Background"});
    let options = changes().prop_map(move |changes| changed(options.clone(), changes).to_string());
    let part = json!({"metadata": {"labels": {"a": "1", "course": null}, "annotations": {"b": "2"}, "finalizers": null},
                      "spec": {"containers": [{"name": "c", "image": "y:1"}], "activeDeadlineSeconds": 5,
                               "$setElementOrder/containers": [{"name": "c"}]},
                      "status": {"phase": "Failed", "$patch": "replace"}});
    let part = changes().prop_map(move |changes| changed(part.clone(), changes).to_string());
    let patches = select(vec![
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/json-patch+json",
        "application/apply-patch+yaml",
    ]);
    let patched = (
        patches,
        prop_oneof![3 => part, 1 => document().prop_map(|document| document.to_string())],
    );
    let one = || {
        select(vec![
            format!("{PODS}/a"),
            format!("{PODS}/b"),
            format!("{PODS}/a/status"),
        ])
    };
    let read = select(vec![
        PODS.to_owned(),
        "/api/v1/pods".to_owned(),
        "/api/v1/namespaces/default/events".to_owned(),
        format!("{PODS}/a"),
        format!("{PODS}/a/log"),
    ]);
    let none = || Just((JSON, String::new()));
    let json = |body: String| (JSON, body);
    let asked = prop_oneof![
        3 => (Just("POST"), Just(PODS.to_owned()), pod("new").prop_map(json).boxed()),
        3 => (Just("PUT"), one(), pod("a").prop_map(json).boxed()),
        3 => (Just("PATCH"), one(), patched.boxed()),
        2 => (Just("DELETE"), one(), options.prop_map(json).boxed()),
        1 => (Just("DELETE"), Just(PODS.to_owned()), none().boxed()),
        3 => (Just("GET"), read, none().boxed()),
    ];
    (asked, prop_oneof![2 => Just(String::new()), 1 => query()]).prop_map(
        |((method, path, (media, body)), query)| Asked {
            method,
            path,
            query,
            headers: vec![("content-type", media.to_owned())],
            body: body.into_bytes(),
        },
    )
}

/// Any request.
pub fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![2 => nearly_sensible(), 1 => nonsense()]
}

fn nonsense() -> impl Strategy<Value = Asked> {
    let method = select(vec![
        "GET", "GET", "GET", "POST", "POST", "PUT", "PUT", "PATCH", "PATCH", "DELETE", "DELETE",
        "HEAD", "OPTIONS", "TRACE", "BREW",
    ]);
    (method, path(), query(), headers(), body()).prop_map(|(method, path, query, headers, body)| {
        Asked {
            method,
            path,
            query,
            headers,
            body,
        }
    })
}

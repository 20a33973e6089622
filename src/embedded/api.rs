//! The HTTP API: paths and verbs of the pods part of a Kubernetes API server.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body as Answer;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::body::{BODY_LIMIT, Body, check_quantities};
use super::default;
use super::deletion::DeleteRequest;
use super::event::{Key, Stored, key_of};
use super::log_request;
use super::logs::LogBook;
use super::page::Page;
use super::params::Params;
use super::patch::{Part, Patch, check_names, replace};
use super::path::Path;
use super::status_body::Refusal;
use super::store::Store;
use super::watch::{self, WatchRequest};
use super::{discovery, strict, table, validate};

/// What every request may use.
#[derive(Debug, Clone)]
pub struct Api {
    /// The objects.
    pub store: Arc<Store>,
    /// The containers' logs.
    pub logs: Arc<LogBook>,
    /// Cancelled when the cluster stops: watches and followed logs end.
    pub stop: CancellationToken,
}

type Answered = Result<Response, Refusal>;

/// All paths, without authentication.
pub fn router(api: Api) -> Router {
    let pod = get(get_pod)
        .put(put_pod)
        .patch(patch_pod)
        .delete(delete_pod);
    let status = get(get_pod).put(put_status).patch(patch_status);
    let pods = get(list_in_namespace)
        .post(create_pod)
        .delete(delete_in_namespace);
    let namespaces = get(list_namespaces).post(create_namespace);
    Router::new()
        .route("/api/v1/pods", get(list_everywhere))
        .route("/api/v1/namespaces/{namespace}/pods", pods)
        .route("/api/v1/namespaces/{namespace}/pods/{name}", pod)
        .route("/api/v1/namespaces/{namespace}/pods/{name}/status", status)
        .route(
            "/api/v1/namespaces/{namespace}/pods/{name}/log",
            get(log_request::serve),
        )
        .route("/api/v1/namespaces", namespaces)
        .route(
            "/api/v1/namespaces/{namespace}",
            get(get_namespace).delete(delete_namespace),
        )
        .merge(discovery::routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(api)
}

async fn no_such_path(uri: Uri) -> Response {
    if uri.path().starts_with("/api") {
        return Refusal::no_such_path().into_response();
    }
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

fn json_answer(code: StatusCode, body: impl Into<Answer>) -> Response {
    (code, [(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// One pod, or a table with one row when the client asks for tables.
fn pod_answer(code: StatusCode, stored: Stored, headers: &HeaderMap) -> Response {
    if table::is_wanted(headers) {
        let metadata = json!({"resourceVersion": stored.version.to_string()});
        return json_answer(code, table::of(&[stored], &metadata).to_string());
    }
    json_answer(code, stored.json)
}

async fn list_everywhere(State(api): State<Api>, params: Params, headers: HeaderMap) -> Answered {
    list_or_watch(api, None, &params, &headers)
}

async fn list_in_namespace(
    State(api): State<Api>,
    Path(namespace): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Answered {
    list_or_watch(api, Some(namespace), &params, &headers)
}

fn list_or_watch(
    api: Api,
    namespace: Option<String>,
    params: &Params,
    headers: &HeaderMap,
) -> Answered {
    if params.flag("watch") {
        return watch_pods(api, namespace, params, headers);
    }
    let page = Page::of(&api.store, namespace.as_deref(), params)?;
    if table::is_wanted(headers) {
        return Ok(json_answer(
            StatusCode::OK,
            table::of(&page.items, &page.metadata()).to_string(),
        ));
    }
    Ok(json_answer(StatusCode::OK, page.json()))
}

fn watch_pods(
    api: Api,
    namespace: Option<String>,
    params: &Params,
    headers: &HeaderMap,
) -> Answered {
    let request = WatchRequest {
        namespace,
        selector: params.selector()?,
        version: params.version().map_err(Refusal::internal)?,
        send_initial_events: params.flag("sendInitialEvents"),
        bookmarks: params.flag("allowWatchBookmarks"),
        timeout: params.timeout()?,
    };
    params.check_match(true)?;
    let lines = watch::lines(api.store, request, api.stop);
    let as_table = table::is_wanted(headers);
    let lines = lines.map(move |line| {
        Ok::<Bytes, Infallible>(if as_table {
            table::of_event(&line)
        } else {
            line
        })
    });
    Ok(json_answer(StatusCode::OK, Answer::from_stream(lines)))
}

fn check_fields(kind: &str, params: &Params, body: &Body, pod: &Pod) -> Result<(), Refusal> {
    if params.is_strict(kind)? {
        strict::check(&body.bytes, pod)?;
    }
    Ok(())
}

async fn create_pod(
    State(api): State<Api>,
    Path(namespace): Path<String>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let dry_run = params.dry_run("CreateOptions")?;
    let mut pod: Pod = body.object()?;
    check_fields("CreateOptions", &params, &body, &pod)?;
    check_names(&namespace, "", &pod)?;
    check_quantities(&pod)?;
    let version = pod.metadata.resource_version.as_deref().unwrap_or_default();
    if !version.is_empty() && !dry_run {
        return Err(Refusal::internal(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    api.store.namespace(&namespace)?;
    default::fill(&mut pod, &namespace, api.store.clock().now());
    validate::check(&pod)?;
    let stored = api.store.create(pod, dry_run)?;
    Ok(pod_answer(StatusCode::CREATED, stored, &headers))
}

async fn get_pod(State(api): State<Api>, Path(key): Path<Key>, headers: HeaderMap) -> Answered {
    Ok(pod_answer(StatusCode::OK, api.store.get(&key)?, &headers))
}

async fn put_pod(
    State(api): State<Api>,
    Path(key): Path<Key>,
    params: Params,
    body: Body,
) -> Answered {
    put(&api, &key, Part::Object, &params, &body)
}

async fn put_status(
    State(api): State<Api>,
    Path(key): Path<Key>,
    params: Params,
    body: Body,
) -> Answered {
    put(&api, &key, Part::Status, &params, &body)
}

fn put(api: &Api, key: &Key, part: Part, params: &Params, body: &Body) -> Answered {
    let dry_run = params.dry_run("UpdateOptions")?;
    let wanted: Pod = body.object()?;
    check_fields("UpdateOptions", params, body, &wanted)?;
    check_names(&key.0, &key.1, &wanted)?;
    let stored = api
        .store
        .update(key, dry_run, |old| replace(key, part, old, wanted))?;
    Ok(json_answer(StatusCode::OK, stored.json))
}

async fn patch_pod(
    State(api): State<Api>,
    Path(key): Path<Key>,
    params: Params,
    body: Body,
) -> Answered {
    patch(&api, &key, Part::Object, &params, &body)
}

async fn patch_status(
    State(api): State<Api>,
    Path(key): Path<Key>,
    params: Params,
    body: Body,
) -> Answered {
    patch(&api, &key, Part::Status, &params, &body)
}

fn patch(api: &Api, key: &Key, part: Part, params: &Params, body: &Body) -> Answered {
    let dry_run = params.dry_run("PatchOptions")?;
    api.store.get(key)?;
    let patch = Patch::parse(&body.media_type, &body.bytes)?;
    let stored = api.store.update(key, dry_run, |old| {
        replace(key, part, old, patch.apply(old)?)
    })?;
    Ok(json_answer(StatusCode::OK, stored.json))
}

async fn delete_pod(
    State(api): State<Api>,
    Path(key): Path<Key>,
    params: Params,
    body: Body,
) -> Answered {
    let (options, dry_run) = params.delete_options(&body.bytes)?;
    let stored = api
        .store
        .delete(&key, &DeleteRequest::new(options, dry_run))?;
    Ok(json_answer(StatusCode::OK, stored.json))
}

async fn delete_in_namespace(
    State(api): State<Api>,
    Path(namespace): Path<String>,
    params: Params,
    body: Body,
) -> Answered {
    let (options, dry_run) = params.delete_options(&body.bytes)?;
    let request = DeleteRequest::new(options, dry_run);
    let mut page = Page::of(&api.store, Some(&namespace), &params)?;
    // A pod that went in between is deleted as well: no reason to fail the others.
    let delete = |stored: &Stored| api.store.delete(&key_of(&stored.pod), &request).ok();
    page.items = page.items.iter().filter_map(delete).collect();
    Ok(json_answer(StatusCode::OK, page.json()))
}

async fn list_namespaces(State(api): State<Api>) -> Response {
    let (items, version) = api.store.namespaces();
    let metadata = json!({"resourceVersion": version.to_string()});
    Json(json!({"kind": "NamespaceList", "apiVersion": "v1", "metadata": metadata, "items": items}))
        .into_response()
}

async fn create_namespace(State(api): State<Api>, params: Params, body: Body) -> Answered {
    let dry_run = params.dry_run("CreateOptions")?;
    let mut namespace: Namespace = body.object()?;
    if namespace
        .metadata
        .name
        .as_deref()
        .unwrap_or_default()
        .is_empty()
    {
        let prefix = namespace
            .metadata
            .generate_name
            .as_deref()
            .filter(|prefix| !prefix.is_empty());
        namespace.metadata.name = prefix.map(default::generated_name);
    }
    validate::check_namespace(&namespace.metadata)?;
    let made = api.store.create_namespace(namespace, dry_run)?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

async fn get_namespace(State(api): State<Api>, Path(name): Path<String>) -> Answered {
    Ok(Json(api.store.namespace(&name)?).into_response())
}

async fn delete_namespace(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
    body: Body,
) -> Answered {
    let (_, dry_run) = params.delete_options(&body.bytes)?;
    let marked = api.store.delete_namespace(&name, dry_run)?;
    if !dry_run {
        let keys: Vec<Key> = api
            .store
            .snapshot()
            .pods
            .into_keys()
            .filter(|(namespace, _)| *namespace == name)
            .collect();
        for key in keys {
            // A pod that went in between needs no delete.
            let _ = api.store.delete(&key, &DeleteRequest::default());
        }
    }
    Ok(Json(marked).into_response())
}

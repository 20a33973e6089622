//! The HTTP API: paths and verbs of the pods part of a Kubernetes API server.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use tokio_util::sync::CancellationToken;

use super::body::{BODY_LIMIT, Body};
use super::deletion::DeleteRequest;
use super::log_request;
use super::logs::LogBook;
use super::params::Params;
use super::resource::{
    Answered, Target, changeable, collection, json_answer, list, object, status,
};
use super::status_body::Refusal;
use super::store::Store;
use super::{access, discovery, eviction};

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

/// All paths, without authentication.
pub fn router(api: Api) -> Router {
    let log = get(log_request::serve);
    Router::new()
        .route("/api/v1/pods", get(list::<Pod>))
        .route("/api/v1/events", get(list::<Event>))
        .route("/api/v1/namespaces", collection::<Namespace>())
        .route(
            "/api/v1/namespaces/{namespace}",
            changeable::<Namespace>().delete(delete_namespace),
        )
        .route(
            "/api/v1/namespaces/{namespace}/status",
            status::<Namespace>(),
        )
        .route("/api/v1/namespaces/{namespace}/pods", collection::<Pod>())
        .route(
            "/api/v1/namespaces/{namespace}/pods/{name}",
            object::<Pod>(),
        )
        .route(
            "/api/v1/namespaces/{namespace}/pods/{name}/status",
            status::<Pod>(),
        )
        .route("/api/v1/namespaces/{namespace}/pods/{name}/log", log)
        .route(
            "/api/v1/namespaces/{namespace}/pods/{name}/eviction",
            post(eviction::serve),
        )
        .route(
            "/api/v1/namespaces/{namespace}/events",
            collection::<Event>(),
        )
        .route(
            "/api/v1/namespaces/{namespace}/events/{name}",
            object::<Event>(),
        )
        .merge(access::routes())
        .merge(discovery::routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .layer(from_fn(no_head))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(api)
}

/// Resources have no HEAD, which axum would answer as it does GET.
async fn no_head(request: Request, next: Next) -> Response {
    if request.method() == Method::HEAD && is_resource(request.uri()) {
        return Refusal::method_not_allowed().into_response();
    }
    next.run(request).await
}

fn is_resource(uri: &Uri) -> bool {
    let path = uri.path();
    path.starts_with("/api/") || path.starts_with("/apis/")
}

async fn no_such_path(uri: Uri) -> Response {
    if is_resource(&uri) {
        return Refusal::no_such_path().into_response();
    }
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

async fn delete_namespace(
    State(api): State<Api>,
    Target((name, _)): Target,
    params: Params,
    body: Body,
) -> Answered {
    let (options, dry_run) = params.delete_options(&body.bytes)?;
    let request = DeleteRequest::new(options, dry_run);
    let marked = api.store.delete_namespace(&name, &request)?;
    Ok(json_answer(StatusCode::OK, marked.json))
}

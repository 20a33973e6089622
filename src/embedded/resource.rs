//! The verbs of one kind of object: the same for every kind.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::body::Body as Answer;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue, WARNING};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;

use super::api::Api;
use super::body::Body;
use super::deletion::DeleteRequest;
use super::event::{Key, Stored, key_of};
use super::form::Form;
use super::page::Page;
use super::params::Params;
use super::patch::{Part, Patch, check_names, replace};
use super::served::Served;
use super::status_body::Refusal;
use super::strict;
use super::watch::{self, WatchRequest};

/// What a handler returns.
pub type Answered = Result<Response, Refusal>;

/// The namespace of a path (empty for all, or for objects without one) and the name (empty for a collection).
pub struct Target(pub Key);

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Path(mut all) = read.map_err(|error| Refusal::bad_request(error.body_text()))?;
        let mut part = |name| all.remove(name).unwrap_or_default();
        Ok(Self((part("namespace"), part("name"))))
    }
}

impl Target {
    /// The key of an object; one without a namespace has its name where others have their namespace.
    fn key<T: Served>(self) -> Key {
        let (first, second) = self.0;
        if T::NAMESPACED {
            (first, second)
        } else {
            (String::new(), first)
        }
    }
}

/// The routes of a collection; one of objects without a namespace cannot be deleted as a whole.
pub fn collection<T: Served>() -> MethodRouter<Api> {
    let routes = get(list::<T>).post(create::<T>);
    if T::NAMESPACED {
        routes.delete(delete_collection::<T>)
    } else {
        routes
    }
}

/// The routes of one object, but for its deletion.
pub fn changeable<T: Served>() -> MethodRouter<Api> {
    get(read::<T>).put(put::<T>).patch(patch::<T>)
}

/// The routes of one object.
pub fn object<T: Served>() -> MethodRouter<Api> {
    changeable::<T>().delete(delete::<T>)
}

/// The routes of an object's status.
pub fn status<T: Served>() -> MethodRouter<Api> {
    get(read::<T>).put(put_status::<T>).patch(patch_status::<T>)
}

/// An answer with a body that is JSON already.
pub fn json_answer(code: StatusCode, body: impl Into<Answer>) -> Response {
    (code, [(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// An object that was written, with what is to be warned of.
fn written<T>(code: StatusCode, stored: Stored<T>, warnings: &[String]) -> Response {
    warn(json_answer(code, stored.json), warnings)
}

fn warn(mut answer: Response, warnings: &[String]) -> Response {
    for warning in warnings {
        // What no header can hold is left out: it is only a warning.
        if let Ok(value) = HeaderValue::try_from(format!("299 - {warning:?}")) {
            answer.headers_mut().append(WARNING, value);
        }
    }
    answer
}

/// Lists objects, or watches them.
pub async fn list<T: Served>(
    State(api): State<Api>,
    Target((namespace, _)): Target,
    params: Params,
    headers: HeaderMap,
) -> Answered {
    if params.flag("watch") {
        return watch::<T>(api, namespace, &params, &headers);
    }
    let page = Page::<T>::of(&api.store, &namespace, &params)?;
    let list = Form::of(&headers).list(&page.items, &page.metadata(), || page.json());
    Ok(json_answer(StatusCode::OK, list))
}

fn watch<T: Served>(api: Api, namespace: String, params: &Params, headers: &HeaderMap) -> Answered {
    let request = WatchRequest {
        namespace,
        selector: params.selector::<T>()?,
        version: params.version().map_err(Refusal::internal)?,
        send_initial_events: params.optional_flag("sendInitialEvents"),
        bookmarks: params.flag("allowWatchBookmarks"),
        timeout: params.timeout()?,
    };
    params.check_match(true)?;
    let lines = watch::lines::<T>(api.store, request, api.stop);
    let form = Form::of(headers);
    let lines = lines.map(move |line| Ok::<Bytes, Infallible>(form.event::<T>(line)));
    Ok(json_answer(StatusCode::OK, Answer::from_stream(lines)))
}

fn check_fields<T: Served>(
    kind: &str,
    params: &Params,
    body: &Body,
    object: &T,
) -> Result<Vec<String>, Refusal> {
    strict::check(params.field_validation(kind)?, &body.bytes, object)
}

async fn create<T: Served>(
    State(api): State<Api>,
    Target((namespace, _)): Target,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let dry_run = params.dry_run("CreateOptions")?;
    let mut object: T = body.object()?;
    let warnings = check_fields("CreateOptions", &params, &body, &object)?;
    check_names(&namespace, "", &object)?;
    let version = object.metadata().resource_version.as_deref();
    if !version.unwrap_or_default().is_empty() && !dry_run {
        return Err(Refusal::internal(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    if T::NAMESPACED {
        let of_namespace = (String::new(), namespace.clone());
        api.store
            .get::<k8s_openapi::api::core::v1::Namespace>(&of_namespace)?;
    }
    object.fill(&namespace, api.store.clock().now());
    object.check()?;
    let stored = api.store.create(object, dry_run)?;
    let answer = Form::of(&headers).object(stored);
    Ok(warn(json_answer(StatusCode::CREATED, answer), &warnings))
}

async fn read<T: Served>(State(api): State<Api>, target: Target, headers: HeaderMap) -> Answered {
    let stored = api.store.get::<T>(&target.key::<T>())?;
    let answer = Form::of(&headers).object(stored);
    Ok(json_answer(StatusCode::OK, answer))
}

async fn put<T: Served>(
    State(api): State<Api>,
    target: Target,
    params: Params,
    body: Body,
) -> Answered {
    put_part::<T>(&api, &target.key::<T>(), Part::Object, &params, &body)
}

async fn put_status<T: Served>(
    State(api): State<Api>,
    target: Target,
    params: Params,
    body: Body,
) -> Answered {
    put_part::<T>(&api, &target.key::<T>(), Part::Status, &params, &body)
}

fn put_part<T: Served>(api: &Api, key: &Key, part: Part, params: &Params, body: &Body) -> Answered {
    let dry_run = params.dry_run("UpdateOptions")?;
    let wanted: T = body.object()?;
    let warnings = check_fields("UpdateOptions", params, body, &wanted)?;
    check_names(&key.0, &key.1, &wanted)?;
    let stored = api
        .store
        .update(key, dry_run, |old: &T| replace(key, part, old, wanted))?;
    Ok(written(StatusCode::OK, stored, &warnings))
}

async fn patch<T: Served>(
    State(api): State<Api>,
    target: Target,
    params: Params,
    body: Body,
) -> Answered {
    patch_part::<T>(&api, &target.key::<T>(), Part::Object, &params, &body)
}

async fn patch_status<T: Served>(
    State(api): State<Api>,
    target: Target,
    params: Params,
    body: Body,
) -> Answered {
    patch_part::<T>(&api, &target.key::<T>(), Part::Status, &params, &body)
}

fn patch_part<T: Served>(
    api: &Api,
    key: &Key,
    part: Part,
    params: &Params,
    body: &Body,
) -> Answered {
    let dry_run = params.dry_run("PatchOptions")?;
    api.store.get::<T>(key)?;
    let patch = Patch::parse(&body.media_type, &body.bytes)?;
    let stored = api.store.update(key, dry_run, |old: &T| {
        replace(key, part, old, patch.apply(old)?)
    })?;
    Ok(json_answer(StatusCode::OK, stored.json))
}

async fn delete<T: Served>(
    State(api): State<Api>,
    target: Target,
    params: Params,
    body: Body,
) -> Answered {
    let (options, dry_run) = params.delete_options(&body.bytes)?;
    let request = DeleteRequest::new(options, dry_run);
    let key = target.key::<T>();
    let deleted = api.store.delete::<T>(&key, &request)?;
    if deleted.gone && !T::GRACEFUL {
        let metadata = deleted.stored.object.metadata();
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": key.1, "kind": T::RESOURCE, "uid": metadata.uid},
        });
        return Ok(json_answer(StatusCode::OK, status.to_string()));
    }
    Ok(json_answer(StatusCode::OK, deleted.stored.json))
}

async fn delete_collection<T: Served>(
    State(api): State<Api>,
    Target((namespace, _)): Target,
    params: Params,
    body: Body,
) -> Answered {
    let (options, dry_run) = params.delete_options(&body.bytes)?;
    let request = DeleteRequest::new(options, dry_run);
    let mut page = Page::<T>::of(&api.store, &namespace, &params)?;
    // An object that went in between is deleted as well: no reason to fail the others.
    let delete = |stored: &Stored<T>| {
        let deleted = api.store.delete(&key_of(&*stored.object), &request).ok()?;
        Some(deleted.stored)
    };
    page.items = page.items.iter().filter_map(delete).collect();
    Ok(json_answer(StatusCode::OK, page.json()))
}

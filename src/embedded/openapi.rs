//! The schemas of the objects, as far as clients ask for them: `kubectl explain`, and `kubectl apply`, which looks
//! whether the server checks fields.
//!
//! They are those of the crate `k8s-openapi`, which has them from Kubernetes' own document. They say nothing of how
//! lists are merged, so that no strategic merge is offered here: kubectl then uses what it knows by itself.

use std::sync::OnceLock;

use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use k8s_openapi::Resource;
use k8s_openapi::api::authorization::v1::{SelfSubjectAccessReview, SelfSubjectRulesReview};
use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use k8s_openapi::api::policy::v1::Eviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use k8s_openapi::schemars::JsonSchema;
use k8s_openapi::schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::api::Api;
use super::kind::Kind;
use super::resource::json_answer;

const VERSION: &str = "v1.34.4+embedded";
const CORE: &str = "/openapi/v3/api/v1";

/// The paths of the schemas.
pub fn routes() -> Router<Api> {
    let index = json!({"paths": {"api/v1": {"serverRelativeURL": CORE}}});
    Router::new()
        .route("/openapi/v3", get(async || Json(index)))
        .route(CORE, get(core))
}

async fn core() -> Response {
    // Made when it is asked for: most clients never do.
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| document().to_string().into());
    json_answer(StatusCode::OK, document.clone())
}

fn document() -> Value {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let mut paths = Map::new();
    describe::<Pod>(&mut generator, &mut paths);
    describe::<Event>(&mut generator, &mut paths);
    describe::<Namespace>(&mut generator, &mut paths);
    generator.subschema_for::<Eviction>();
    generator.subschema_for::<SelfSubjectAccessReview>();
    generator.subschema_for::<SelfSubjectRulesReview>();
    generator.subschema_for::<Status>();
    let mut schemas = generator.take_definitions(true);
    for kind in [Pod::KIND, Event::KIND, Namespace::KIND] {
        let schema = schemas.get_mut(&format!("io.k8s.api.core.v1.{kind}"));
        if let Some(Value::Object(schema)) = schema {
            schema.insert(GROUP_VERSION_KIND.to_owned(), json!([core_kind(kind)]));
        }
    }
    json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths, "components": {"schemas": schemas},
    })
}

const GROUP_VERSION_KIND: &str = "x-kubernetes-group-version-kind";

fn core_kind(kind: &str) -> Value {
    json!({"group": "", "version": "v1", "kind": kind})
}

/// The schema of a kind, and the path of one object.
fn describe<T>(generator: &mut SchemaGenerator, paths: &mut Map<String, Value>)
where
    T: Kind + JsonSchema,
{
    generator.subschema_for::<T>();
    let within = if T::NAMESPACED {
        "namespaces/{namespace}/"
    } else {
        ""
    };
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let content = json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/io.k8s.api.core.v1.{}", T::KIND)}}});
    let operation = |action: &str, parameters: Value| {
        json!({
            "x-kubernetes-action": action, GROUP_VERSION_KIND: core_kind(T::KIND), "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": content}},
        })
    };
    let changes = json!([parameter("dryRun"), parameter("fieldValidation")]);
    let path = format!("/api/v1/{within}{}/{{name}}", T::RESOURCE);
    let operations = json!({
        "get": operation("get", json!([])), "put": operation("put", changes.clone()),
        "patch": operation("patch", changes),
    });
    paths.insert(path, operations);
}

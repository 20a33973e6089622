//! What may the caller do? Everything: who has the token is the administrator.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use k8s_openapi::api::authorization::v1::{
    SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReviewStatus,
};
use serde_json::json;

use super::api::Api;
use super::body::Body;
use super::resource::Answered;
use super::status_body::{Refusal, cause};

const GROUP: &str = "authorization.k8s.io";

/// The paths of the reviews.
pub fn routes() -> Router<Api> {
    let path = |name: &str| format!("/apis/{GROUP}/v1/{name}");
    Router::new()
        .route(&path("selfsubjectaccessreviews"), post(access))
        .route(&path("selfsubjectrulesreviews"), post(rules))
}

async fn access(State(_): State<Api>, body: Body) -> Answered {
    let mut review: SelfSubjectAccessReview = body.object()?;
    let refuse = |field: &str, message: String| {
        let fault = cause("FieldValueInvalid", format!("spec.{field}"), message);
        // The real server says no kind here, and so it is.
        Err(Refusal::invalid(GROUP, "", "", vec![fault]))
    };
    match (
        &review.spec.resource_attributes,
        &review.spec.non_resource_attributes,
    ) {
        (None, None) => {
            let why =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            return refuse("resourceAttributes", format!("Invalid value: null: {why}"));
        }
        (Some(_), Some(other)) => {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            let value = json!({"Path": text(&other.path), "Verb": text(&other.verb)});
            let why = "cannot be specified in combination with resourceAttributes";
            return refuse(
                "nonResourceAttributes",
                format!("Invalid value: {value}: {why}"),
            );
        }
        _ => {}
    }
    review.status = Some(SubjectAccessReviewStatus {
        allowed: true,
        ..SubjectAccessReviewStatus::default()
    });
    Ok((StatusCode::CREATED, Json(review)).into_response())
}

async fn rules(State(_): State<Api>, body: Body) -> Answered {
    let review: SelfSubjectRulesReview = body.object()?;
    if review.spec.namespace.unwrap_or_default().is_empty() {
        return Err(Refusal::bad_request("no namespace on request"));
    }
    let all = ["*"];
    let answer = json!({
        "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": {},
        "status": {
            "resourceRules": [{"verbs": all, "apiGroups": all, "resources": all}],
            "nonResourceRules": [{"verbs": all, "nonResourceURLs": all}],
            "incomplete": false,
        },
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

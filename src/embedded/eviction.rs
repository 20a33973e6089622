//! `POST .../pods/{name}/eviction`: a deletion that says on the pod that it was an eviction.

use axum::extract::State;
use axum::http::StatusCode;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::api::policy::v1::Eviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::api::Api;
use super::body::Body;
use super::deletion::DeleteRequest;
use super::params::Params;
use super::resource::{Answered, Target, json_answer};
use super::status_body::Refusal;

const CONDITION: &str = "DisruptionTarget";

/// Evicts a pod. No disruption budget can forbid it: there are none here.
///
/// # Errors
/// 400, 404, and 409 when a precondition does not hold.
pub async fn serve(
    State(api): State<Api>,
    Target(key): Target,
    params: Params,
    body: Body,
) -> Answered {
    let eviction: Eviction = body.object()?;
    if eviction.metadata.name.as_ref() != Some(&key.1) {
        let message = "name in URL does not match name in Eviction object";
        return Err(Refusal::bad_request(message));
    }
    let options = eviction.delete_options.unwrap_or_default();
    let dry_run = params.dry_run("CreateOptions")? || options.dry_run.is_some();
    let request = DeleteRequest::new(options, dry_run);
    let now = api.store.clock().now();
    api.store.update(&key, dry_run, |pod: &Pod| {
        request.check_preconditions(pod)?;
        Ok(marked(pod, now))
    })?;
    api.store.delete::<Pod>(&key, &request)?;
    let success = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    });
    Ok(json_answer(StatusCode::CREATED, success.to_string()))
}

fn marked(pod: &Pod, now: Time) -> Pod {
    let mut pod = pod.clone();
    let conditions = pod
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    conditions.retain(|one| one.type_ != CONDITION);
    conditions.push(PodCondition {
        type_: CONDITION.to_owned(),
        status: "True".to_owned(),
        reason: Some("EvictionByEvictionAPI".to_owned()),
        message: Some("Eviction API: evicting".to_owned()),
        last_transition_time: Some(now),
        ..PodCondition::default()
    });
    pod
}

//! What may I do? The caller of all three servers may do everything.

use serde_json::{Value, json};

use crate::scene::Scene;

const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const RULES: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";

contract! {
    async fn whoever_may_do_everything_is_told_so(scene: &Scene) {
        let attributes = json!({"namespace": scene.namespace, "verb": "list", "resource": "pods"});
        let review = json!({
            "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": {"resourceAttributes": attributes},
        });
        let mut answer = scene.post(ACCESS, &review).await.expect(201);
        answer["metadata"] = json!({});
        let expected = json!({
            "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
            "spec": {"resourceAttributes": attributes}, "status": {"allowed": true},
        });
        assert_eq!(answer, expected);
        let path = json!({"spec": {"nonResourceAttributes": {"path": "/version", "verb": "get"}}});
        let answer = scene.post(ACCESS, &path).await.expect(201);
        assert_eq!(answer["status"]["allowed"], true);
    }

    async fn a_question_about_nothing_or_two_things_is_refused(scene: &Scene) {
        let answer = scene.post(ACCESS, &json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {}})).await;
        let message = ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified";
        assert_eq!(answer.refusal(), (422, message));
        let both = json!({"spec": {"nonResourceAttributes": {"path": "/version", "verb": "get"}, "resourceAttributes": {}}});
        let answer = scene.post(ACCESS, &both).await;
        let message = ".authorization.k8s.io \"\" is invalid: spec.nonResourceAttributes: Invalid value: {\"Path\":\"/version\",\"Verb\":\"get\"}: cannot be specified in combination with resourceAttributes";
        assert_eq!(answer.refusal(), (422, message));
    }

    async fn the_rules_of_a_namespace_say_the_same(scene: &Scene) {
        let answer = scene.post(RULES, &json!({"spec": {"namespace": scene.namespace}})).await.expect(201);
        let rules = answer["status"]["resourceRules"].as_array().expect("rules");
        assert!(rules.contains(&json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})), "{answer}");
        assert_eq!((&answer["status"]["incomplete"], &answer["spec"]), (&Value::Bool(false), &json!({})));
        let answer = scene.post(RULES, &json!({"spec": {}})).await;
        assert_eq!(answer.refusal(), (400, "no namespace on request"));
    }
}

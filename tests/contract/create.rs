//! POST: defaults, generated names, and what is refused.

use http::Method;
use serde_json::json;

use crate::scene::{Scene, plain, text};

contract! {
    async fn a_new_pod_gets_the_servers_defaults(scene: &Scene) {
        let created = scene.create(&scene.idle("a")).await;
        let wait = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        let expected = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "namespace": scene.namespace, "generation": 1},
            "spec": {
                "containers": [{
                    "name": "c", "image": "x:1", "imagePullPolicy": "IfNotPresent", "resources": {},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
                "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                "serviceAccountName": "default", "serviceAccount": "default", "securityContext": {},
                "schedulerName": "nobody", "priority": 0, "enableServiceLinks": true,
                "preemptionPolicy": "PreemptLowerPriority",
                "tolerations": [wait("node.kubernetes.io/not-ready"), wait("node.kubernetes.io/unreachable")],
            },
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        });
        assert_eq!(plain(&created), expected);
        for made in ["uid", "resourceVersion", "creationTimestamp"] {
            assert_ne!(text(&created["metadata"][made]), "", "{made}");
        }
    }

    async fn a_generated_name_is_its_prefix_and_five_letters(scene: &Scene) {
        let mut pod = scene.idle("");
        pod["metadata"] = json!({"generateName": "gen-"});
        let created = scene.create(&pod).await;
        let name = text(&created["metadata"]["name"]);
        let letters = name.strip_prefix("gen-").expect("the prefix");
        assert_eq!(letters.len(), 5);
        assert!(letters.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{name}");
    }

    async fn a_long_prefix_is_cut(scene: &Scene) {
        let mut pod = scene.idle("");
        pod["metadata"] = json!({"generateName": "x".repeat(70)});
        let created = scene.create(&pod).await;
        assert_eq!(text(&created["metadata"]["name"]).len(), 63);
    }

    async fn a_name_that_is_taken_is_a_conflict(scene: &Scene) {
        scene.create(&scene.idle("twice")).await;
        let again = scene.post(&scene.pods(), &scene.idle("twice")).await;
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "pods \"twice\" already exists", "reason": "AlreadyExists",
            "details": {"name": "twice", "kind": "pods"}, "code": 409,
        });
        assert_eq!((again.code, again.json), (409, expected));
    }

    async fn a_name_whose_pod_goes_is_a_conflict_that_says_so(scene: &Scene) {
        scene.create_bound("a").await;
        scene.delete(&scene.pod("a"), &json!({})).await.expect(200);
        let again = scene.post(&scene.pods(), &scene.idle("a")).await;
        let message = "object is being deleted: pods \"a\" already exists";
        assert_eq!((again.code, &again.json["message"]), (409, &json!(message)));
        assert_eq!(again.json["details"], json!({"name": "a", "kind": "pods"}));
    }

    async fn a_pod_without_a_name_is_refused(scene: &Scene) {
        let answer = scene.post(&scene.pods(), &scene.idle("")).await;
        let expected = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "Pod \"\" is invalid: metadata.name: Required value: name or generateName is required",
            "reason": "Invalid",
            "details": {"kind": "Pod", "causes": [{
                "reason": "FieldValueRequired", "message": "Required value: name or generateName is required",
                "field": "metadata.name",
            }]},
            "code": 422,
        });
        assert_eq!((answer.code, answer.json), (422, expected));
    }

    async fn every_fault_of_a_pod_is_named_at_once(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["spec"] = json!({
            "restartPolicy": "Sometimes", "activeDeadlineSeconds": 0,
            "volumes": [
                {"name": "v"}, {"name": ""}, {"name": "w", "emptyDir": {}, "hostPath": {"path": "/x"}},
                {"name": "w", "emptyDir": {}}, {"name": "hp", "hostPath": {"path": ""}},
                {"name": "p", "persistentVolumeClaim": {"claimName": ""}},
            ],
            "containers": [
                {"name": "c", "image": "x", "imagePullPolicy": "X",
                 "env": [{"name": ""}, {"name": "1=a", "value": "x"}, {"name": "b", "valueFrom": {}}],
                 "volumeMounts": [
                    {"name": "nope", "mountPath": "/a"}, {"name": "w", "mountPath": "/a"},
                    {"name": "w", "mountPath": "/z", "subPath": "../x"},
                 ]},
                {"name": "c", "image": ""},
            ],
        });
        let answer = scene.post(&scene.pods(), &pod).await;
        let expected = [
            ("FieldValueRequired", "spec.volumes[1].name", "Required value"),
            ("FieldValueForbidden", "spec.volumes[2].hostPath", "Forbidden: may not specify more than 1 volume type"),
            ("FieldValueRequired", "spec.volumes[4].hostPath.path", "Required value"),
            ("FieldValueRequired", "spec.volumes[5].persistentVolumeClaim.claimName", "Required value"),
            ("FieldValueRequired", "spec.containers[0].env[0].name", "Required value"),
            ("FieldValueInvalid", "spec.containers[0].env[1].name", "Invalid value: \"1=a\": a valid environment variable name must consist only of printable ASCII characters other than '='"),
            ("FieldValueInvalid", "spec.containers[0].env[2].valueFrom", "Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"),
            ("FieldValueNotFound", "spec.containers[0].volumeMounts[0].name", "Not found: \"nope\""),
            ("FieldValueInvalid", "spec.containers[0].volumeMounts[1].mountPath", "Invalid value: \"/a\": must be unique"),
            ("FieldValueInvalid", "spec.containers[0].volumeMounts.subPath", "Invalid value: \"../x\": must not contain '..'"),
            ("FieldValueNotSupported", "spec.containers[0].imagePullPolicy", "Unsupported value: \"X\": supported values: \"Always\", \"IfNotPresent\", \"Never\""),
            ("FieldValueRequired", "spec.containers[1].image", "Required value"),
            ("FieldValueDuplicate", "spec.containers[1].name", "Duplicate value: \"c\""),
            ("FieldValueNotSupported", "spec.restartPolicy", "Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\""),
            ("FieldValueInvalid", "spec.activeDeadlineSeconds", "Invalid value: 0: must be between 1 and 2147483647, inclusive"),
        ];
        assert_eq!((answer.code, answer.causes()), (422, expected.to_vec()));
    }

    async fn a_pod_without_containers_is_refused(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["spec"]["containers"] = json!([]);
        let answer = scene.post(&scene.pods(), &pod).await;
        assert_eq!(answer.refusal(), (422, "Pod \"a\" is invalid: spec.containers: Required value"));
        pod["spec"] = json!(null);
        let answer = scene.post(&scene.pods(), &pod).await;
        assert_eq!(answer.refusal(), (422, "Pod \"a\" is invalid: spec.containers: Required value"));
    }

    async fn a_name_that_is_none_is_refused(scene: &Scene) {
        let answer = scene.post(&scene.pods(), &scene.idle("Bad_Name")).await;
        let message = "Pod \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        assert_eq!(answer.refusal(), (422, message));
    }

    async fn a_label_that_is_none_is_refused(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["metadata"]["labels"] = json!({"ok": "-bad value"});
        let answer = scene.post(&scene.pods(), &pod).await;
        let message = "Pod \"a\" is invalid: metadata.labels: Invalid value: \"-bad value\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
        assert_eq!(answer.refusal(), (422, message));
    }

    async fn faults_of_containers_are_named(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["spec"]["containers"] = json!([
            {"name": "Upper", "image": " x ", "ports": [{"containerPort": 0}, {"containerPort": 70000}]},
            {"name": "r", "image": "x", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2", "memory": "-1"}}},
        ]);
        pod["spec"]["initContainers"] = json!([{"name": "r", "image": "x"}]);
        let answer = scene.post(&scene.pods(), &pod).await;
        // The two about resources come in no order on a real server.
        let mut causes = answer.causes();
        causes[3..5].sort_unstable();
        let expected = [
            ("FieldValueInvalid", "spec.containers[0].name", "Invalid value: \"Upper\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"),
            ("FieldValueRequired", "spec.containers[0].ports[0].containerPort", "Required value"),
            ("FieldValueInvalid", "spec.containers[0].ports[1].containerPort", "Invalid value: 70000: must be between 1 and 65535, inclusive"),
            ("FieldValueInvalid", "spec.containers[1].resources.requests", "Invalid value: \"2\": must be less than or equal to cpu limit of 1"),
            ("FieldValueInvalid", "spec.containers[1].resources.requests[memory]", "Invalid value: \"-1\": must be greater than or equal to 0"),
            ("FieldValueDuplicate", "spec.initContainers[0].name", "Duplicate value: \"r\""),
            ("FieldValueInvalid", "spec.containers[0].image", "Invalid value: \" x \": must not have leading or trailing whitespace"),
        ];
        assert_eq!((answer.code, causes), (422, expected.to_vec()));
    }

    async fn an_unknown_namespace_is_not_found(scene: &Scene) {
        let answer = scene.post("/api/v1/namespaces/nonono/pods", &scene.idle("a")).await;
        assert_eq!(answer.refusal(), (404, "namespaces \"nonono\" not found"));
    }

    async fn another_namespace_than_the_paths_is_refused(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["metadata"]["namespace"] = json!("default");
        let answer = scene.post(&scene.pods(), &pod).await;
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        assert_eq!(answer.refusal(), (400, message));
    }

    async fn a_version_must_not_be_given(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["metadata"]["resourceVersion"] = json!("5");
        let answer = scene.post(&scene.pods(), &pod).await;
        assert_eq!(answer.refusal(), (500, "resourceVersion should not be set on objects to be created"));
    }

    async fn a_quantity_that_is_none_is_a_bad_request(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "lots"}});
        let message = "Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        assert_eq!(scene.post(&scene.pods(), &pod).await.refusal(), (400, message));
    }

    async fn another_kind_is_a_bad_request(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["kind"] = json!("Job");
        let answer = scene.post(&scene.pods(), &pod).await;
        assert_eq!((answer.code, answer.json["reason"].as_str()), (400, Some("BadRequest")));
    }

    async fn a_body_that_is_no_json_is_a_bad_request(scene: &Scene) {
        for body in ["", "{", "[]", "7"] {
            let answer = scene.send(Method::POST, &scene.pods(), "application/json", body).await;
            assert_eq!((answer.code, text(&answer.json["reason"])), (400, "BadRequest"), "{body}");
        }
    }

    async fn a_body_may_be_yaml(scene: &Scene) {
        let body = "kind: Pod\napiVersion: v1\nmetadata:\n  name: a\nspec:\n  schedulerName: nobody\n  containers:\n  - {name: c, image: \"x:1\"}\n";
        let answer = scene.send(Method::POST, &scene.pods(), "application/yaml", body).await;
        let created = answer.expect(201);
        assert_eq!(created["spec"]["containers"][0]["image"], "x:1");
        let answer = scene.send(Method::POST, &scene.pods(), "application/yaml", "a: [").await;
        assert_eq!((answer.code, text(&answer.json["reason"])), (400, "BadRequest"));
    }

    async fn another_media_type_is_refused(scene: &Scene) {
        let answer = scene.send(Method::POST, &scene.pods(), "text/plain", "{}").await;
        assert_eq!((answer.code, text(&answer.json["reason"])), (415, "UnsupportedMediaType"));
        // A real server speaks protobuf too, and says so at the end.
        let start = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";
        assert!(answer.refusal().1.starts_with(start), "{}", answer.text);
    }

    async fn a_body_of_more_than_three_mebibytes_is_too_large(scene: &Scene) {
        let body = " ".repeat(3_300_000);
        let answer = scene.send(Method::POST, &scene.pods(), "application/json", &body).await;
        assert_eq!(answer.refusal(), (413, "Request entity too large: limit is 3145728"));
    }

    async fn strict_validation_names_unknown_and_repeated_fields(scene: &Scene) {
        let path = format!("{}?fieldValidation=Strict", scene.pods());
        let body = r#"{"metadata": {"name": "a"}, "spec": {"schedulerName": "nobody", "oops": 1,
            "containers": [{"name": "c", "image": "x", "image": "y", "imag": "z"}]}}"#;
        let answer = scene.send(Method::POST, &path, "application/json", body).await;
        let message = "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.oops\", duplicate field \"spec.containers[0].image\", unknown field \"spec.containers[0].imag\"";
        assert_eq!(answer.refusal(), (400, message));
        let path = format!("{}?fieldValidation=Odd", scene.pods());
        let answer = scene.post(&path, &scene.idle("a")).await;
        let message = "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Odd\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"";
        assert_eq!(answer.refusal(), (422, message));
    }

    async fn unknown_fields_are_dropped_without_it(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["spec"]["oops"] = json!(1);
        let created = scene.create(&pod).await;
        assert_eq!(created["spec"]["oops"], json!(null));
    }

    async fn what_only_the_server_sets_is_not_taken_over(scene: &Scene) {
        let mut pod = scene.idle("a");
        pod["metadata"]["uid"] = json!("mine");
        pod["metadata"]["deletionTimestamp"] = json!("2020-01-01T00:00:00Z");
        pod["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z");
        pod["metadata"]["generation"] = json!(7);
        pod["status"] = json!({"phase": "Failed"});
        let created = scene.create(&pod).await;
        assert_eq!(created["metadata"]["deletionTimestamp"], json!(null));
        assert_ne!(text(&created["metadata"]["uid"]), "mine");
        assert_ne!(text(&created["metadata"]["creationTimestamp"]), "2020-01-01T00:00:00Z");
        assert_eq!((&created["metadata"]["generation"], text(&created["status"]["phase"])), (&json!(1), "Pending"));
    }
}

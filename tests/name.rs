//! Pod names as grader-service makes them, and label values for any text.

use kubegrader::name::{autograde_pod, is_namespace, is_pod_name, label_value};

#[test]
fn a_pod_is_named_by_user_and_submission_as_grader_service_0_12_5_names_it() {
    // Made with KubeAutogradeExecutor._get_autograde_pod_name of grader-service 0.12.5.
    for (user, name) in [
        ("alice", "autograde-job-alice-7"),
        (
            "Alice.Smith@example.org",
            "autograde-job-alice-smith-example-org-7",
        ),
        ("e01234567", "autograde-job-e01234567-7"),
        ("--a--b--", "autograde-job-a-b-7"),
        ("jürgen", "autograde-job-j-rgen-7"),
        ("a_b\"; rm -rf /", "autograde-job-a-b-rm-rf-7"),
        ("日本", "autograde-job--7"),
        (
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-yyy",
            "autograde-job-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-7",
        ),
    ] {
        assert_eq!(autograde_pod(user, 7), name, "{user:?}");
        assert!(is_pod_name(name), "{name}");
    }
}

#[test]
fn names_that_kubernetes_refuses_are_refused() {
    for name in [
        "",
        "Upper",
        "a_b",
        "-a",
        "a-",
        "a..b",
        "a.-b",
        "ä",
        &"a".repeat(254),
    ] {
        assert!(!is_pod_name(name), "{name:?}");
    }
    for name in [
        "a",
        "0",
        "a.b",
        "a-b",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4",
    ] {
        assert!(is_pod_name(name), "{name:?}");
    }
}

#[test]
fn a_text_that_may_be_a_label_stays_as_it_is() {
    for text in ["", "7", "algebra", "Sheet_1.2"] {
        assert_eq!(label_value(text), text);
    }
}

#[test]
fn any_other_text_becomes_a_label_of_its_own() {
    let texts = [
        "Sheet 1",
        "Sheet-1 ",
        " Sheet 1",
        "Übung",
        "-a",
        "a-",
        "日本",
        &"x".repeat(64),
        &"x".repeat(65),
    ];
    let values: std::collections::BTreeSet<String> =
        texts.iter().map(|text| label_value(text)).collect();
    assert_eq!(values.len(), texts.len());
    for value in values {
        let ends = |c: char| c.is_ascii_alphanumeric();
        assert!(
            value.len() <= 63 && value.starts_with(ends) && value.ends_with(ends),
            "{value:?}"
        );
        assert!(
            value.chars().all(|c| ends(c) || "-_.".contains(c)),
            "{value:?}"
        );
    }
}

#[test]
fn a_namespace_is_one_label() {
    for name in ["", "a.b", "../x", "a/b", "Upper", &"a".repeat(64)] {
        assert!(!is_namespace(name), "{name:?}");
    }
    assert!(is_namespace("grading-2026"));
}

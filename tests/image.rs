//! The image of a submission: the course's image config, and what a reference may be.

use std::io::Write as _;

use kubegrader::image::{self, Image};
use serde_json::{Value, json};

fn config(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn configured(text: &str, lecture: &str, assignment: &str) -> Result<Option<String>, String> {
    let file = config(text);
    let image = image::configured(file.path(), lecture, assignment);
    let path = file.path().display().to_string();
    image
        .map(|image| image.map(|image| image.to_string()))
        .map_err(|error| error.to_string().replace(&path, "FILE"))
}

#[test]
fn a_lecture_may_have_one_image_for_all_its_assignments() {
    let text = r#"{"algebra": "registry.example.org/algebra:2026"}"#;
    assert_eq!(
        configured(text, "algebra", "Sheet 1"),
        Ok(Some("registry.example.org/algebra:2026".into()))
    );
}

#[test]
fn a_lecture_may_have_an_image_for_each_assignment() {
    let text = r#"{"physics": {"Sheet 1": "physics:1", "Sheet 2": "physics:2"}}"#;
    assert_eq!(
        configured(text, "physics", "Sheet 2"),
        Ok(Some("physics:2".into()))
    );
}

#[test]
fn what_the_file_does_not_name_is_left_to_the_default() {
    let text = r#"{"physics": {"Sheet 1": "physics:1"}}"#;
    assert_eq!(configured(text, "algebra", "Sheet 1"), Ok(None));
    assert_eq!(configured(text, "physics", "Sheet 9"), Ok(None));
}

#[test]
fn a_missing_file_is_named() {
    let error = image::configured("/no/such/images.json".as_ref(), "a", "b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "image config /no/such/images.json: it cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn a_file_that_is_not_json_is_named_with_the_place_of_the_fault() {
    assert_eq!(
        configured("{\"a\": ", "a", "b"),
        Err(
            "image config FILE: it is not JSON: EOF while parsing a value at line 1 column 6"
                .into()
        )
    );
}

#[test]
fn a_file_of_the_wrong_shape_is_told_with_the_key_at_fault() {
    assert_eq!(
        configured("[1]", "a", "b"),
        Err("image config FILE: it must be an object {lecture: image}, and it is a list".into())
    );
    assert_eq!(
        configured(r#"{"a": 7}"#, "a", "b"),
        Err(r#"image config FILE, key "a": it must be an image name or an object {assignment: image}, and it is a number"#
            .into())
    );
    assert_eq!(
        configured(r#"{"a": {"b": null}}"#, "a", "b"),
        Err(r#"image config FILE, key "a"."b": it must be an image name, and it is null"#.into())
    );
}

#[test]
fn an_image_in_the_file_that_cannot_be_is_refused() {
    let error = configured(r#"{"a": "Algebra"}"#, "a", "b").unwrap_err();
    assert!(error.contains("'A' at position 1"), "{error}");
}

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

// What is taken and what is not, and the words, were asked of `ParseNormalizedNamed` of distribution/reference 0.6.0.
#[test]
fn references_that_the_kubelet_takes_are_taken() {
    for reference in [
        "20wle2_image",
        "algebra__image",
        "registry.example.org/algebra:2026",
        "localhost:5000/upper",
        "registry.example.org:5000/a/b/c:Tag-1.0_x",
        "busybox@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "[fe80::1]:5000/a:t",
        // No registry's name, and so a path.
        "a__b.c/d",
        // A path is lower case, and so a registry.
        "Upper/a",
        &format!("a:{}", "t".repeat(128)),
        &format!("{HEX}:1"),
        &format!("a@sha512:{HEX}{HEX}"),
        // With "library/", 255.
        &"a".repeat(247),
        &format!("r.io/{}", "a".repeat(255)),
    ] {
        assert_eq!(Image::parse(reference).unwrap().as_str(), reference);
    }
}

#[test]
fn references_that_the_kubelet_refuses_are_refused_in_its_words() {
    for (reference, words) in [
        (format!("a:{}", "t".repeat(129)), "invalid reference format"),
        ("a..b/c".to_owned(), "invalid reference format"),
        (
            "a".repeat(248),
            "repository name must not be more than 255 characters",
        ),
        (
            format!("r.io/{}", "a".repeat(256)),
            "repository name must not be more than 255 characters",
        ),
        (
            HEX.to_owned(),
            "a repository's name cannot be 64 hexadecimal digits",
        ),
        (
            format!("a@md5:{}", &HEX[..32]),
            "unsupported digest algorithm",
        ),
        (format!("a@sha256:{HEX}0"), "invalid checksum digest length"),
        (
            format!("a@sha256:{}", HEX.to_uppercase()),
            "invalid checksum digest format",
        ),
        (
            "r.io/Algebra".to_owned(),
            "repository name must be lowercase",
        ),
    ] {
        let error = Image::parse(&reference).unwrap_err().to_string();
        assert!(error.contains(words), "{reference}: {error}");
    }
}

#[test]
fn the_characters_at_fault_are_named_with_their_places() {
    for (reference, fault) in [
        ("Python_image", "'P' at position 1"),
        ("lecture 1_image", "' ' at position 8"),
        ("müsli_image", "'ü' at position 2"),
        ("a&b;c", "'&' at position 2, ';' at position 4"),
        ("registry.example.org/Algebra:1", "'A' at position 22"),
        ("Registry/Algebra", "not allowed: 'A' at position 10."),
        ("[fe80::1]/Algebra", "not allowed: 'A' at position 11."),
        ("a\nb", r"'\n' at position 2"),
    ] {
        let error = Image::parse(reference).unwrap_err().to_string();
        assert!(error.contains(fault), "{reference:?}: {error}");
    }
}

#[test]
fn references_with_no_single_character_at_fault_are_refused_all_the_same() {
    for reference in ["", "a___b", "-a", "a/", "a:", "a@sha256:1234"] {
        assert!(Image::parse(reference).is_err(), "{reference:?}");
    }
}

#[test]
fn the_images_of_all_containers_of_a_pod_are_checked() {
    let good = json!({"name": "good", "image": "registry.example/algebra:1"});
    let without = json!({"name": "without"});
    let bad = json!({"name": "bad", "image": "Algebra_image"});
    let pod = |init: &[&Value], proper: &[&Value]| {
        let pod = json!({"spec": {"initContainers": init, "containers": proper}});
        image::check_all(&pod).map_err(|error| error.to_string())
    };
    assert_eq!(pod(&[&good], &[&good, &without]), Ok(()));
    for (init, proper) in [(&good, &bad), (&bad, &good)] {
        let error = pod(&[init], &[&good, proper]).unwrap_err();
        let told = "image \"Algebra_image\" cannot be: ";
        assert!(error.starts_with(told), "{error}");
    }
    assert_eq!(image::check_all(&json!({"spec": {}})).ok(), Some(()));
}

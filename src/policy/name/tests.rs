//! Names, and strings that are not names.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use proptest::prelude::*;

use super::{Name, NameError, is_image_id, tag_beside_digest};

const HEX: &str = "e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";

#[test]
fn the_tag_beside_a_digest_is_not_part_of_the_name() {
    let digest = format!("sha256:{HEX}");
    let both = format!("nginx:1.25@{digest}");
    assert_eq!(tag_beside_digest(&both).as_deref(), Some("1.25"));
    assert_eq!(both.parse::<Name>().unwrap().as_str(), format!("docker.io/library/nginx@{digest}"));
    assert_eq!(tag_beside_digest(&format!("r.dev:5000/a@{digest}")), None);
    assert_eq!(tag_beside_digest("r.dev:5000/a:1"), None);
    assert_eq!(tag_beside_digest(""), None);
}

#[test]
fn a_name_has_its_parts() {
    let digest = format!("sha256:{HEX}");
    for (text, whole, host, path) in [
        ("nginx", "docker.io/library/nginx:latest", "docker.io", "library/nginx"),
        ("mirror.dev.de:443/a/b:1", "mirror.dev.de:443/a/b:1", "mirror.dev.de:443", "a/b"),
        ("index.docker.io/a:1", "docker.io/library/a:1", "docker.io", "library/a"),
        ("Index.docker.io/a:1", "Index.docker.io/a:1", "Index.docker.io", "a"),
        ("registry.hub.docker.com/a:1", "registry.hub.docker.com/a:1", "registry.hub.docker.com", "a"),
        ("localhost:080/a:1", "localhost:080/a:1", "localhost:080", "a"),
        ("FOO/bar:1", "FOO/bar:1", "FOO", "bar"),
        ("foo/bar:1", "docker.io/foo/bar:1", "docker.io", "foo/bar"),
        ("localhost/a:1", "localhost/a:1", "localhost", "a"),
        ("[::1]:5000/a:1", "[::1]:5000/a:1", "[::1]:5000", "a"),
        // No domain by its form, but the host that containerd asks.
        ("a_b.io/c/d:1", "a_b.io/c/d:1", "a_b.io", "c/d"),
    ] {
        let name: Name = text.parse().expect(text);
        assert_eq!((name.as_str(), name.host(), name.path()), (whole, host, path));
        assert_eq!(name.repository(), format!("{host}/{path}"));
        assert_eq!(name.digest(), None);
    }
    let pinned: Name = format!("a_b.io/c:1@{digest}").parse().unwrap();
    assert_eq!(pinned.as_str(), format!("a_b.io/c@{digest}"));
    assert_eq!((pinned.tag(), pinned.digest()), (None, Some(digest.as_str())));
    let id: Name = digest.parse().unwrap();
    assert_eq!((id.repository(), id.tag()), ("docker.io/library/sha256", Some(HEX)));
}

#[test]
fn what_is_no_name_says_why() {
    let upper = HEX.to_uppercase();
    for (text, expected) in [
        ("", "an image reference can't be empty"),
        (HEX, "64 hex digits are an image id, not a name"),
        ("http://quay.io/a", "an image reference has no scheme: remove \"http://\""),
        ("docker://a", "an image reference has no scheme: remove \"docker://\""),
        (" nginx", "a space in the repository"),
        ("nginx:1.25 ", "a space in the tag"),
        ("quay.io /a", "a space in the host"),
        ("nginx\n", "a line break in the repository"),
        ("a:\t1", "a tab in the tag"),
        ("a\0", "a control character in the repository"),
        ("a@sha256: 12", "a space in the digest"),
        ("a?b", "'?' in the repository"),
        ("a%2fb", "'%' in the repository"),
        ("caf\u{e9}", "'\u{e9}' in the repository"),
        ("a\u{202e}b", "'\\u{202e}' in the repository"),
        ("quay.io/a:b/c", "':' in the repository"),
        ("a:b:c", "':' in the tag"),
        ("quay.io/a:v+1", "'+' in the tag"),
        ("quay.io./a", "\"quay.io.\" is not a registry host"),
        ("h:port/a", "\"h:port\" is not a registry host"),
        ("quay.io/", "the repository is missing"),
        ("quay.io/:1", "the repository is missing"),
        ("quay.io//a", "an empty part in the repository: remove one slash"),
        ("quay.io/a/", "an empty part in the repository: remove one slash"),
        ("/run/x.tar", "a path, not an image reference"),
        ("./x.tar", "a path, not an image reference"),
        ("../x", "a path, not an image reference"),
        ("quay.io/a/B", "upper case in the repository"),
        ("Nginx", "upper case in the repository"),
        (
            "quay.io/a/b..c:1",
            "\"b..c\" in the repository: letters and digits can be joined by \".\", \"_\", \"__\" or dashes only",
        ),
        (
            "quay.io/_a",
            "\"_a\" in the repository: letters and digits can be joined by \".\", \"_\", \"__\" or dashes only",
        ),
        ("a:", "the tag after the colon is missing"),
        ("quay.io/a:.x", "the tag begins with '.'"),
        ("user@quay.io/a", "\"quay.io/a\" is not a digest: write \"sha256:\" and 64 hex digits"),
        ("a@", "\"\" is not a digest: write \"sha256:\" and 64 hex digits"),
        ("a@sha256:abc", "a sha256 digest has 64 hex digits, not 3"),
        (&format!("a@sha512:{HEX}"), "a sha512 digest has 128 hex digits, not 64"),
        (&format!("a@sha256:{}", &HEX[..32]), "a sha256 digest has 64 hex digits, not 32"),
        (&format!("a@sha256:{}g", &HEX[1..]), "'g' in the digest"),
        (&format!("a@sha256:{upper}"), "upper case in the digest"),
        (&format!("a@SHA256:{HEX}"), "upper case in the digest"),
        (&format!("a@md5:{HEX}"), "containerd knows no digest algorithm \"md5\": use sha256"),
        (&format!("a@sha256:{HEX}@sha256:{HEX}"), "more than one digest"),
        (&format!("quay.io/a:{}", "t".repeat(129)), "a tag of 129 characters; at most 128 are allowed"),
        (
            &format!("quay.io/{}", "a".repeat(256)),
            "a repository path of 256 characters; at most 255 are allowed",
        ),
    ] {
        assert_eq!(text.parse::<Name>().expect_err(text).to_string(), expected, "for {text:?}");
    }
    let longest = format!("quay.io/{}:{}", "a".repeat(255), "t".repeat(128));
    assert_eq!(longest.parse::<Name>().unwrap().as_str(), longest);
}

#[test]
fn ids_are_told_from_names() {
    for text in [HEX.to_owned(), HEX.to_uppercase(), format!("sha256:{HEX}"), format!("sha512:{HEX}{HEX}")] {
        assert!(is_image_id(&text), "{text}");
    }
    for text in [
        "",
        "nginx",
        "deadbeef",
        &HEX[1..],
        &format!("{HEX}0"),
        &format!("sha256:{}", &HEX[1..]),
        &format!("sha256:{}", HEX.to_uppercase()),
        &format!("md5:{HEX}"),
        &format!("a@sha256:{HEX}"),
    ] {
        assert!(!is_image_id(text), "{text}");
    }
}

/// What looks much like a reference, so that the parser gets far.
fn almost_reference() -> impl Strategy<Value = String> {
    let host =
        "(|[a-zA-Z0-9._-]{1,8}(:[0-9]{0,3})?/|\\[[0-9a-fA-F:]{0,6}\\](:[0-9]+)?/|(index\\.)?docker\\.io/)";
    let path = "[a-z0-9._-]{0,6}(/[a-zA-Z0-9._-]{0,6}){0,3}";
    let digest = "(|@sha256:[0-9a-f]{64}|@sha256:[0-9a-fA-F]{60,66}|@[a-zA-Z+.:]{0,8}[0-9a-f]{0,64})";
    (host, path, "(|:[\\w.-]{0,6})", digest).prop_map(|(a, b, c, d)| format!("{a}{b}{c}{d}"))
}

proptest! {
    #[test]
    fn no_string_makes_the_parser_panic(text in any::<String>()) {
        match text.parse::<Name>() {
            Ok(name) => prop_assert!(name.as_str().is_ascii()),
            Err(error) => prop_assert_ne!(error, NameError::Format),
        }
    }

    #[test]
    fn a_name_is_a_fixed_point(text in almost_reference()) {
        if let Ok(name) = text.parse::<Name>() {
            prop_assert_eq!(name.as_str().parse::<Name>(), Ok(name.clone()));
            prop_assert_eq!(name.tag().is_some(), name.digest().is_none());
            let suffix = name.tag().map(|tag| format!(":{tag}")).or(name.digest().map(|digest| format!("@{digest}")));
            let whole = format!("{}/{}{}", name.host(), name.path(), suffix.unwrap());
            prop_assert_eq!(name.as_str(), whole);
            // What was pinned stays pinned, to the same digest.
            prop_assert_eq!(text.split_once('@').map(|(_, digest)| digest), name.digest());
        }
    }

    #[test]
    fn what_is_no_name_always_says_why(text in almost_reference()) {
        prop_assert_ne!(text.parse::<Name>(), Err(NameError::Format));
    }
}

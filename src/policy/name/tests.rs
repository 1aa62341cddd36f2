//! Names, and strings that are none.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use proptest::prelude::*;

use super::{Name, NameError, is_image_id};

const HEX: &str = "e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";

#[test]
fn a_name_has_its_parts() {
    let digest = format!("sha256:{HEX}");
    for (text, whole, host, path) in [
        ("nginx", "docker.io/library/nginx:latest", "docker.io", "library/nginx"),
        ("mirror.dev.de:443/a/b:1", "mirror.dev.de:443/a/b:1", "mirror.dev.de:443", "a/b"),
        ("index.docker.io/a:1", "docker.io/library/a:1", "docker.io", "library/a"),
        ("Index.docker.io/a:1", "Index.docker.io/a:1", "Index.docker.io", "a"),
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
    let error = |text: &str| text.parse::<Name>().expect_err(text);
    assert_eq!(error(HEX), NameError::Identifier);
    assert_eq!(error(&format!("a@sha256:{}", HEX.to_uppercase())), NameError::DigestFormat);
    assert_eq!(error(&format!("a@SHA256:{HEX}")), NameError::UpperCase);
    assert_eq!(error(&format!("a@md5:{HEX}")), NameError::DigestAlgorithm);
    assert_eq!(error(&format!("a@sha512:{HEX}")), NameError::DigestLength);
    assert_eq!(error(&format!("a@sha256:{}", &HEX[..32])), NameError::DigestLength);
    assert_eq!(error(&format!("a@sha256:{}", &HEX[..31])), NameError::Format);
    assert_eq!(error(&format!("a@sha256:{HEX}@sha256:{HEX}")), NameError::Format);
    assert_eq!(error("quay.io/a/B"), NameError::UpperCase);
    for text in [
        " nginx",
        "nginx ",
        "nginx\n",
        "http://quay.io/a",
        "docker://a",
        "a?b",
        "a%2fb",
        "user@quay.io/a",
        "quay.io/",
        "/a",
        "quay.io//a",
        "quay.io./a",
        "a:b:c",
        "a:",
        "quay.io/a:.x",
        "café",
        "/run/x.tar",
    ] {
        assert_eq!(error(text), NameError::Format, "for {text:?}");
    }
    assert_eq!(error(&format!("quay.io/a:{}", "t".repeat(129))), NameError::Format);
    assert_eq!(error(&format!("quay.io/{}", "a".repeat(256))), NameError::TooLong { length: 256 });
    assert_eq!(error(""), NameError::Format);
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
        if let Ok(name) = text.parse::<Name>() {
            prop_assert!(name.as_str().is_ascii());
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
}

//! Prefixes: what they fold to, what they are for, and the errors for other texts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::error::Error;

use super::{Prefix, PrefixKind};

const DIGEST: &str = "sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";

#[test]
fn prefixes_fold_as_keys_do() {
    let pinned = format!("Quay.io:443/a@{DIGEST}");
    for (text, folded, kind) in [
        ("*", "*", PrefixKind::Any),
        ("*.Dev.de", "*.dev.de", PrefixKind::Domain),
        ("*.io", "*.io", PrefixKind::Domain),
        ("docker.io", "docker.io", PrefixKind::Host),
        ("Index.Docker.io:443", "docker.io", PrefixKind::Host),
        ("registry-1.docker.io", "docker.io", PrefixKind::Host),
        ("localhost", "localhost", PrefixKind::Host),
        ("registry:5000", "registry:5000", PrefixKind::Host),
        ("registry:443", "registry", PrefixKind::Host),
        ("10.0.0.1:05000", "10.0.0.1:5000", PrefixKind::Host),
        ("[FD00:0:0::1]:5000", "[fd00::1]:5000", PrefixKind::Host),
        ("a_b.io/x", "a_b.io/x", PrefixKind::Path),
        ("index.docker.io/gitea", "docker.io/gitea", PrefixKind::Path),
        ("quay.io/a/b:V1", "quay.io/a/b:V1", PrefixKind::Exact),
        (pinned.as_str(), pinned.replace("Quay.io:443", "quay.io").as_str(), PrefixKind::Exact),
    ] {
        let prefix: Prefix = text.parse().expect(text);
        assert_eq!((prefix.as_str(), prefix.kind()), (folded, kind), "for {text}");
        assert_eq!(prefix.to_string(), folded);
    }
}

/// Fact and hint, as `config` prints them.
fn complaint(text: &str) -> String {
    let error = text.parse::<Prefix>().expect_err(text);
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let hint = error.hint().map(|hint| format!(" [{hint}]")).unwrap_or_default();
    format!("{error}{cause}{hint}")
}

#[test]
fn a_prefix_without_a_host_is_told_one() {
    let told =
        |text: &str| complaint(text).rsplit_once("[begin with a host: ").map(|(_, host)| host.to_owned());
    for (text, hint) in [
        ("nginx", "docker.io/library/nginx]"),
        ("nginx:1.25", "docker.io/library/nginx:1.25]"),
        ("redis:7", "docker.io/library/redis:7]"),
        ("gitea/gitea", "docker.io/gitea/gitea]"),
        ("Library/Nginx", "docker.io/library/nginx]"),
        ("a b", "docker.io/library/nginx]"),
    ] {
        assert_eq!(told(text).as_deref(), Some(hint), "for {text}");
    }
    let pinned = format!("nginx@{DIGEST}");
    assert_eq!(told(&pinned), Some(format!("docker.io/library/{pinned}]")));
}

#[test]
fn other_mistakes_have_their_own_hints() {
    let both = format!("quay.io/a:1@{DIGEST}");
    let at_host = format!("quay.io@{DIGEST}");
    let long = format!("quay.io/{}", "a".repeat(256));
    for (text, expected) in [
        ("", "a prefix can't be empty [write \"*\" for everything]"),
        (
            "https://quay.io/",
            "prefix \"https://quay.io/\" begins with a scheme [leave the scheme out: quay.io]",
        ),
        (
            "quay.io/a/",
            "prefix \"quay.io/a/\" ends with a slash \
             [prefixes match whole components, so leave the slash out: quay.io/a]",
        ),
        (
            "Quay.io/Org/App:V1",
            "prefix \"Quay.io/Org/App:V1\" has upper case in its path \
             [repositories are lower case: Quay.io/org/app:V1]",
        ),
        (
            "quay.io:latest",
            "prefix \"quay.io:latest\" has a tag or a digest but no repository \
             [name the whole host or put a repository behind it: quay.io]",
        ),
        (
            "docker.io/nginx:1",
            "prefix \"docker.io/nginx:1\" leaves out the namespace of Docker Hub's official images \
             [write docker.io/library/nginx:1]",
        ),
        (
            "*.dev.de:5000",
            "prefix \"*.dev.de:5000\" is a wildcard with a port [a wildcard covers every port: *.dev.de]",
        ),
        (
            "-x.de/a",
            "\"-x.de\" is not a registry host [write a host and, where it has one, its port: mirror.dev.de:5000]",
        ),
        (
            "quay.io/a//b",
            "prefix \"quay.io/a//b\" can't match: an empty part in the repository: remove one slash",
        ),
        ("quay.io/a:", "prefix \"quay.io/a:\" can't match: the tag after the colon is missing"),
        (
            "quay.io/a@sha256:12",
            "prefix \"quay.io/a@sha256:12\" can't match: a sha256 digest has 64 hex digits, not 2",
        ),
    ] {
        assert_eq!(complaint(text), expected);
    }
    assert!(
        complaint(&both).ends_with(&format!("[a tag beside a digest is ignored: write quay.io/a@{DIGEST}]"))
    );
    assert!(complaint(&at_host).ends_with("put a repository behind it: quay.io]"), "{}", complaint(&at_host));
    assert!(complaint(&long).ends_with("a repository path of 256 characters; at most 255 are allowed"));
    for text in ["*x", "*.dev.de/a", "*.*.de", "quay.io/*", "*:5000", "q*.io"] {
        let expected = "[a wildcard stands alone, \"*\", or before a domain, \"*.dev.de\"]";
        assert!(complaint(text).ends_with(expected), "{}", complaint(text));
    }
}

#[test]
fn a_prefix_covers_what_lies_under_it() {
    let covers = |a: &str, b: &str| a.parse::<Prefix>().unwrap().covers(&b.parse().unwrap());
    for (a, b) in [
        ("*", "*"),
        ("*", "*.de"),
        ("*", "quay.io/a:1"),
        ("*.dev.de", "*.dev.de"),
        ("*.dev.de", "*.a.dev.de"),
        ("*.dev.de", "a.dev.de:5000/x:1"),
        ("quay.io", "quay.io"),
        ("quay.io", "QUAY.io:443/a/b"),
        ("quay.io/a", "quay.io/a:1"),
        ("quay.io/a", "quay.io/a/b"),
        ("quay.io/a:1", "quay.io/a:1"),
    ] {
        assert!(covers(a, b), "{a} covers {b}");
    }
    for (a, b) in [
        ("*.de", "*"),
        ("*.dev.de", "dev.de"),
        ("*.dev.de", "xdev.de"),
        ("*.dev.de", "*.xdev.de"),
        ("quay.io", "quay.io:5000"),
        ("quay.io", "*.quay.io"),
        ("quay.io", "quay.iox/a"),
        ("quay.io:500", "quay.io:5000/a"),
        ("quay.io/a", "quay.io"),
        ("quay.io/a", "quay.io/ab"),
        ("quay.io/a:1", "quay.io/a:12"),
        ("quay.io/a:1", "quay.io/a"),
    ] {
        assert!(!covers(a, b), "{a} does not cover {b}");
    }
}

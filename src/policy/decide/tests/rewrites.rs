//! Rewrites of a path, and names that no registry could have.

use super::super::super::fixture::check;
use super::{DIGEST, pinned};

#[test]
fn the_first_rewrite_that_changes_the_path_wins() {
    check(
        &["docker.io -> m.de/p s|^library/(.*)|official/$1| s|^official|wrong| s|foo|bar|"],
        &[
            ("nginx:1", "docker.io -> m.de/p/official/nginx:1"),
            ("official/nginx:1", "docker.io -> m.de/p/wrong/nginx:1"),
            ("foo/foo:1", "docker.io -> m.de/p/bar/bar:1"),
            ("a/b:1", "docker.io -> m.de/p/a/b:1"),
        ],
    );
}

#[test]
fn a_rewrite_may_write_slashes_that_are_too_many() {
    check(
        &[
            "docker.io -> m.de s|^(?:library/?)(.*)|prod/hub/$1|",
            "quay.io -> m.de/p s|(.*)|/quay/$1|",
            "icr.io -> m.de/q s|org|team/|",
        ],
        &[
            ("nginx:1", "docker.io -> m.de/prod/hub/nginx:1"),
            ("quay.io/a/b:1", "quay.io -> m.de/p/quay/a/b:1"),
            ("icr.io/org/op:1", "icr.io -> m.de/q/team/op:1"),
            ("icr.io/org:1", "icr.io -> m.de/q/team:1"),
        ],
    );
}

#[test]
fn what_is_no_reference_is_no_candidate() {
    let front = "no mirror of this rule gives a usable reference: ";
    let refused = |line: &str, name: &str, rest: &str| {
        let prefix = line.split(' ').next().unwrap_or_default();
        check(&[line], &[(name, &format!("deny {prefix}: {front}{rest}"))]);
    };
    refused("quay.io -> m.de s|a|A|", "quay.io/a/b:1", "m.de/A/b:1 (upper case in the repository)");
    refused("quay.io -> m.de s|.*||", "quay.io/a/b:1", "m.de/:1 (the repository is missing)");
    refused(
        "quay.io -> m.de s|b$|b:2|",
        &pinned("quay.io/a/b"),
        &format!("m.de/a/b:2@{DIGEST} (containerd reads it as {})", pinned("m.de/a/b")),
    );
    refused(
        "quay.io -> docker.io",
        "quay.io/nginx:1",
        "docker.io/nginx:1 (containerd reads it as docker.io/library/nginx:1)",
    );
    refused(
        "* -> m.de/{host}",
        "h.de:5000/a:1",
        "m.de/h.de:5000/a:1 ({host} is h.de:5000, and a path can't hold a colon)",
    );
    let long = "a".repeat(250);
    let length = |length: usize| format!("a repository path of {length} characters; at most 255 are allowed");
    refused(
        "quay.io -> m.de/proxies",
        &format!("quay.io/{long}:1"),
        &format!("m.de/proxies/{long}:1 ({})", length(258)),
    );
    // Another mirror, or an origin that is allowed, is still there, and the decision says which are not.
    check(
        &["quay.io -> m.de/proxies n.de", "ghcr.io -> m.de/proxies/{host} origin"],
        &[
            (
                &format!("quay.io/{long}:1"),
                &format!("quay.io -> n.de/{long}:1; not m.de/proxies/{long}:1 ({})", length(258)),
            ),
            (
                &format!("ghcr.io/{long}:1"),
                &format!(
                    "ghcr.io -> origin ghcr.io/{long}:1; not m.de/proxies/ghcr.io/{long}:1 ({})",
                    length(266)
                ),
            ),
        ],
    );
    check(
        &["quay.io -> m.de/p m.de/q s|^up|Up| s|^two|a+b| origin"],
        &[
            ("quay.io/a:1", "quay.io -> m.de/p/a:1, m.de/q/a:1, origin quay.io/a:1"),
            (
                "quay.io/up:1",
                "quay.io -> origin quay.io/up:1; not m.de/p/Up:1 (upper case in the repository); \
                 not m.de/q/Up:1 (upper case in the repository)",
            ),
            (
                "quay.io/two:1",
                "quay.io -> origin quay.io/two:1; not m.de/p/a+b:1 ('+' in the repository); \
                 not m.de/q/a+b:1 ('+' in the repository)",
            ),
        ],
    );
    check(&["quay.io -> "], &[("quay.io/a:1", "deny quay.io: this rule has no mirror")]);
}

//! Mirrors with an endpoint of their own, and hosts that no image reference can say.

use proptest::prelude::*;

use super::super::super::fixture::{check, policy};
use super::super::super::{Asked, Decision, Name};
use super::pinned;

#[test]
fn one_reference_by_two_endpoints_is_two_candidates() {
    check(
        &["quay.io -> m.de#1 m.de#2 m.de#1 m.de", "ghcr.io -> ghcr.io#3 origin", "gcr.io -> gcr.io origin"],
        &[
            ("quay.io/a:1", "quay.io -> m.de/a:1#1, m.de/a:1#2, m.de/a:1"),
            ("ghcr.io/a:1", "ghcr.io -> ghcr.io/a:1#3, origin ghcr.io/a:1"),
            ("gcr.io/a:1", "gcr.io -> gcr.io/a:1"),
        ],
    );
}

#[test]
fn a_host_that_no_reference_can_say_is_a_host_all_the_same() {
    check(
        &["docker.io -> !nexus#1 !my_registry:5000/p#2 ![::1]:5000#3 !a.b_c.de:5000#4 !m.de:80#5 !nexus:80"],
        &[(
            "nginx:1",
            "docker.io -> !nexus/library/nginx:1#1, !my_registry:5000/p/library/nginx:1#2, \
             ![::1]:5000/library/nginx:1#3, !a.b_c.de:5000/library/nginx:1#4, m.de:80/library/nginx:1#5, \
             nexus:80/library/nginx:1",
        )],
    );
    check(
        &["* -> !nexus/{host}#1", "quay.io/a -> !nexus#1?strip"],
        &[
            ("ghcr.io/a/b:1", "* -> !nexus/ghcr.io/a/b:1#1"),
            (&pinned("ghcr.io/a/b"), &format!("* -> !{}#1", pinned("nexus/ghcr.io/a/b"))),
            ("quay.io/a/b:1", "quay.io/a -> !nexus/b:1#1"),
        ],
    );
    // What people write still means a repository of Docker Hub.
    check(
        &["docker.io -> !nexus#1"],
        &[("nexus/a:1", "docker.io -> !nexus/nexus/a:1#1"), ("Nexus/a:1", "pass docker.io")],
    );
}

#[test]
fn what_is_behind_such_a_host_follows_the_grammar() {
    let refused = |line: &str, name: &str, rest: &str| {
        let prefix = line.split(' ').next().unwrap();
        let expected = format!("deny {prefix}: no mirror of this rule gives a usable reference: {rest}");
        check(&[line], &[(name, &expected)]);
    };
    refused("quay.io -> !nexus s|a|A|", "quay.io/a/b:1", "nexus/A/b:1 (upper case in the repository)");
    refused("quay.io -> !nexus s|.*||", "quay.io/a:1", "nexus/:1 (the repository is missing)");
    refused("quay.io/a -> !nexus?strip", "quay.io/a:1", "nexus:1 (the repository is missing)");
    refused("quay.io -> !nexus s|b$|b:2|", "quay.io/b:1", "nexus/b:2:1 (':' in the tag)");
    refused(
        "* -> !nexus/{host}",
        "h.de:5000/a:1",
        "nexus/h.de:5000/a:1 ({host} is h.de:5000, and a path can't hold a colon)",
    );
    let long = "a".repeat(254);
    let told = format!("nexus/p/{long}:1 (a repository path of 256 characters; at most 255 are allowed)");
    refused("quay.io -> !nexus/p", &format!("quay.io/{long}:1"), &told);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn such_a_candidate_is_host_path_and_what_was_asked_for(
        host in "[a-z0-9]{1,6}(_[a-z0-9]{1,4})?(:[0-9]{1,5})?",
        path in "(|p|p/q)",
        repository in "[a-z0-9]{1,6}(/[a-z0-9]{1,4}(_[a-z0-9]{1,4})?){1,3}",
        tag in "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,6}",
    ) {
        let name: Name = format!("quay.io/{repository}:{tag}").parse().unwrap();
        let slash = if path.is_empty() { "" } else { "/" };
        let policy = policy(&[&format!("quay.io -> !{host}{slash}{path}#7")]).unwrap();
        let decision = policy.decide(&Asked::of(&name));
        let Decision::Route { candidates, .. } = decision else { panic!("{name} is not routed") };
        let found = &candidates[0];
        prop_assert_eq!(found.name.host(), host);
        prop_assert_eq!(found.name.path(), format!("{path}{slash}{repository}"));
        prop_assert_eq!(found.name.tag(), Some(tag.as_str()));
        prop_assert_eq!(found.endpoint, Some(7));
        // Exactly those that are read as something else need another host.
        let read = found.name.as_str().parse::<Name>();
        prop_assert_eq!(found.needs_private_host, read.as_ref() != Ok(&found.name));
    }
}

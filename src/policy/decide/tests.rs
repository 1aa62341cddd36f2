//! Decisions, as tables with near misses.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod endpoints;
mod locks;
mod namespaces;
mod observe;
mod properties;
mod rewrites;
mod targets;

use super::super::fixture::{check, outcome, policy};
use super::super::{Asked, Checkpoint, Name};

const DIGEST: &str = "sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";

fn pinned(repository: &str) -> String {
    format!("{repository}@{DIGEST}")
}

#[test]
fn the_target_is_the_mirror_and_the_whole_repository() {
    check(
        &["docker.io/gitea -> h.dev.de/p", "quay.io -> harbor.dev.de/{host} origin", "ghcr.io -> m:5000"],
        &[
            ("gitea/gitea:1.22", "docker.io/gitea -> h.dev.de/p/gitea/gitea:1.22"),
            ("docker.io/gitea/gitea", "docker.io/gitea -> h.dev.de/p/gitea/gitea:latest"),
            ("giteax/gitea", "pass default"),
            ("gitea", "pass default"),
            ("quay.io/a/b:1", "quay.io -> harbor.dev.de/quay.io/a/b:1, origin quay.io/a/b:1"),
            ("GHCR.io/a/b:1", "ghcr.io -> m:5000/a/b:1"),
            ("quay.io:8443/a/b:1", "pass default"),
        ],
    );
}

#[test]
fn a_mirror_can_take_the_place_of_the_whole_prefix() {
    check(
        &[
            "docker.io/gitea -> h.dev.de/p?strip n.de",
            "quay.io/a/b -> h.dev.de?strip",
            "quay.io/c:1 -> h.dev.de/c/one?strip",
            "ghcr.io -> h.dev.de/{host}?strip",
            "*.k8s.io -> h.dev.de/k8s?strip collapse",
        ],
        &[
            ("gitea/gitea:1", "docker.io/gitea -> h.dev.de/p/gitea:1, n.de/gitea/gitea:1"),
            ("docker.io/gitea/a/b:1", "docker.io/gitea -> h.dev.de/p/a/b:1, n.de/gitea/a/b:1"),
            ("quay.io/a/b/c:1", "quay.io/a/b -> h.dev.de/c:1"),
            (
                "quay.io/a/b:1",
                "deny quay.io/a/b: no mirror of this rule gives a usable reference: h.dev.de:1 (containerd reads it as docker.io/library/h.dev.de:1)",
            ),
            ("quay.io/c:1", "quay.io/c:1 -> h.dev.de/c/one:1"),
            ("quay.io/c:2", "pass default"),
            ("ghcr.io/a/b:1", "ghcr.io -> h.dev.de/ghcr.io/a/b:1"),
            ("registry.k8s.io/pause:3", "*.k8s.io -> h.dev.de/k8s/pause:3"),
            // A name that is already at such a target stays there.
            ("h.dev.de/p/gitea:1", "pass docker.io/gitea"),
            ("h.dev.de/c/one:1", "pass quay.io/c:1"),
            ("h.dev.de/d:1", "pass quay.io/a/b"),
        ],
    );
    check(
        &["docker.io/gitea -> h.dev.de/p?strip"],
        &[
            (&pinned("gitea"), "pass default"),
            (&pinned("gitea/x"), &format!("docker.io/gitea -> {}", pinned("h.dev.de/p/x"))),
        ],
    );
}

#[test]
fn the_most_specific_rule_wins_whatever_the_order() {
    let mut lines = [
        "* deny any",
        "*.dev.de deny domain",
        "*.sub.dev.de deny subdomain",
        "h.sub.dev.de deny host",
        "h.sub.dev.de/a deny path",
        "h.sub.dev.de/a/b deny repository",
        "h.sub.dev.de/a/b:1 deny tag",
    ];
    let rows = [
        ("h.sub.dev.de/a/b:1", "deny h.sub.dev.de/a/b:1: tag"),
        ("h.sub.dev.de/a/b:10", "deny h.sub.dev.de/a/b: repository"),
        ("h.sub.dev.de/a/b/c:1", "deny h.sub.dev.de/a/b: repository"),
        ("h.sub.dev.de/a/bc:1", "deny h.sub.dev.de/a: path"),
        ("h.sub.dev.de/ab/b:1", "deny h.sub.dev.de: host"),
        ("h.sub.dev.de:5000/a/b:1", "deny *.sub.dev.de: subdomain"),
        ("i.sub.dev.de/a/b:1", "deny *.sub.dev.de: subdomain"),
        ("sub.dev.de/a/b:1", "deny *.dev.de: domain"),
        ("xsub.dev.de/a/b:1", "deny *.dev.de: domain"),
        ("a.b.dev.de/a", "deny *.dev.de: domain"),
        ("dev.de/a/b:1", "deny *: any"),
        ("xdev.de/a/b:1", "deny *: any"),
        ("nginx", "deny *: any"),
    ];
    check(&lines, &rows);
    lines.reverse();
    check(&lines, &rows);
}

#[test]
fn ports_are_part_of_a_host() {
    check(
        &["h.de:5000 deny five", "h.de deny plain", "localhost:5000 deny local"],
        &[
            ("h.de:5000/a", "deny h.de:5000: five"),
            ("h.de:05000/a", "deny h.de:5000: five"),
            ("h.de:50000/a", "pass default"),
            ("h.de:500/a", "pass default"),
            ("h.de/a", "deny h.de: plain"),
            ("h.de:443/a", "deny h.de: plain"),
            ("H.DE:0443/a", "deny h.de: plain"),
            ("h.de:80/a", "pass default"),
            ("localhost:5000/a", "deny localhost:5000: local"),
            ("localhost/a", "pass default"),
            ("127.0.0.1/a", "pass default"),
        ],
    );
    // One registry to containerd 1.6.
    check(
        &["localhost deny name", "127.0.0.1:80 deny address"],
        &[
            ("localhost/a", "deny localhost: name"),
            ("localhost:80/a", "deny localhost: name"),
            ("localhost:080/a", "deny localhost: name"),
            ("LOCALHOST:80/a", "deny localhost: name"),
            ("localhost:8080/a", "pass default"),
            ("127.0.0.1/a", "deny 127.0.0.1: address"),
            ("127.0.0.1:0080/a", "deny 127.0.0.1: address"),
        ],
    );
}

#[test]
fn what_is_denied_at_this_machine_is_denied_by_all_its_names() {
    let rows = [
        ("127.0.0.1:5000/a/b", "deny localhost:5000/a: no"),
        ("127.8.0.1:05000/a", "deny localhost:5000/a: no"),
        ("0.0.0.0:5000/a", "deny localhost:5000/a: no"),
        ("[::1]:5000/a:1", "deny localhost:5000/a: no"),
        ("[::]:5000/a", "deny localhost:5000/a: no"),
        ("[::ffff:7f00:1]:5000/a", "deny localhost:5000/a: no"),
        ("127.0.0.1:5000/b", "pass default"),
        ("127.0.0.1:5001/a", "pass default"),
        ("[::ffff:a00:1]:5000/a", "pass default"),
        ("10.0.0.1:5000/a", "pass default"),
        ("localhosts.dev:5000/a", "pass default"),
    ];
    check(&["localhost:5000/a deny no"], &rows);
    // Whichever of them the rule has; without a port too, which is port 80.
    check(
        &["127.0.0.1:80 deny no"],
        &[("localhost/a", "deny 127.0.0.1: no"), ("[::1]:443/a", "deny 127.0.0.1: no")],
    );
    check(&["[::1]:5000 deny no"], &[("localhost:5000/a", "deny [::1]:5000: no")]);
    // Somebody has thought of this name.
    let own = ["localhost:5000 deny no", "127.0.0.1:5000/a pass"];
    check(
        &own,
        &[("127.0.0.1:5000/a", "pass 127.0.0.1:5000/a"), ("127.0.0.1:5000/b", "deny localhost:5000: no")],
    );
    // The rule for everything does not speak of it.
    check(
        &["localhost:5000 deny no", "* pass"],
        &[("127.0.0.1:5000/a", "deny localhost:5000: no"), ("a.de/a", "pass *")],
    );
    check(&["* deny all"], &[("127.0.0.1:5000/a", "deny *: all")]);
}

#[test]
fn every_spelling_of_docker_hub_has_one_rule() {
    let hub = |name: &str, target: &str| {
        check(&["docker.io -> m.de"], &[(name, format!("docker.io -> m.de/{target}").as_str())]);
    };
    for name in
        ["nginx", "library/nginx", "docker.io/nginx", "docker.io/library/nginx", "index.docker.io/nginx"]
    {
        hub(name, "library/nginx:latest");
    }
    for host in [
        "Docker.io",
        "DOCKER.IO",
        "docker.io:443",
        "docker.io:0443",
        "registry-1.docker.io",
        "index.docker.io:443",
        "Index.docker.io",
        "registry-1.docker.io:443",
        "REGISTRY-1.docker.io:443",
        "registry.docker.io",
        "registry.hub.docker.com",
        "Registry.hub.docker.com:0443",
    ] {
        hub(&format!("{host}/library/nginx:1"), "library/nginx:1");
        // No namespace is invented where the host was spelled out in another way.
        hub(&format!("{host}/nginx:1"), "nginx:1");
    }
    for other in [
        "docker.io:80/a/b",
        "docker.io.evil.de/a/b",
        "xdocker.io/a/b",
        "registry-2.docker.io/a/b",
        "hub.docker.com/a/b",
    ] {
        check(&["docker.io -> m.de"], &[(other, "pass default")]);
    }
}

#[test]
fn a_digest_is_kept_and_a_tag_beside_it_goes() {
    let (asked, tagged) = (pinned("quay.io/a/b"), format!("quay.io/a/b:1@{DIGEST}"));
    let expected = format!("quay.io -> {}, origin {asked}", pinned("m.de/a/b"));
    check(&["quay.io -> m.de origin"], &[(&asked, &expected), (&tagged, &expected)]);
    let exact = format!("{asked} deny pinned");
    let denied = format!("deny {asked}: pinned");
    // The rule for the tag does not see the digest, although both were asked for.
    check(
        &[&exact, "quay.io/a/b:1 deny tagged"],
        &[(&asked, &denied), (&tagged, &denied), ("quay.io/a/b:1", "deny quay.io/a/b:1: tagged")],
    );
    let other = format!("quay.io/a/b:1@{}", DIGEST.replace("e6", "e7"));
    check(&[&exact, "quay.io/a/b:1 deny tagged"], &[(&other, "pass default")]);
}

#[test]
fn an_image_id_is_a_name_of_docker_hub() {
    let hex = &DIGEST["sha256:".len()..];
    check(&["docker.io -> m.de"], &[(DIGEST, &format!("docker.io -> m.de/library/sha256:{hex}"))]);
}

#[test]
fn mirrors_may_serve_only_digests_or_tags() {
    let lines = ["quay.io -> d.de?digests t.de?tags a.de", "ghcr.io -> d.de/{host}?digests"];
    check(
        &lines,
        &[
            ("quay.io/a:1", "quay.io -> t.de/a:1, a.de/a:1"),
            (&pinned("quay.io/a"), &format!("quay.io -> {}, {}", pinned("d.de/a"), pinned("a.de/a"))),
            ("ghcr.io/a:1", "deny ghcr.io: no mirror of this rule serves tags"),
        ],
    );
    check(
        &["quay.io -> t.de?tags", "ghcr.io -> d.de/{host}?digests origin"],
        &[
            (&pinned("quay.io/a"), "deny quay.io: no mirror of this rule serves digests"),
            ("ghcr.io/a:1", "ghcr.io -> origin ghcr.io/a:1"),
        ],
    );
}

#[test]
fn the_default_registry_is_the_lowest_rule_for_docker_hub() {
    check(
        &["default-registry oci-mirror.dev.de", "docker.io/gitea -> h.de", "docker.io/evil deny no"],
        &[
            ("nginx:1.25", "default-registry -> oci-mirror.dev.de/library/nginx:1.25"),
            ("Docker.io:443/a/b:1", "default-registry -> oci-mirror.dev.de/a/b:1"),
            ("gitea/gitea:1", "docker.io/gitea -> h.de/gitea/gitea:1"),
            ("evil/miner:1", "deny docker.io/evil: no"),
            ("quay.io/a/b:1", "pass default"),
            ("oci-mirror.dev.de/rancher/agent:1", "pass default-registry"),
            ("oci-mirror.dev.de.evil.org/rancher/agent:1", "pass default"),
        ],
    );
    check(
        &["default-registry r.de/p", "default deny"],
        &[
            ("nginx:1", "default-registry -> r.de/p/library/nginx:1"),
            ("r.de/p/rancher/agent:1", "pass default-registry"),
            ("r.de/rancher/agent:1", "deny default: no rule allows it"),
        ],
    );
    for shadow in ["docker.io -> h.de", "* -> h.de/{host}", "*.io -> h.de/{host}", "docker.io pass"] {
        let policy = policy(&["default-registry r.de", shadow]).unwrap();
        assert!(
            !outcome(&policy.decide(&Asked::of(&"nginx".parse().unwrap()))).contains("default-registry"),
            "{shadow}"
        );
        assert_eq!(policy.default_registry_shadowed_by(), Some(0), "{shadow}");
    }
    let policy = policy(&["default-registry r.de", "*.docker.io pass", "docker.io/a pass"]).unwrap();
    assert!(policy.default_registry_shadowed_by().is_none());
}

#[test]
fn candidates_are_told_apart_by_host_and_never_repeated() {
    let policy = policy(&["docker.io -> registry-1.docker.io:443 m.de m.de docker.io origin"]).unwrap();
    let name: Name = "a/b:1".parse().unwrap();
    let decision = policy.decide(&Asked::of(&name));
    let expected = "docker.io -> registry-1.docker.io:443/a/b:1, m.de/a/b:1, docker.io/a/b:1";
    assert_eq!(outcome(&decision), expected);
    let super::Decision::Route { rule, candidates, .. } = decision else { unreachable!("it is a route") };
    let same: Vec<bool> = candidates.iter().map(|candidate| candidate.same_host).collect();
    assert_eq!(same, [true, false, true]);
    assert_eq!(rule.source().map(ToString::to_string).as_deref(), Some("rules:1"));
    assert_eq!(rule.checkpoint(), Checkpoint::Refuse);
}

#[test]
fn a_policy_knows_whether_it_denies() {
    assert!(!policy(&["quay.io -> m.de", "ghcr.io pass"]).unwrap().has_deny());
    assert!(policy(&["quay.io deny no"]).unwrap().has_deny());
    assert!(policy(&["default deny"]).unwrap().has_deny());
    let allow_list = policy(&["default deny"]).unwrap();
    let super::Decision::Deny { rule, .. } = allow_list.decide(&Asked::of(&"nginx".parse().unwrap())) else {
        unreachable!("nothing is allowed")
    };
    assert_eq!((rule.prefix(), rule.source().map(|source| source.line)), ("default", Some(0)));
}

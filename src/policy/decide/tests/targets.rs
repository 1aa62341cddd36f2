//! Names that are at a target already, or fall into one.

use super::super::super::fixture::check;

#[test]
fn a_name_already_at_a_target_passes_by_that_rule() {
    check(
        &[
            "default deny",
            "docker.io/gitea -> h.de:443/p",
            "quay.io -> m.de/{host}",
            "m.de/quay.io/bad deny bad",
        ],
        &[
            ("h.de/p/gitea/gitea:1", "pass docker.io/gitea"),
            ("h.de:443/p/gitea/gitea:1", "pass docker.io/gitea"),
            ("H.DE/p/gitea/gitea:1", "pass docker.io/gitea"),
            ("h.de/p/giteax/gitea:1", "deny default: no rule allows it"),
            ("h.de/p/x:1", "deny default: no rule allows it"),
            ("m.de/quay.io/a/b:1", "pass quay.io"),
            ("m.de/quay.iox/a/b:1", "deny default: no rule allows it"),
            ("m.de/quay.io/bad/b:1", "deny m.de/quay.io/bad: bad"),
        ],
    );
    // Of one prefix, the rule wins over the target; a wider rule does not.
    check(&["quay.io -> m.de/q", "m.de/q deny me"], &[("m.de/q/a:1", "deny m.de/q: me")]);
    check(
        &["quay.io -> m.de/q", "m.de deny me"],
        &[("m.de/q/a:1", "pass quay.io"), ("m.de/qa/a:1", "deny m.de: me")],
    );
    check(
        &["docker.io -> docker.io/mirror"],
        &[("mirror/a:1", "pass docker.io"), ("a/b:1", "docker.io -> docker.io/mirror/a/b:1")],
    );
    // A rule for one tag has a target for one tag.
    check(
        &["default deny", "quay.io/a:1 -> m.de"],
        &[("m.de/a:1", "pass quay.io/a:1"), ("m.de/a:2", "deny default: no rule allows it")],
    );
    // With rewrites nobody can tell what the rule would make, so all of the mirror's path is its target.
    check(
        &["default deny", "quay.io/a -> m.de/p s|a|b|"],
        &[("m.de/p/c:1", "pass quay.io/a"), ("m.de/c:1", "deny default: no rule allows it")],
    );
}

#[test]
fn a_wildcard_with_a_placeholder_does_not_repeat_itself() {
    check(
        &["* -> m.de/p/{host}/q", "*.corp.de -> n.de/x-{host}"],
        &[
            ("quay.io/a/b:1", "* -> m.de/p/quay.io/q/a/b:1"),
            ("m.de/p/quay.io/q/a/b:1", "pass *"),
            ("m.de/p/quay.io/qa/b:1", "* -> m.de/p/m.de/q/p/quay.io/qa/b:1"),
            ("m.de/p/quay/q/a/b:1", "* -> m.de/p/m.de/q/p/quay/q/a/b:1"),
            ("h.corp.de/a:1", "*.corp.de -> n.de/x-h.corp.de/a:1"),
            ("n.de/x-h.corp.de/a:1", "pass *.corp.de"),
            ("n.de/x-corp.de/a:1", "* -> m.de/p/n.de/q/x-corp.de/a:1"),
            ("n.de/h.corp.de/a:1", "* -> m.de/p/n.de/q/h.corp.de/a:1"),
        ],
    );
    check(
        &["* -> m.de/{host}", "m.de/quay.io deny me", "m.de/ghcr.io/a deny me"],
        &[
            ("m.de/quay.io/a:1", "deny m.de/quay.io: me"),
            ("m.de/ghcr.io/a:1", "deny m.de/ghcr.io/a: me"),
            ("m.de/ghcr.io/b:1", "pass *"),
        ],
    );
    check(
        &["* -> m.de collapse"],
        &[("quay.io/a:1", "* -> m.de/a:1"), ("m.de/a:1", "pass *"), ("nginx:1", "* -> m.de/library/nginx:1")],
    );
    check(
        &["*.dev.de -> m.de/p collapse", "default deny"],
        &[
            ("h.dev.de/a:1", "*.dev.de -> m.de/p/a:1"),
            ("m.de/p/a:1", "pass *.dev.de"),
            ("m.de/a:1", "deny default: no rule allows it"),
        ],
    );
}

#[test]
fn a_name_that_falls_into_another_registrys_target_has_no_candidate() {
    let lines = ["docker.io -> h.de", "quay.io -> h.de/quay", "ghcr.io -> h.de/{host}"];
    let place = "no mirror of this rule gives a usable reference";
    check(
        &lines,
        &[
            ("quay.io/a:1", "quay.io -> h.de/quay/a:1"),
            (
                "quay/a:1",
                &format!("deny docker.io: {place}: h.de/quay/a:1 (the place of images from quay.io)"),
            ),
            ("quayx/a:1", "docker.io -> h.de/quayx/a:1"),
            (
                "docker.io/ghcr.io/a:1",
                &format!("deny docker.io: {place}: h.de/ghcr.io/a:1 (the place of images from ghcr.io)"),
            ),
            ("ghcr.io/a:1", "ghcr.io -> h.de/ghcr.io/a:1"),
        ],
    );
    check(
        &["docker.io -> h.de", "* -> h.de/{host}"],
        &[
            (
                "docker.io/quay.io/a:1",
                &format!("deny docker.io: {place}: h.de/quay.io/a:1 (the place of images from quay.io)"),
            ),
            ("docker.io/quay/a:1", "docker.io -> h.de/quay/a:1"),
            ("quay.io/a:1", "* -> h.de/quay.io/a:1"),
        ],
    );
    check(
        &["docker.io -> h.de collapse", "quay.io -> h.de/quay"],
        &[("quay/a:1", "docker.io -> h.de/quay/a:1")],
    );
}

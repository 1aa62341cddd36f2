//! Names that are at a target already, or fall into one.

use super::super::super::fixture::check;
use super::pinned;

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
    // With rewrites it cannot be known what the rule would make, so all of the mirror's path is its target.
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
            ("m.de/p/quay.io/qa/b:1", "pass *"),
            ("m.de/p/quay/q/a/b:1", "pass *"),
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
fn a_rule_for_many_registries_leaves_those_of_its_own_mirrors_alone() {
    check(
        &["* -> harbor.corp/proxy/{host} n.corp:8443/{host}", "default deny"],
        &[
            ("quay.io/a:1", "* -> harbor.corp/proxy/quay.io/a:1, n.corp:8443/quay.io/a:1"),
            ("harbor.corp/proxy/quay.io/a:1", "pass *"),
            ("harbor.corp/apps/web:1", "pass *"),
            ("Harbor.corp:0443/apps/web:1", "pass *"),
            (&pinned("harbor.corp/apps/web"), "pass *"),
            ("n.corp:8443/apps/web:1", "pass *"),
            // Other registries, however near.
            (
                "x.harbor.corp/web:1",
                "* -> harbor.corp/proxy/x.harbor.corp/web:1, n.corp:8443/x.harbor.corp/web:1",
            ),
            ("n.corp/web:1", "* -> harbor.corp/proxy/n.corp/web:1, n.corp:8443/n.corp/web:1"),
        ],
    );
    // A rule for that registry says otherwise, whatever it says.
    check(
        &["* -> harbor.corp/proxy/{host}", "harbor.corp -> m.de", "harbor.corp/apps deny no"],
        &[
            ("harbor.corp/web:1", "harbor.corp -> m.de/web:1"),
            ("harbor.corp/apps/web:1", "deny harbor.corp/apps: no"),
        ],
    );
    // Only where the rule is what catches it.
    check(
        &["*.corp -> harbor.corp/{host}", "*.dev -> n.corp/{host} m.de/p/{host}", "default deny"],
        &[
            ("harbor.corp/apps/web:1", "pass *.corp"),
            ("n.corp/apps/web:1", "*.corp -> harbor.corp/n.corp/apps/web:1"),
            ("m.de/apps/web:1", "deny default: no rule allows it"),
        ],
    );
    check(
        &["* deny any", "docker.io -> m.de/p"],
        &[("m.de/p/a/b:1", "pass docker.io"), ("m.de/a/b:1", "deny *: any")],
    );
    // A rule for one registry, and the default registry for Docker Hub, mean all of it.
    check(
        &["quay.io -> quay.io/mirror", "default-registry docker.io/mirror"],
        &[
            ("quay.io/a/b:1", "quay.io -> quay.io/mirror/a/b:1"),
            ("a/b:1", "default-registry -> docker.io/mirror/a/b:1"),
        ],
    );
    // No rule of a source opens what a native one denies.
    check(
        &["m.de/secret deny no", "@0 * -> m.de/p/{host}"],
        &[("m.de/secret/a:1", "deny m.de/secret: no"), ("m.de/a:1", "pass *")],
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
            ("quay/a:1", &format!("deny docker.io: {place}: h.de/quay/a:1 (images of quay.io are there)")),
            ("quayx/a:1", "docker.io -> h.de/quayx/a:1"),
            (
                "docker.io/ghcr.io/a:1",
                &format!("deny docker.io: {place}: h.de/ghcr.io/a:1 (images of ghcr.io are there)"),
            ),
            ("ghcr.io/a:1", "ghcr.io -> h.de/ghcr.io/a:1"),
        ],
    );
    check(
        &["docker.io -> h.de", "* -> h.de/{host}"],
        &[
            (
                "docker.io/quay.io/a:1",
                &format!("deny docker.io: {place}: h.de/quay.io/a:1 (images of quay.io are there)"),
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

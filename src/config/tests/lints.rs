//! What loads and is probably not meant.

use insta::assert_snapshot;

use super::warned;

#[test]
fn what_is_as_it_should_be_has_no_warning() {
    let text = "\
        [policy]\ndefault-registry = 'm.dev/hub'\n\
        [[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev/{host}', 'n.dev/quay']\n\
        [[policy.rule]]\nprefix = 'quay.io/own'\npass = true\n\
        [[policy.rule]]\nprefix = 'docker.io/evil/miner'\ndeny = 'no'\n";
    assert_eq!(warned(text), "");
}

#[test]
fn a_deny_on_a_tag_or_a_digest_is_not_tight() {
    let digest = "a".repeat(64);
    let text = format!(
        "[[policy.rule]]\nprefix = 'quay.io/x:1'\ndeny = 'no'\n[[policy.rule]]\nprefix = 'quay.io/x@sha256:{digest}'\ndeny = 'no'\n"
    );
    assert_snapshot!(warned(&text), @"");
}

#[test]
fn a_default_registry_beside_a_rule_for_docker_hub() {
    assert_snapshot!(warned("[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['n.dev']"), @"");
    assert_snapshot!(warned("[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = '*'\ndeny = 'no'"), @"");
    assert_eq!(
        warned("[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = 'docker.io/x'\ndeny = 'no'"),
        ""
    );
}

#[test]
fn a_mirror_that_is_the_source() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'quay.io/a'\nmirrors = ['Quay.io:443', 'm.dev']"), @"");
    assert_eq!(warned("[[policy.rule]]\nprefix = 'quay.io/a'\nmirrors = ['quay.io/proxy']"), "");
    let rewritten = "[[policy.rule]]\nprefix = 'quay.io/a'\nmirrors = ['quay.io']\nrewrite = [{ match = '^a/', replace = 'b/' }]";
    assert_eq!(warned(rewritten), "");
}

#[test]
fn a_mirror_twice() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev', 'n.dev', 'm.dev']"), @"");
}

#[test]
fn mirrors_for_one_sort_of_reference_only() {
    let rule = "[[policy.rule]]\nprefix = 'quay.io'\nmirrors = [{ location = 'm.dev', only = 'digests' }]";
    assert_snapshot!(warned(rule), @"");
    let both =
        "[[policy.rule]]\nprefix = 'quay.io'\nmirrors = [{ location = 'm.dev', only = 'digests' }, 'n.dev']";
    assert_eq!(warned(both), "");
}

#[test]
fn an_origin_that_may_be_asked_is_worth_a_note() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev']\norigin = 'last'"), @"");
}

#[test]
fn rewrites_for_every_registry() {
    let rule = "[[policy.rule]]\nprefix = '*.dev'\nmirrors = ['m.example/{host}']\nrewrite = [{ match = 'a', replace = 'b' }]";
    assert_snapshot!(warned(rule), @"");
}

#[test]
fn a_target_inside_another_one() {
    let text = "[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['m.dev']\n[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev/quay']";
    assert_snapshot!(warned(text), @"");
    assert_eq!(warned(&format!("{text}\ncollapse = true")), "");
    assert_eq!(warned(&text.replace("'m.dev'", "'m.dev/quay2'")), "");
}

#[test]
fn a_pass_that_changes_nothing() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'quay.io/a'\npass = true"), @"");
    assert_eq!(warned("[policy]\ndefault = 'deny'\n[[policy.rule]]\nprefix = 'quay.io/a'\npass = true"), "");
    assert_eq!(
        warned(
            "[policy]\ndefault-registry = 'm.dev'\n[[policy.rule]]\nprefix = 'docker.io/a/b'\npass = true"
        ),
        ""
    );
}

#[test]
fn an_official_image_without_its_namespace() {
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'docker.io/nginx'\ndeny = 'no'"), @"");
}

#[test]
fn k3s_has_one_endpoint_for_the_shunt() {
    let text = "[containerd]\nsocket = '/run/k3s/containerd/containerd.sock'\n[policy]\npresent = 'hide'";
    assert_snapshot!(warned(text), @"");
}

#[test]
fn a_socket_for_everybody() {
    assert_snapshot!(warned("[listen]\nmode = '0666'"), @"");
}

//! `mode` and `namespaces`.

use insta::assert_snapshot;

use super::{accepted_text, refused, refused_text, warned};
use crate::policy::{Asked, Decision, Mode};

#[test]
fn a_policy_or_a_rule_is_in_force_or_only_observed() {
    let rules = "[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\nmode = 'enforce'\n\
                 [[policy.rule]]\nprefix = 'ghcr.io'\ndeny = 'no'\n\
                 [[policy.rule]]\nprefix = 'gcr.io'\ndeny = 'no'\nmode = 'observe'\n";
    let enforced = |text: &str| {
        let policy = accepted_text(text).policy;
        policy.acting().rules().iter().map(|rule| rule.prefix.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(enforced(rules), ["quay.io", "ghcr.io"]);
    assert_eq!(enforced(&format!("[policy]\nmode = 'enforce'\n{rules}")), ["quay.io", "ghcr.io"]);
    assert_eq!(enforced(&format!("[policy]\nmode = 'observe'\n{rules}")), ["quay.io"]);
    let observed =
        accepted_text("[policy]\nmode = 'observe'\ndefault = 'deny'\ndefault-registry = 'm.dev'").policy;
    assert_eq!(observed.settings().mode, Mode::Observe);
    assert!(observed.acting().passes_all() && observed.has_deny());
    assert_snapshot!(refused_text("[policy]\nmode = 'observed'"), @r#"
    error: `policy.mode`: "observed" is not one of "enforce", "observe"
     --> config.toml:2:8
      |
    2 | mode = 'observed'
      |        ^^^^^^^^^^
      |
      = help: did you mean "observe"?
    "#);
    assert_snapshot!(refused(&[("config.toml", "[policy]\nmode = 'observe'"), ("conf.d/a.toml", "[policy]\nmode = 'enforce'")]), @"
    error: `policy.mode` is set in config.toml and in conf.d/a.toml
     --> conf.d/a.toml:2:8
      |
    2 | mode = 'enforce'
      |        ^^^^^^^^^
      |
     ::: config.toml:2:8
      |
    2 | mode = 'observe'
      |        --------- first set here
      |
      = help: files do not override each other: remove one of the two
    ");
}

#[test]
fn what_is_only_observed_is_noted() {
    assert_snapshot!(warned("[policy]\nmode = 'observe'\n[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'"), @r#"
    note: 0 of 1 rules enforce; the others only tell what they would do
     --> config.toml:2:8
      |
    2 | mode = 'observe'
      |        ^^^^^^^^^
      |
      = help: when the log, the audit or the metrics show what you expect, write mode = "enforce" or remove the key
    "#);
    assert_snapshot!(warned("[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\n[[policy.rule]]\nprefix = 'ghcr.io'\ndeny = 'no'\nmode = 'observe'"), @r#"
    note: 1 of 2 rules enforce; the others only tell what they would do
     --> config.toml:5:10
      |
    5 | prefix = 'ghcr.io'
      |          ^^^^^^^^^
      |
      = help: when the log, the audit or the metrics show what you expect, write mode = "enforce" or remove the key
    "#);
    assert_eq!(warned("[policy]\nmode = 'enforce'\n[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'"), "");
}

#[test]
fn a_rule_is_for_the_pods_of_some_namespaces() {
    let text = "[policy]\npresent = 'hide'\n[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\nnamespaces = ['team-*', 'kube-system']";
    let policy = accepted_text(text).policy;
    let name = "quay.io/a:1".parse().unwrap();
    let denies =
        |namespace| matches!(policy.decide(&Asked::of(&name).in_namespace(namespace)), Decision::Deny { .. });
    assert!(denies(Some("team-a")) && denies(Some("kube-system")));
    assert!(!denies(Some("default")) && !denies(None));
    assert_eq!(warned(text), "");
}

#[test]
fn namespaces_that_no_pod_can_have_are_mistakes() {
    let rule = |namespaces: &str| {
        format!("[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\nnamespaces = {namespaces}\n")
    };
    assert_snapshot!(refused_text(&rule("[]")), @"
    error: `policy.rule.namespaces`: the list is empty, so the rule would never hold
     --> config.toml:4:14
      |
    4 | namespaces = []
      |              ^^
      |
      = help: name the namespaces, or remove the key: then the rule is for all pods and clients
    ");
    assert_snapshot!(refused_text(&rule("['team-a', 'Team-B']")), @r#"
    error: `policy.rule.namespaces`: "Team-B": no namespace has `T` in its name
     --> config.toml:4:25
      |
    4 | namespaces = ['team-a', 'Team-B']
      |                         ^^^^^^^^
      |
      = help: a name has lower-case letters, digits and `-`; `*` stands for any text, `?` for one character
    "#);
    assert_snapshot!(refused_text(&rule("'team-a'")), @"
    error: `policy.rule.namespaces` must be an array, not a string
     --> config.toml:4:14
      |
    4 | namespaces = 'team-a'
      |              ^^^^^^^^
    ");
    assert_snapshot!(refused_text(&rule("['', 7]")), @r#"
    error: `policy.rule.namespaces`: a pattern is empty
     --> config.toml:4:15
      |
    4 | namespaces = ['', 7]
      |               ^^
      |
      = help: write the name of a namespace, or `*` for every pod

    error: `policy.rule.namespaces` must be a string, not a number
     --> config.toml:4:19
      |
    4 | namespaces = ['', 7]
      |                   ^
      |
      = help: put it in quotes: "7"
    "#);
}

#[test]
fn two_rules_for_one_namespace_are_a_mistake_that_names_both() {
    let rule = |namespaces: &str| {
        format!("[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\nnamespaces = {namespaces}\n")
    };
    let files = [("config.toml", rule("['team-*']")), ("conf.d/a.toml", rule("['x', '*-a']"))];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_snapshot!(refused(&files), @r#"
    error: prefix "quay.io" has two rules for one namespace, for example "team-a"
     --> conf.d/a.toml:2:10
      |
    2 | prefix = 'quay.io'
      |          ^^^^^^^^^
      |
     ::: config.toml:2:10
      |
    2 | prefix = 'quay.io'
      |          --------- and here
      |
      = help: make the patterns of one of them narrower
    "#);
}

#[test]
fn what_namespaces_do_not_prevent_is_noted() {
    let rule = "[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\nnamespaces = ['team-a']";
    assert_snapshot!(warned(rule), @r#"
    note: an image that one namespace has pulled is on the node for all, also where it is denied
     --> config.toml:2:10
      |
    2 | prefix = 'quay.io'
      |          ^^^^^^^^^
      |
      = help: with present = "hide" no container is created from what is denied to the namespace of its pod
    "#);
    assert_snapshot!(warned(&format!("[containerd]\nsocket = '/run/k3s/containerd/containerd.sock'\n{rule}")), @"
    note: on k3s and RKE2 only the image endpoint can be the shunt
     |
     = help: give the kubelet image-service-endpoint=unix:///run/cri-shunt/cri-shunt.sock and leave --container-runtime-endpoint alone; what the shunt does when containers are created has no effect there

    note: an image that one namespace has pulled is on the node for all, also where it is denied
     --> config.toml:4:10
      |
    4 | prefix = 'quay.io'
      |          ^^^^^^^^^
      |
      = help: on k3s and RKE2 the shunt does not see when containers are created; there only imagePullPolicy: Always asks again
    ");
    // It is an exception inside a wider rule.
    let pass = "[policy]\npresent = 'hide'\n[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\n\
                [[policy.rule]]\nprefix = 'quay.io'\npass = true\nnamespaces = ['team-a']";
    assert_eq!(warned(pass), "");
}

#[test]
fn what_is_for_some_or_only_observed_replaces_nothing() {
    // A pass is no idle one inside of a deny for the same pods.
    let deny = "[policy]\npresent = 'hide'\n[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\nnamespaces = ['team-*']\n";
    let inner = "[[policy.rule]]\nprefix = 'quay.io/a'\npass = true\n";
    assert_eq!(warned(&format!("{deny}{inner}")), "");
    assert_eq!(warned(&format!("{deny}{inner}namespaces = ['team-*']\n")), "");
    assert_eq!(warned(&format!("{deny}[[policy.rule]]\nprefix = 'quay.io'\npass = true\n")), "");
    // The default registry is in force behind a rule that is only observed.
    let observed =
        "[policy]\ndefault-registry = 'm.de'\n[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['n.de']\n";
    assert!(warned(observed).contains("`default-registry` has no effect"));
    let shown = warned(&format!("{observed}mode = 'observe'\n"));
    assert!(!shown.contains("has no effect"), "{shown}");
}

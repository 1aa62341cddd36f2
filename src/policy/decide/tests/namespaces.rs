//! Rules for some namespaces, as tables, and as properties on random rules.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::fixture::{check, outcome, policy};
use super::super::super::{Asked, Name, Policy};

#[test]
fn a_rule_for_a_namespace_goes_before_the_one_for_all_and_the_longer_prefix_before_both() {
    check(
        &[
            "docker.io -> m.de",
            "docker.io%team-*,kube-system -> t.de",
            "docker.io%other deny no",
            "docker.io/a%team-a deny no",
            "docker.io/b deny no",
            "*.dev%team-a deny no",
            "*%team-a -> a.de/{host}",
        ],
        &[
            ("docker.io/x/y:1", "docker.io -> m.de/x/y:1"),
            ("docker.io/x/y:1%default", "docker.io -> m.de/x/y:1"),
            ("docker.io/x/y:1%team-b", "docker.io -> t.de/x/y:1"),
            ("docker.io/x/y:1%kube-system", "docker.io -> t.de/x/y:1"),
            ("docker.io/x/y:1%kube-system-2", "docker.io -> m.de/x/y:1"),
            ("docker.io/x/y:1%other", "deny docker.io: no"),
            // A rule that does not hold is not there: the next shorter prefix decides.
            ("docker.io/a/x:1%team-a", "deny docker.io/a: no"),
            ("docker.io/a/x:1%team-b", "docker.io -> t.de/a/x:1"),
            ("docker.io/a/x:1", "docker.io -> m.de/a/x:1"),
            // The longer prefix first, whomever it is for.
            ("docker.io/b/x:1%team-a", "deny docker.io/b: no"),
            ("x.dev/a:1%team-a", "deny *.dev: no"),
            ("x.dev/a:1%team-b", "pass default"),
            ("quay.io/a:1%team-a", "* -> a.de/quay.io/a:1"),
            ("quay.io/a:1", "pass default"),
            ("quay.io/a:1%", "pass default"),
        ],
    );
}

#[test]
fn the_targets_of_a_rule_are_open_to_its_own_namespaces_only() {
    check(
        &["default deny", "quay.io%team-a -> m.de/quay", "*.dev%team-b -> m.de/{host}"],
        &[
            ("m.de/quay/x:1%team-a", "pass quay.io"),
            ("m.de/quay/x:1%team-b", "deny default: no rule allows it"),
            ("m.de/quay/x:1", "deny default: no rule allows it"),
            ("m.de/a.dev/x:1%team-b", "pass *.dev"),
            ("m.de/a.dev/x:1%team-a", "deny default: no rule allows it"),
        ],
    );
    // Where another rule goes before it, a rule for all has none.
    check(
        &[
            "default deny",
            "quay.io -> m.de/quay",
            "quay.io%team-a deny no",
            "default-registry d.de",
            "*%team-b deny no",
        ],
        &[
            ("m.de/quay/x:1", "pass quay.io"),
            ("m.de/quay/x:1%team-c", "pass quay.io"),
            ("m.de/quay/x:1%team-a", "deny default: no rule allows it"),
            ("d.de/a/x:1%team-a", "pass default-registry"),
            ("d.de/a/x:1%team-b", "deny *: no"),
        ],
    );
}

#[test]
fn it_leaves_the_default_registry_and_sources_to_the_others() {
    check(
        &["default-registry d.de", "docker.io%team-a -> a.de"],
        &[("x/y:1", "default-registry -> d.de/x/y:1"), ("x/y:1%team-a", "docker.io -> a.de/x/y:1")],
    );
    check(
        &["@0 docker.io -> s.de", "docker.io%team-a deny no", "docker.io/b%team-b deny no"],
        &[
            ("x/y:1", "docker.io -> s.de/x/y:1"),
            ("x/y:1%team-a", "deny docker.io: no"),
            ("b/y:1%team-b", "deny docker.io/b: no"),
            ("b/y:1%team-c", "docker.io -> s.de/b/y:1"),
        ],
    );
    // A source opens nothing that a native rule denies in that namespace.
    check(
        &["docker.io/a%team-a deny no", "@0 docker.io/a/b -> s.de"],
        &[("a/b:1%team-a", "deny docker.io/a: no"), ("a/b:1%team-b", "docker.io/a/b -> s.de/a/b:1")],
    );
}

#[test]
fn denied_in_one_namespace_is_not_denied_to_everybody() {
    let denies = |lines: &[&str], name: &str| policy(lines).unwrap().denies_everybody(&name.parse().unwrap());
    assert!(denies(&["docker.io/a deny no"], "a/x:1"));
    assert!(!denies(&["docker.io/a%team-a deny no"], "a/x:1"));
    assert!(denies(&["docker.io/a deny no", "docker.io/a%team-a deny never"], "a/x:1"));
    assert!(!denies(&["docker.io/a deny no", "docker.io/a%team-a pass"], "a/x:1"));
    assert!(!denies(&["docker.io/a deny no", "docker.io/a/x%team-a -> m.de"], "a/x:1"));
    assert!(denies(&["docker.io/a deny no", "docker.io/b%team-a pass"], "a/x:1"));
    // What opens is wider than what denies to all.
    assert!(denies(&["docker.io/a deny no", "docker.io%team-a -> m.de"], "a/x:1"));
    assert!(denies(&["docker.io deny no", "*%team-a pass"], "a/x:1"));
    assert!(denies(&["*.dev deny no", "*%team-a pass"], "x.dev/a:1"));
    assert!(!denies(&["default deny", "*.dev%team-a pass"], "x.dev/a:1"));
    assert!(!denies(&["default deny", "quay.io%team-a -> m.de/q"], "m.de/q/a:1"));
    assert!(!denies(&["default deny", "*%team-a -> m.de/{host}"], "m.de/quay.io/a:1"));
    assert!(denies(&["default deny"], "x.dev/a:1"));
}

const PREFIXES: [&str; 8] =
    ["docker.io", "docker.io/a", "docker.io/a/b", "quay.io", "*.io", "*", "m.de/p", "m.de"];
const PATTERNS: [&str; 6] = ["team-a", "team-b", "team-*", "*-a", "kube-*", "*"];
const NAMESPACES: [Option<&str>; 6] =
    [None, Some("team-a"), Some("team-b"), Some("kube-system"), Some("x-a"), Some("default")];
const ACTIONS: [&str; 5] =
    ["deny no", "pass", "-> m.de/p collapse", "-> n.de collapse", "-> m.de/p/{host} collapse"];

const SETTINGS: [&[&str]; 4] =
    [&[], &["default deny"], &["default-registry n.de"], &["default deny", "default-registry d.de"]];

/// Rules that are for all or for some, with the settings of a policy.
fn rules() -> impl Strategy<Value = Vec<String>> {
    let scope = prop_oneof![1 => Just(""), 2 => select(&PATTERNS[..])];
    let rule = (select(&PREFIXES[..]), scope, select(&ACTIONS[..])).prop_map(|(prefix, scope, action)| {
        let mark = if scope.is_empty() { "" } else { "%" };
        format!("{prefix}{mark}{scope} {action}")
    });
    let settings = select(&SETTINGS[..]);
    (prop::collection::vec(rule, 1..7), settings).prop_map(|(mut rules, settings)| {
        rules.extend(settings.iter().map(|setting| (*setting).to_owned()));
        rules
    })
}

fn names() -> Vec<Name> {
    let names = [
        "docker.io/a:1",
        "docker.io/a/b:1",
        "docker.io/c:1",
        "quay.io/a:1",
        "x.io/a:1",
        "m.de/p/a:1",
        "m.de/q:1",
    ];
    names.iter().chain(&["n.de/a:1", "m.de/p/quay.io/a:1"]).map(|name| name.parse().unwrap()).collect()
}

fn build(lines: &[String]) -> Option<Policy> {
    policy(&lines.iter().map(String::as_str).collect::<Vec<_>>()).ok()
}

/// The rules that hold in a namespace, as rules for all; of one prefix only the one that goes first.
fn alone(lines: &[String], namespace: Option<&str>) -> Vec<String> {
    let parts = |line: &String| {
        let (front, action) = line.split_once(' ').unwrap();
        let (prefix, scope) = front.split_once('%').unwrap_or((front, ""));
        (prefix.to_owned(), scope.to_owned(), action.to_owned())
    };
    let scoped = |scope: &str| {
        let pattern = regex::Regex::new(&format!("^{}$", scope.replace('*', ".*"))).unwrap();
        !scope.is_empty() && namespace.is_some_and(|namespace| pattern.is_match(namespace))
    };
    let parts: Vec<_> = lines.iter().map(parts).collect();
    let goes_first = |prefix: &str| parts.iter().any(|(other, scope, _)| other == prefix && scoped(scope));
    let holds = |(prefix, scope, _): &&(String, String, String)| {
        scoped(scope) || (scope.is_empty() && !goes_first(prefix))
    };
    parts.iter().filter(holds).map(|(prefix, _, action)| format!("{prefix} {action}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// But for whose images are at a place (`collapse` leaves that open here), a policy decides in a namespace as
    /// if only the rules that hold there were written.
    #[test]
    fn each_namespace_has_the_policy_of_its_own_rules(lines in rules()) {
        let Some(whole) = build(&lines) else { return Ok(()) };
        for namespace in NAMESPACES {
            let own = build(&alone(&lines, namespace)).expect("less rules have no more conflicts");
            for name in names() {
                let found = outcome(&whole.decide(&Asked::of(&name).in_namespace(namespace)));
                let expected = outcome(&own.decide(&Asked::of(&name)));
                prop_assert_eq!(found, expected, "{} in {:?}", name, namespace);
            }
        }
    }

    /// Rules that are accepted never leave it to their order which of them decides.
    #[test]
    fn the_order_of_rules_does_not_matter(lines in rules()) {
        let backwards: Vec<String> = lines.iter().rev().cloned().collect();
        let (Some(one), other) = (build(&lines), build(&backwards)) else { return Ok(()) };
        let other = other.expect("the order makes no conflict");
        for (name, namespace) in names().iter().flat_map(|name| NAMESPACES.map(|namespace| (name, namespace))) {
            let asked = Asked::of(name).in_namespace(namespace);
            let verdict = |policy: &Policy| outcome(&policy.decide(&asked)).split(' ').next().map(str::to_owned);
            prop_assert_eq!(verdict(&one), verdict(&other), "{} in {:?}", name, namespace);
        }
    }

    /// What is denied to everybody is denied in each namespace.
    #[test]
    fn nobody_gets_what_is_denied_to_everybody(lines in rules()) {
        let Some(policy) = build(&lines) else { return Ok(()) };
        for name in names().iter().filter(|name| policy.denies_everybody(name)) {
            for namespace in NAMESPACES {
                let found = outcome(&policy.decide(&Asked::of(name).in_namespace(namespace)));
                prop_assert!(found.starts_with("deny"), "{} in {:?}: {}", name, namespace, found);
            }
        }
    }
}

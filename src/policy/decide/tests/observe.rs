//! Rules that are only observed.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::fixture::{outcome, policy};
use super::super::super::{Asked, Name, Policy};

/// What is done, and what the rules say if that is only observed.
fn both(policy: &Policy, name: &str, namespace: Option<&str>) -> (String, Option<String>) {
    let name: Name = name.parse().unwrap();
    let asked = Asked::of(&name).in_namespace(namespace);
    let said = policy.decide(&asked);
    let observed = policy.is_only_told(&asked, &said);
    (outcome(&policy.acting().decide(&asked)), observed.then(|| outcome(&said)))
}

#[test]
fn what_is_only_observed_is_told_and_not_done() {
    // Rules, a name, what is done, and what is told.
    type Row<'r> = (&'r [&'r str], &'r str, &'r str, Option<&'r str>);
    let rows: [Row<'_>; 16] = [
        (&["mode observe", "docker.io -> m.de"], "a/x:1", "pass default", Some("docker.io -> m.de/a/x:1")),
        (&["mode observe", "docker.io/a deny no"], "a/x:1", "pass default", Some("deny docker.io/a: no")),
        (&["mode observe", "default deny"], "a/x:1", "pass default", Some("deny default: no rule allows it")),
        (
            &["mode observe", "default-registry d.de"],
            "a/x:1",
            "pass default",
            Some("default-registry -> d.de/a/x:1"),
        ),
        (&["mode observe", "quay.io -> m.de"], "a/x:1", "pass default", Some("pass default")),
        // The other way round.
        (&["mode observe", "docker.io~enforce -> m.de"], "a/x:1", "docker.io -> m.de/a/x:1", None),
        (&["mode observe", "default deny", "quay.io~enforce pass"], "quay.io/x:1", "pass quay.io", None),
        (&["docker.io~observe -> m.de"], "a/x:1", "pass default", Some("docker.io -> m.de/a/x:1")),
        // What an observed rule stands before is in force, as if it was not there.
        (
            &["docker.io -> m.de", "docker.io/a~observe deny no"],
            "a/x:1",
            "docker.io -> m.de/a/x:1",
            Some("deny docker.io/a: no"),
        ),
        (&["docker.io -> m.de", "docker.io/a~observe deny no"], "b/x:1", "docker.io -> m.de/b/x:1", None),
        (
            &["default deny", "docker.io~observe -> m.de"],
            "a/x:1",
            "deny default: no rule allows it",
            Some("docker.io -> m.de/a/x:1"),
        ),
        // Its targets open nothing.
        (
            &["default deny", "docker.io~observe -> m.de"],
            "m.de/a/x:1",
            "deny default: no rule allows it",
            Some("pass docker.io"),
        ),
        (
            &["docker.io~observe -> m.de", "@0 docker.io -> s.de"],
            "a/x:1",
            "docker.io -> s.de/a/x:1",
            Some("docker.io -> m.de/a/x:1"),
        ),
        (
            &["docker.io~observe -> m.de", "default-registry d.de"],
            "a/x:1",
            "default-registry -> d.de/a/x:1",
            Some("docker.io -> m.de/a/x:1"),
        ),
        // It would take a candidate away from a rule that is in force.
        (
            &["m.de~observe deny no", "@0 docker.io -> m.de n.de"],
            "a/x:1",
            "docker.io -> m.de/a/x:1, n.de/a/x:1",
            Some("docker.io -> n.de/a/x:1; not m.de/a/x:1 (denied by rule \"m.de\")"),
        ),
        (&["m.de~observe deny no", "@0 docker.io -> n.de"], "a/x:1", "docker.io -> n.de/a/x:1", None),
    ];
    for (lines, name, done, told) in rows {
        let policy = policy(lines).unwrap();
        let (is_done, is_told) = both(&policy, name, None);
        assert_eq!((is_done.as_str(), is_told.as_deref()), (done, told), "{lines:?}");
    }
    let scoped = policy(&["docker.io -> m.de", "docker.io%team-a~observe deny no"]).unwrap();
    let (done, told) = both(&scoped, "a/x:1", Some("team-a"));
    assert_eq!((done.as_str(), told.as_deref()), ("docker.io -> m.de/a/x:1", Some("deny docker.io: no")));
    assert_eq!(both(&scoped, "a/x:1", None).1, None);
}

#[test]
fn a_policy_that_is_only_observed_lets_everything_pass() {
    let lines =
        ["mode observe", "default deny", "docker.io -> m.de", "quay.io deny no", "default-registry d.de"];
    let all = policy(&lines).unwrap();
    assert!(all.acting().passes_all() && !all.acting().has_deny() && all.has_deny());
    assert!(policy(&["mode observe", "quay.io~enforce deny no"]).unwrap().acting().has_deny());
    // Nothing is copied where all is in force.
    let (acting, whole) = policy(&lines).unwrap().into_acting();
    let whole = whole.unwrap();
    assert!(acting.passes_all() && whole.acting().passes_all() && !whole.passes_all());
    let (acting, observed) = policy(&lines[1..4]).unwrap().into_acting();
    assert!(observed.is_none() && acting.rules().len() == 2);
    let hash = |lines: &[&str]| policy(lines).unwrap().hash().to_owned();
    assert_ne!(hash(&lines[1..]), hash(&lines));
    assert_ne!(hash(&["quay.io deny no"]), hash(&["quay.io~observe deny no"]));
    assert_ne!(hash(&["quay.io deny no"]), hash(&["quay.io%team-a deny no"]));
}

#[test]
fn what_only_the_rules_in_force_contradict_is_a_conflict_too() {
    // The observed rule for Docker Hub leaves the default registry in force.
    let lines = ["docker.io~observe -> n.de", "default-registry m.de", "quay.io -> m.de"];
    policy(&["docker.io -> n.de", lines[1], lines[2]]).unwrap();
    let conflicts = policy(&lines).unwrap_err();
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
}

const FRONTS: [&str; 6] = ["docker.io", "docker.io/a", "docker.io/a/b", "quay.io", "*.io", "*"];
const ACTIONS: [&str; 4] = ["deny no", "pass", "-> m.de/p collapse", "-> n.de collapse"];
const NAMES: [&str; 7] =
    ["a:1", "docker.io/a/b:1", "docker.io/a/c:1", "quay.io/a:1", "x.io/a:1", "m.de/p/a:1", "n.de/a:1"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn what_is_done_is_as_if_observed_rules_were_not_written(
        rules in prop::collection::btree_map(select(&FRONTS[..]), (select(&ACTIONS[..]), any::<bool>()), 1..6),
        deny in any::<bool>(),
    ) {
        let default: &[&str] = if deny { &["default deny"] } else { &[] };
        let line = |(front, (action, observed)): (&&str, &(&str, bool))| {
            (*observed, format!("{front}{} {action}", if *observed { "~observe" } else { "" }))
        };
        let lines: Vec<(bool, String)> = rules.iter().map(line).collect();
        let build = |counts: fn(&bool) -> bool| {
            let lines = lines.iter().filter(|(observed, _)| counts(observed)).map(|(_, line)| line.as_str());
            policy(&lines.chain(default.iter().copied()).collect::<Vec<_>>()).unwrap()
        };
        let (whole, enforced) = (build(|_| true), build(|observed| !observed));
        for name in NAMES {
            let (done, told) = both(&whole, name, None);
            let name: Name = name.parse().unwrap();
            prop_assert_eq!(&done, &outcome(&enforced.decide(&Asked::of(&name))), "{}", name);
            // What is in force is what the whole says, where it is not observed.
            if told.is_none() {
                prop_assert_eq!(&done, &outcome(&whole.decide(&Asked::of(&name))), "{}", name);
            }
        }
    }
}

//! Properties of decisions on random rules, and a model that scans every rule.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::super::fixture::{outcome, policy};
use super::super::super::{Asked, Decision, Name, Policy, Role};
use super::DIGEST;

const HOSTS: [&str; 7] = ["docker.io", "quay.io", "h.dev.de", "i.dev.de:5000", "dev.de", "m.de", "n.de"];
const PATHS: [&str; 8] = ["a", "a/b", "a/b/c", "ab", "b", "p/a", "p", "quay.io/a"];
const PREFIX_PATHS: [&str; 8] = ["", "", "/a", "/a/b", "/a/b:1", "/p", "/quay.io", "/ab"];
const MIRRORS: [&str; 8] =
    ["m.de", "m.de/p", "n.de/{host}", "n.de/x-{host}/p", "h.dev.de/p", "m.de/quay.io", "n.de", "m.de/p/a"];

/// A rule for each of some prefixes; `tail` is put behind every route.
fn rules(tail: &'static str) -> impl Strategy<Value = Vec<String>> {
    let prefix = prop_oneof![
        6 => (select(&HOSTS[..]), select(&PREFIX_PATHS[..])).prop_map(|(host, path)| format!("{host}{path}")),
        1 => select(&["*", "*.dev.de", "*.de"][..]).prop_map(str::to_owned),
    ];
    let route = prop::collection::vec(select(&MIRRORS[..]), 1..3)
        .prop_map(move |mirrors| format!("-> {}{tail}", mirrors.join(" ")));
    let action = prop_oneof![
        3 => route,
        1 => Just("deny no".to_owned()),
        1 => Just("pass".to_owned()),
    ];
    prop::collection::btree_map(prefix, action, 1..7)
        .prop_map(|rules| rules.into_iter().map(|(prefix, action)| format!("{prefix} {action}")).collect())
}

/// Names of all hosts, and names that are under targets.
fn names() -> Vec<Name> {
    let mut fronts: Vec<String> = HOSTS.iter().map(|&host| host.to_owned()).collect();
    for host in ["docker.io", "quay.io", "h.dev.de", "dev.de", "x"] {
        fronts.extend(["m.de/p", "n.de", "m.de", "h.dev.de/p"].map(|front| format!("{front}/{host}")));
        fronts.push(format!("n.de/x-{host}/p"));
    }
    let repositories = fronts.iter().flat_map(|front| PATHS.map(|path| format!("{front}/{path}")));
    let texts = repositories.flat_map(|at| [format!("{at}:1"), format!("{at}:12"), format!("{at}@{DIGEST}")]);
    texts.map(|text| text.parse().unwrap()).collect()
}

fn components(text: &str) -> Vec<String> {
    let (host, path) = text.split_once('/').unwrap_or((text, ""));
    let (path, suffix) = match path.find(['@', ':']) {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    let all = std::iter::once(host).chain(path.split('/')).chain([suffix]);
    all.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// How well a rule's prefix matches: components, and for wildcards the length of the domain.
fn prefix_score(prefix: &str, key: &[String]) -> Option<(usize, usize)> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = key[0].split(':').next().unwrap();
        return host.ends_with(domain).then_some((0, domain.len()));
    }
    let prefix = components(prefix);
    key.starts_with(&prefix).then_some((prefix.len(), 0))
}

/// How many components of the key are a target of the rule.
fn target_score(prefix: &str, mirror: &str, key: &[String]) -> Option<usize> {
    let own = if prefix.starts_with('*') { Vec::new() } else { components(prefix)[1..].to_vec() };
    let target: Vec<String> = components(mirror).into_iter().chain(own).collect();
    let fits = |(pattern, found): (&String, &String)| match pattern.split_once("{host}") {
        None => pattern == found,
        Some((before, after)) => {
            let host = found.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            let rule = prefix.split('/').next().unwrap();
            host.is_some_and(|host| host.contains('.') && prefix_score(rule, &[host.to_owned()]).is_some())
        }
    };
    (key.len() >= target.len() && target.iter().zip(key).all(fits)).then_some(target.len())
}

/// What a scan over every rule says: `pass`, `deny` or `->` with the prefixes that may be named.
fn model(lines: &[String], name: &Name) -> (&'static str, Vec<String>) {
    let key = components(name.key().as_str());
    // By components, then by domain, then a rule before a target.
    let mut found: BTreeMap<(usize, usize, bool), (&'static str, Vec<String>)> = BTreeMap::new();
    for line in lines {
        let (prefix, action) = line.split_once(' ').unwrap();
        let verb = ["deny", "pass", "->"].into_iter().find(|verb| action.starts_with(verb)).unwrap();
        if let Some((depth, domain)) = prefix_score(prefix, &key) {
            // A wildcard leaves the registries of its own mirrors alone.
            let own = |mirror: &str| prefix.starts_with('*') && components(mirror)[0] == key[0];
            let passes = verb == "->" && action.split(' ').skip(1).any(own);
            let verb = if passes { "pass" } else { verb };
            found.insert((depth, domain, true), (verb, vec![prefix.to_owned()]));
        }
        for mirror in
            action.split(' ').skip(1).filter(|word| verb == "->" && !["collapse", "origin"].contains(word))
        {
            if let Some(depth) = target_score(prefix, mirror, &key) {
                found.entry((depth, 0, false)).or_insert(("pass", Vec::new())).1.push(prefix.to_owned());
            }
        }
    }
    found.pop_last().map_or(("pass", vec!["default".to_owned()]), |(_, best)| best)
}

fn verb(decision: &Decision<'_>) -> (&'static str, String) {
    match decision {
        Decision::Route { rule, .. } => ("->", rule.prefix().to_owned()),
        Decision::Pass { rule } => ("pass", rule.prefix().to_owned()),
        Decision::Deny { rule, reason } => {
            let stated = reason.to_string() == "no";
            (if stated { "deny" } else { "->" }, rule.prefix().to_owned())
        }
    }
}

fn build(lines: &[String]) -> Option<Policy> {
    policy(&lines.iter().map(String::as_str).collect::<Vec<_>>()).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn the_index_finds_what_a_scan_finds(lines in rules(" collapse")) {
        let policy = build(&lines).expect("rules that may collapse have no conflict");
        for name in names() {
            let (found, by) = verb(&policy.decide(&Asked::of(&name)));
            let (expected, of) = model(&lines, &name);
            prop_assert!(found == expected && of.contains(&by), "{} is {} by {}, not {} by {:?}", name, found, by, expected, of);
        }
    }

    #[test]
    fn no_two_registries_and_no_two_names_of_one_rule_meet(lines in rules("")) {
        let policy = build(&lines);
        prop_assume!(policy.is_some());
        let policy = policy.unwrap();
        let mut seen: HashMap<String, (String, Name)> = HashMap::new();
        for name in names() {
            let Decision::Route { rule, candidates, .. } = policy.decide(&Asked::of(&name)) else { continue };
            for candidate in candidates {
                let now = (rule.prefix().to_owned(), name.clone());
                let Some((prefix, other)) = seen.insert(candidate.name.key().to_string(), now.clone()) else { continue };
                let one_mirror = lines.iter().any(|line| {
                    line.starts_with(&format!("{prefix} ")) && line.split(' ').count() == 3
                });
                let apart = other.key().host() == name.key().host() && (prefix != now.0 || !one_mirror);
                prop_assert!(other.key() == name.key() || apart, "{} and {} both give {}", other, name, candidate.name);
            }
        }
    }

    #[test]
    fn tag_and_digest_are_never_lost_and_the_origin_comes_only_when_it_may(
        lines in rules(" s|b|c| origin collapse"),
        strict in rules(" s|b|c:2| collapse"),
    ) {
        let (open, closed) = (build(&lines).unwrap(), build(&strict).unwrap());
        for name in names() {
            if let Decision::Route { candidates, .. } = open.decide(&Asked::of(&name)) {
                for candidate in &candidates {
                    prop_assert_eq!(candidate.name.suffix(), name.suffix());
                }
                prop_assert!(candidates.last().is_some_and(|last| last.name == name || last.role == Role::Mirror));
                prop_assert!(candidates.iter().any(|candidate| candidate.name == name));
            }
            if let Decision::Route { candidates, .. } = closed.decide(&Asked::of(&name)) {
                prop_assert!(!candidates.is_empty());
                prop_assert!(candidates.iter().all(|candidate| candidate.role == Role::Mirror));
                prop_assert!(candidates.iter().all(|candidate| candidate.name.suffix() == name.suffix()));
            }
        }
    }

    #[test]
    fn no_spelling_gets_around_a_deny(
        alias in select(
            &["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"][..]
        ),
        upper in prop::collection::vec(any::<Index>(), 0..6),
        port in select(&["", ":443", ":0443", ":000443"][..]),
        path in select(&["evil/miner", "evil/a/b", "evil/miner:1"][..]),
        pinned in any::<bool>(),
    ) {
        let mut host = alias.to_owned();
        for at in upper {
            let at = at.index(host.len());
            host[at..=at].make_ascii_uppercase();
        }
        let digest = if pinned { format!("@{DIGEST}") } else { String::new() };
        let name: Name = format!("{host}{port}/{path}{digest}").parse().unwrap();
        for deny in ["docker.io/evil deny no", "docker.io deny no", "Registry-1.docker.io:443/evil deny no", "*.io deny no"] {
            let policy = policy(&[deny]).unwrap();
            let found = outcome(&policy.decide(&Asked::of(&name)));
            prop_assert!(found.starts_with("deny") && found.ends_with(": no"), "{} is {}", name, found);
        }
    }
}

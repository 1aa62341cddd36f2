//! Policies for tests, written one rule a line.
//!
//! Holds: rule N has the source `rules:N`, counted from 1; a setting has the line 0.
//! Not here: the real configuration (`config`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::{
    Action, Asked, Checkpoint, Conflict, Decision, DefaultAction, Layer, Location, Mirror, Mode, Namespaces,
    Only, Origin, Policy, Rewrite, Role, Route, Rule, Settings, Source,
};

pub(super) fn source(line: usize) -> Source {
    Source { file: "rules".into(), line: u32::try_from(line).unwrap() }
}

/// A MIRROR is a location, or `!HOST/PATH` for one at the host of a URL; `#N` behind it is its endpoint.
/// `[@SOURCE] PREFIX[%NAMESPACES][~observe|~enforce] deny REASON`, `PREFIX pass`, or `PREFIX -> MIRROR[?digests|?tags|?strip]... [s|PATTERN|REPLACEMENT|]...
/// [origin] [collapse]`; `default deny`, `mode observe` and `default-registry LOCATION` are settings.
pub(super) fn policy(lines: &[&str]) -> Result<Policy, Vec<Conflict>> {
    let mut settings = Settings::default();
    let mut rules = Vec::new();
    for line in lines {
        match line.split_once(' ').unwrap() {
            ("default", "deny") => {
                settings.default = DefaultAction::Deny;
                settings.default_source = Some(source(0));
            }
            ("mode", "observe") => settings.mode = Mode::Observe,
            ("default-registry", location) => {
                settings.default_registry = Some((location.parse().unwrap(), source(0)));
            }
            (layer, rest) if layer.starts_with('@') => {
                let (prefix, action) = rest.split_once(' ').unwrap();
                let layer = Layer::Source(layer[1..].parse().unwrap());
                rules.push(Rule { layer, ..rule(rules.len() + 1, prefix, action) });
            }
            (prefix, action) => rules.push(rule(rules.len() + 1, prefix, action)),
        }
    }
    Policy::new(rules, settings)
}

fn rule(line: usize, prefix: &str, action: &str) -> Rule {
    let action = match action.split_once(' ').unwrap_or((action, "")) {
        ("deny", reason) => Action::Deny { reason: reason.to_owned() },
        ("pass", "") => Action::Pass,
        ("->", words) => Action::Route(route(words)),
        _ => panic!("what is {action:?}?"),
    };
    let (prefix, mode) = match prefix.split_once('~') {
        Some((prefix, mode)) => (prefix, Some(if mode == "observe" { Mode::Observe } else { Mode::Enforce })),
        None => (prefix, None),
    };
    let (prefix, namespaces) = match prefix.split_once('%') {
        Some((prefix, patterns)) => (prefix, Some(Namespaces::new(patterns.split(',')).unwrap())),
        None => (prefix, None),
    };
    let prefix = prefix.parse().unwrap();
    Rule {
        prefix,
        action,
        checkpoint: Checkpoint::Refuse,
        foreign_urls: false,
        verify: None,
        lock: Default::default(),
        namespaces,
        mode,
        source: source(line),
        layer: Layer::Native,
    }
}

fn route(words: &str) -> Route {
    let mut route = Route {
        mirrors: Vec::new(),
        order: Default::default(),
        rewrites: Vec::new(),
        origin: Origin::Never,
        collapse: false,
        node_credentials: None,
        outage: Default::default(),
    };
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        if word == "origin" {
            route.origin = Origin::Last;
        } else if word == "collapse" {
            route.collapse = true;
        } else if word.starts_with("s|") {
            let parts: Vec<&str> = word.split('|').collect();
            let pattern = regex::Regex::new(parts[1]).unwrap();
            route.rewrites.push(Rewrite { pattern, replacement: parts[2].to_owned() });
        } else {
            let strip_prefix = word.ends_with("?strip");
            let (location, only) = match word.split_once('?') {
                Some((location, "digests")) => (location, Only::Digests),
                Some((location, "tags")) => (location, Only::Tags),
                _ => (word.trim_end_matches("?strip"), Only::Any),
            };
            let (location, endpoint) = match location.split_once('#') {
                Some((location, number)) => (location, Some(number.parse().unwrap())),
                None => (location, None),
            };
            let location = match location.strip_prefix('!') {
                Some(text) => {
                    let (host, path) = text.split_once('/').unwrap_or((text, ""));
                    Location::of_endpoint(host, path).unwrap()
                }
                None => location.parse().unwrap(),
            };
            route.mirrors.push(Mirror { only, strip_prefix, endpoint, ..Mirror::at(location) });
        }
    }
    route
}

/// The decision in one line, by the prefix of the rule behind it.
pub(super) fn outcome(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Pass { rule } => format!("pass {}", rule.prefix()),
        Decision::Deny { rule, reason } => format!("deny {}: {reason}", rule.prefix()),
        Decision::Route { rule, candidates, unusable, .. } => {
            let candidate = |candidate: &super::Candidate| {
                let role = if candidate.role == Role::Origin { "origin " } else { "" };
                let private = if candidate.needs_private_host { "!" } else { "" };
                let endpoint = candidate.endpoint.map(|number| format!("#{number}")).unwrap_or_default();
                format!("{role}{private}{}{endpoint}", candidate.name)
            };
            let candidates: Vec<String> = candidates.iter().map(candidate).collect();
            let unusable: String = unusable.iter().map(|target| format!("; not {target}")).collect();
            format!("{} -> {}{unusable}", rule.prefix(), candidates.join(", "))
        }
    }
}

/// Tries each name of a table against one policy; `NAME%NAMESPACE` for one that a pod there asks for.
#[track_caller]
pub(super) fn check(lines: &[&str], rows: &[(&str, &str)]) {
    let policy = policy(lines).expect("a policy without conflicts");
    for (name, expected) in rows {
        let (image, namespace) = match name.split_once('%') {
            Some((image, namespace)) => (image, Some(namespace)),
            None => (*name, None),
        };
        let image = image.parse().expect(name);
        let found = outcome(&policy.decide(&Asked::of(&image).in_namespace(namespace)));
        assert_eq!(found, *expected, "for {name}");
    }
}

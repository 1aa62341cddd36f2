//! Whether mirrors answer, and with which login; asked with the code of `explain --live`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::explain::{self, AskedCandidate, Depth, Live};
use crate::cli::eyes;
use crate::config::Config;
use crate::node::{Finding, Severity};
use crate::policy::{Action, Asked, Decision, Name, Prefix, PrefixKind};
use crate::registry::Failure;
use crate::state::Question;

use super::clock;

/// How many images are asked for: a policy can have ten thousand rules.
const MOST: usize = 32;

/// What a registry is asked for where no image on the node is of its rule. It need not have it.
const NOTHING: &str = "cri-shunt-doctor:latest";

pub(super) fn findings(config: &Config, images: &[Name], timeout: Duration) -> Vec<Finding> {
    // It says itself why it cannot.
    let Ok(live) = Live::for_many(config, timeout, Depth::Pull) else { return Vec::new() };
    let reader = eyes::of_the_daemon(config);
    // Of several findings of a kind about a mirror, the worst one.
    let mut found: BTreeMap<(String, &str), Finding> = BTreeMap::new();
    let mut clocks = BTreeMap::new();
    for (question, is_there) in questions(config, images) {
        let known = clocks.keys().cloned().collect();
        let asked = explain::candidates(&question, config, &live, &reader, &known);
        // Another candidate takes the place of one that fails.
        let has_other = asked.iter().any(|asked| match &asked.failure {
            None => true,
            Some((failure, _)) => !is_there && *failure == Failure::NotFound,
        });
        for AskedCandidate { host, is_mirror, failure, clock } in asked {
            clocks.extend(clock.map(|clock| (host.clone(), clock)));
            let failure = failure.filter(|_| is_mirror);
            let Some(mut finding) =
                failure.and_then(|(failure, error)| of(&host, failure, &error, &question, is_there))
            else {
                continue;
            };
            if has_other {
                finding.severity = finding.severity.max(Severity::Warning);
            }
            let before = found.get(&(host.clone(), finding.id));
            if before.is_none_or(|before| finding.severity < before.severity) {
                found.insert((host, finding.id), finding);
            }
        }
    }
    found.into_values().chain(clock::findings(&clocks)).collect()
}

/// One image for each rule with mirrors, for a pod in a namespace that the rule is for, and whether it is on the node.
fn questions(config: &Config, images: &[Name]) -> Vec<(Question, bool)> {
    let policy = &config.policy;
    let listed: Vec<Name> =
        policy.locks().iter().flat_map(|list| list.tags()).filter_map(|(tag, _)| tag.parse().ok()).collect();
    let mut found = Vec::new();
    for rule in policy.rules_in_force().filter(|rule| matches!(rule.action, Action::Route(_))) {
        // What a list has in common with itself is one of its namespaces.
        let namespace = rule.namespaces.as_ref().and_then(|these| these.common(these));
        let covers = |name: &&Name| {
            let decided = policy.decide_unlocked(&Asked::of(name).in_namespace(namespace.as_deref()));
            let by = decided.rule().rule().filter(|_| matches!(decided, Decision::Route { .. }));
            by.is_some_and(|by| std::ptr::eq(by, rule))
        };
        let (image, is_there) = match images.iter().find(covers) {
            Some(name) => (Some(name.to_string()), true),
            // A lock may deny what it does not list.
            None => {
                (listed.iter().find(covers).map(Name::to_string).or_else(|| made_up(&rule.prefix)), false)
            }
        };
        let question = |image| Question { image, namespace: namespace.clone().unwrap_or_default() };
        found.extend(image.map(|image| (question(image), is_there)));
    }
    if policy.settings().default_registry.is_some() {
        found.push((Question::without_pod(&format!("docker.io/library/{NOTHING}")), false));
    }
    found.truncate(MOST);
    found
}

/// An image that a rule is for.
fn made_up(prefix: &Prefix) -> Option<String> {
    let host = prefix.host()?;
    let path = match (prefix.path(), host) {
        ("", "docker.io") => "library/".to_owned(),
        ("", _) => String::new(),
        (path, _) => format!("{}/", path.trim_end_matches('/')),
    };
    match prefix.kind() {
        PrefixKind::Path | PrefixKind::Host => Some(format!("{host}/{path}{NOTHING}")),
        PrefixKind::Exact => Some(prefix.as_str().to_owned()),
        PrefixKind::Domain | PrefixKind::Any => None,
    }
}

fn of(
    host: &str,
    failure: Failure,
    error: &str,
    Question { image, namespace }: &Question,
    is_there: bool,
) -> Option<Finding> {
    let of_pod = if namespace.is_empty() { String::new() } else { format!("--namespace {namespace} ") };
    let command = format!("cri-shunt explain --live {of_pod}{image}");
    let (id, what) = match failure {
        // It answers, and has no such image.
        Failure::NotFound if !is_there => return None,
        Failure::NotFound => {
            let what = format!("{host} answers, and has no {image}, which is on this node");
            return Some(Finding::note("mirror-lacks-image", what).command(command));
        }
        // Some say this of all that is not there.
        Failure::Unauthorized | Failure::Forbidden if !is_there => {
            let what = format!("{host} answers, and gives nothing without another login: {error}");
            return Some(Finding::warning("mirror-login", what).command(command));
        }
        Failure::Unauthorized | Failure::Forbidden | Failure::Login => {
            ("mirror-login", format!("the login for {host} is not enough: {error}"))
        }
        Failure::RateLimited => {
            let what = format!("{host} wants to be left alone: {error}");
            return Some(Finding::warning("mirror-rests", what).command(command));
        }
        _ => ("mirror-unreachable", format!("{host} cannot serve: {error}")),
    };
    Some(Finding::problem(id, what).command(command))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_rule_is_asked_by_an_image_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("config.toml");
        let text = "[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['m.dev']\n\
                    [[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['n.dev']\nnamespaces = ['team-*']\n\
                    [[policy.rule]]\nprefix = 'docker.io/a'\nmirrors = ['o.dev']\nnamespaces = ['b']\n";
        std::fs::write(&main, text).unwrap();
        let config = crate::config::load(&main).unwrap().config;
        let asked = |images: &[&str]| {
            let images: Vec<Name> = images.iter().map(|image| image.parse().unwrap()).collect();
            let questions = questions(&config, &images);
            let shown = |(question, is_there): (Question, bool)| {
                format!("{} {} {is_there}", question.image, question.namespace)
            };
            questions.into_iter().map(shown).collect::<Vec<_>>()
        };
        let expected = [
            "docker.io/library/x:1  true",
            "docker.io/library/x:1 team- true",
            "docker.io/a/cri-shunt-doctor:latest b false",
        ];
        assert_eq!(asked(&["x:1"]), expected);
        assert_eq!(asked(&["a/y:1"])[1..], ["docker.io/a/y:1 team- true", "docker.io/a/y:1 b true"]);
    }
}

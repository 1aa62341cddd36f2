//! What two configurations say differently about images. For `cri-shunt diff`.
//!
//! Holds: rules are compared as native ones, whatever format they are written in, so two files that mean the same do not
//! differ. Of a header only the name counts, because its value may be a secret.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Config;
use super::import;
use super::{rules, signatures};
use crate::containerd::hosts::{self, TransportNeed};
use crate::files::go_duration;
use crate::policy::{Names, Outage, Present, Rule, Settings, Source};

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A key of `[policy]`.
    Setting,
    /// A rule.
    Rule,
    /// A tag that a lock has.
    Lock,
    /// How a registry is reached.
    Transport,
    /// What a `[[signature]]` or a policy.json asks for.
    Signature,
}

/// One difference. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub struct Change {
    /// What it is about.
    pub kind: Kind,
    /// The key, the prefix of the rule, or the host.
    pub name: String,
    /// What the old configuration says; nothing if it says nothing.
    pub old: Option<Said>,
    /// What the new one says.
    pub new: Option<Said>,
}

/// What one configuration says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Said {
    /// Where.
    pub place: Option<String>,
    /// Lines of TOML, and a comment for what has no key.
    pub lines: Vec<String>,
}

/// All differences, in the order of their kinds and names.
#[must_use]
pub fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let mut found = compared(Kind::Setting, settings(old), settings(new));
    found.extend(compared(Kind::Rule, rules_of(old), rules_of(new)));
    found.extend(compared(Kind::Lock, locked(old), locked(new)));
    found.extend(compared(Kind::Transport, transport(old), transport(new)));
    found.extend(compared(Kind::Signature, signatures_of(old), signatures_of(new)));
    found
}

/// By name, and by what else tells those of one name apart.
type All = BTreeMap<(String, String), Said>;

fn compared(kind: Kind, mut old: All, mut new: All) -> Vec<Change> {
    let both: Vec<_> = old.keys().filter(|key| new.contains_key(key)).cloned().collect();
    let mut pairs: Vec<_> = both
        .into_iter()
        .map(|key| {
            let (old, new) = (old.remove(&key), new.remove(&key));
            (key.0, old, new)
        })
        .collect();
    // The next one of the name takes the place of what is there no more.
    for ((name, _), said) in old {
        let next = new.range((name.clone(), String::new())..).next().map(|(key, _)| key.clone());
        let next = next.filter(|(other, _)| *other == name).and_then(|key| new.remove(&key));
        pairs.push((name, Some(said), next));
    }
    pairs.extend(new.into_iter().map(|((name, _), said)| (name, None, Some(said))));
    let change = |(name, old, new): (String, Option<Said>, Option<Said>)| {
        let lines = |said: &Option<Said>| said.as_ref().map(|said| said.lines.clone());
        (lines(&old) != lines(&new)).then_some(Change { kind, name, old, new })
    };
    let mut found: Vec<Change> = pairs.into_iter().filter_map(change).collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn rules_of(config: &Config) -> All {
    let mut all = All::new();
    for rule in config.policy.acting_and_observed() {
        let namespaces = rule.namespaces.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut key = (rule.prefix.to_string(), namespaces);
        if all.contains_key(&key) {
            // A rule of a source acts, and a native one with its prefix is only observed. No namespace has a space.
            key.1.push_str(" observed");
        }
        all.insert(key, said_by(rule, config));
    }
    all
}

fn said_by(rule: &Rule, config: &Config) -> Said {
    let (toml, left) = import::rule(rule, config);
    Said { place: Some(rule.source.to_string()), lines: lines(&toml, "prefix = ", left) }
}

/// The tags of all locks. Those of several locks are told apart by the names of the files.
fn locked(config: &Config) -> All {
    let mut all = All::new();
    for list in config.policy.locks() {
        for (tag, digest) in list.tags() {
            let lines = vec![format!("digest = {}", import::string(digest))];
            let said = Said { place: Some(list.file().to_owned()), lines };
            all.insert((tag.to_owned(), list.file_name()), said);
        }
    }
    all
}

/// How hosts are reached, beside what single mirrors say of themselves.
fn transport(config: &Config) -> All {
    let mut hosts: BTreeMap<String, Vec<TransportNeed>> = BTreeMap::new();
    for need in config.transport.needs() {
        hosts.entry(hosts::fold(&need.host)).or_default().push(need.clone());
    }
    let said = |(host, needs): (String, Vec<TransportNeed>)| {
        let place = needs.first().map(|need| need.source.to_string());
        let (toml, left) = import::transport(&needs);
        ((host, String::new()), Said { place, lines: lines(&toml, "registry = ", left) })
    };
    hosts.into_iter().map(said).collect()
}

/// What is asked of signatures, by what it is and not by the names of files.
fn signatures_of(config: &Config) -> All {
    let said = |(name, words): (String, Vec<String>)| {
        let lines = words.into_iter().map(|words| format!("# {words}")).collect();
        ((name, String::new()), Said { place: None, lines })
    };
    config.demands.all().map(said).collect()
}

/// The keys of a table, without the one that names it.
fn lines(toml: &str, name: &str, left: Vec<import::Left>) -> Vec<String> {
    let keys = toml
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '[']) && !line.starts_with(name));
    let left = left.into_iter().map(|(what, _)| format!("# {what}"));
    keys.map(str::to_owned).chain(left).collect()
}

/// The keys of `[policy]` that decide about images, with their defaults.
fn settings(config: &Config) -> All {
    let Settings {
        default,
        default_source,
        default_registry,
        present,
        names,
        node_credentials,
        outage,
        lock,
        mode,
        verify,
        beside: _,
    } = config.policy.settings();
    let default = default.word();
    let present = match present {
        Present::Leave => "leave",
        Present::Hide => "hide",
    };
    let names = match names {
        Names::Original => "original",
        Names::Both => "both",
    };
    let Outage { answer, max_age } = outage;
    let on_outage = rules::on_outage(answer.unwrap_or_default());
    let registry = default_registry.as_ref().map(|(location, source)| (location.to_string(), Some(source)));
    let max_age = max_age.map(|age| (go_duration::text(age), None));
    let plain = |word: &str| Some((word.to_owned(), None::<&Source>));
    let keys = [
        ("mode", plain(mode.word())),
        ("default", Some((default.to_owned(), default_source.as_ref()))),
        ("default-registry", registry),
        ("present", plain(present)),
        ("names", plain(names)),
        ("node-credentials", plain(rules::node_credentials(*node_credentials))),
        ("on-outage", plain(on_outage)),
        ("outage-max-age", max_age),
        ("verify", plain(signatures::word(verify))),
        ("locked", lock.list.as_ref().map(|list| (list.file_name(), None))),
        ("unlisted", lock.unlisted.map(|unlisted| (unlisted.word().to_owned(), None))),
    ];
    let mut all = All::new();
    for (key, set) in keys {
        let Some((value, place)) = set else { continue };
        let lines = vec![format!("{key} = {}", import::string(&value))];
        all.insert((key.to_owned(), String::new()), Said { place: place.map(ToString::to_string), lines });
    }
    all
}

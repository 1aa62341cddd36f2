//! What an entry of `registries.conf` means as a rule.
//!
//! Before: `merge` has all entries.  After: `Imported` takes the rules.
//! Holds: the candidates are those of containers/image, in its order: the mirrors, then the location. What
//! is blocked is the place that would be asked, not the name that was asked for, so the mirrors of a blocked
//! registry are candidates and a mirror below a blocked place is none.
//! Not here: short names (`short_names`).

use crate::config::assemble;
use crate::config::diagnostic::{Located, Problem, Severity, Span, Texts};
use crate::config::rules::DraftRule;
use crate::config::sources::Imported;
use crate::containerd::hosts::Transport;
use crate::policy::{self, Action, Checkpoint, Kind, Layer, Location, Only, Origin, Prefix, Route, Rule};

use super::file::Registry;
use super::merge::Merged;

/// Adds the rule of each entry.
pub(super) fn add(merged: &Merged, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    for registry in merged.registries() {
        let Some(prefix) = prefix(registry, out) else { continue };
        differences(registry, &prefix, merged, out);
        needs(registry, texts, imported);
        let candidates = Candidates::of(registry, merged, out);
        let Some(action) = candidates.action(registry, &prefix, merged, texts) else { continue };
        let mirrors_at = candidates.mirrors.into_iter().map(|mirror| mirror.at).collect();
        imported.rules.push(draft(prefix, action, &registry.at, mirrors_at, texts));
    }
}

pub(super) fn draft(
    prefix: Prefix,
    action: Action,
    at: &Span,
    mirrors_at: Vec<Span>,
    texts: &Texts,
) -> DraftRule {
    let source = assemble::source(at, texts);
    let rule = Rule { prefix, action, checkpoint: Checkpoint::Refuse, source, layer: Layer::default() };
    DraftRule { rule, at: at.clone(), mirrors_at }
}

fn prefix(registry: &Registry, out: &mut Vec<Problem>) -> Option<Prefix> {
    let at = &registry.at;
    match registry.prefix.parse::<Prefix>() {
        Ok(prefix) if prefix.kind() == Kind::Exact => {
            let message = format!("`{}` matches nothing: names are compared without tag and digest", prefix);
            out.push(Problem::warning(message).at(at).hint("leave the tag or the digest out"));
            None
        }
        Ok(prefix) if prefix.kind() == Kind::Any => {
            let hint = "only `*.domain` is a wildcard here; a rule for all is a native one: prefix = \"*\"";
            out.push(Problem::error("`*` matches nothing in containers/image").at(at).hint(hint));
            None
        }
        Ok(prefix) => Some(prefix),
        Err(error) => {
            out.push(Problem::error(error.to_string()).at(at).maybe_hint(error.hint()));
            None
        }
    }
}

/// Where a rule and the entry differ, it is said.
fn differences(registry: &Registry, prefix: &Prefix, merged: &Merged, out: &mut Vec<Problem>) {
    let Registry { at, location, .. } = registry;
    if prefix.kind() == Kind::Host && !prefix.as_str().contains(':') {
        let message = format!("`{prefix}` is for the names without a port only");
        let hint = "containers/image takes it for those of every port as well; give each port its own entry";
        let severity = if registry.blocked { Severity::Warning } else { Severity::Note };
        let problem = Problem::new(severity, message).at(at).hint(hint);
        // Names that were blocked are open: an import has to say so loudly.
        out.push(if registry.blocked { problem.left_behind() } else { problem });
    }
    if prefix.kind() == Kind::Domain && !(location.value.is_empty() && registry.mirrors.is_empty()) {
        let message =
            format!("names under `{prefix}` that have a port lose it at the place they are sent to");
        let hint = "containers/image keeps the port and puts the new host in front of it";
        out.push(Problem::new(Severity::Note, message).at(at).hint(hint));
    }
    if prefix.kind() == Kind::Host && registry.prefix != prefix.as_str() {
        let message =
            format!("`{}` is read as `{prefix}`, and so is every other spelling of it", registry.prefix);
        out.push(Problem::new(Severity::Note, message).at(at));
    }
    // Only a wildcard for a label of one character is as long as the host.
    let same_length = registry.prefix.find('.').filter(|dot| *dot == 1 && prefix.kind() == Kind::Host);
    if let Some(other) = same_length.and_then(|dot| merged.entry(&format!("*{}", &registry.prefix[dot..]))) {
        let message = format!("`{prefix}` comes before `{}` here", other.prefix);
        let hint = "containers/image compares lengths, which are equal, and takes the wildcard";
        let problem = Problem::warning(message).at(at).also(&other.at, "the wildcard");
        out.push(problem.hint(hint).left_behind());
    }
}

/// What is not verified. That containers/image would go on to plain http as well is said with it.
fn needs(registry: &Registry, texts: &Texts, imported: &mut Imported) {
    let primary = registry.insecure.as_ref().map(|at| {
        let location = registry.location.value.as_str();
        (if location.is_empty() { registry.prefix.as_str() } else { location }, at)
    });
    let mirrors = registry.mirrors.iter();
    let mirrors =
        mirrors.filter_map(|mirror| Some((mirror.location.value.as_str(), mirror.insecure.as_ref()?)));
    for (place, at) in primary.into_iter().chain(mirrors) {
        let host = place.split('/').next().unwrap_or_default().to_owned();
        // containers/image looks at no certificate then, and speaks http where https does not come about.
        for what in [Transport::SkipVerify, Transport::HttpFallback] {
            let what = Located { value: what, at: at.clone() };
            imported.transport.push(assemble::need(&host, what, texts));
        }
    }
}

/// The places that are asked.
pub(super) struct Candidates {
    pub(super) mirrors: Vec<Located<policy::Mirror>>,
    pub(super) origin: Origin,
}

/// One place before it is known whether it may be asked.
struct Place<'r> {
    location: &'r Located<String>,
    only: Only,
}

// === impl Candidates ===

impl Candidates {
    fn of(registry: &Registry, merged: &Merged, out: &mut Vec<Problem>) -> Self {
        let mut mirrors = Vec::new();
        for mirror in &registry.mirrors {
            let place = Place { location: &mirror.location, only: mirror.only };
            mirrors.extend(place.mirror(registry, merged, out));
        }
        let location = registry.location.value.as_str();
        let in_place = location.is_empty() || location == registry.prefix;
        if !in_place {
            let place = Place { location: &registry.location, only: Only::Any };
            mirrors.extend(place.mirror(registry, merged, out));
        }
        let origin = if in_place && !registry.blocked { Origin::Last } else { Origin::Never };
        Self { mirrors, origin }
    }

    /// None where the entry changes nothing.
    fn action(&self, registry: &Registry, prefix: &Prefix, merged: &Merged, texts: &Texts) -> Option<Action> {
        if !self.mirrors.is_empty() {
            let mirrors = self.mirrors.iter().map(|mirror| mirror.value.clone()).collect();
            let rewrites = Vec::new();
            return Some(Action::Route(Route {
                mirrors,
                rewrites,
                origin: self.origin,
                collapse: true,
                node_credentials: None,
            }));
        }
        if self.origin == Origin::Never {
            let file = texts.name(registry.at.text);
            return Some(Action::Deny { reason: format!("blocked in {file}") });
        }
        let is_exception = |other: &Registry| {
            other.prefix != registry.prefix
                && other.prefix.parse::<Prefix>().is_ok_and(|wider| wider.covers(prefix))
        };
        merged.matching(&registry.prefix).any(is_exception).then_some(Action::Pass)
    }
}

// === impl Place ===

impl Place<'_> {
    /// The mirror, unless the place is blocked.
    fn mirror(
        &self,
        registry: &Registry,
        merged: &Merged,
        out: &mut Vec<Problem>,
    ) -> Option<Located<policy::Mirror>> {
        let Located { value: text, at } = self.location;
        let location: Location = match text.parse() {
            Ok(location) => location,
            Err(error) => {
                let error: policy::LocationError = error;
                out.push(Problem::error(error.to_string()).at(at).maybe_hint(error.hint()));
                return None;
            }
        };
        let around = merged.find(text);
        if let Some(block) = around.filter(|entry| entry.blocked) {
            let message = format!("`{text}` is never asked: it is blocked");
            out.push(Problem::warning(message).at(at).also(&block.at, "by this entry"));
            return None;
        }
        if let Some(block) = merged.blocked_below(text) {
            let message =
                format!("`{text}` is open in part only, and a rule for `{}` can't say so", registry.prefix);
            let problem = Problem::error(message).at(at).also(&block.at, "this part of it is blocked");
            let hint =
                "give the names that would be looked for there an entry of their own, without this place";
            out.push(problem.hint(hint));
            return None;
        }
        let value = policy::Mirror { location, only: self.only, strip_prefix: true };
        Some(Located { value, at: at.clone() })
    }
}

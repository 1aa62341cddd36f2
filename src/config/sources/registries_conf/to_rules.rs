//! Makes a rule of an entry of `registries.conf`.
//!
//! Holds: the candidates are those of containers/image, in its order: the mirrors, then the location. `blocked` is
//! about the place that would be asked, not about the name. So the mirrors of a blocked registry are candidates, and
//! a mirror below a blocked place is not.

use crate::config::diagnostic::{Located, Problem, Severity, Span, Texts};
use crate::config::draft::{self, DraftRule, Imported, Own};
use crate::config::mistake;
use crate::containerd::hosts::{Transport, TransportNeed};
use crate::policy::{self, Action, Location, Only, Origin, Prefix, PrefixKind};

use super::file::Registry;
use super::merge::Merged;

/// Adds the rule of each entry.
pub(super) fn add(merged: &Merged, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    for registry in merged.registries() {
        let Some(prefix) = prefix(registry, out) else { continue };
        differences(registry, &prefix, merged, out);
        let route = RouteDraft::of(registry, merged, texts, out);
        if route.in_place {
            imported.transport.extend(insecure(&registry.prefix, registry.insecure.as_ref(), texts));
        }
        let Some(action) = route.action(registry, &prefix, merged, texts) else { continue };
        let (mirrors_at, own) = route.mirrors.into_iter().map(|(mirror, own)| (mirror.at, own)).unzip();
        let drafted = DraftRule::of_source(prefix, action, &registry.at, mirrors_at, texts);
        imported.rules.push(drafted.with_own(own));
    }
}

fn prefix(registry: &Registry, out: &mut Vec<Problem>) -> Option<Prefix> {
    let at = &registry.at;
    match registry.prefix.parse::<Prefix>() {
        Ok(prefix) if prefix.kind() == PrefixKind::Exact => {
            let message = format!("`{}` matches nothing: names are compared without tag and digest", prefix);
            out.push(Problem::warning(message).at(at).hint("remove the tag or the digest"));
            None
        }
        Ok(prefix) if prefix.kind() == PrefixKind::Any => {
            let hint = "only `*.domain` is a wildcard here; for a rule for everything write a native one: prefix = \"*\"";
            out.push(Problem::warning("`*` matches nothing in containers/image").at(at).hint(hint));
            None
        }
        Ok(prefix) => Some(prefix),
        // A name always has its registry here, so containers/image loads the entry and never uses it.
        Err(error) => {
            let message = format!("`{}` matches nothing, as in containers/image: {error}", registry.prefix);
            let hint = mistake::hint(&registry.prefix).or_else(|| error.hint());
            out.push(Problem::warning(message).at(at).maybe_hint(hint));
            None
        }
    }
}

/// Reports where the rule and the entry differ.
fn differences(registry: &Registry, prefix: &Prefix, merged: &Merged, out: &mut Vec<Problem>) {
    let Registry { at, location, .. } = registry;
    if prefix.kind() == PrefixKind::Host && !prefix.as_str().contains(':') {
        let message = format!("`{prefix}` matches only names without a port");
        let hint = "in containers/image it also matches names with any port; write an entry for each port";
        let severity = if registry.blocked { Severity::Warning } else { Severity::Note };
        let problem = Problem::new(severity, message).at(at).hint(hint);
        // Names that were blocked are allowed now: an import must not do that silently.
        out.push(if registry.blocked { problem.left_behind() } else { problem });
    }
    if prefix.kind() == PrefixKind::Domain && !(location.value.is_empty() && registry.mirrors.is_empty()) {
        let message = format!("names under `{prefix}` that have a port are looked for without the port");
        let hint = "containers/image keeps the port and puts the new host in front of it";
        out.push(Problem::new(Severity::Note, message).at(at).hint(hint));
    }
    if prefix.kind() == PrefixKind::Host && registry.prefix != prefix.as_str() {
        let message =
            format!("`{}` is read as `{prefix}`, and so is every other spelling of it", registry.prefix);
        out.push(Problem::new(Severity::Note, message).at(at));
    }
    // Only a wildcard in place of a label of one character is as long as the host.
    let same_length = registry.prefix.find('.').filter(|dot| *dot == 1 && prefix.kind() == PrefixKind::Host);
    if let Some(other) = same_length.and_then(|dot| merged.entry(&format!("*{}", &registry.prefix[dot..]))) {
        let message = format!("`{prefix}` comes before `{}` here", other.prefix);
        let hint = "containers/image compares the lengths, which are equal, and uses the wildcard";
        let problem = Problem::warning(message).at(at).also(&other.at, "the wildcard");
        out.push(problem.hint(hint).left_behind());
    }
}

/// What `insecure` says of a place: containers/image then does not verify the certificate, and uses http where https
/// fails.
pub(super) fn insecure(place: &str, at: Option<&Span>, texts: &Texts) -> Vec<Located<TransportNeed>> {
    let host = place.split('/').next().unwrap_or_default();
    let need = |what, at: &Span| draft::need(host, Located { value: what, at: at.clone() }, texts);
    let needs = at.map(|at| [Transport::SkipVerify, Transport::HttpFallback].map(|what| need(what, at)));
    needs.into_iter().flatten().collect()
}

/// The places that are asked.
pub(super) struct RouteDraft {
    mirrors: Vec<(Located<policy::Mirror>, Own)>,
    origin: Origin,
    /// Whether the location is the registry itself, which is asked under its own name.
    in_place: bool,
}

/// One place, before it is known whether it may be asked.
struct MirrorPlace<'r> {
    location: &'r Located<String>,
    only: Only,
    insecure: Option<&'r Span>,
}

// === impl RouteDraft ===

impl RouteDraft {
    fn of(registry: &Registry, merged: &Merged, texts: &Texts, out: &mut Vec<Problem>) -> Self {
        let mut mirrors = Vec::new();
        for mirror in &registry.mirrors {
            let place = MirrorPlace {
                location: &mirror.location,
                only: mirror.only,
                insecure: mirror.insecure.as_ref(),
            };
            mirrors.extend(place.mirror(registry, merged, texts, out));
        }
        let location = registry.location.value.as_str();
        let in_place = location.is_empty() || location == registry.prefix;
        if !in_place {
            let place = MirrorPlace {
                location: &registry.location,
                only: Only::Any,
                insecure: registry.insecure.as_ref(),
            };
            mirrors.extend(place.mirror(registry, merged, texts, out));
        }
        let origin = if in_place && !registry.blocked { Origin::Last } else { Origin::Never };
        Self { mirrors, origin, in_place }
    }

    /// `None` where the entry changes nothing.
    fn action(&self, registry: &Registry, prefix: &Prefix, merged: &Merged, texts: &Texts) -> Option<Action> {
        if !self.mirrors.is_empty() {
            let mirrors = self.mirrors.iter().map(|(mirror, _)| mirror.value.clone()).collect();
            return Some(draft::source_route(mirrors, Vec::new(), self.origin));
        }
        if self.origin == Origin::Never {
            let file = texts.name(registry.at.text);
            let places = registry.mirrors.iter().map(|mirror| &mirror.location).chain([&registry.location]);
            let is_place = |text: &str| text.is_empty() || text.parse::<Location>().is_ok();
            let all_usable = { places }.all(|place| is_place(&place.value));
            let why = if all_usable { "blocked" } else { "no place can be asked" };
            return Some(Action::Deny { reason: format!("{why} in {file}") });
        }
        let is_exception = |other: &Registry| {
            other.prefix != registry.prefix
                && other.prefix.parse::<Prefix>().is_ok_and(|wider| wider.covers(prefix))
        };
        merged.matching(&registry.prefix).any(is_exception).then_some(Action::Pass)
    }
}

// === impl MirrorPlace ===

impl MirrorPlace<'_> {
    /// The mirror, unless the place is blocked.
    fn mirror(
        &self,
        registry: &Registry,
        merged: &Merged,
        texts: &Texts,
        out: &mut Vec<Problem>,
    ) -> Option<(Located<policy::Mirror>, Own)> {
        let Located { value: text, at } = self.location;
        let location: Location = match text.parse() {
            Ok(location) => location,
            Err(error) => {
                let error: policy::LocationError = error;
                let message = format!("`{text}` is never asked: {error}");
                let hint = mistake::hint(text).or_else(|| error.hint());
                out.push(Problem::warning(message).at(at).maybe_hint(hint));
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
            let message = format!(
                "`{text}` is only partly open, and a rule for `{}` cannot express that",
                registry.prefix
            );
            let problem = Problem::error(message).at(at).also(&block.at, "this part of it is blocked");
            let hint =
                "write a separate entry, without this place, for the names that would be looked for there";
            out.push(problem.hint(hint));
            return None;
        }
        let value = policy::Mirror { only: self.only, strip_prefix: true, ..policy::Mirror::at(location) };
        let needs = insecure(text, self.insecure, texts);
        let own = Own { needs, alone: true, ..Own::default() };
        Some((Located { value, at: at.clone() }, own))
    }
}

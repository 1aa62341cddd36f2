//! Images that are denied under their own name and allowed under the name they have at a mirror.
//!
//! A mirror's own names pass by the rule with that mirror. One more rule, for the mirror's name, denies them.
//! Holds: there is one note for each mirror, however many rules deny.
//! Not here: mirrors of a rule with a rewrite, whose names are not known in advance.

use std::collections::BTreeMap;

use super::super::diagnostic::{Problem, Severity, Span, TextId};
use super::super::draft::{DraftRule, PolicyDraft};
use super::super::prefix_map::PrefixMap;
use crate::policy::{Action, Layer, Location, Mirror, Prefix};

/// A name that is not denied: the first of those at one mirror, and how many there are.
struct OpenName<'d> {
    denied: &'d Prefix,
    name: String,
    at: &'d Span,
    mirror: &'d Span,
    count: usize,
}

/// Checks every native rule that denies.
pub(super) fn lint(draft: &PolicyDraft, out: &mut Vec<Problem>) {
    let is_deny = |drafted: &&DraftRule| matches!(drafted.rule.action, Action::Deny { .. });
    if !draft.rules.iter().any(|drafted| is_deny(&drafted)) {
        return;
    }
    let native = |drafted: &&DraftRule| drafted.rule.layer == Layer::Native;
    let first_native =
        draft.rules.iter().filter(native).chain(draft.rules.iter().filter(|rule| !native(rule)));
    let all = PrefixMap::of(first_native.map(|drafted| (&drafted.rule.prefix, drafted)));
    let mut open: BTreeMap<(TextId, usize), OpenName<'_>> = BTreeMap::new();
    for denied in draft.rules.iter().filter(native).filter(is_deny) {
        let prefix = &denied.rule.prefix;
        for (mirror, span) in mirrors(prefix, &all, draft) {
            let Some(name) = mirror.name(prefix).filter(|name| is_open(name, &all)) else { continue };
            let first = OpenName { denied: prefix, name, at: &denied.at, mirror: span, count: 0 };
            // Sorted by place, in which order problems are shown.
            open.entry((span.text, span.range.start)).or_insert(first).count += 1;
        }
    }
    out.extend(open.into_values().map(OpenName::problem));
}

/// A mirror of which a denied image may have a name.
struct PossibleMirror<'d> {
    location: &'d Location,
    /// The prefix that the location replaces; `None` where it is put in front of the whole repository.
    stripped: Option<&'d Prefix>,
}

/// The mirrors where images would be looked for if they were not denied.
fn mirrors<'d>(
    denied: &Prefix,
    all: &PrefixMap<'_, &'d DraftRule>,
    draft: &'d PolicyDraft,
) -> Vec<(PossibleMirror<'d>, &'d Span)> {
    let Some(around) = all.covering(denied).next() else {
        let hub = denied.host() == Some("docker.io");
        let default = draft.default_registry.as_ref().filter(|_| hub);
        return default
            .map(|set| (PossibleMirror { location: &set.value, stripped: None }, &set.at))
            .into_iter()
            .collect();
    };
    let Action::Route(route) = &around.rule.action else { return Vec::new() };
    if !route.rewrites.is_empty() {
        return Vec::new();
    }
    let way = |mirror: &'d Mirror| PossibleMirror {
        location: &mirror.location,
        stripped: mirror.strip_prefix.then_some(&around.rule.prefix),
    };
    route.mirrors.iter().map(way).zip(&around.mirrors_at).collect()
}

/// Whether no rule denies a name. Then it passes by the rule with that mirror.
fn is_open(name: &str, all: &PrefixMap<'_, &DraftRule>) -> bool {
    let Ok(prefix) = name.parse::<Prefix>() else { return false };
    let literal = |drafted: &&DraftRule| drafted.rule.prefix.host().is_some();
    let found = all.get(prefix.as_str()).or_else(|| all.covering(&prefix).find(literal));
    !found.is_some_and(|drafted| matches!(drafted.rule.action, Action::Deny { .. }))
}

impl PossibleMirror<'_> {
    /// The mirror's name for the images of a prefix; `None` where that is for several registries.
    fn name(&self, denied: &Prefix) -> Option<String> {
        let host = denied.host()?;
        let below = denied.as_str().get(host.len()..)?;
        let below = match self.stripped.and_then(Prefix::host) {
            Some(_) => denied.as_str().strip_prefix(self.stripped?.as_str())?,
            None => below,
        };
        let location = self.location.folded_host();
        let path = self.location.path();
        let slash = if path.is_empty() { "" } else { "/" };
        Some(format!("{location}{slash}{}{below}", path.replacen("{host}", host, 1)))
    }
}

impl OpenName<'_> {
    fn problem(self) -> Problem {
        let OpenName { denied, name, at, mirror, count } = self;
        let message = match count {
            1 => format!("`{denied}` is denied, but its name at the mirror, `{name}`, is not"),
            _ => format!(
                "`{denied}` and {} more are denied, but their names at the mirror, such as `{name}`, are not",
                count - 1
            ),
        };
        let hint = format!("a client can ask for the mirror's name: add a rule that denies `{name}`");
        let hint = if count == 1 { hint } else { format!("{hint}, and one for each of the others") };
        Problem::new(Severity::Note, message).at(at).also(mirror, "the mirror").hint(hint)
    }
}

//! What is denied under its own name, and can be had by that of a mirror.
//!
//! Before: `lint` has all rules.  After: `check` says which rule closes the way.
//! Holds: a note for each mirror, whatever the number of rules that deny. A mirror's own names pass by the rule
//! that leads there, so a rule for one more name is all that it takes.
//! Not here: mirrors that a rewrite leads into, whose names are not known before.

use std::collections::BTreeMap;

use super::super::diagnostic::{Problem, Severity, Span, TextId};
use super::super::prefix_index::Wider;
use super::super::rules::{Draft, DraftRule};
use super::targets;
use crate::policy::{Action, Layer, Location, Mirror, Prefix};

/// A way that stays open: the first of those through one mirror, and how many there are.
struct Open<'d> {
    denied: &'d Prefix,
    name: String,
    at: &'d Span,
    mirror: &'d Span,
    count: usize,
}

/// Looks at every native rule that denies.
pub(super) fn lint(draft: &Draft, out: &mut Vec<Problem>) {
    let is_deny = |drafted: &&DraftRule| matches!(drafted.rule.action, Action::Deny { .. });
    if !draft.rules.iter().any(|drafted| is_deny(&drafted)) {
        return;
    }
    let native = |drafted: &&DraftRule| drafted.rule.layer == Layer::Native;
    let first_native =
        draft.rules.iter().filter(native).chain(draft.rules.iter().filter(|rule| !native(rule)));
    let all = Wider::of(first_native.map(|drafted| (&drafted.rule.prefix, drafted)));
    let mut open: BTreeMap<(TextId, usize), Open<'_>> = BTreeMap::new();
    for denied in draft.rules.iter().filter(native).filter(is_deny) {
        let prefix = &denied.rule.prefix;
        for (mirror, span) in mirrors(prefix, &all, draft) {
            let Some(name) = mirror.name(prefix).filter(|name| is_open(name, &all)) else { continue };
            let first = Open { denied: prefix, name, at: &denied.at, mirror: span, count: 0 };
            // By its place, as the problems are shown in the end.
            open.entry((span.text, span.range.start)).or_insert(first).count += 1;
        }
    }
    out.extend(open.into_values().map(Open::problem));
}

/// One way to a mirror's name.
struct Way<'d> {
    location: &'d Location,
    /// What the location takes the place of; nothing where it stands in front of the whole repository.
    stripped: Option<&'d Prefix>,
}

/// The mirrors that images would be looked for at if they were not denied.
fn mirrors<'d>(
    denied: &Prefix,
    all: &Wider<'_, &'d DraftRule>,
    draft: &'d Draft,
) -> Vec<(Way<'d>, &'d Span)> {
    let Some(around) = all.around(denied).next() else {
        let hub = denied.host() == Some("docker.io");
        let default = draft.default_registry.as_ref().filter(|_| hub);
        return default
            .map(|set| (Way { location: &set.value, stripped: None }, &set.at))
            .into_iter()
            .collect();
    };
    let Action::Route(route) = &around.rule.action else { return Vec::new() };
    if !route.rewrites.is_empty() {
        return Vec::new();
    }
    let way = |mirror: &'d Mirror| Way {
        location: &mirror.location,
        stripped: mirror.strip_prefix.then_some(&around.rule.prefix),
    };
    route.mirrors.iter().map(way).zip(&around.mirrors_at).collect()
}

/// Whether nobody has said anything about a name: then it passes by the rule whose mirror it is at.
fn is_open(name: &str, all: &Wider<'_, &DraftRule>) -> bool {
    let Ok(prefix) = name.parse::<Prefix>() else { return false };
    let literal = |drafted: &&DraftRule| drafted.rule.prefix.host().is_some();
    let found = all.at(prefix.as_str()).or_else(|| all.around(&prefix).find(literal));
    !found.is_some_and(|drafted| matches!(drafted.rule.action, Action::Deny { .. }))
}

impl Way<'_> {
    /// The mirror's name for what a prefix is for; nothing where it is for more than one registry.
    fn name(&self, denied: &Prefix) -> Option<String> {
        let host = denied.host()?;
        let below = denied.as_str().get(host.len()..)?;
        let below = match self.stripped.and_then(Prefix::host) {
            Some(_) => denied.as_str().strip_prefix(self.stripped?.as_str())?,
            None => below,
        };
        let location = targets::folded_host(self.location)?;
        let path = self.location.path();
        let slash = if path.is_empty() { "" } else { "/" };
        Some(format!("{location}{slash}{}{below}", path.replacen("{host}", host, 1)))
    }
}

impl Open<'_> {
    fn problem(self) -> Problem {
        let Open { denied, name, at, mirror, count } = self;
        let message = match count {
            1 => format!("`{denied}` is denied, and by its name at the mirror, `{name}`, it is not"),
            _ => format!(
                "`{denied}` and {} more are denied, and by their names at the mirror, such as `{name}`, they are not",
                count - 1
            ),
        };
        let hint = format!("whoever knows the mirror can ask for it there: add a rule that denies `{name}`");
        let hint = if count == 1 { hint } else { format!("{hint}, and so for each") };
        Problem::new(Severity::Note, message).at(at).also(mirror, "the mirror").hint(hint)
    }
}

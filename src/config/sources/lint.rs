//! Warns about rules of sources: compared with native rules, with each other, and with what containerd does.
//!
//! Holds: nothing is refused here.
//! Not here: native rules compared with each other (the file `lint`).

use std::collections::HashMap;

use super::super::diagnostic::{Problem, Severity};
use super::super::draft::{DraftRule, PolicyDraft};
use super::super::prefix_map::PrefixMap;
use super::super::references::check_port;
use super::source_file::{Format, SourceFile};
use crate::policy::{Action, DefaultAction, Layer, Policy, PrefixKind};

/// Checks every rule of a source.
pub(crate) fn policy(draft: &PolicyDraft, policy: &Policy, out: &mut Vec<Problem>) {
    overridden(draft, policy, out);
    denied(draft, policy, out);
    open_default(draft, out);
    ports(draft, out);
}

/// The files of k3s and RKE2, on the node or under another root.
const RANCHER: [(&str, &str); 2] =
    [("etc/rancher/k3s/registries.yaml", "k3s"), ("etc/rancher/rke2/registries.yaml", "RKE2")];

/// The defaults of containerd's `config_path`, which k3s and RKE2 also have below their
/// own directories.
const CERTS_D: [&str; 2] = ["etc/containerd/certs.d", "etc/docker/certs.d"];

/// Files that other programs of the node read as well.
pub(crate) fn live(sources: &[SourceFile], out: &mut Vec<Problem>) {
    for source in sources {
        let path = std::fs::canonicalize(&source.path).unwrap_or_else(|_| source.path.clone());
        let (message, hint) = match source.format {
            Format::RegistriesYaml => {
                let Some((_, program)) = RANCHER.iter().find(|(known, _)| path.ends_with(known)) else {
                    continue;
                };
                (
                    format!("{program} reads {} too, when it starts", source.path.display()),
                    format!(
                        "a change takes effect here within seconds; for pulls that bypass the shunt it takes effect when {program} is restarted"
                    ),
                )
            }
            Format::CertsD if CERTS_D.iter().any(|known| path.ends_with(known)) => (
                format!("containerd reads {} too, at every pull", source.path.display()),
                "pulls that bypass the shunt use the same mirrors".to_owned(),
            ),
            _ => continue,
        };
        out.push(Problem::new(Severity::Note, message).hint(hint));
    }
}

fn native(drafted: &DraftRule) -> bool {
    drafted.rule.layer == Layer::Native
}

/// Whether it holds for everybody, and is as much in force as the rules of sources are.
fn holds_for_all(drafted: &DraftRule, policy: &Policy) -> bool {
    drafted.rule.namespaces.is_none() && drafted.rule.mode.is_none_or(|mode| mode == policy.settings().mode)
}

/// Rules that are replaced by a rule of another layer for the same prefix.
fn overridden(draft: &PolicyDraft, policy: &Policy, out: &mut Vec<Problem>) {
    if policy.in_force().iter().all(|holds| *holds) {
        return;
    }
    let holding: HashMap<&str, &DraftRule> =
        draft.in_force(policy).map(|drafted| (drafted.rule.prefix.as_str(), drafted)).collect();
    for (drafted, _) in draft.rules.iter().zip(policy.in_force()).filter(|(_, holds)| !**holds) {
        let Some(holds) = holding.get(drafted.rule.prefix.as_str()) else { continue };
        let prefix = &drafted.rule.prefix;
        if !holds_for_all(holds, policy) {
            continue;
        }
        let problem = if native(holds) {
            Problem::new(Severity::Note, format!("the native rule for `{prefix}` replaces this one"))
        } else {
            let message = format!("an earlier source has a rule for `{prefix}`, which replaces this one");
            Problem::warning(message).hint("remove one of the two, or write a [[policy.rule]] of your own")
        };
        out.push(problem.at(&drafted.at).also(&holds.at, "this one is used"));
    }
}

/// Rules that would allow what a native rule denies.
fn denied(draft: &PolicyDraft, policy: &Policy, out: &mut Vec<Problem>) {
    let natives = draft.rules.iter().filter(|drafted| native(drafted) && holds_for_all(drafted, policy));
    let denies = natives.filter(|drafted| matches!(drafted.rule.action, Action::Deny { .. }));
    let denies = PrefixMap::of(denies.map(|drafted| (&drafted.rule.prefix, drafted)));
    if denies.is_empty() {
        return;
    }
    let foreign = draft.rules.iter().filter(|drafted| !native(drafted));
    for drafted in foreign.filter(|drafted| !matches!(drafted.rule.action, Action::Deny { .. })) {
        let Some(deny) = denies.covering(&drafted.rule.prefix).next() else { continue };
        let message = format!("the native rule denies what this rule is for: `{}`", drafted.rule.prefix);
        let hint = "a rule of a source cannot allow what a native rule denies; write a [[policy.rule]] with `pass` or `mirrors`";
        out.push(Problem::warning(message).at(&drafted.at).also(&deny.at, "this one is used").hint(hint));
    }
}

/// A rule for everything makes the default useless.
fn open_default(draft: &PolicyDraft, out: &mut Vec<Problem>) {
    let Some(set) = draft.default.as_ref().filter(|set| set.value == DefaultAction::Deny) else { return };
    let everything = |drafted: &&DraftRule| {
        let opens = !matches!(drafted.rule.action, Action::Deny { .. });
        drafted.rule.prefix.kind() == PrefixKind::Any && !native(drafted) && opens
    };
    if let Some(drafted) = draft.rules.iter().find(everything) {
        let message = "this rule allows every registry, so default = \"deny\" never applies";
        let hint = "write a [[policy.rule]] for \"*\" with `deny`, and rules for what may be pulled";
        out.push(Problem::warning(message).at(&drafted.at).also(&set.at, "the default").hint(hint));
    }
}

/// Mirrors with a port that cannot be. Their own programs only fail at the pull.
fn ports(draft: &PolicyDraft, out: &mut Vec<Problem>) {
    for drafted in draft.rules.iter().filter(|drafted| !native(drafted)) {
        let Action::Route(route) = &drafted.rule.action else { continue };
        for (mirror, at) in route.mirrors.iter().zip(&drafted.mirrors_at) {
            if let Err(refusal) = check_port(mirror.location.host()) {
                let message = format!("{}: no image comes from {}", refusal.message, mirror.location.host());
                out.push(Problem::warning(message).at(at).maybe_hint(refusal.hint));
            }
        }
    }
}

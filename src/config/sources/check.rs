//! What is worth saying of rules from sources: beside native ones, beside each other, and to containerd.
//!
//! Before: `assemble` has made a policy of all layers.  After: `check` shows what is found here.
//! Holds: each warning is about rules of sources; nothing is refused here.
//! Not here: native rules beside each other (`lint`); what one format's own program does (its reader).

use std::collections::HashMap;

use super::super::diagnostic::{Problem, Severity};
use super::super::prefix_index::Wider;
use super::super::rules::{Draft, DraftRule};
use super::{Format, SourceFile};
use crate::policy::{Action, DefaultAction, Kind, Layer, Policy};

/// Looks at every rule of a source.
pub(in crate::config) fn policy(draft: &Draft, policy: &Policy, out: &mut Vec<Problem>) {
    overridden(draft, policy, out);
    denied(draft, out);
    open_default(draft, out);
}

/// Where k3s and RKE2 have their file, on the node or under another root.
const RANCHER: [(&str, &str); 2] =
    [("etc/rancher/k3s/registries.yaml", "k3s"), ("etc/rancher/rke2/registries.yaml", "RKE2")];

/// What containerd's `config_path` is where nothing else is said, and what k3s and RKE2 make of it below their
/// own directories.
const CERTS_D: [&str; 2] = ["etc/containerd/certs.d", "etc/docker/certs.d"];

/// Files that the node's own programs read as well, behind this one.
pub(in crate::config) fn live(sources: &[SourceFile], out: &mut Vec<Problem>) {
    for source in sources {
        let path = std::fs::canonicalize(&source.path).unwrap_or_else(|_| source.path.clone());
        let (message, hint) = match source.format {
            Format::RegistriesYaml => {
                let Some((_, program)) = RANCHER.iter().find(|(known, _)| path.ends_with(known)) else { continue };
                (
                    format!("{program} reads {} too, when it starts", source.path.display()),
                    format!("a change acts here within seconds, and on what goes past the shunt once {program} was started again"),
                )
            }
            Format::CertsD if CERTS_D.iter().any(|known| path.ends_with(known)) => (
                format!("containerd reads {} too, at every pull", source.path.display()),
                "what goes past the shunt has the same mirrors, and a mirror's own name is looked up there as well"
                    .to_owned(),
            ),
            _ => continue,
        };
        out.push(Problem::new(Severity::Note, message).hint(hint));
    }
}

fn native(drafted: &DraftRule) -> bool {
    drafted.rule.layer == Layer::Native
}

/// A rule that another layer's rule of the same prefix takes the place of.
fn overridden(draft: &Draft, policy: &Policy, out: &mut Vec<Problem>) {
    if policy.in_force().iter().all(|holds| *holds) {
        return;
    }
    let holding: HashMap<&str, &DraftRule> =
        draft.in_force(policy).map(|drafted| (drafted.rule.prefix.as_str(), drafted)).collect();
    for (drafted, _) in draft.rules.iter().zip(policy.in_force()).filter(|(_, holds)| !**holds) {
        let Some(holds) = holding.get(drafted.rule.prefix.as_str()) else { continue };
        let prefix = &drafted.rule.prefix;
        let problem = if native(holds) {
            Problem::new(
                Severity::Note,
                format!("the native rule for `{prefix}` takes the place of this one"),
            )
        } else {
            let message =
                format!("an earlier source has a rule for `{prefix}`, which takes the place of this one");
            Problem::warning(message).hint("take one of the two away, or write a [[policy.rule]] of your own")
        };
        out.push(problem.at(&drafted.at).also(&holds.at, "this one holds"));
    }
}

/// A rule that would open what a native rule denies.
fn denied(draft: &Draft, out: &mut Vec<Problem>) {
    let natives = draft.rules.iter().filter(|drafted| native(drafted));
    let denies = natives.filter(|drafted| matches!(drafted.rule.action, Action::Deny { .. }));
    let denies = Wider::of(denies.map(|drafted| (&drafted.rule.prefix, drafted)));
    if denies.is_empty() {
        return;
    }
    let foreign = draft.rules.iter().filter(|drafted| !native(drafted));
    for drafted in foreign.filter(|drafted| !matches!(drafted.rule.action, Action::Deny { .. })) {
        let Some(deny) = denies.around(&drafted.rule.prefix).next() else { continue };
        let message = format!("the native rule denies what this rule is for: `{}`", drafted.rule.prefix);
        let hint = "a rule of a source opens nothing that a native rule denies; write a [[policy.rule]] with `pass` or `mirrors`";
        out.push(Problem::warning(message).at(&drafted.at).also(&deny.at, "this one holds").hint(hint));
    }
}

/// A rule for everything leaves nothing to the default.
fn open_default(draft: &Draft, out: &mut Vec<Problem>) {
    let Some(set) = draft.default.as_ref().filter(|set| set.value == DefaultAction::Deny) else { return };
    let everything = |drafted: &&DraftRule| {
        let opens = !matches!(drafted.rule.action, Action::Deny { .. });
        drafted.rule.prefix.kind() == Kind::Any && !native(drafted) && opens
    };
    if let Some(drafted) = draft.rules.iter().find(everything) {
        let message = "this rule allows every registry, so nothing is left for default = \"deny\"";
        let hint = "write a [[policy.rule]] for \"*\" with `deny`, and rules for what may be pulled";
        out.push(Problem::warning(message).at(&drafted.at).also(&set.at, "the default").hint(hint));
    }
}

//! Notes what a rule that denies images to some namespaces does not prevent.

use super::super::diagnostic::{Problem, Severity};
use super::super::draft::PolicyDraft;
use crate::policy::{Action, DefaultAction, Present};

/// One note, at the first rule for namespaces where something is denied to others.
pub(super) fn lint(draft: &PolicyDraft, is_k3s: bool) -> Option<Problem> {
    let denies = |action: &Action| matches!(action, Action::Deny { .. });
    let scoped = draft.rules.iter().find(|drafted| drafted.rule.namespaces.is_some())?;
    let denied = draft.rules.iter().any(|drafted| denies(&drafted.rule.action));
    let by_default = draft.default.as_ref().is_some_and(|set| set.value == DefaultAction::Deny);
    if !denied && !by_default {
        return None;
    }
    let hides = draft.present.as_ref().is_some_and(|set| set.value == Present::Hide);
    let hint = match (is_k3s, hides) {
        (true, _) => {
            "on k3s and RKE2 the shunt does not see when containers are created; there only imagePullPolicy: Always asks again"
        }
        (false, false) => {
            "with present = \"hide\" no container is created from what is denied to the namespace of its pod"
        }
        (false, true) => return None,
    };
    let message = "an image that one namespace has pulled is on the node for all, also where it is denied";
    Some(Problem::new(Severity::Note, message).at(&scoped.at).hint(hint))
}

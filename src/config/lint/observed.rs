//! Notes that rules are only observed: an administrator may take what they say for what is done.

use super::super::diagnostic::{Problem, Severity, Span};
use super::super::draft::PolicyDraft;
use crate::policy::{Mode, Policy};

/// One note for all of them.
pub(super) fn lint(draft: &PolicyDraft, policy: &Policy) -> Option<Problem> {
    let observes = |mode: Option<Mode>| mode.unwrap_or(policy.settings().mode) == Mode::Observe;
    let first = draft.rules.iter().find(|drafted| drafted.rule.mode == Some(Mode::Observe));
    let of_policy = draft.mode.as_ref().filter(|set| set.value == Mode::Observe).map(|set| &set.at);
    let at: &Span = of_policy.or(first.map(|drafted| &drafted.at))?;
    let (rules, observed) =
        (draft.rules.len(), draft.rules.iter().filter(|drafted| observes(drafted.rule.mode)).count());
    let message =
        format!("{} of {rules} rules enforce; the others only tell what they would do", rules - observed);
    let hint = "when the log, the audit or the metrics show what you expect, write mode = \"enforce\" or remove the key";
    Some(Problem::new(Severity::Note, message).at(at).hint(hint))
}

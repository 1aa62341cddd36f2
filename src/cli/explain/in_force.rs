//! What is done about an image whose rule is only observed.

use serde::Serialize;

use super::decided::{DecidingRule, Verdict, decision_text};
use crate::policy::{Decision, Name};

/// The mode, and what is done. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(super) struct InForce {
    /// `observe`.
    mode: &'static str,
    in_force: Done,
}

/// What is done.
#[derive(Debug, Serialize)]
struct Done {
    decision: Verdict,
    rule: DecidingRule,
    reason: Option<String>,
    candidates: Vec<String>,
}

impl InForce {
    /// `done` is what the rules in force say of this name.
    pub(super) fn new(done: Decision<'_>, name: &Name) -> Self {
        let rule = DecidingRule::new(*done.rule());
        let (decision, reason, candidates) = match done {
            Decision::Pass { .. } => (Verdict::Pass, None, vec![name.to_string()]),
            Decision::Deny { reason, .. } => (Verdict::Deny, Some(reason.to_string()), Vec::new()),
            Decision::Route { candidates, .. } => {
                let references = candidates.iter().map(|candidate| candidate.name.to_string());
                (Verdict::Route, None, references.collect())
            }
        };
        Self { mode: "observe", in_force: Done { decision, rule, reason, candidates } }
    }

    pub(super) fn decision(&self) -> Verdict {
        self.in_force.decision
    }

    /// One line.
    pub(super) fn text(&self) -> String {
        let Done { decision, rule, reason, candidates } = &self.in_force;
        let text = decision_text(decision.word(), Some(rule));
        match (decision, reason) {
            (Verdict::Route, _) => format!("{text}: {}", candidates.join(", then ")),
            (_, Some(reason)) => format!("{text}: {reason}"),
            (_, None) => text,
        }
    }
}

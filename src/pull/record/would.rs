//! What would have happened: what a rule or a default says that is only observed.
//!
//! Holds: it is told with the record, and nothing is done about it; no registry is asked.

use std::fmt;

use super::{RuleText, Verdict};
use crate::policy::{Asked, Decision, Name};
use crate::state::Generation;

/// What an observed rule says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Would {
    /// The rule.
    pub rule: RuleText,
    /// What it says.
    pub verdict: Verdict,
    /// Where the image would have been asked for, in order.
    pub candidates: Vec<Name>,
}

impl Would {
    /// What is only observed for this; none where what decides is in force.
    pub fn of(generation: &Generation, asked: &Asked<'_>) -> Option<Self> {
        let decision = generation.would(asked)?;
        let (rule, verdict) = (RuleText::of(decision.rule()), Verdict::of(&decision));
        let candidates = match decision {
            Decision::Route { candidates, .. } => {
                candidates.into_iter().map(|candidate| candidate.name).collect()
            }
            Decision::Pass { .. } | Decision::Deny { .. } => Vec::new(),
        };
        Some(Self { rule, verdict, candidates })
    }

    /// Whether it would be refused.
    pub fn denies(&self) -> bool {
        matches!(self.verdict, Verdict::Deny { .. })
    }
}

impl fmt::Display for Would {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, verdict, candidates } = self;
        match verdict {
            Verdict::NotAName => Ok(()),
            Verdict::Pass => write!(f, "pass by {rule}"),
            Verdict::Deny { reason } => write!(f, "deny by {rule}: {reason}"),
            Verdict::Route => {
                write!(f, "route by {rule} to ")?;
                for (i, candidate) in candidates.iter().enumerate() {
                    write!(f, "{}{candidate}", if i == 0 { "" } else { ", then " })?;
                }
                Ok(())
            }
        }
    }
}

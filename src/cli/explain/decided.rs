//! A decision and the rule behind it, as `explain` shows them.

use serde::Serialize;

use crate::config::DEFAULT_REGISTRY_FLAG;
use crate::policy::{Namespaces, RuleRef, Source};

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Pulled from mirrors.
    Route,
    /// Left alone.
    Pass,
    /// Refused.
    Deny,
    /// It cannot be pulled.
    Invalid,
}

/// The rule. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(super) struct DecidingRule {
    pub(super) prefix: String,
    pub(super) source: Option<String>,
    /// Those that the rule is for, if it is not for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<String>,
}

/// A decision, and by which rule.
pub(super) fn decision_text(verdict: &str, rule: Option<&DecidingRule>) -> String {
    match rule {
        None => verdict.to_owned(),
        Some(DecidingRule { prefix, source: None, .. }) => format!("{verdict}, by the built-in {prefix}"),
        Some(DecidingRule { prefix, source: Some(source), namespaces }) => {
            let of = if namespaces.is_empty() { "" } else { " for " };
            format!("{verdict}, by rule \"{prefix}\"{of}{} ({source})", namespaces.join(", "))
        }
    }
}

// === impl Verdict ===

impl Verdict {
    /// The word for it, in every form of an answer.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Route => "route",
            Verdict::Pass => "pass",
            Verdict::Deny => "deny",
            Verdict::Invalid => "invalid",
        }
    }
}

// === impl DecidingRule ===

impl DecidingRule {
    pub(super) fn new(rule: RuleRef<'_>) -> Self {
        let patterns = rule.namespaces().into_iter().flat_map(Namespaces::patterns);
        DecidingRule {
            prefix: rule.prefix().to_owned(),
            source: rule.source().map(source_text),
            namespaces: patterns.map(str::to_owned).collect(),
        }
    }
}

/// `file:line`; a flag has no lines.
fn source_text(source: &Source) -> String {
    if &*source.file == DEFAULT_REGISTRY_FLAG { source.file.to_string() } else { source.to_string() }
}

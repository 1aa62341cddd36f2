//! Contradictions between rules, found when a policy is built.
//!
//! Before: `Policy::new` has all rules.  After: `config` prints every conflict with its places.
//! Holds: each conflict names every rule that takes part.
//! Not here: mistakes inside one rule (`prefix`, `location`).

use super::rule::Source;

/// Rules that can't stand beside each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Several rules with one prefix.
    #[error("{} rules have the prefix {prefix}", sources.len())]
    Duplicate {
        /// The prefix.
        prefix: String,
        /// Where the rules are.
        sources: Vec<Source>,
    },
    /// Several registries onto one target.
    #[error("images of {} would all be looked for at {target}", registries.join(" and "))]
    Collapse {
        /// The target.
        target: String,
        /// The source registries, or the wildcard.
        registries: Vec<String>,
        /// Where the rules are.
        sources: Vec<Source>,
    },
}

impl Conflict {
    /// Where the rules are, in the order of the rules.
    pub fn sources(&self) -> &[Source] {
        match self {
            Self::Duplicate { sources, .. } | Self::Collapse { sources, .. } => sources,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Duplicate { .. } => "keep one of them".to_owned(),
            Self::Collapse { target, .. } => {
                format!(
                    "put {{host}} into the path ({target}/{{host}}), or say that it is meant: collapse = true"
                )
            }
        }
    }
}

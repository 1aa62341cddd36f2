//! What the policy answers for one name.
//!
//! Before: `decide` builds these.  After: `pull` tries the candidates, `explain` prints them.
//! Holds: every decision names the rule that it comes from.
//! Not here: how the rule was found (`decide`).

use std::fmt;

use super::name::{Name, NameError};
use super::rule::{Checkpoint, Rule, Source};

/// What happens to a name.
#[must_use]
#[derive(Debug)]
pub enum Decision<'p> {
    /// It is pulled from these, one after another.
    Route {
        /// The rule that says so.
        rule: RuleRef<'p>,
        /// Never empty.
        candidates: Vec<Candidate>,
    },
    /// It is left alone.
    Pass {
        /// The rule that says so.
        rule: RuleRef<'p>,
    },
    /// It is refused.
    Deny {
        /// The rule that says so.
        rule: RuleRef<'p>,
        /// Why.
        reason: DenyReason<'p>,
    },
}

/// The rule behind a decision: one that was written, the default registry, or the default.
#[derive(Clone, Copy, Debug)]
pub struct RuleRef<'p>(pub(super) Written<'p>);

#[derive(Clone, Copy, Debug)]
pub(super) enum Written<'p> {
    Rule(&'p Rule),
    DefaultRegistry(&'p Source),
    Default(Option<&'p Source>),
}

/// One reference that a routed name may be pulled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The reference, in the mirror's own spelling.
    pub name: Name,
    /// Whose it is.
    pub role: Role,
    /// Whether it is on the registry that was asked for, so that the client's credentials may go there.
    pub same_host: bool,
}

/// Whose a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A mirror's.
    Mirror,
    /// The registry's that the name itself asks for.
    Origin,
}

/// Why a name is refused. `Display` is what people read after the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenyReason<'p> {
    /// A rule says so, in these words.
    Stated(&'p str),
    /// No rule allows it.
    Default,
    /// The rule's mirrors serve the other sort of reference only.
    NotServed {
        /// Whether a digest was asked for.
        digest: bool,
    },
    /// What the rule makes of the name can't be pulled, mirror by mirror.
    Unusable(Vec<Unusable>),
}

/// A target that can't be pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// What the rule made of the name.
    pub reference: String,
    /// Why it can't be pulled.
    pub cause: UnusableCause,
}

/// Why a target can't be pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnusableCause {
    /// It is no reference.
    Invalid(NameError),
    /// containerd would read another reference from it.
    ReadAs(Name),
    /// It is where the images of another registry are.
    Taken {
        /// That registry.
        registry: String,
    },
    /// A native rule denies it, and the rule that leads there is of a source.
    Denied {
        /// The native rule's prefix.
        rule: String,
    },
}

impl<'p> RuleRef<'p> {
    /// The prefix as it stands in the rule, `default-registry`, or `default`.
    pub fn prefix(&self) -> &'p str {
        match self.0 {
            Written::Rule(rule) => rule.prefix.as_str(),
            Written::DefaultRegistry(_) => "default-registry",
            Written::Default(_) => "default",
        }
    }

    /// Where it was written; none for the built-in default.
    pub fn source(&self) -> Option<&'p Source> {
        match self.0 {
            Written::Rule(rule) => Some(&rule.source),
            Written::DefaultRegistry(source) => Some(source),
            Written::Default(source) => source,
        }
    }

    /// Whether the image may be a checkpoint.
    pub fn checkpoint(&self) -> Checkpoint {
        self.rule().map_or(Checkpoint::Refuse, |rule| rule.checkpoint)
    }

    /// The rule, where one was written.
    pub fn rule(&self) -> Option<&'p Rule> {
        match self.0 {
            Written::Rule(rule) => Some(rule),
            Written::DefaultRegistry(_) | Written::Default(_) => None,
        }
    }
}

impl fmt::Display for DenyReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stated(reason) => f.write_str(reason),
            Self::Default => f.write_str("no rule allows it"),
            Self::NotServed { digest: true } => f.write_str("no mirror of this rule serves digests"),
            Self::NotServed { digest: false } => f.write_str("no mirror of this rule serves tags"),
            Self::Unusable(targets) if targets.is_empty() => f.write_str("this rule has no mirror"),
            Self::Unusable(targets) => {
                f.write_str("no mirror of this rule gives a usable reference: ")?;
                for (i, target) in targets.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{target}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reference = &self.reference;
        match &self.cause {
            UnusableCause::Invalid(error) => write!(f, "{reference} ({error})"),
            UnusableCause::ReadAs(name) => write!(f, "{reference} (containerd reads it as {name})"),
            UnusableCause::Taken { registry } => {
                write!(f, "{reference} (the place of images from {registry})")
            }
            UnusableCause::Denied { rule } => write!(f, "{reference} (denied by rule \"{rule}\")"),
        }
    }
}

//! What the policy answers for one name.
//!
//! Holds: every decision names the rule that it comes from.
//! Not here: how the rule was found (`decide`).

use std::fmt;

use super::lock::{Pin, Refused};
use super::name::{Name, NameError};
use super::namespaces::Namespaces;
use super::rule::{Action, Checkpoint, Mode, Ns, Order, Rule, Source};

/// What happens to an image that is asked for.
#[must_use]
#[derive(Debug)]
pub enum Decision<'p> {
    /// It is pulled from these, one after another.
    Route {
        /// The rule that says so.
        rule: RuleRef<'p>,
        /// Never empty.
        candidates: Vec<Candidate>,
        /// What the rule makes of the name that can't be pulled, in the order of its mirrors.
        unusable: Vec<Unusable>,
        /// The digest that a lock has for the tag. The candidates have it too, in place of the tag.
        locked: Option<Pin<'p>>,
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
    /// With the mode of the policy.
    Default(Option<&'p Source>, Mode),
}

/// One reference that a routed name may be pulled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The reference, in the mirror's own spelling.
    pub name: Name,
    /// Whether a mirror or the origin has it.
    pub role: Role,
    /// Whether it is on the registry that was asked for, so that the client's credentials may go there.
    pub same_host: bool,
    /// The [`Mirror::ns`](super::Mirror::ns) of its mirror.
    pub ns: Ns,
    /// The [`Mirror::endpoint`](super::Mirror::endpoint) of its mirror.
    pub endpoint: Option<u32>,
    /// The [`Mirror::warm_by_tag`](super::Mirror::warm_by_tag) of its mirror.
    pub warm_by_tag: bool,
    /// Whether containerd cannot be asked for it under its own name, because no image reference can say its
    /// host: see [`Location::of_endpoint`](super::Location::of_endpoint).
    pub needs_private_host: bool,
}

impl Candidate {
    /// The registry that the name itself asks for.
    pub fn origin(name: &Name) -> Self {
        Self {
            name: name.clone(),
            role: Role::Origin,
            same_host: true,
            ns: Ns::Off,
            endpoint: None,
            warm_by_tag: false,
            needs_private_host: false,
        }
    }
}

/// Which registry a candidate is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A mirror.
    Mirror,
    /// The registry in the name itself.
    Origin,
}

/// Why an image is refused; `Display` is shown to people behind the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenyReason<'p> {
    /// A rule says so, in these words.
    Stated(&'p str),
    /// No rule allows it.
    Default,
    /// The rule's mirrors serve only tags where a digest is asked for, or the other way round.
    NotServed {
        /// Whether a digest was asked for.
        digest: bool,
    },
    /// None of what the rule makes of the name can be pulled.
    Unusable(Vec<Unusable>),
    /// A lock says so.
    Locked(Refused<'p>),
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
    /// It is not an image reference.
    Invalid(NameError),
    /// `{host}` stands for a host with a port or for an address in brackets, which no path can hold.
    HostInPath {
        /// That host.
        host: String,
    },
    /// containerd would read another reference from it.
    ReadAs(Name),
    /// Images of another registry are there.
    Taken {
        /// That registry.
        registry: String,
    },
    /// A native rule denies it, and a rule of a source leads there.
    Denied {
        /// The native rule's prefix.
        rule: String,
    },
}

impl<'p> Decision<'p> {
    /// The rule that says so.
    pub fn rule(&self) -> &RuleRef<'p> {
        match self {
            Self::Route { rule, .. } | Self::Pass { rule } | Self::Deny { rule, .. } => rule,
        }
    }

    /// The digest that a lock has for the tag.
    pub fn locked(&self) -> Option<Pin<'p>> {
        match self {
            Self::Route { locked, .. } => *locked,
            Self::Pass { .. } | Self::Deny { .. } => None,
        }
    }

    /// Whether the same is done by both, whatever rules they come from.
    pub(super) fn does_the_same(&self, other: &Decision<'_>) -> bool {
        match (self, other) {
            (Self::Route { candidates, .. }, Decision::Route { candidates: others, .. }) => {
                candidates == others
            }
            (Self::Pass { .. }, Decision::Pass { .. }) => true,
            (Self::Deny { reason, .. }, Decision::Deny { reason: other, .. }) => reason == other,
            _ => false,
        }
    }
}

impl<'p> RuleRef<'p> {
    /// The prefix as it stands in the rule, `default-registry`, or `default`.
    pub fn prefix(&self) -> &'p str {
        match self.0 {
            Written::Rule(rule) => rule.prefix.as_str(),
            Written::DefaultRegistry(_) => "default-registry",
            Written::Default(..) => "default",
        }
    }

    /// Where it was written; `None` for the built-in default.
    pub fn source(&self) -> Option<&'p Source> {
        match self.0 {
            Written::Rule(rule) => Some(&rule.source),
            Written::DefaultRegistry(source) => Some(source),
            Written::Default(source, _) => source,
        }
    }

    /// Whether the image may be a checkpoint.
    pub fn checkpoint(&self) -> Checkpoint {
        match self.0 {
            Written::Default(_, Mode::Observe) => Checkpoint::Allow,
            _ => self.rule().map_or(Checkpoint::Refuse, |rule| rule.checkpoint),
        }
    }

    /// Whether it is the default of a policy that is only observed: the request goes on as it came.
    pub fn is_observing(&self) -> bool {
        matches!(self.0, Written::Default(_, Mode::Observe))
    }

    /// The namespaces that it is for; `None` for all.
    pub fn namespaces(&self) -> Option<&'p Namespaces> {
        self.rule().and_then(|rule| rule.namespaces.as_ref())
    }

    /// Whether layers may come from other hosts.
    pub fn foreign_urls(&self) -> bool {
        self.rule().is_some_and(|rule| rule.foreign_urls)
    }

    /// In which order mirrors are tried.
    pub fn order(&self) -> Order {
        match self.rule().map(|rule| &rule.action) {
            Some(Action::Route(route)) => route.order,
            _ => Order::Fixed,
        }
    }

    /// The rule; `None` for the default registry and the default.
    pub fn rule(&self) -> Option<&'p Rule> {
        match self.0 {
            Written::Rule(rule) => Some(rule),
            Written::DefaultRegistry(_) | Written::Default(..) => None,
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
            Self::Locked(refused) => refused.fmt(f),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reference, cause } = self;
        write!(f, "{reference} ({cause})")
    }
}

impl fmt::Display for UnusableCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::HostInPath { host } => write!(f, "{{host}} is {host}, and a path can't hold a colon"),
            Self::ReadAs(name) => write!(f, "containerd reads it as {name}"),
            Self::Taken { registry } => write!(f, "images of {registry} are there"),
            Self::Denied { rule } => write!(f, "denied by rule \"{rule}\""),
        }
    }
}

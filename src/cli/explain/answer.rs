//! What `explain` says about one image, as data and as text.

use std::fmt::Write;

use serde::Serialize;

use super::outage::FromNode;
use super::outcome::Outcome;
use super::target::Target;
use crate::config::{DEFAULT_REGISTRY_FLAG, visible};
use crate::containerd::hosts::Endpoints;
use crate::credentials::Credentials;
use crate::files::reader::Reader;
use crate::policy::{
    Asked, Decision, DenyReason, Name, Order, Policy, RuleRef, Source, Unusable, is_image_id,
    tag_beside_digest,
};

/// The answer for one input. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    input: String,
    kind: Kind,
    name: Option<String>,
    pub(crate) decision: Verdict,
    rule: Option<DecidingRule>,
    pub(crate) reason: Option<String>,
    candidates: Vec<Target>,
    /// Where it is not that of the candidates here.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'static str>,
    /// What happens when no candidate can serve, if that is not a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_outage: Option<FromNode>,
    /// What the rule makes of the name beside the candidates and can't be pulled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unusable: Vec<UnusableTarget>,
    /// With `--live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<String>>,
}

/// What sort of thing the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// A reference.
    Name,
    /// An image's id. PullImage knows no ids, other calls do.
    Id,
    /// A path. containerd 2.1 opens it as a checkpoint archive where a container is created from it.
    Path,
    /// containerd does not understand it.
    Invalid,
}

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

#[derive(Debug, Serialize)]
struct DecidingRule {
    prefix: String,
    source: Option<String>,
}

#[derive(Debug, Serialize)]
struct UnusableTarget {
    reference: String,
    reason: String,
}

// === impl Answer ===

impl Answer {
    /// Decides as PullImage would.
    pub(crate) fn new(input: &str, policy: &Policy, credentials: &Credentials, reader: &Reader) -> Self {
        let parsed = input.parse::<Name>();
        let kind = kind(input, parsed.is_ok());
        let input = input.to_owned();
        let name = match parsed {
            Ok(name) => name,
            Err(error) => {
                let (rule, reason) = (None, Some(error.to_string()));
                let decision = Verdict::Invalid;
                let candidates = Vec::new();
                return Answer {
                    input,
                    kind,
                    name: None,
                    decision,
                    rule,
                    reason,
                    candidates,
                    order: None,
                    on_outage: None,
                    unusable: Vec::new(),
                    warnings: None,
                };
            }
        };
        let (mut not_usable, mut on_outage) = (Vec::new(), None);
        let (decision, rule, reason, candidates) = match policy.decide(&Asked::of(&name)) {
            Decision::Route { rule, candidates, unusable } => {
                not_usable = unusable.into_iter().map(UnusableTarget::new).collect();
                let use_of = policy.node_credentials(&rule);
                on_outage = FromNode::of(policy.outage(&rule));
                let tag = tag_beside_digest(&input);
                let target = |candidate| {
                    Target::candidate(&name, tag.as_deref(), candidate, use_of, credentials, reader)
                };
                (Verdict::Route, rule, None, candidates.iter().map(target).collect())
            }
            Decision::Pass { rule } => (Verdict::Pass, rule, None, vec![Target::origin(&name)]),
            Decision::Deny { rule, reason } => {
                let text = reason.to_string();
                if let DenyReason::Unusable(unusable) = reason {
                    not_usable = unusable.into_iter().map(UnusableTarget::new).collect();
                }
                (Verdict::Deny, rule, Some(text), Vec::new())
            }
        };
        let name = Some(name.as_str().to_owned());
        let order = (decision == Verdict::Route && rule.order() == Order::Fastest).then_some("fastest");
        let rule = Some(DecidingRule::new(rule));
        let (unusable, warnings) = (not_usable, None);
        Answer { input, kind, name, decision, rule, reason, candidates, order, on_outage, unusable, warnings }
    }

    /// Adds how the registries are reached.
    pub(super) fn add_transport(&mut self, reach: &Endpoints<'_>, reader: &Reader) {
        for target in &mut self.candidates {
            let host = target.name.host().to_owned();
            let is_said = target.endpoint.is_some() || !reach.wanted.needs_of(&host).is_empty();
            target.add_transport(&reach.of(&host, target.endpoint), is_said, reader);
        }
    }

    /// Whether the image may not be pulled.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.decision, Verdict::Deny | Verdict::Invalid)
    }

    /// The candidates, in order.
    pub(super) fn targets(&self) -> &[Target] {
        &self.candidates
    }

    /// Adds what the registries say, in the order of the candidates.
    pub(super) fn add_live(&mut self, outcomes: Vec<Outcome>, warnings: Vec<String>) {
        for (target, outcome) in self.candidates.iter_mut().zip(outcomes) {
            target.live = Some(outcome);
        }
        self.warnings = Some(warnings);
    }

    /// The prefix of the deciding rule. An invalid reference has no such rule.
    pub(crate) fn rule(&self) -> Option<&str> {
        self.rule.as_ref().map(|rule| rule.prefix.as_str())
    }

    /// Where the image may come from, in order.
    pub(crate) fn references(&self) -> impl Iterator<Item = &str> {
        self.candidates.iter().map(|target| target.reference.as_str())
    }

    /// A few aligned lines.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![("", self.input.clone())];
        if let Some(note) = self.kind_note() {
            lines.push(("kind", note.to_owned()));
        }
        if let Some(name) = &self.name {
            lines.push(("name", name.clone()));
        }
        lines.push(("decision", self.decision_text()));
        if let Some(reason) = &self.reason {
            lines.push(("reason", reason.clone()));
        }
        if let Some(order) = self.order {
            lines.push(("order", format!("{order}: the mirror that answered fastest lately is tried first")));
        }
        let width = self.candidates.iter().map(|target| target.reference.len()).max().unwrap_or(0);
        for (index, target) in self.candidates.iter().enumerate() {
            let Target { reference, ns, role, transport, live, .. } = target;
            let label = if index == 0 { "candidates" } else { "" };
            let credentials = target.credentials_text();
            lines.push((label, format!("{}. {reference:width$}  {role:6}  {credentials}", index + 1)));
            if let Some(ns) = ns.as_ref().filter(|_| target.needs_ns) {
                lines.push(("", format!("   told of the registry: ?ns={ns}")));
            }
            if let Some(tag) = &target.warm_tag {
                lines.push(("", format!("   asked by the tag {tag} if it does not find the digest")));
            }
            if let Some(transport) = transport {
                lines.push(("", format!("   by {transport}")));
            }
            let problems = target.transport_problems().iter();
            lines.extend(problems.map(|problem| ("", format!("   cannot use {problem}"))));
            if let Some(outcome) = live {
                lines.push(("", format!("   {}", outcome.text())));
            }
        }
        if let Some(from_node) = &self.on_outage {
            lines.push(("on outage", from_node.text()));
        }
        // Of an image that is denied for it, the reason has it all.
        let unusable = self.unusable.iter().filter(|_| self.decision == Verdict::Route);
        for (index, UnusableTarget { reference, reason }) in unusable.enumerate() {
            lines.push((if index == 0 { "not usable" } else { "" }, format!("{reference}: {reason}")));
        }
        let warnings = self.warnings.iter().flatten();
        lines.extend(warnings.map(|warning| ("warning", warning.clone())));
        let mut text = String::new();
        for (index, (label, value)) in lines.iter().enumerate() {
            // Writing to a String does not fail.
            let _ = match index {
                0 => writeln!(text, "{}", visible(value)),
                _ => writeln!(text, "  {label:10}  {}", visible(value)),
            };
        }
        text
    }

    fn kind_note(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Name | Kind::Invalid => None,
            Kind::Id if self.name.is_some() => Some("an image id, but a pull reads it as a name"),
            Kind::Id => Some("an image id; it cannot be pulled"),
            Kind::Path => Some("a path; it cannot be pulled"),
        }
    }

    /// The decision, and by which rule.
    pub(crate) fn decision_text(&self) -> String {
        let verdict = match self.decision {
            Verdict::Invalid => "invalid: not a valid image reference",
            other => other.word(),
        };
        match &self.rule {
            None => verdict.to_owned(),
            Some(DecidingRule { prefix, source: None }) => format!("{verdict}, by the built-in {prefix}"),
            Some(DecidingRule { prefix, source: Some(source) }) => {
                format!("{verdict}, by rule \"{prefix}\" ({source})")
            }
        }
    }
}

/// Only an input that cannot be a name is called a path: a relative path looks like a name.
fn kind(input: &str, is_name: bool) -> Kind {
    if is_image_id(input) {
        return Kind::Id;
    }
    if is_name {
        return Kind::Name;
    }
    let is_path = ["/", "./", "../"].iter().any(|start| input.starts_with(start));
    if is_path { Kind::Path } else { Kind::Invalid }
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
    fn new(rule: RuleRef<'_>) -> Self {
        DecidingRule { prefix: rule.prefix().to_owned(), source: rule.source().map(source_text) }
    }
}

/// `file:line`; a flag has no lines.
fn source_text(source: &Source) -> String {
    if &*source.file == DEFAULT_REGISTRY_FLAG { source.file.to_string() } else { source.to_string() }
}

// === impl UnusableTarget ===

impl UnusableTarget {
    fn new(target: Unusable) -> Self {
        UnusableTarget { reference: target.reference, reason: target.cause.to_string() }
    }
}

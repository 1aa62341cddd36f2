//! What `explain` says about one image, as data and as text.

mod found;
mod text;

use serde::Serialize;

pub(crate) use self::found::Found;
use super::decided::DecidingRule;
pub(crate) use super::decided::Verdict;
use super::in_force::InForce;
use super::outage::FromNode;
use super::outcome::Outcome;
pub(crate) use super::signatures::Signatures;
use super::target::Target;
use crate::containerd::hosts::Endpoints;
use crate::credentials::Credentials;
use crate::files::reader::Reader;
use crate::policy::{
    Asked, Decision, DenyReason, Name, Order, Pin, Policy, Unusable, is_image_id, tag_beside_digest,
};
use crate::signature::{Demands, Must};
use crate::state::Question;

/// The answer for one input. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    input: String,
    kind: Kind,
    name: Option<String>,
    /// The namespace of the pod, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    pub(crate) decision: Verdict,
    rule: Option<DecidingRule>,
    pub(crate) reason: Option<String>,
    /// What a lock holds it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<Locked>,
    candidates: Vec<Target>,
    /// Where it is not that of the candidates here.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'static str>,
    /// What happens when no candidate can serve, if that is not a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_outage: Option<FromNode>,
    /// Which signatures it has to have, if any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<Signatures>,
    /// What is done instead, if the rule is only observed.
    #[serde(flatten)]
    in_force: Option<InForce>,
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

#[derive(Debug, Serialize)]
struct UnusableTarget {
    reference: String,
    reason: String,
}

/// What a lock holds an image to.
#[derive(Debug, Serialize)]
struct Locked {
    digest: String,
    file: String,
}

// === impl Locked ===

impl Locked {
    fn of(pin: Pin<'_>) -> Self {
        Locked { digest: pin.digest().to_owned(), file: pin.file().to_owned() }
    }
}

// === impl Answer ===

impl Answer {
    /// Decides as PullImage would.
    pub(crate) fn new(
        Question { image: input, namespace }: &Question,
        policy: &Policy,
        credentials: &Credentials,
        reader: &Reader,
    ) -> Self {
        let namespace = (!namespace.is_empty()).then(|| namespace.clone());
        let parsed = input.parse::<Name>();
        let kind = kind(input, parsed.is_ok());
        let input = input.to_owned();
        let name = match parsed {
            Ok(name) => name,
            Err(error) => {
                let reason = Some(error.to_string());
                return Answer { reason, ..Answer::nothing(input, kind, namespace) };
            }
        };
        let asked = Asked::of(&name).in_namespace(namespace.as_deref());
        let tag = tag_beside_digest(&input);
        let asked = asked.with_tag(tag.as_deref());
        let (mut not_usable, mut on_outage, mut locked) = (Vec::new(), None, None);
        let decision = policy.decide(&asked);
        let in_force = policy
            .is_only_told(&asked, &decision)
            .then(|| InForce::new(policy.acting().decide(&asked), &name));
        let (decision, rule, reason, candidates) = match decision {
            Decision::Route { rule, candidates, unusable, locked: pin } => {
                locked = pin.map(Locked::of);
                not_usable = unusable.into_iter().map(UnusableTarget::new).collect();
                let use_of = policy.node_credentials(&rule);
                on_outage = FromNode::of(policy.outage(&rule));
                let tag = tag.as_deref().or(name.tag().filter(|_| pin.is_some()));
                let target =
                    |candidate| Target::candidate(&name, tag, candidate, use_of, credentials, reader);
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
        let order = (decision == Verdict::Route && rule.order() == Order::Fastest).then_some("fastest");
        Answer {
            name: Some(name.as_str().to_owned()),
            decision,
            rule: Some(DecidingRule::new(rule)),
            reason,
            locked,
            candidates,
            order,
            on_outage,
            in_force,
            unusable: not_usable,
            ..Answer::nothing(input, kind, namespace)
        }
    }

    /// That of an input that is no reference, so far.
    fn nothing(input: String, kind: Kind, namespace: Option<String>) -> Self {
        Answer {
            input,
            kind,
            name: None,
            namespace,
            decision: Verdict::Invalid,
            rule: None,
            reason: None,
            locked: None,
            candidates: Vec::new(),
            order: None,
            on_outage: None,
            signatures: Vec::new(),
            in_force: None,
            unusable: Vec::new(),
            warnings: None,
        }
    }

    /// Adds how the registries are reached.
    pub(crate) fn add_transport(&mut self, reach: &Endpoints<'_>, reader: &Reader) {
        for target in &mut self.candidates {
            let host = target.name.host().to_owned();
            let is_said = target.endpoint.is_some() || !reach.wanted.needs_of(&host).is_empty();
            target.add_transport(&reach.of(&host, target.endpoint), is_said, reader);
        }
    }

    /// Adds which signatures it has to have. What no signature can meet is a refusal.
    pub(crate) fn add_signatures(&mut self, policy: &Policy, demands: &Demands) {
        let Some(Ok(name)) = self.name.as_deref().map(str::parse::<Name>) else { return };
        if self.says_no() {
            return;
        }
        let asked = Asked::of(&name).in_namespace(self.namespace.as_deref());
        for must in demands.of_asked(policy, &asked, &policy.decide(&asked)) {
            match must {
                Must::Signed(signed) => self.signatures.push(Signatures::of(&signed)),
                Must::Refused(reason) => {
                    (self.decision, self.reason) = (Verdict::Deny, Some(reason));
                    // No rule says so.
                    (self.rule, self.order, self.on_outage) = (None, None, None);
                    (self.candidates, self.unusable) = (Vec::new(), Vec::new());
                    self.signatures.clear();
                    return;
                }
            }
        }
    }

    /// Whether the image may not be pulled.
    pub(crate) fn is_refused(&self) -> bool {
        let done = self.in_force.as_ref().map_or(self.decision, InForce::decision);
        matches!(done, Verdict::Deny | Verdict::Invalid)
    }

    /// Whether the policy says so, in force or not.
    pub(crate) fn says_no(&self) -> bool {
        matches!(self.decision, Verdict::Deny | Verdict::Invalid)
    }

    /// Whether the rule is only observed.
    pub(crate) fn is_observed(&self) -> bool {
        self.in_force.is_some()
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

    /// What was asked about.
    pub(crate) fn input(&self) -> &str {
        &self.input
    }

    /// What is worth knowing of the way to the registries, with `--live`.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().flatten().map(String::as_str)
    }

    /// The prefix of the deciding rule. An invalid reference has no such rule.
    pub(crate) fn rule(&self) -> Option<&str> {
        self.rule.as_ref().map(|rule| rule.prefix.as_str())
    }

    /// Where that is written.
    pub(crate) fn place(&self) -> Option<&str> {
        self.rule.as_ref()?.source.as_deref()
    }

    /// Which signatures it has to have.
    pub(crate) fn signatures(&self) -> &[Signatures] {
        &self.signatures
    }

    /// Where the image may come from, in order.
    pub(crate) fn references(&self) -> impl Iterator<Item = &str> {
        self.candidates.iter().map(|target| target.reference.as_str())
    }

    /// The same, with how each is asked where the reference does not say it.
    pub(crate) fn asked_as(&self) -> Vec<String> {
        let asked = |target: &Target| {
            let ns = target.ns.iter().filter(|_| target.needs_ns).map(|ns| format!("?ns={ns}"));
            let tag = target.warm_tag.iter().map(|tag| format!(" (or by the tag {tag})"));
            std::iter::once(target.reference.clone()).chain(ns).chain(tag).collect()
        };
        self.candidates.iter().map(asked).collect()
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

// === impl UnusableTarget ===

impl UnusableTarget {
    fn new(target: Unusable) -> Self {
        UnusableTarget { reference: target.reference, reason: target.cause.to_string() }
    }
}

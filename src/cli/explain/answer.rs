//! What `explain` says of one image, as data and as text.
//!
//! Before: `explain` has an input and a policy.  After: a line of JSON, or a few lines for people.
//! Holds: both forms are made from the one [`Answer`].

use std::fmt::Write;

use serde::Serialize;

use super::live::Outcome;
use crate::config::{DEFAULT_REGISTRY_FLAG, visible};
use crate::containerd::hosts::Wanted;
use crate::credentials::{Credentials, Known};
use crate::policy::{Candidate, Decision, Name, NodeCredentials, Policy, Role, RuleRef, Source, is_image_id};

/// The answer for one input. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Answer {
    input: String,
    kind: Kind,
    name: Option<String>,
    pub(in crate::cli) decision: Verdict,
    rule: Option<DecidingRule>,
    pub(in crate::cli) reason: Option<String>,
    candidates: Vec<Target>,
    /// With `--live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<String>>,
}

/// What sort of thing the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// An image reference.
    Name,
    /// What other calls than PullImage read as an image's id.
    Id,
    /// A path, which containerd 2.1 opens as a checkpoint archive where a container is created from it.
    Path,
    /// Nothing that containerd understands.
    Invalid,
}

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Verdict {
    /// Pulled from mirrors.
    Route,
    /// Left alone.
    Pass,
    /// Refused.
    Deny,
    /// Nothing that can be pulled.
    Invalid,
}

#[derive(Debug, Serialize)]
struct DecidingRule {
    prefix: String,
    source: Option<String>,
}

#[derive(Debug, Serialize)]
struct Target {
    reference: String,
    role: &'static str,
    credentials: Whose,
    /// Where the node's own come from.
    credentials_source: Option<String>,
    /// Whose name is in them, where it is known without asking a program.
    username: Option<String>,
    /// What else is to be said of them, for people.
    #[serde(skip)]
    remark: String,
    /// How its registry is reached, where that is told to containerd.
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<String>,
    /// With `--live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Outcome>,
}

/// Whose credentials a candidate is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Whose {
    /// Nobody's: those of the client are for another registry.
    None,
    /// The client's, untouched.
    Client,
    /// The node's own.
    Node,
    /// The node's own, for a client that brings some for the registry that it asks for.
    NodeWithClient,
}

// === impl Answer ===

impl Answer {
    /// Decides as PullImage would.
    pub(in crate::cli) fn new(input: &str, policy: &Policy, credentials: &Credentials) -> Self {
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
                    warnings: None,
                };
            }
        };
        let (decision, rule, reason, candidates) = match policy.decide(&name) {
            Decision::Route { rule, candidates } => {
                let use_of = policy.node_credentials(&rule);
                let target = |candidate| Target::candidate(candidate, use_of, credentials);
                (Verdict::Route, rule, None, candidates.iter().map(target).collect())
            }
            Decision::Pass { rule } => (Verdict::Pass, rule, None, vec![Target::origin(&name)]),
            Decision::Deny { rule, reason } => (Verdict::Deny, rule, Some(reason.to_string()), Vec::new()),
        };
        let name = Some(name.as_str().to_owned());
        let rule = Some(DecidingRule::new(rule));
        Answer { input, kind, name, decision, rule, reason, candidates, warnings: None }
    }

    /// Adds how the registries are reached.
    pub(in crate::cli) fn add_transport(&mut self, wanted: &Wanted) {
        for target in &mut self.candidates {
            let name = target.reference.parse::<Name>().ok();
            let host = name.as_ref().map(Name::host).filter(|host| !wanted.needs_of(host).is_empty());
            target.transport = host.map(|host| wanted.endpoint(host).to_string());
        }
    }

    /// Each candidate's reference, and whose credentials go there.
    pub(super) fn asked(&self) -> impl Iterator<Item = (&str, Whose)> {
        self.candidates.iter().map(|target| (&*target.reference, target.credentials))
    }

    /// Adds what the registries say, in the order of the candidates.
    pub(super) fn add_live(&mut self, outcomes: Vec<Outcome>, warnings: Vec<String>) {
        for (target, outcome) in self.candidates.iter_mut().zip(outcomes) {
            target.live = Some(outcome);
        }
        self.warnings = Some(warnings);
    }

    /// The prefix of the rule that decides; none where there is nothing to decide.
    pub(in crate::cli) fn rule(&self) -> Option<&str> {
        self.rule.as_ref().map(|rule| rule.prefix.as_str())
    }

    /// Where the image may come from, in order.
    pub(in crate::cli) fn references(&self) -> impl Iterator<Item = &str> {
        self.candidates.iter().map(|target| target.reference.as_str())
    }

    /// One object on one line.
    pub(super) fn json(&self) -> String {
        // A struct of strings has no value that JSON lacks, so this cannot fail; were it to, an empty
        // line would be seen.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
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
        let width = self.candidates.iter().map(|target| target.reference.len()).max().unwrap_or(0);
        for (index, target) in self.candidates.iter().enumerate() {
            let Target { reference, role, transport, live, .. } = target;
            let label = if index == 0 { "candidates" } else { "" };
            let credentials = target.credentials_text();
            lines.push((label, format!("{}. {reference:width$}  {role:6}  {credentials}", index + 1)));
            if let Some(transport) = transport {
                lines.push(("", format!("   by {transport}")));
            }
            if let Some(outcome) = live {
                lines.push(("", format!("   {}", outcome.text())));
            }
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
            Kind::Id if self.name.is_some() => Some("an image id, which a pull takes for a name"),
            Kind::Id => Some("an image id, which cannot be pulled"),
            Kind::Path => Some("a path, which cannot be pulled"),
        }
    }

    /// What is decided, and by which rule.
    pub(in crate::cli) fn decision_text(&self) -> String {
        let verdict = match self.decision {
            Verdict::Invalid => "invalid: this is no image reference",
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

/// A path is only spoken of where the input can be nothing else: a relative one looks like a name.
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
    pub(in crate::cli) fn word(self) -> &'static str {
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

// === impl Target ===

impl Target {
    fn candidate(candidate: &Candidate, use_of: NodeCredentials, credentials: &Credentials) -> Self {
        let role = match candidate.role {
            Role::Mirror => "mirror",
            Role::Origin => "origin",
        };
        if candidate.same_host {
            return Target::new(&candidate.name, role, Whose::Client);
        }
        let whose = match use_of {
            NodeCredentials::Always => Whose::Node,
            NodeCredentials::WithClient => Whose::NodeWithClient,
            NodeCredentials::Never => return Target::new(&candidate.name, role, Whose::None),
        };
        let Some(Known { username, source, asks, problem }) = credentials.known(&candidate.name) else {
            return Target::new(&candidate.name, role, Whose::None);
        };
        let asks = asks.map(|program| format!(", asks {program} at the pull"));
        let problem = problem.map(|problem| format!(" ({problem})"));
        let remark = [asks, problem].into_iter().flatten().collect();
        let credentials_source = Some(source);
        Target { credentials_source, username, remark, ..Target::new(&candidate.name, role, whose) }
    }

    fn origin(name: &Name) -> Self {
        Target::new(name, "origin", Whose::Client)
    }

    fn new(name: &Name, role: &'static str, credentials: Whose) -> Self {
        let reference = name.as_str().to_owned();
        let remark = String::new();
        Target {
            reference,
            role,
            credentials,
            credentials_source: None,
            username: None,
            remark,
            transport: None,
            live: None,
        }
    }

    fn credentials_text(&self) -> String {
        let Target { username, remark, .. } = self;
        let source = self.credentials_source.as_deref().unwrap_or_default();
        let node = match username {
            Some(name) => format!("as {name} from {source}{remark}"),
            None => format!("from {source}{remark}"),
        };
        match self.credentials {
            Whose::None => "no credentials".to_owned(),
            Whose::Client => "the client's credentials".to_owned(),
            Whose::Node => node,
            Whose::NodeWithClient => format!("{node}, if the client brings credentials"),
        }
    }
}

//! What happened to one request, as a value.
//!
//! `image` and `lookup` fill it in while they work. When it is complete, `report` hands it once to everything that
//! tells of it: `status` makes the client's error of it, `log` the log line; `provenance` makes labels.

mod attempt;
mod counted;
mod log;
mod status;
mod told;
mod would;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

pub use attempt::{Attempt, Class, Failure, Presented};
pub use would::Would;

use crate::policy::{Asked, Decision, Name, Policy, RuleRef};
use crate::state::{Request, Seal};

/// One request and what became of it.
#[derive(Debug)]
pub struct Record {
    /// The request.
    pub request: Arc<Request>,
    /// The image as the client asked for it.
    pub asked: String,
    /// Its name; none where it is not one.
    pub name: Option<Name>,
    /// The rule that decided; none where nothing was to be decided.
    pub rule: Option<RuleText>,
    /// What the policy says.
    pub verdict: Verdict,
    /// What a lock holds it to.
    pub locked: Option<Locked>,
    /// What a rule says that is only observed.
    pub would: Option<Would>,
    /// Each candidate that was tried, in order.
    pub attempts: Vec<Attempt>,
    /// What was served.
    pub served: Option<Served>,
    /// That it is signed as it has to be, for each demand.
    pub verified: Vec<Verified>,
    /// How it ended; none while it is under way.
    pub end: Option<End>,
    /// What containerd said of a pull that failed with its own answer.
    pub containerds_words: Option<String>,
    /// How long all of it took.
    pub total: Duration,
    /// How much of that was spent waiting for containerd.
    pub in_containerd: Duration,
    /// How much of that was spent on questions about signatures.
    pub verifying: Duration,
    /// How much of that it took to give the image its name; none where it did not come to that.
    pub adoption: Option<Duration>,
}

/// A rule for people: its prefix, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// The prefix, `default-registry` or `default`.
    pub prefix: String,
    /// `file:line`; none for the built-in default.
    pub place: Option<String>,
}

/// What the policy says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client's text is not a name; containerd says so in its own words.
    NotAName,
    /// It is left alone.
    Pass,
    /// It comes from the rule's candidates.
    Route,
    /// It is refused.
    Deny {
        /// Why.
        reason: String,
    },
}

/// The image that was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The reference that was asked for at the registry.
    pub reference: Name,
    /// The registry that was asked.
    pub registry: String,
    /// The digest of its manifest or index, where it is known.
    pub digest: Option<String>,
    /// The length of that in bytes, where the registry said it.
    pub size: Option<u64>,
}

/// The digest that a lock has for a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The digest.
    pub digest: String,
    /// The lock.
    pub file: String,
}

/// That an image is signed as it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who demands it.
    pub signature: Arc<str>,
    /// By whom it is signed, when that was found, and where.
    pub seal: Seal,
    /// Whether that was known before this request.
    pub was_known: bool,
}

/// The image on the node that is the answer to a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnNode {
    /// The digest of its manifest or index.
    pub digest: String,
    /// When it was pulled.
    pub pulled: String,
}

/// A refusal by the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The rule.
    pub rule: RuleText,
    /// Why.
    pub reason: String,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With containerd's own answer, which has this code.
    Containerd(Code),
    /// With the image that is on the node, as no registry can serve.
    Present(OnNode),
    /// Refused by the policy.
    Denied,
    /// Refused, whatever is signed: why.
    Unsigned(String),
    /// It went on: a rule that is only observed would have refused it.
    Observed,
    /// No candidate served the image.
    NoneServed,
    /// The client's deadline came first.
    TooLate,
    /// With an error of the shunt's own: its code, and why.
    Failed(Code, String),
    /// The client left.
    ClientLeft,
}

impl Record {
    /// The record of a request that begins.
    pub fn new(request: &Arc<Request>, asked: &str) -> Self {
        Self {
            request: request.clone(),
            asked: asked.to_owned(),
            name: None,
            rule: None,
            verdict: Verdict::NotAName,
            locked: None,
            would: None,
            attempts: Vec::new(),
            served: None,
            verified: Vec::new(),
            end: None,
            containerds_words: None,
            total: Duration::ZERO,
            in_containerd: Duration::ZERO,
            verifying: Duration::ZERO,
            adoption: None,
        }
    }

    /// The record of a request that is refused.
    pub fn denied(request: &Arc<Request>, name: &Name, denial: Denial) -> Self {
        let Denial { rule, reason } = denial;
        let mut record = Self::new(request, name.as_str());
        record.name = Some(name.clone());
        record.rule = Some(rule);
        record.verdict = Verdict::Deny { reason };
        record.finish(End::Denied);
        record
    }

    /// The record of a request that goes on, and that an observed rule would refuse.
    pub fn observed(request: &Arc<Request>, name: &Name, would: Would) -> Self {
        let decision = request.generation.policy.decide(&request.asks(name));
        let mut record = Self::new(request, name.as_str());
        record.name = Some(name.clone());
        record.rule = Some(RuleText::of(decision.rule()));
        record.verdict = Verdict::of(&decision);
        record.would = Some(would);
        record.finish(End::Observed);
        record
    }

    /// Notes that the request is over.
    pub fn finish(&mut self, end: End) {
        self.end = Some(end);
        self.total = self.request.started.elapsed();
    }

    /// Waits for containerd, and notes how long that took.
    pub async fn waiting<T>(&mut self, work: impl Future<Output = T>) -> T {
        let begin = Instant::now();
        let done = work.await;
        self.in_containerd += begin.elapsed();
        done
    }

    /// The candidates that did not serve, each with the sort of its failure: `m.dev:5000 unreachable`.
    pub fn failed(&self) -> Vec<String> {
        let failed = |attempt: &Attempt| {
            let class = attempt.failure.as_ref()?.class.as_str();
            Some(format!("{} {class}", attempt.candidate.name.host()))
        };
        self.attempts.iter().filter_map(failed).collect()
    }

    /// By whom the image is signed, in words; none where nobody had to sign it.
    pub fn verified_by(&self) -> Option<String> {
        let texts: Vec<String> = self.verified.iter().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// The rule in words: `rule "docker.io/evil" (/etc/cri-shunt/config.toml:14)`.
    pub fn rule_text(&self) -> String {
        self.rule.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

impl Verdict {
    /// Whether it refuses the image.
    pub fn denies(&self) -> bool {
        matches!(self, Self::Deny { .. })
    }

    /// What a decision says.
    pub fn of(decision: &Decision<'_>) -> Self {
        match decision {
            Decision::Route { .. } => Self::Route,
            Decision::Pass { .. } => Self::Pass,
            Decision::Deny { reason, .. } => Self::Deny { reason: reason.to_string() },
        }
    }
}

impl RuleText {
    /// The rule behind a decision.
    pub fn of(rule: &RuleRef<'_>) -> Self {
        Self { prefix: rule.prefix().to_owned(), place: rule.source().map(ToString::to_string) }
    }
}

impl std::fmt::Display for Verified {
    /// `prod: key 0123456789abcdef, at m.dev/app`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { signature, seal: Seal { by, found_at, .. }, .. } = self;
        write!(f, "{signature}: {}, at {found_at}", by.join(" and "))
    }
}

impl std::fmt::Display for RuleText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rule \"{}\"", self.prefix)?;
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

impl Denial {
    /// What the policy says against a name; none where it says nothing against it.
    pub fn of(policy: &Policy, asked: &Asked<'_>) -> Option<Self> {
        match policy.decide(asked) {
            Decision::Deny { rule, reason } => {
                Some(Self { rule: RuleText::of(&rule), reason: reason.to_string() })
            }
            Decision::Route { .. } | Decision::Pass { .. } => None,
        }
    }
}

//! A PullImage that is under way: what each of its steps needs.

use std::sync::Arc;

use bytes::Bytes;

use super::record::RuleText;
use crate::containerd::Facts;
use crate::containerd::unary::Call;
use crate::policy::{Candidate, Name, Ns, Pin, Role, RuleRef};
use crate::registry::{self, Endpoint};
use crate::signature::Must;
use crate::state::{Generation, Request, Shown, State};

/// One pull by one rule.
pub(super) struct Pull<'a> {
    /// The program's shared state.
    pub(super) state: &'a Arc<State>,
    /// The client's request.
    pub(super) request: &'a Request,
    /// The client's call.
    pub(super) call: &'a Call,
    /// The client's message.
    pub(super) message: &'a Bytes,
    /// The policy that holds for it.
    pub(super) generation: &'a Arc<Generation>,
    /// What the client asks for.
    pub(super) name: &'a Name,
    /// The tag beside the digest: the client writes both, or a lock has the digest for the tag.
    pub(super) tag: Option<&'a str>,
    /// What a lock says of the tag.
    pub(super) pin: Option<Pin<'a>>,
    /// The rule that decided.
    pub(super) rule: RuleRef<'a>,
    /// Which signatures the image has to have.
    pub(super) must: &'a [Must],
    /// By which others see how far it is.
    pub(super) shown: &'a Shown,
}

/// A mirror that is being tried.
pub(super) struct Trial<'a> {
    /// The candidate that it is.
    pub(super) candidate: &'a Candidate,
    /// How it is reached.
    pub(super) endpoint: Endpoint,
    /// How containerd is set up, whose proxies and logins are the shunt's too.
    pub(super) facts: Arc<Facts>,
    /// Whether another candidate is left.
    pub(super) has_successor: bool,
}

impl Pull<'_> {
    /// The registry that a mirror is told of, if it is.
    pub(super) fn ns(&self, mirror: &Trial<'_>) -> Option<&str> {
        let is_told = mirror.candidate.ns != Ns::Off;
        mirror.endpoint.ns(self.name.host()).filter(|_| is_told)
    }

    /// Asks the candidate's registry. Hosts that clients choose are counted as one.
    pub(super) fn client(&self, candidate: &Candidate) -> &registry::Client {
        match candidate.role {
            Role::Mirror => &self.state.registry,
            Role::Origin => &self.state.origins,
        }
    }

    /// The rule in words, with its place.
    pub(super) fn rule_text(&self) -> String {
        RuleText::of(&self.rule).to_string()
    }
}

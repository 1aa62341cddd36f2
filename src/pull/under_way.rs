//! A PullImage that is under way: what each of its steps needs.

use std::sync::Arc;

use bytes::Bytes;

use super::record::RuleText;
use crate::containerd::Facts;
use crate::containerd::unary::Call;
use crate::policy::{Candidate, Name, Ns, RuleRef};
use crate::registry::Endpoint;
use crate::state::{Generation, Request, State};

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
    /// The tag that it writes beside a digest.
    pub(super) tag: Option<&'a str>,
    /// The rule that decided.
    pub(super) rule: RuleRef<'a>,
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

    /// The rule in words, with its place.
    pub(super) fn rule_text(&self) -> String {
        RuleText::of(&self.rule).to_string()
    }
}

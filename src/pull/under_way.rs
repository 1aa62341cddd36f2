//! A PullImage that is under way: what each of its steps needs.

use std::sync::Arc;

use bytes::Bytes;

use super::record::RuleText;
use crate::containerd::unary::Call;
use crate::policy::{Name, RuleRef};
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
    /// The rule that decided.
    pub(super) rule: RuleRef<'a>,
}

impl Pull<'_> {
    /// The rule in words, with its place.
    pub(super) fn rule_text(&self) -> String {
        RuleText::of(&self.rule).to_string()
    }
}

//! The error that a client gets, made of the record.
//!
//! Holds: it names the image that was asked for, the rule with its place, and each candidate with its own error.

use std::fmt::Write;

use tonic::{Code, Status};

use super::{Attempt, Class, End, Record, Verdict};
use crate::policy::Role;

impl Record {
    /// The client's error. Not for a request that ended with containerd's own answer, which goes on as it came.
    pub fn status(&self) -> Status {
        let name = self.shown_name();
        match &self.end {
            Some(End::Denied) => Status::permission_denied(self.denial()),
            Some(End::NoneServed) => self.none_served(),
            Some(End::TooLate) => {
                let tried =
                    if self.attempts.is_empty() { String::new() } else { format!(": {}", self.summary()) };
                Status::deadline_exceeded(format!("{name}: the client's deadline came first{tried}"))
            }
            Some(End::Failed(code, reason)) => Status::new(*code, format!("{name}: {reason}")),
            Some(End::ClientLeft) => Status::cancelled(format!("{name}: the client left")),
            Some(End::Containerd(code)) => Status::new(*code, format!("{name}: containerd's own answer")),
            None => Status::internal(format!("{name}: still under way")),
        }
    }

    /// The name that was asked for, as far as it is one.
    pub(super) fn shown_name(&self) -> &str {
        self.name.as_ref().map_or(self.asked.as_str(), |name| name.as_str())
    }

    fn denial(&self) -> String {
        let reason = match &self.verdict {
            Verdict::Deny { reason } => reason.as_str(),
            _ => "the policy does not allow it",
        };
        format!("{} is denied by {}: {reason}", self.shown_name(), self.rule_text())
    }

    /// kubelet makes its reason `RegistryUnavailable` of an `Unknown` error that begins with that word
    /// (`pkg/kubelet/images/image_manager.go`, evalCRIPullErr).
    fn none_served(&self) -> Status {
        let name = self.shown_name();
        let text = format!("{name}: {}; details: cri-shunt explain --live {name}", self.summary());
        let classes = || self.attempts.iter().filter_map(|attempt| Some(attempt.failure.as_ref()?.class));
        if classes().all(Class::is_outage) {
            return Status::unknown(format!("RegistryUnavailable: {text}"));
        }
        Status::new(classes().max().map_or(Code::Unknown, code), text)
    }

    /// `none of the 2 mirrors of rule "quay.io" (c.toml:3) served it: [1] …; [2] …`
    fn summary(&self) -> String {
        let rule = self.rule_text();
        let are_mirrors = self.attempts.iter().all(|attempt| attempt.role == Role::Mirror);
        let mut text = match (self.attempts.len(), are_mirrors) {
            (1, true) => format!("the mirror of {rule} did not serve it"),
            (count, true) => format!("none of the {count} mirrors of {rule} served it"),
            (count, false) => format!("none of the {count} registries of {rule} served it"),
        };
        for (index, attempt) in self.attempts.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}[{}] {}", index + 1, words(attempt));
        }
        text
    }
}

/// A candidate's error. The registry is named once.
fn words(attempt: &Attempt) -> String {
    let Some(failure) = &attempt.failure else { return format!("{}: served", attempt.candidate) };
    let host = attempt.candidate.host();
    if failure.text.contains(host) { failure.text.clone() } else { format!("{host}: {}", failure.text) }
}

fn code(class: Class) -> Code {
    match class {
        Class::NotFound => Code::NotFound,
        Class::Unreachable | Class::ServerError => Code::Unavailable,
        Class::RateLimited | Class::Local => Code::ResourceExhausted,
        Class::Protocol | Class::Containerd => Code::Unknown,
        Class::Config => Code::FailedPrecondition,
        Class::Login | Class::Unauthorized => Code::Unauthenticated,
        Class::Forbidden | Class::Content => Code::PermissionDenied,
    }
}

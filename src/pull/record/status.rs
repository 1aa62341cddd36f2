//! The error that a client gets, made of the record.
//!
//! Holds: it names the image that was asked for, the rule with its place, and each candidate with its own error.

use std::fmt::Write;

use tonic::{Code, Status};

use super::{Attempt, Class, End, Failure, Locked, Record, Verdict};
use crate::policy::Role;

/// What an error begins with by which kubelet knows why.
const UNSIGNED: &str = "SignatureValidationFailed";

/// How long the error may be where three mirrors have failed, in bytes. A pod's events show it again and again.
const ROOM: usize = 399;

/// The least room for what one candidate says, in bytes.
const LEAST: usize = 48;

impl Record {
    /// The client's error. Not for a request that ended with containerd's own answer, which goes on as it came.
    pub fn status(&self) -> Status {
        self.status_within(ROOM)
    }

    /// The same for the log, with all that each candidate says.
    pub(super) fn whole_error(&self) -> String {
        self.status_within(usize::MAX).message().to_owned()
    }

    fn status_within(&self, room: usize) -> Status {
        let name = self.shown_name();
        match &self.end {
            Some(End::Denied) => Status::permission_denied(self.denial()),
            Some(End::Unsigned(reason)) => Status::unknown(format!("{UNSIGNED}: {name}: {reason}")),
            Some(End::NoneServed) => self.none_served(room),
            Some(End::TooLate) => {
                let text = format!("{name}: the client's deadline came first");
                let separator = if self.attempts.is_empty() { "" } else { ": " };
                Status::deadline_exceeded(self.within(&format!("{text}{separator}"), room))
            }
            Some(End::Failed(code, reason)) => Status::new(*code, format!("{name}: {reason}")),
            Some(End::Present(_)) => Status::new(Code::Ok, format!("{name}: the image on the node")),
            Some(End::Observed) => Status::new(Code::Ok, format!("{name}: it went on")),
            Some(End::ClientLeft) => Status::cancelled(format!("{name}: the client left")),
            Some(End::Containerd(code)) => Status::new(*code, format!("{name}: containerd's own answer")),
            None => Status::internal(format!("{name}: still under way")),
        }
    }

    /// Why a pull failed, if it did. A client that left has its own reasons.
    pub fn failed_pull(&self) -> Option<String> {
        let is_failed = self.request.method == "PullImage" && matches!(self.outcome(), "failed" | "denied");
        match (&self.end, &self.containerds_words) {
            (Some(End::Containerd(_)), Some(words)) if is_failed => Some(words.clone()),
            _ => is_failed.then(|| self.status().message().to_owned()),
        }
    }

    /// The name that was asked for, as far as it is one.
    pub fn shown_name(&self) -> &str {
        self.name.as_ref().map_or(self.asked.as_str(), |name| name.as_str())
    }

    fn denial(&self) -> String {
        let reason = match &self.verdict {
            Verdict::Deny { reason } => reason.as_str(),
            _ => "the policy does not allow it",
        };
        format!("{} is denied by {}: {reason}", self.shown_name(), self.rule_text())
    }

    /// kubelet makes its reasons `RegistryUnavailable` and `SignatureValidationFailed` of an `Unknown` error that begins with
    /// that word, and of no other code (`pkg/kubelet/images/image_manager.go`, evalCRIPullErr; cri-client takes off the code
    /// `Unknown` alone).
    fn none_served(&self, room: usize) -> Status {
        let name = self.shown_name();
        if self.classes().all(Class::is_outage) {
            return Status::unknown(self.within(&format!("RegistryUnavailable: {name}: "), room));
        }
        let class = self.classes().max();
        if class == Some(Class::Signature) {
            return Status::unknown(self.within(&format!("{UNSIGNED}: {name}: "), room));
        }
        let code = class.map_or(Code::Unknown, code);
        Status::new(code, self.within(&format!("{name}: "), room))
    }

    fn classes(&self) -> impl Iterator<Item = Class> {
        self.attempts.iter().filter_map(|attempt| Some(attempt.failure.as_ref()?.class))
    }

    /// What the candidates say, behind `begin`: in full where there is room for it, else in short.
    fn within(&self, begin: &str, room: usize) -> String {
        let end = match self.classes().any(Class::can_be_explained) {
            true => format!("; details: cri-shunt explain --live {}", self.shown_name()),
            false => String::new(),
        };
        let text = |words: &dyn Fn(&Attempt) -> String| format!("{begin}{}{end}", self.summary(words));
        let whole = text(&whole);
        let count = self.attempts.len();
        // For one candidate there is nothing to weigh.
        if whole.len() <= room || count < 2 {
            return whole;
        }
        let each = room.saturating_sub(text(&|_| String::new()).len()) / count;
        text(&|attempt| cut(&short(attempt), each.max(LEAST)))
    }

    /// `none of the 2 mirrors of rule "quay.io" (c.toml:3) served it: [1] …; [2] …`
    fn summary(&self, words: &dyn Fn(&Attempt) -> String) -> String {
        if self.attempts.is_empty() {
            return String::new();
        }
        let rule = self.rule_text();
        let are_mirrors = self.attempts.iter().all(|attempt| attempt.candidate.role == Role::Mirror);
        let mut text = match (self.attempts.len(), are_mirrors) {
            (1, true) => format!("the mirror of {rule} did not serve it"),
            (1, false) => format!("the registry of {rule} did not serve it"),
            (count, true) => format!("none of the {count} mirrors of {rule} served it"),
            (count, false) => format!("none of the {count} registries of {rule} served it"),
        };
        if let Some(Locked { digest, file }) = &self.locked {
            let _ = write!(text, " (locked to {digest} by {file})");
        }
        for (index, attempt) in self.attempts.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}[{}] {}", index + 1, words(attempt));
        }
        text
    }
}

/// A candidate's error. The registry is named once.
fn whole(attempt: &Attempt) -> String {
    named(attempt, attempt.failure.as_ref().map(|failure| failure.text.as_str()))
}

fn short(attempt: &Attempt) -> String {
    let short = |failure: &'_ Failure| failure.short.clone().unwrap_or_else(|| failure.text.clone());
    named(attempt, attempt.failure.as_ref().map(short).as_deref())
}

fn named(attempt: &Attempt, error: Option<&str>) -> String {
    let host = attempt.candidate.name.host();
    match error {
        None => format!("{}: served", attempt.candidate.name),
        Some(error) if error.contains(host) => error.to_owned(),
        Some(error) => format!("{host}: {error}"),
    }
}

/// No more than so many bytes.
fn cut(text: &str, most: usize) -> String {
    const MORE: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most.saturating_sub(MORE.len())).rev().find(|end| text.is_char_boundary(*end));
    format!("{}{MORE}", &text[..end.unwrap_or(0)])
}

fn code(class: Class) -> Code {
    match class {
        Class::NotFound => Code::NotFound,
        Class::Unreachable | Class::ServerError => Code::Unavailable,
        Class::RateLimited | Class::Local => Code::ResourceExhausted,
        Class::Protocol | Class::Containerd | Class::Signature => Code::Unknown,
        Class::Config => Code::FailedPrecondition,
        Class::Login | Class::Unauthorized => Code::Unauthenticated,
        Class::Forbidden | Class::Content => Code::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(cut("as it is", 8), "as it is");
        assert_eq!(cut("a longer one", 8), "a lon…");
        assert_eq!(cut("über alles", 4), "…");
        assert_eq!(cut("über alles", 5), "ü…");
    }
}

//! The record as a line of the audit.

use std::time::SystemTime;

use super::{Attempt, End, Failure, Record, RuleText, Verdict, Verified, Would};
use crate::policy::Role;
use crate::tell::audit::time;
use crate::tell::line::{self, Line, VERSION};

/// The most bytes of a text that somebody else has written.
const MOST: usize = 2048;

impl Record {
    /// The line.
    pub fn line(&self) -> Line {
        let request = &*self.request;
        Line {
            version: VERSION,
            time: time(SystemTime::now()),
            id: request.id.to_string(),
            method: request.method.to_owned(),
            client: line::Client {
                pid: request.client.pid,
                uid: request.client.uid,
                program: request.client.program().map(str::to_owned),
            },
            pod: request.pod.as_ref().map(|pod| line::Pod {
                namespace: cut(&pod.namespace),
                name: cut(&pod.name),
                uid: cut(&pod.uid),
            }),
            asked: cut(&self.asked),
            name: self.name.as_ref().map(ToString::to_string),
            rule: self.rule.as_ref().map(rule),
            mode: if self.would.is_some() { "observe" } else { "enforce" }.to_owned(),
            verdict: self.verdict.word().map(str::to_owned),
            locked: self.locked.as_ref().map(|locked| locked.digest.clone()),
            would: self.would.as_ref().map(would),
            candidates: self.attempts.iter().map(candidate).collect(),
            served: self.served_line(),
            verified: self.verified.iter().map(verified).collect(),
            outcome: self.outcome().to_owned(),
            code: code(self.status().code()),
            reason: self.reason(),
            seconds: self.total.as_secs_f64(),
            containerd_seconds: self.in_containerd.as_secs_f64(),
            policy: request.generation.written().hash().to_owned(),
        }
    }

    /// How it ended, in one word.
    pub fn outcome(&self) -> &'static str {
        match &self.end {
            Some(End::Containerd(tonic::Code::Ok)) if self.request.method == "PullImage" => "pulled",
            Some(End::Containerd(tonic::Code::Ok)) => "found",
            Some(End::Present(_)) => "present",
            Some(End::Denied) => "denied",
            Some(End::Observed) => "observed",
            Some(End::ClientLeft) => "client-left",
            Some(
                End::Containerd(_) | End::NoneServed | End::Unsigned(_) | End::TooLate | End::Failed(..),
            )
            | None => "failed",
        }
    }

    fn served_line(&self) -> Option<line::Served> {
        if let Some(End::Present(image)) = &self.end {
            let digest = Some(image.digest.clone());
            return Some(line::Served { name: None, registry: None, digest, size: None });
        }
        // What was fetched may not have got its name.
        let served = self.served.as_ref().filter(|_| matches!(self.outcome(), "pulled" | "found"))?;
        Some(line::Served {
            name: Some(served.reference.to_string()),
            registry: Some(served.registry.clone()),
            digest: served.digest.clone(),
            size: served.size,
        })
    }

    fn reason(&self) -> Option<String> {
        match (&self.verdict, &self.end) {
            (Verdict::Deny { reason }, _) => Some(cut(reason)),
            (_, Some(End::Failed(_, reason) | End::Unsigned(reason))) => Some(cut(reason)),
            (_, Some(End::TooLate)) => Some("the client's deadline came first".to_owned()),
            _ => None,
        }
    }
}

impl Verdict {
    /// The word for it.
    fn word(&self) -> Option<&'static str> {
        match self {
            Self::NotAName => None,
            Self::Pass => Some("pass"),
            Self::Route => Some("route"),
            Self::Deny { .. } => Some("deny"),
        }
    }
}

fn rule(rule: &RuleText) -> line::Rule {
    line::Rule { prefix: rule.prefix.clone(), place: rule.place.clone() }
}

fn would(would: &Would) -> line::Would {
    let reason = match &would.verdict {
        Verdict::Deny { reason } => Some(cut(reason)),
        _ => None,
    };
    line::Would {
        rule: rule(&would.rule),
        verdict: would.verdict.word().unwrap_or_default().to_owned(),
        candidates: would.candidates.iter().map(ToString::to_string).collect(),
        reason,
    }
}

fn candidate(attempt: &Attempt) -> line::Candidate {
    let Attempt { candidate, login, failure, took } = attempt;
    let role = match candidate.role {
        Role::Mirror => "mirror",
        Role::Origin => "origin",
    };
    line::Candidate {
        name: candidate.name.to_string(),
        registry: candidate.name.host().to_owned(),
        role: role.to_owned(),
        login: login.as_ref().map(|login| login.source.clone()),
        outcome: failure.as_ref().map_or("served", |failure| failure.class.as_str()).to_owned(),
        status: failure.as_ref().and_then(|failure| failure.status),
        error: failure.as_ref().map(error),
        seconds: took.as_secs_f64(),
    }
}

fn verified(verified: &Verified) -> line::Verified {
    let Verified { signature, seal, was_known } = verified;
    line::Verified {
        signature: signature.to_string(),
        by: seal.by.iter().map(|by| cut(by)).collect(),
        registry: cut(&seal.found_at),
        known: *was_known,
    }
}

/// Why a candidate failed, without the name of its login.
fn error(failure: &Failure) -> String {
    match &failure.rest {
        Some(rest) => rest.without_login(),
        None => cut(failure.short.as_ref().unwrap_or(&failure.text)),
    }
}

fn code(code: tonic::Code) -> String {
    match code {
        tonic::Code::Ok => "OK".to_owned(),
        code => format!("{code:?}"),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

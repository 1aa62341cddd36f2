//! One candidate of a pull: what was asked of it, and how that ended.

use std::time::Duration;

use crate::policy::Candidate;
use crate::state::{Rest, Sealed};

/// One candidate that was tried.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which one it is.
    pub candidate: Candidate,
    /// The login that it was asked with, if it was asked.
    pub login: Option<Presented>,
    /// Why it did not serve, if it did not.
    pub failure: Option<Failure>,
    /// How long it took.
    pub took: Duration,
}

/// The login that a registry was asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// In words, with its user's name.
    pub words: String,
    /// Where it came from, and no more of it.
    pub source: String,
}

/// Why a candidate did not serve the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What sort of failure it is.
    pub class: Class,
    /// Why, for people: the registry's words or containerd's, without secrets.
    pub text: String,
    /// The same where there is little room.
    pub short: Option<String>,
    /// Until when the registry is left alone, and by whom, if it wants that.
    pub rest: Option<Box<Rest>>,
    /// The HTTP status of the registry's answer, if that was the reason.
    pub status: Option<u16>,
    /// What was found not to be signed, if that was the reason.
    pub unsigned: Option<Box<Sealed>>,
}

/// The sorts of failures. The later one tells more, where several candidates failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The registry answers, and does not have the image.
    NotFound,
    /// It does not answer, or not in time.
    Unreachable,
    /// The registry answers with an error of its own (5xx).
    ServerError,
    /// The registry limits requests (429; 403 or 503 with none left).
    RateLimited,
    /// What it answers cannot be used: another digest, no manifest, not HTTP.
    Protocol,
    /// containerd could not fetch what the registry has.
    Containerd,
    /// The configuration cannot be used for it: a file is gone, containerd reads no `hosts.toml`.
    Config,
    /// The node's login for it cannot be used.
    Login,
    /// The registry refuses the login, or wants one (401).
    Unauthorized,
    /// The registry refuses the image to this login (403).
    Forbidden,
    /// The image itself is refused: a checkpoint, a layer that comes from elsewhere, an image verifier of containerd's.
    Content,
    /// It is not signed as it has to be, or that cannot be found out.
    Signature,
    /// This machine is at fault, and no other registry can help: its disk is full, for one.
    Local,
}

impl Class {
    /// Whether another candidate may do better.
    pub fn leads_on(self) -> bool {
        self != Self::Local
    }

    /// Whether the registry could not serve anybody at present.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Unreachable | Self::ServerError | Self::RateLimited)
    }

    /// Whether `explain --live`, which asks the registries and pulls nothing, can show more of it.
    pub fn can_be_explained(self) -> bool {
        !matches!(self, Self::Containerd | Self::Content | Self::Signature | Self::Local)
    }

    /// As it is written in log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Unreachable => "unreachable",
            Self::ServerError => "server-error",
            Self::RateLimited => "rate-limited",
            Self::Protocol => "protocol",
            Self::Containerd => "containerd",
            Self::Config => "config",
            Self::Login => "login",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Content => "content",
            Self::Signature => "signature",
            Self::Local => "local",
        }
    }
}

impl Failure {
    /// A failure with its reason.
    pub fn new(class: Class, text: impl Into<String>) -> Self {
        Self { class, text: text.into(), short: None, rest: None, status: None, unsigned: None }
    }

    /// The same of an image that is not signed.
    pub fn of_unsigned(self, sealed: Sealed) -> Self {
        Self { unsigned: Some(Box::new(sealed)), ..self }
    }

    /// The same of a registry that is left alone after it.
    pub fn with_rest(self, rest: Rest) -> Self {
        let text = format!("{}; {rest}", self.text);
        let short = Some(format!("{}: {rest}", rest.host));
        Self { text, short, rest: Some(Box::new(rest)), ..self }
    }
}

impl Attempt {
    /// Writes the candidate's own line; the request's line names the failures only.
    pub fn log(&self) {
        let Self { candidate: Candidate { name, role, .. }, login, failure, took } = self;
        let login = login.as_ref().map(|login| login.words.as_str());
        let class = failure.as_ref().map(|failure| failure.class.as_str());
        let error = failure.as_ref().map(|failure| failure.text.as_str());
        tracing::debug!(candidate = %name, ?role, login, class, error, ?took, "candidate tried");
    }
}

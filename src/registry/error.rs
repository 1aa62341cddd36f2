//! What can go wrong between here and a manifest.
//!
//! Every text names the host or the file that it is about. Only a [`Refusal`] leaves the room, and it holds no
//! secret.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use super::guard::Astray;
use super::secrets::Secrets;

/// Why a registry gave no manifest, in words that may be shown.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    failure: Failure,
    text: String,
    brief: Option<String>,
    short: Option<String>,
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// What kind of failure it is: decides what to do next.
    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// The text for one line among others. Where the image is only not there, that and the host; whose login was
    /// refused the caller says.
    pub fn brief(&self) -> &str {
        self.brief.as_deref().unwrap_or(&self.text)
    }

    /// The text where there is little room: the host, and what it does.
    pub fn short(&self) -> &str {
        self.short.as_deref().unwrap_or_else(|| self.brief())
    }

    /// The HTTP status that the registry or its token server answered with, where one did.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// How long the registry asks to be left alone (`Retry-After`, or the end of its window, with 429, 503, or 403 and no
    /// requests left), at most one day.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Why a registry gave no manifest, with the words of others in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegistryError {
    /// Something in the question or the configuration.
    #[error("{0}")]
    Config(String),
    /// A file of the configuration.
    #[error("{}, {what} for {host}: {problem}", file.display())]
    File { file: PathBuf, what: String, host: String, problem: String },
    /// The name has no address.
    #[error("cannot find the address of {host}: {source}")]
    Resolve { host: String, source: io::Error },
    /// No connection can be made.
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    /// No connection in time.
    #[error("no connection to {address} within {}", seconds(*limit))]
    ConnectSlow { address: String, limit: Duration },
    /// A proxy of the environment does not let the request through.
    #[error("the proxy {proxy} {problem}")]
    Proxy { proxy: String, problem: String },
    /// No TLS.
    #[error("TLS with {host}: {problem}")]
    Tls { host: String, problem: TlsProblem },
    /// No answer comes, or it is not HTTP. `hangs_up` says which.
    #[error("{host} {problem}")]
    Broken { host: String, problem: String, hangs_up: bool },
    /// The answer has begun, and cannot be read to its end.
    #[error("{host} {problem}")]
    Cut { host: String, problem: String, hangs_up: bool },
    /// It takes too long.
    #[error("no answer within {}: {doing}", seconds(*limit))]
    TooSlow { doing: String, limit: Duration },
    /// A registry leads to a host that it must not lead to.
    #[error("{host} is not asked: it {astray}")]
    Astray { host: String, astray: Astray },
    /// Redirects without an end, or to nowhere.
    #[error("{host} redirects {problem}")]
    Redirect { host: String, problem: String },
    /// The credentials are not enough. `detail` is empty, or begins with a separator; so is `hint`.
    #[error("{host} answers 401 Unauthorized, asked {presented}{detail}{hint}")]
    Unauthorized { host: String, presented: String, detail: String, hint: &'static str },
    /// It has asked for a password, and takes none but another. `detail` is empty, or begins with a separator.
    #[error("{host} answers 401 Unauthorized: {}{detail}", not_accepted(username))]
    Password { host: String, username: String, detail: String },
    /// No token for the registry.
    #[error("no token for {host}, asked {presented}: {problem}")]
    Token { host: String, presented: String, problem: String, class: Class },
    /// Any other status. `detail` is empty, or begins with a separator.
    #[error("{host} answers {}{detail}", status_text(class.status))]
    Status { host: String, detail: String, class: Class },
    /// An answer that is not a manifest that containerd would take.
    #[error("{host} answers, but {problem}")]
    Content { host: String, problem: String },
    /// It was asked by a tag so that it fetches the digest, and its tag is another image.
    #[error("{host}: its tag {tag} is {has}, not {wanted}")]
    OtherTag { host: String, tag: String, has: String, wanted: String },
    /// It has the image by its tag, and does not show it by its digest.
    #[error("{host}: its tag {tag} has the digest, but it does not find the image by this digest")]
    OnlyByTag { host: String, tag: String },
    /// At a host that a redirect of the registry has led to: the registry itself has answered.
    #[error("{0}")]
    Beyond(Box<RegistryError>),
    /// One scheme after the other has led to no answer.
    #[error("{}", joined(.0))]
    Several(Vec<RegistryError>),
}

/// What decides about the next step beside the words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub(super) failure: Failure,
    pub(super) status: Option<StatusCode>,
    pub(super) retry_after: Option<Duration>,
}

/// What the library of TLS knows.
pub(super) const KINDS_OF_KEYS: &str = "RSA of 2048 to 4096 bits, ECDSA P-256 and P-384, Ed25519";

/// Why there is no TLS with a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TlsProblem {
    /// What it answers is not TLS.
    #[error("it does not speak TLS; is it a registry in plain http? Then set `plain-http = true`")]
    NotSpoken,
    /// Signed by an authority that is not trusted here.
    #[error(
        "its certificate is signed by an authority that is not trusted here (trusted: {trusted}); `ca` names \
         the file of another"
    )]
    UnknownAuthority { trusted: String },
    /// Signed by an authority that only has the name of one that is known.
    #[error(
        "its certificate is signed by an authority that has the name of a trusted one and another key; \
         an old CA file? (trusted: {trusted})"
    )]
    OldAuthority { trusted: String },
    /// Too old.
    #[error("its certificate has expired{0}")]
    Expired(String),
    /// Too young.
    #[error("its certificate is not valid yet{0}")]
    NotYetValid(String),
    /// Another's.
    #[error("its certificate is not for this name{0}")]
    WrongName(String),
    /// It breaks the connection off, since it got no client certificate.
    #[error("it wants a client certificate, and none is configured for it")]
    ClientCertificateWanted,
    /// None of the client certificates is from an authority that it names.
    #[error("it wants a client certificate of an authority that has signed none of those configured for it")]
    ClientCertificateUnfit,
    /// It does not like the client certificate.
    #[error("it does not accept the client certificate ({0})")]
    ClientCertificateRefused(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What kind of failure it is, for scripts and for what comes next: stable words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// A file, a header or a URL of the configuration.
    Config,
    /// A login is missing. The caller says so: it has logins from elsewhere.
    Login,
    /// The name is not resolved.
    Dns,
    /// No connection.
    Connect,
    /// The proxy.
    Proxy,
    /// TLS.
    Tls,
    /// Too slow: no connection in time, or no answer on it.
    Timeout,
    /// It hangs up before its answer is whole.
    Cut,
    /// Not the protocol, or it leads to a host that it must not lead to.
    Protocol,
    /// 401, or no token.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 429, or 403 or 503 with a count of zero requests left.
    RateLimited,
    /// Another status, see [`Refusal::status`].
    Status,
    /// Not a manifest that containerd would take.
    Content,
}

// === impl RegistryError ===

impl RegistryError {
    pub(super) fn tls(host: &str, problem: TlsProblem) -> Self {
        Self::Tls { host: host.to_owned(), problem }
    }

    /// What of it may be told.
    pub(super) fn told(&self, secrets: &Secrets) -> Refusal {
        let Class { failure, status, retry_after } = self.class();
        let text = secrets.hide(&self.to_string());
        let [brief, short] = [self.brief(), self.short()].map(|text| text.map(|text| secrets.hide(&text)));
        Refusal { failure, text, brief, short, status: status.map(|status| status.as_u16()), retry_after }
    }

    fn brief(&self) -> Option<String> {
        match self {
            Self::Status { host, class: Class { failure: Failure::NotFound, .. }, .. } => {
                Some(format!("{host}: not found"))
            }
            Self::Unauthorized { host, detail, .. } => Some(format!("{host} answers 401{detail}")),
            Self::Token { host, problem, .. } => Some(format!("no token for {host}: {problem}")),
            Self::Password { host, username, .. } => Some(format!("{host}: {}", not_accepted(username))),
            _ => None,
        }
    }

    fn short(&self) -> Option<String> {
        match self {
            Self::Resolve { host, .. } => Some(format!("cannot find the address of {host}")),
            Self::Connect { address, .. } => Some(format!("cannot connect to {address}")),
            Self::Tls { host, .. } => Some(format!("no TLS with {host}")),
            Self::Unauthorized { host, .. } => Some(format!("{host} answers 401")),
            Self::Token { host, .. } => Some(format!("no token for {host}")),
            Self::Status { host, class: Class { failure, status: Some(status), .. }, .. }
                if *failure != Failure::NotFound =>
            {
                Some(format!("{host} answers {}", status.as_u16()))
            }
            Self::Beyond(error) => error.short(),
            Self::Several(errors) => errors.last()?.short(),
            _ => None,
        }
    }

    /// What decides about the next step.
    pub(super) fn class(&self) -> Class {
        let failure = match self {
            Self::Config(_) | Self::File { .. } => Failure::Config,
            Self::Resolve { .. } => Failure::Dns,
            Self::Connect { .. } => Failure::Connect,
            Self::ConnectSlow { .. } | Self::TooSlow { .. } => Failure::Timeout,
            Self::Proxy { .. } => Failure::Proxy,
            Self::Tls { .. } => Failure::Tls,
            Self::Broken { hangs_up: true, .. } | Self::Cut { hangs_up: true, .. } => Failure::Cut,
            Self::Broken { .. } | Self::Cut { .. } | Self::Redirect { .. } | Self::Astray { .. } => {
                Failure::Protocol
            }
            Self::Unauthorized { .. } | Self::Password { .. } => {
                let status = Some(StatusCode::UNAUTHORIZED);
                return Class { failure: Failure::Unauthorized, status, retry_after: None };
            }
            Self::Token { class, .. } | Self::Status { class, .. } => return *class,
            Self::Content { .. } => Failure::Content,
            Self::OtherTag { .. } | Self::OnlyByTag { .. } => Failure::NotFound,
            Self::Beyond(error) => return error.class(),
            Self::Several(errors) => {
                return errors.last().map_or(Class::of(Failure::Config), RegistryError::class);
            }
        };
        Class::of(failure)
    }

    /// Whether no HTTP came back, so that another scheme may lead to an answer.
    pub(super) fn is_without_answer(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::ConnectSlow { .. } | Self::Proxy { .. } | Self::Tls { .. }
        ) || matches!(self, Self::Broken { .. })
    }

    /// The same without the words of a host that a registry has led to.
    pub(super) fn without_words(self) -> Self {
        match self {
            Self::Tls { host, problem: TlsProblem::WrongName(_) } => {
                Self::Tls { host, problem: TlsProblem::WrongName(String::new()) }
            }
            error => error,
        }
    }
}

// === impl Class ===

impl Class {
    pub(super) fn of(failure: Failure) -> Self {
        Class { failure, status: None, retry_after: None }
    }
}

pub(super) fn status_text(status: Option<StatusCode>) -> String {
    match status.map(|status| (status.as_u16(), status.canonical_reason())) {
        Some((number, Some(reason))) => format!("{number} {reason}"),
        Some((number, None)) => number.to_string(),
        None => "no status".to_owned(),
    }
}

fn not_accepted(username: &str) -> String {
    format!("the registry does not accept the password of {username}")
}

fn joined(errors: &[RegistryError]) -> String {
    let texts: Vec<String> = errors.iter().map(RegistryError::to_string).collect();
    texts.join("; then ")
}

/// Rounded up, since the first steps have taken some of it: `300 ms`, `10 s`, `2.5 s`.
fn seconds(limit: Duration) -> String {
    let millis = limit.as_micros().div_ceil(1000);
    match millis {
        0..1000 => format!("{millis} ms"),
        _ => match millis.div_ceil(100) {
            tenths if tenths % 10 == 0 => format!("{} s", tenths / 10),
            tenths => format!("{}.{} s", tenths / 10, tenths % 10),
        },
    }
}

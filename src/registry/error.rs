//! What can go wrong between here and a manifest.
//!
//! Before: any step of asking.  After: `explain --live` prints it; `failure` is the stable word for scripts.
//! Holds: every text names the host or the file that it is about; no secret is in a [`Refusal`], which is all that
//! leaves this module.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::secrets::Secrets;

/// Why a registry gave no manifest, in words that may be shown.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    failure: Failure,
    text: String,
}

impl Refusal {
    /// The sort.
    pub fn failure(&self) -> Failure {
        self.failure
    }
}

/// Why a registry gave no manifest, with the words of others in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegistryError {
    /// The transport's own words make no URL.
    #[error("{url} is no URL that can be asked")]
    Url {
        /// What was made.
        url: String,
    },
    /// A header of the transport.
    #[error("the header \"{name}\" cannot be sent: its name or value has bytes that no header may have")]
    Header {
        /// Its name.
        name: String,
    },
    /// A file of the transport.
    #[error("{}, {what} for {host}: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What it is to be.
        what: &'static str,
        /// Whom it is for.
        host: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The name has no address.
    #[error("cannot find the address of {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// There is nobody.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port`.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody answers.
    #[error("no connection to {address} within {}", seconds(*limit))]
    ConnectSlow {
        /// `host:port`.
        address: String,
        /// How long it was tried.
        limit: Duration,
    },
    /// A proxy of the environment does not let through.
    #[error("the proxy {proxy} {problem}")]
    Proxy {
        /// Its address.
        proxy: String,
        /// What it does.
        problem: String,
    },
    /// No TLS.
    #[error("TLS with {host}: {problem}")]
    Tls {
        /// `host[:port]`.
        host: String,
        /// Why.
        problem: TlsProblem,
    },
    /// The answer is cut off, or is no HTTP.
    #[error("{host} {problem}")]
    Broken {
        /// `host[:port]`.
        host: String,
        /// What it does.
        problem: String,
    },
    /// It takes too long.
    #[error("no answer within {}: {doing}", seconds(*limit))]
    TooSlow {
        /// What was waited for.
        doing: String,
        /// How long.
        limit: Duration,
    },
    /// Redirects without an end, or to nowhere.
    #[error("{host} redirects {problem}")]
    Redirect {
        /// `host[:port]`.
        host: String,
        /// Where to.
        problem: String,
    },
    /// The credentials are not enough.
    #[error("{host} answers 401 Unauthorized, asked {presented}{detail}")]
    Unauthorized {
        /// `host[:port]`.
        host: String,
        /// Who asked.
        presented: String,
        /// What it says to that; empty, or begins with a separator.
        detail: String,
    },
    /// No token for the registry.
    #[error("no token for {host}, asked {presented}: {problem}")]
    Token {
        /// The registry.
        host: String,
        /// Who asked.
        presented: String,
        /// Why.
        problem: String,
        /// What stands in `failure`.
        failure: Failure,
    },
    /// 403.
    #[error("{host} answers 403 Forbidden{detail}")]
    Forbidden {
        /// `host[:port]`.
        host: String,
        /// What it says; empty, or begins with a separator.
        detail: String,
    },
    /// 404.
    #[error("{host} answers 404 Not Found{detail}")]
    NotFound {
        /// `host[:port]`.
        host: String,
        /// What it says; empty, or begins with a separator.
        detail: String,
    },
    /// 429.
    #[error("{host} answers 429 Too Many Requests{detail}")]
    RateLimited {
        /// `host[:port]`.
        host: String,
        /// What it says of its limit; empty, or begins with a separator.
        detail: String,
    },
    /// Any other status.
    #[error("{host} answers {status}{detail}")]
    Status {
        /// `host[:port]`.
        host: String,
        /// The status.
        status: String,
        /// What it says; empty, or begins with a separator.
        detail: String,
    },
    /// An answer that is no manifest.
    #[error("{host} answers, but {problem}")]
    Content {
        /// `host[:port]`.
        host: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Why there is no TLS with a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TlsProblem {
    /// What it answers is no TLS.
    #[error("it does not speak TLS; is it a registry in plain http?")]
    NotSpoken,
    /// Signed by an authority that nobody here knows.
    #[error("its certificate is signed by an authority that is not trusted here (trusted: {trusted})")]
    UnknownAuthority {
        /// What is trusted.
        trusted: String,
    },
    /// Signed by an authority that only has the name of one that is known.
    #[error(
        "its certificate is signed by an authority that has the name of a trusted one and another key; \
         an old CA file? (trusted: {trusted})"
    )]
    OldAuthority {
        /// What is trusted.
        trusted: String,
    },
    /// Too old.
    #[error("its certificate has expired{0}")]
    Expired(String),
    /// Too young.
    #[error("its certificate is not valid yet{0}")]
    NotYetValid(String),
    /// Another's.
    #[error("its certificate is not for this name{0}")]
    WrongName(String),
    /// Broken off for want of a client certificate.
    #[error("it wants a client certificate, and none is configured for it")]
    ClientCertificateWanted,
    /// The client certificate does not please.
    #[error("it does not accept the client certificate ({0})")]
    ClientCertificateRefused(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// The sort of a failure, for scripts: stable words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// A file, a header or a URL of the configuration.
    Config,
    /// There is no login where there should be one. Said by the caller, who has it from elsewhere.
    Login,
    /// The name is not resolved.
    Dns,
    /// No connection.
    Connect,
    /// The proxy.
    Proxy,
    /// TLS.
    Tls,
    /// Too slow.
    Timeout,
    /// Not the protocol.
    Protocol,
    /// 401, or no token.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 429.
    RateLimited,
    /// Another status.
    Status,
    /// No manifest that containerd would take.
    Content,
}

impl RegistryError {
    /// What of it may be told.
    pub(super) fn told(&self, secrets: &Secrets) -> Refusal {
        Refusal { failure: self.failure(), text: secrets.hide(&self.to_string()) }
    }

    /// The sort.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Url { .. } | Self::Header { .. } | Self::File { .. } => Failure::Config,
            Self::Resolve { .. } => Failure::Dns,
            Self::Connect { .. } => Failure::Connect,
            Self::ConnectSlow { .. } | Self::TooSlow { .. } => Failure::Timeout,
            Self::Proxy { .. } => Failure::Proxy,
            Self::Tls { .. } => Failure::Tls,
            Self::Broken { .. } | Self::Redirect { .. } => Failure::Protocol,
            Self::Unauthorized { .. } => Failure::Unauthorized,
            Self::Token { failure, .. } => *failure,
            Self::Forbidden { .. } => Failure::Forbidden,
            Self::NotFound { .. } => Failure::NotFound,
            Self::RateLimited { .. } => Failure::RateLimited,
            Self::Status { .. } => Failure::Status,
            Self::Content { .. } => Failure::Content,
        }
    }
}

fn seconds(limit: Duration) -> String {
    match limit.subsec_millis() {
        0 => format!("{} s", limit.as_secs()),
        _ => format!("{} ms", limit.as_millis()),
    }
}

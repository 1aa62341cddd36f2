//! What a registry host needs that an image reference cannot say: one setting of `[[transport]]` or of a source.
//!
//! Not here: whether the files that are named can be used (`certificate`).

use std::fmt;
use std::path::PathBuf;

use crate::policy::{Layer, Source};
use crate::registry::{Endpoint, HeaderValue};

/// One thing that a host needs.
#[derive(Clone, Debug)]
pub struct TransportNeed {
    /// The host as references spell it, with its port; `*` is every host that has no other entry.
    pub host: String,
    /// What it needs.
    pub what: Transport,
    /// Where that is written.
    pub source: Source,
    /// Which part of the configuration it is from.
    pub layer: Layer,
}

/// What a host can need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `http` instead of `https`.
    PlainHttp,
    /// `http` where `https` fails.
    HttpFallback,
    /// An API root that does not begin with `/v2`: its path, for example `/proxy`.
    ApiRoot(String),
    /// A certificate authority of its own: the file.
    CaFile(PathBuf),
    /// A client certificate.
    ClientCert {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file, where it is not the same.
        key: Option<PathBuf>,
    },
    /// The certificate is not checked.
    SkipVerify,
    /// A header in every request.
    Header {
        /// Its name.
        name: String,
        /// Its value, which may be a token.
        value: HeaderValue,
    },
    /// How long connecting may take, as written.
    DialTimeout(String),
}

impl Transport {
    /// Whether it is a setting of TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::CaFile(_) | Self::ClientCert { .. } | Self::SkipVerify)
    }

    /// Adds it to what is known of a registry. Plain http counts over http as a fallback, so it is left to the caller,
    /// for the end.
    pub(crate) fn add_to(&self, endpoint: &mut Endpoint) {
        match self {
            Self::PlainHttp => {}
            Self::HttpFallback => endpoint.schemes = vec!["https", "http"],
            Self::ApiRoot(root) => endpoint.api_root = Some(root.trim_end_matches('/').to_owned()),
            Self::CaFile(path) if !endpoint.ca.contains(path) => endpoint.ca.push(path.clone()),
            Self::CaFile(_) => {}
            Self::ClientCert { cert, key } => {
                let pair = (cert.clone(), key.clone());
                if !endpoint.client.contains(&pair) {
                    endpoint.client.push(pair);
                }
            }
            Self::SkipVerify => endpoint.skip_verify = true,
            Self::Header { name, value } => endpoint.headers.push((name.clone(), value.clone())),
            Self::DialTimeout(time) => endpoint.dial_timeout = Some(time.clone()),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => f.write_str("plain http"),
            Self::HttpFallback => f.write_str("plain http where https fails"),
            Self::ApiRoot(path) => write!(f, "the API root {path}"),
            Self::CaFile(path) => write!(f, "the certificate authority {}", path.display()),
            Self::ClientCert { cert, .. } => write!(f, "the client certificate {}", cert.display()),
            Self::SkipVerify => f.write_str("skip-verify (its certificate is not verified)"),
            Self::Header { name, .. } => write!(f, "the header {name}"),
            Self::DialTimeout(time) => write!(f, "the dial timeout {time}"),
        }
    }
}

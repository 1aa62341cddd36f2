//! What containerd has to be told about a host, because no image reference can say it.
//!
//! Before: the readers of the formats find an endpoint with more to it than a host and a path.
//! After: `lint` says how containerd must be told; nothing else acts on it yet.
//! Holds: what a file says of a host's transport is never dropped, and its secrets are not shown.
//! Not here: writing containerd's `hosts.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::policy::Source;
use crate::secret::Secret;

use super::super::diagnostic::{Problem, Span};

/// One thing that a host needs.
#[derive(Clone, Debug)]
pub struct TransportNeed {
    /// The host as references spell it, with its port.
    pub host: String,
    /// What it needs.
    pub what: Transport,
    /// Where that is written.
    pub source: Source,
    pub(in crate::config) at: Span,
}

/// What a host can need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `http` instead of `https`.
    PlainHttp,
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
    /// The certificate is not looked at.
    SkipVerify,
    /// A header in every request.
    Header {
        /// Its name.
        name: String,
        /// Its value, which may be a token.
        value: Secret,
    },
    /// How long a connection may take to come about, as written.
    DialTimeout(String),
}

/// Says for each host how containerd has to be told of what it needs.
pub(super) fn lint(needs: &[TransportNeed], out: &mut Vec<Problem>) {
    let mut hosts: BTreeMap<&str, Vec<&TransportNeed>> = BTreeMap::new();
    for need in needs {
        hosts.entry(&need.host).or_default().push(need);
    }
    for (host, needs) in hosts {
        let Some(first) = needs.first() else { continue };
        let mut what: Vec<String> = needs.iter().map(|need| need.what.to_string()).collect();
        what.dedup();
        let who = if host == "*" { "every other host" } else { host };
        let message = format!("{who} needs {}, which no image reference can say", what.join(", "));
        let hint = format!("containerd has to be told; below its config_path: {}", hosts_toml(host, &needs));
        out.push(Problem::warning(message).at(&first.at).hint(hint));
    }
}

/// A `hosts.toml` in one line. The values of headers are left to who writes it.
fn hosts_toml(host: &str, needs: &[&TransportNeed]) -> String {
    let mut scheme = "https";
    let mut root = "";
    let mut lines = Vec::new();
    for need in needs {
        match &need.what {
            Transport::PlainHttp => scheme = "http",
            Transport::ApiRoot(path) => root = path,
            Transport::CaFile(path) => lines.push(format!("ca = {:?}", path.display().to_string())),
            Transport::ClientCert { cert, key: None } => {
                lines.push(format!("client = {:?}", cert.display().to_string()));
            }
            Transport::ClientCert { cert, key: Some(key) } => {
                lines.push(format!(
                    "client = [[{:?}, {:?}]]",
                    cert.display().to_string(),
                    key.display().to_string()
                ));
            }
            Transport::SkipVerify => lines.push("skip_verify = true".to_owned()),
            Transport::Header { name, .. } => lines.push(format!("header.{name} = \"...\"")),
            Transport::DialTimeout(time) => lines.push(format!("dial_timeout = {time:?}")),
        }
    }
    if !root.is_empty() {
        lines.push("override_path = true".to_owned());
    }
    let directory = if host == "*" { "_default" } else { host };
    if host != "*" {
        lines.insert(0, format!("server = \"{scheme}://{host}{root}\""));
    }
    lines.dedup();
    format!("{directory}/hosts.toml with {}", lines.join("; "))
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => f.write_str("plain http"),
            Self::ApiRoot(path) => write!(f, "the API root {path}"),
            Self::CaFile(path) => write!(f, "the certificate authority {}", path.display()),
            Self::ClientCert { cert, .. } => write!(f, "the client certificate {}", cert.display()),
            Self::SkipVerify => f.write_str("no look at its certificate"),
            Self::Header { name, .. } => write!(f, "the header {name}"),
            Self::DialTimeout(time) => write!(f, "the dial timeout {time}"),
        }
    }
}

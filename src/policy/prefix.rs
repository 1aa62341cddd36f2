//! The prefix of a rule: which names it is for.
//!
//! Holds: the text is folded as keys are, so equal prefixes have equal texts.
//! Not here: why a text is not a prefix (`error`, `hint`), which rule wins (`index`).

use std::fmt;
use std::str::FromStr;

use super::diagnosis::diagnose;
use super::grammar;
use super::key::{HUB, fold_host, split_port};

mod error;
mod hint;
#[cfg(test)]
mod tests;

pub use error::PrefixError;

/// The names that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    text: String,
    kind: PrefixKind,
    /// Where the host or the wildcard ends.
    host_end: usize,
}

/// The kinds of prefix, the most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrefixKind {
    /// `host/repository@digest` or `host/repository:tag`.
    Exact,
    /// `host/path`: that repository and every one below.
    Path,
    /// `host`, with its port if it has one.
    Host,
    /// `*.domain`: every host below the domain, on any port.
    Domain,
    /// `*`: everything.
    Any,
}

/// A number below this behind a host without a dot is taken for a tag, not a port: `redis:7` is an image.
const LOWEST_LIKELY_PORT: u32 = 80;

impl Prefix {
    /// The folded text; rules with equal texts are for the same names.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind of prefix.
    pub fn kind(&self) -> PrefixKind {
        self.kind
    }

    /// The one host that it is for, folded; `None` for wildcards.
    pub fn host(&self) -> Option<&str> {
        matches!(self.kind, PrefixKind::Exact | PrefixKind::Path | PrefixKind::Host)
            .then(|| &self.text[..self.host_end])
    }

    /// The domain of a `*.domain`.
    pub fn domain(&self) -> Option<&str> {
        self.text.strip_prefix("*.").filter(|_| self.kind == PrefixKind::Domain)
    }

    /// What follows the host, with tag or digest; may be empty.
    pub(super) fn below_host(&self) -> &str {
        self.text.get(self.host_end + 1..).unwrap_or("")
    }

    /// The repository path, without tag and digest; empty for a host alone and for wildcards.
    pub fn path(&self) -> &str {
        let below = self.below_host();
        below.find(['@', ':']).map_or(below, |suffix| &below[..suffix])
    }

    /// Whether every name under `other` is under this one as well.
    pub fn covers(&self, other: &Self) -> bool {
        match self.kind {
            PrefixKind::Any => true,
            PrefixKind::Domain => {
                let host = other.host().map(|host| split_port(host).0).or(other.domain());
                host.is_some_and(|host| host.ends_with(&self.text[1..])) || self == other
            }
            PrefixKind::Host | PrefixKind::Path => {
                other.host().is_some()
                    && other.text.strip_prefix(self.text.as_str()).is_some_and(|rest| {
                        let ends_component = match self.kind {
                            PrefixKind::Host => rest.starts_with('/'),
                            _ => rest.starts_with(['/', ':', '@']),
                        };
                        rest.is_empty() || ends_component
                    })
            }
            PrefixKind::Exact => self == other,
        }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(s: &str) -> Result<Self, PrefixError> {
        let text = || s.to_owned();
        if s.is_empty() {
            return Err(PrefixError::Empty);
        }
        if is_plain_host(s) {
            return Ok(of_host(s));
        }
        if s.contains("://") {
            return Err(PrefixError::Scheme { text: text() });
        }
        if s == "*" {
            return Ok(Self { text: text(), kind: PrefixKind::Any, host_end: s.len() });
        }
        if let Some(domain) = s.strip_prefix("*.") {
            return below_domain(s, domain);
        }
        if s.contains('*') {
            return Err(PrefixError::Wildcard { text: text() });
        }
        if s.ends_with('/') {
            return Err(PrefixError::TrailingSlash { text: text() });
        }
        match s.split_once('/') {
            Some((host, rest)) => repository(s, host, rest),
            None => host_alone(s),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether people and containerd read a text as a host. For containerd upper case alone makes a host
/// (`Foo/bar`); in a rule that is probably a mistake, and `foo:443` names such a host.
pub(super) fn is_host(s: &str) -> bool {
    s == "localhost" || s.contains(['.', ':'])
}

/// Whether containerd can ask this host; `a_b.io` is not a domain, and containerd asks it all the same.
pub(super) fn is_well_formed_host(s: &str) -> bool {
    grammar::is_domain(s) || (grammar::is_path(s) && !s.contains('/'))
}

fn below_domain(s: &str, domain: &str) -> Result<Prefix, PrefixError> {
    if domain.contains(['*', '/', '@']) {
        return Err(PrefixError::Wildcard { text: s.to_owned() });
    }
    if domain.contains(':') {
        return Err(PrefixError::WildcardPort { text: s.to_owned() });
    }
    let domain = domain.to_ascii_lowercase();
    if !is_well_formed_host(&domain) {
        return Err(PrefixError::Host { host: domain });
    }
    let text = format!("*.{domain}");
    Ok(Prefix { host_end: text.len(), text, kind: PrefixKind::Domain })
}

fn host_alone(s: &str) -> Result<Prefix, PrefixError> {
    let (bare, suffix) = match s.split_once('@') {
        Some((bare, _)) => (bare, true),
        None => {
            let (bare, port) = split_port(s);
            (bare, port.is_some_and(|port| !is_likely_port(bare, port)))
        }
    };
    if !is_host(bare) && (suffix || !is_host(s)) {
        return Err(PrefixError::NoHost { text: s.to_owned() });
    }
    if suffix {
        // What stands before an `@` may be a login, and a password of digits looks like a port.
        let is_digest =
            |rest: &str| ["sha256:", "sha384:", "sha512:"].iter().any(|name| rest.starts_with(name));
        let host = if s.split_once('@').is_none_or(|(_, rest)| is_digest(rest)) { bare } else { "" };
        return Err(PrefixError::NoRepository { text: s.to_owned(), host: host.to_owned() });
    }
    if !is_well_formed_host(s) {
        return Err(PrefixError::Host { host: s.to_owned() });
    }
    Ok(of_host(s))
}

/// A fast answer for what nearly every prefix is: there can be very many.
fn is_plain_host(s: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':');
    s.bytes().all(plain) && s.contains('.') && grammar::is_domain(s)
}

fn of_host(s: &str) -> Prefix {
    let text = fold_host(s).into_owned();
    Prefix { host_end: text.len(), text, kind: PrefixKind::Host }
}

fn is_likely_port(bare: &str, port: &str) -> bool {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    digits && (is_host(bare) || port.parse().unwrap_or(u32::MAX) >= LOWEST_LIKELY_PORT)
}

fn repository(s: &str, host: &str, rest: &str) -> Result<Prefix, PrefixError> {
    let text = || s.to_owned();
    if !is_host(host) {
        return Err(PrefixError::NoHost { text: text() });
    }
    if !is_well_formed_host(host) {
        return Err(PrefixError::Host { host: grammar::with_login(host, rest) });
    }
    let (path, tag, digest) = grammar::cut(rest);
    let invalid = |cause| PrefixError::Invalid { text: s.to_owned(), cause };
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(PrefixError::UpperCase { text: text() });
    }
    if !grammar::is_path(path) || !tag.is_none_or(grammar::is_tag) {
        return Err(invalid(diagnose(s)));
    }
    grammar::check_length(path).map_err(invalid)?;
    digest.map_or(Ok(()), grammar::check_digest).map_err(invalid)?;
    let folded = fold_host(host);
    let suffix = match (tag, digest) {
        (Some(_), Some(digest)) => {
            return Err(PrefixError::TagAndDigest {
                text: text(),
                digest_only: format!("{host}/{path}@{digest}"),
            });
        }
        (Some(tag), None) => format!(":{tag}"),
        (None, Some(digest)) => format!("@{digest}"),
        (None, None) => String::new(),
    };
    if folded == HUB && !suffix.is_empty() && !path.contains('/') {
        return Err(PrefixError::Official { text: text(), full: format!("{HUB}/library/{path}{suffix}") });
    }
    let kind = if suffix.is_empty() { PrefixKind::Path } else { PrefixKind::Exact };
    Ok(Prefix { text: format!("{folded}/{path}{suffix}"), kind, host_end: folded.len() })
}

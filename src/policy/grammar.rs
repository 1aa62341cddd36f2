//! The grammar of image references, as containerd's parser has it.
//!
//! Holds: every function takes any string and never panics; it accepts what upstream's regular expressions
//! accept, matched by hand on bytes.
//! Not here: aliases of a registry (`key`).
//!
//! Facts: distribution/reference `regexp.go`, `reference.go`, `normalize.go`; opencontainers/go-digest.

use super::name::error::{NameError, Part};

/// The longest repository path, without the host.
const PATH_MAX: usize = 255;

/// The longest tag.
pub(super) const TAG_MAX: usize = 128;

/// The parts of a reference; `domain` is empty where none was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) domain: &'a str,
    pub(super) path: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

/// Upstream's `Parse`: a reference in full spelling, nothing added.
pub(super) fn parse(s: &str) -> Result<Parts<'_>, NameError> {
    if s.is_empty() {
        return Err(NameError::Empty);
    }
    let Some(parts) = split(s) else {
        let lower = s.to_lowercase();
        let by_case = lower != s && split(&lower).is_some();
        return Err(if by_case { NameError::UpperCase } else { NameError::Format });
    };
    check_length(parts.path)?;
    parts.digest.map_or(Ok(()), check_digest)?;
    Ok(parts)
}

/// The host is not counted. containerd 1.6 and 1.7 count it too, and refuse such a pull themselves.
pub(super) fn check_length(path: &str) -> Result<(), NameError> {
    if path.len() > PATH_MAX { Err(NameError::TooLong { length: path.len() }) } else { Ok(()) }
}

/// Checks a repository path and the rest behind it: nothing, `:tag` or `@digest`.
pub(super) fn check_rest(path: &str, suffix: &str) -> Result<(), NameError> {
    let tag_is_one = suffix.strip_prefix(':').is_none_or(is_tag);
    if !is_path(path) || !tag_is_one {
        return Err(NameError::Format);
    }
    check_length(path)?;
    suffix.strip_prefix('@').map_or(Ok(()), check_digest)
}

/// Splits `name[:tag][@digest]` where all of it has the right form (`ReferenceRegexp`).
pub(super) fn split(s: &str) -> Option<Parts<'_>> {
    let (name, tag, digest) = cut(s);
    let well_formed = tag.is_none_or(is_tag) && digest.is_none_or(has_digest_form);
    let (domain, path) = split_name(name).filter(|_| well_formed)?;
    Some(Parts { domain, path, tag, digest })
}

/// Cuts a text at its tag and its digest, whatever the form of the parts is.
pub(super) fn cut(s: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = match s.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (s, None),
    };
    // A port is always followed by a slash, so a colon behind the last slash begins a tag.
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[last..].find(':') {
        Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
        None => (rest, None),
    };
    (name, tag, digest)
}

/// Splits a name without tag and digest into domain and path (`anchoredNameRegexp`).
pub(super) fn split_name(name: &str) -> Option<(&str, &str)> {
    if let Some((domain, path)) = name.split_once('/')
        && is_domain(domain)
        && is_path(path)
    {
        return Some((domain, path));
    }
    is_path(name).then_some(("", name))
}

/// The text of a host for a message. What looks like a host may be a login: its password may hold a slash, and then
/// an `@` follows. The rest is kept in this case, so that whoever shows the message can hide the login.
pub(super) fn with_login(host: &str, rest: &str) -> String {
    if rest.contains('@') { format!("{host}/{rest}") } else { host.to_owned() }
}

/// Upstream's `splitDockerDomain` as `ParseNormalizedNamed` uses it: the host, and the rest.
pub(super) fn split_host(s: &str) -> (Option<&str>, &str) {
    match s.split_once('/') {
        Some((first, rest)) if looks_like_host(first) => (Some(first), rest),
        _ => (None, s),
    }
}

/// Whether the first component of a reference is read as a host and not as a namespace of Docker Hub.
pub(super) fn looks_like_host(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || has_upper_case(first)
}

/// Whether lower-casing would change the text.
pub(super) fn has_upper_case(s: &str) -> bool {
    // Nearly every text is ASCII; then no second text is needed.
    if s.is_ascii() { s.bytes().any(|b| b.is_ascii_uppercase()) } else { s.to_lowercase() != s }
}

/// Host, port included: DNS-like labels or an IPv6 address in brackets (`DomainRegexp`).
pub(super) fn is_domain(s: &str) -> bool {
    let bytes = s.as_bytes();
    if let Some(rest) = bytes.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|&b| b == b']') else { return false };
        let (address, port) = (&rest[..end], &rest[end + 1..]);
        let hex = |b: &u8| b.is_ascii_hexdigit() || *b == b':';
        return !address.is_empty() && address.iter().all(hex) && (port.is_empty() || is_port(port));
    }
    let colon = bytes.iter().position(|&b| b == b':').unwrap_or(bytes.len());
    let (labels, port) = bytes.split_at(colon);
    labels.split(|&b| b == b'.').all(is_label) && (port.is_empty() || is_port(port))
}

fn is_label(label: &[u8]) -> bool {
    let inner = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    match (label.first(), label.last()) {
        (Some(first), Some(last)) => *first != b'-' && *last != b'-' && label.iter().all(inner),
        _ => false,
    }
}

/// A colon and digits, any number of them.
fn is_port(port: &[u8]) -> bool {
    match port.strip_prefix(b":") {
        Some(digits) => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        None => false,
    }
}

/// Whether a text can be the host of a URL: labels that may hold `_`, or an IPv6 address in brackets, and
/// perhaps a port. Not every such host can stand in a reference.
pub(super) fn is_url_host(s: &str) -> bool {
    if s.starts_with('[') {
        return is_domain(s);
    }
    let (labels, port) = s.split_at(s.find(':').unwrap_or(s.len()));
    let label = |label: &str| is_label(label.replace('_', "0").as_bytes());
    labels.split('.').all(label) && (port.is_empty() || is_port(port.as_bytes()))
}

/// A repository path of any length: lower-case components joined by slashes.
pub(super) fn is_path(s: &str) -> bool {
    s.as_bytes().split(|&b| b == b'/').all(is_component)
}

/// Runs of lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_component(component: &[u8]) -> bool {
    let mut rest = component;
    loop {
        let run = rest.iter().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
        if run == 0 {
            return false;
        }
        rest = &rest[run..];
        rest = match rest {
            [] => return true,
            [b'_', b'_', after @ ..] | [b'.' | b'_', after @ ..] => after,
            [b'-', ..] => &rest[rest.iter().take_while(|&&b| b == b'-').count()..],
            _ => return false,
        };
    }
}

pub(super) fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = tag.as_bytes();
    bytes.first().is_some_and(|&b| word(b))
        && bytes.len() <= TAG_MAX
        && bytes.iter().all(|&b| word(b) || b == b'.' || b == b'-')
}

/// The loose form that a digest has inside a reference; `check_digest` is the strict one.
fn has_digest_form(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let part = |part: &str| {
        part.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
            && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(part)
        && hex.len() >= 32
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether `text` is a digest, as `check_digest` has it.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    check_digest(text).is_ok()
}

/// go-digest's `Validate`, with the three algorithms that a containerd binary has (its TLS links them all).
pub(super) fn check_digest(digest: &str) -> Result<(), NameError> {
    let Some((written, hex)) = digest.split_once(':') else {
        return Err(NameError::Digest { text: digest.to_owned() });
    };
    let known = [("sha256", 64), ("sha384", 96), ("sha512", 128)];
    let Some((algorithm, digits)) = known.into_iter().find(|(algorithm, _)| *algorithm == written) else {
        let upper = written.bytes().any(|b| b.is_ascii_uppercase());
        let unknown = || NameError::DigestAlgorithm { algorithm: written.to_owned() };
        return Err(if upper { NameError::DigestUpperCase } else { unknown() });
    };
    if hex.len() != digits {
        return Err(NameError::DigestLength { algorithm, digits, found: hex.chars().count() });
    }
    match hex.chars().find(|c| !c.is_ascii_digit() && !matches!(c, 'a'..='f')) {
        None => Ok(()),
        Some('A'..='F') => Err(NameError::DigestUpperCase),
        Some(found) => Err(NameError::Character { found, part: Part::Digest }),
    }
}

/// 64 lower-case hex digits (`IdentifierRegexp`).
pub(super) fn is_identifier(s: &str) -> bool {
    s.len() == 64 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod conformance;

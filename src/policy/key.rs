//! The key of a name: one spelling for each registry, which is all that rules see.
//!
//! Before: `Name::key` splits a name.  After: `decide` looks the key up.
//! Holds: folding is idempotent; names that containerd would take to one registry have one key host.
//! Not here: DNS aliases and other addresses of a host, which are other registries to any rule.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

#[cfg(test)]
mod tests;

/// The registry that every short name means.
pub(super) const HUB: &str = "docker.io";

/// A name with the aliases of its registry folded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    text: String,
    host_end: usize,
    path_end: usize,
}

impl Key {
    /// Puts a key together; `suffix` is empty, `:tag` or `@digest`.
    pub(super) fn new(host: &str, path: &str, suffix: &str) -> Self {
        let host = fold_host(host);
        let mut text = String::with_capacity(host.len() + 1 + path.len() + suffix.len());
        text.push_str(&host);
        text.push('/');
        text.push_str(path);
        let path_end = text.len();
        text.push_str(suffix);
        Self { host_end: host.len(), path_end, text }
    }

    /// The whole key, e.g. `docker.io/library/nginx:latest`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The registry, lower case and without `:443`.
    pub fn host(&self) -> &str {
        &self.text[..self.host_end]
    }

    /// The repository without the registry.
    pub fn path(&self) -> &str {
        &self.text[self.host_end + 1..self.path_end]
    }

    /// Registry and repository.
    pub fn repository(&self) -> &str {
        &self.text[..self.path_end]
    }

    /// The tag, where there is no digest.
    pub fn tag(&self) -> Option<&str> {
        self.suffix().strip_prefix(':')
    }

    /// The digest.
    pub fn digest(&self) -> Option<&str> {
        self.suffix().strip_prefix('@')
    }

    /// Tag or digest with the sign before it.
    pub(super) fn suffix(&self) -> &str {
        &self.text[self.path_end..]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Folds the spellings of one registry host.
///
/// Case; the port of https; leading noughts of a port, which Go's dialler ignores; the ways to write one
/// IPv6 address; and the names that Docker Hub's registry has in clients' code.
pub(super) fn fold_host(host: &str) -> Cow<'_, str> {
    let (bare, port) = split_port(host);
    let port = port.map(|port| match port.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    });
    let port = port.filter(|port| *port != "443");
    let bare = fold_address(bare);
    let bare = match bare.as_ref() {
        "index.docker.io" | "registry-1.docker.io" if port.is_none() => Cow::Borrowed(HUB),
        _ => bare,
    };
    match (port, bare) {
        // Nearly every host is folded already.
        (Some(port), Cow::Borrowed(bare)) if bare.len() + 1 + port.len() == host.len() => Cow::Borrowed(host),
        (Some(port), bare) => Cow::Owned(format!("{bare}:{port}")),
        (None, bare) => bare,
    }
}

/// Splits `host:port`; the colons inside an IPv6 address are not meant.
pub(super) fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((bare, port)) if !port.ends_with(']') => (bare, Some(port)),
        _ => (host, None),
    }
}

fn fold_address(bare: &str) -> Cow<'_, str> {
    if let Some(inner) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        && let Ok(address) = inner.parse::<Ipv6Addr>()
    {
        return Cow::Owned(format!("[{}]", hexadecimal(address)));
    }
    if bare.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Owned(bare.to_ascii_lowercase());
    }
    Cow::Borrowed(bare)
}

/// The shortest form of the address, but never with a dotted IPv4 tail: references can't hold one.
fn hexadecimal(address: Ipv6Addr) -> String {
    let short = address.to_string();
    if !short.contains('.') {
        return short;
    }
    let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:x}")).collect();
    groups.join(":")
}

//! The key of a name: the name with one spelling for each registry. Rules see only keys.
//!
//! Holds: folding is idempotent; names that some version of containerd takes to one registry have one key host.
//! Not here: DNS aliases and other addresses of a host; to rules they are other registries. Only what is denied at this
//! machine is denied by all its names (`decide/local`).

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use super::reference::Reference;

#[cfg(test)]
mod tests;

/// The registry that every short name means.
pub(super) const HUB: &str = "docker.io";

/// The other names of Docker Hub's registry. The first is from its first protocol, clients connect to the
/// second, and the last two serve its images as well (docker/hub-tool#107, docker/hub-feedback#2113).
const HUB_ALIASES: [&str; 4] =
    ["index.docker.io", "registry-1.docker.io", "registry.docker.io", "registry.hub.docker.com"];

/// What a machine calls itself, as hosts of image names.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A name with the aliases of its registry folded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Reference);

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
        Self(Reference::new(text, host.len(), path_end))
    }

    /// The same image by the other names of the machine itself, if its host is one of them.
    pub(super) fn at_this_machine(&self) -> impl Iterator<Item = Self> {
        let (bare, port) = split_port(self.host());
        let names = if is_this_machine(bare) { THIS_MACHINE.as_slice() } else { &[] };
        names.iter().filter(move |name| **name != bare).map(move |name| {
            let host = port.map_or(Cow::Borrowed(*name), |port| Cow::Owned(format!("{name}:{port}")));
            Self::new(&host, self.path(), self.suffix())
        })
    }
}

impl Deref for Key {
    type Target = Reference;

    fn deref(&self) -> &Reference {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Folds the spellings of one registry host.
///
/// It folds upper case; the port of https; leading zeros of a port, which Go's dialler ignores; the ways to
/// write one IPv6 address; the port of http on a loopback host; and the names of Docker Hub's registry.
///
/// containerd 1.6 asks a loopback host without a port by http (`defaultScheme` of its CRI plugin), so there
/// `localhost` is `localhost:80`; later versions ask port 443. A rule for either is for both.
pub(crate) fn fold_host(host: &str) -> Cow<'_, str> {
    let (bare, port) = split_port(host);
    let port = port.map(|port| match port.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    });
    let bare = fold_address(bare);
    let port = port.filter(|&port| port != "443" && !(port == "80" && is_loopback(&bare)));
    let bare = if port.is_none() && HUB_ALIASES.contains(&bare.as_ref()) { Cow::Borrowed(HUB) } else { bare };
    match (port, bare) {
        // Nearly every host is folded already.
        (Some(port), Cow::Borrowed(bare)) if bare.len() + 1 + port.len() == host.len() => Cow::Borrowed(host),
        (Some(port), bare) => Cow::Owned(format!("{bare}:{port}")),
        (None, bare) => bare,
    }
}

/// By name or IPv4 address: containerd 1.6 reads no address in brackets.
fn is_loopback(bare: &str) -> bool {
    bare == "localhost" || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a folded host leads to the machine itself: also by an address that is not specified, or by an IPv4 address in an
/// IPv6 one.
fn is_this_machine(bare: &str) -> bool {
    let is_here = |address: Ipv4Addr| address.is_loopback() || address.is_unspecified();
    let in_brackets = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match in_brackets.map(str::parse::<Ipv6Addr>) {
        Some(Ok(address)) => match address.to_ipv4_mapped() {
            Some(mapped) => is_here(mapped),
            None => address.is_loopback() || address.is_unspecified(),
        },
        Some(Err(_)) => false,
        None => bare == "localhost" || bare.parse().is_ok_and(is_here),
    }
}

/// Splits `host:port`; an IPv6 address in brackets is not split.
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

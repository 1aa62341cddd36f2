//! An endpoint of a mirror, as k3s writes it: a URL, or a host with a port and a path.
//!
//! Holds: the host is one that a URL can have. An image reference may not be able to say it (`nexus`).

use std::net::IpAddr;

use crate::policy::{Location, Ns, Prefix};

/// An endpoint in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointUrl {
    pub(crate) scheme: Scheme,
    /// Whether the scheme is written.
    pub(crate) says_scheme: bool,
    /// With the port, if there is one.
    pub(crate) host: String,
    /// Starts with a slash and does not end with one; empty if there is no path.
    pub(crate) path: String,
    /// Whether there is a user or a password before the host.
    pub(crate) has_login: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("it has no host")]
    NoHost,
    #[error("its scheme is {0:?}, but registries use http or https")]
    Scheme(String),
    #[error("{0:?} is not a host")]
    Host(String),
    #[error("it has a query or a fragment")]
    Query,
    #[error("it has a control character")]
    Control,
    #[error("it does not begin with https:// or http://")]
    NoScheme,
    #[error("it has a user name or a password")]
    Login,
}

impl EndpointUrl {
    /// Reads a text. Without a scheme it is https, but http for a loopback host with a port other than 443:
    /// k3s' `normalizeEndpointAddress`.
    pub(crate) fn parse(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text.strip_prefix("//").unwrap_or(text)),
        };
        // Go reads no such URL, and all these programs are written in Go.
        if text.contains(|c: char| c.is_ascii_control()) {
            return Err(EndpointError::Control);
        }
        if rest.contains(['?', '#']) {
            return Err(EndpointError::Query);
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (login, host) = authority.rsplit_once('@').map_or((None, authority), |(l, h)| (Some(l), h));
        if host.is_empty() {
            return Err(EndpointError::NoHost);
        }
        if login.is_some_and(|login| login.contains(['{', '}', ' '])) || !is_host(host) {
            // A password that contains a slash looks like a host. The `@` after it is kept, so that it is hidden.
            let shown = if path.contains('@') { rest } else { host };
            return Err(EndpointError::Host(shown.to_owned()));
        }
        let says_scheme = scheme.as_deref().is_some_and(|scheme| !scheme.is_empty());
        let scheme = match scheme.as_deref() {
            None if is_loopback_with_port(host) => Scheme::Http,
            None | Some("https" | "") => Scheme::Https,
            Some("http") => Scheme::Http,
            // With an `@` behind it, it may be a part of a password; the whole is hidden then.
            Some(_) if rest.contains('@') => return Err(EndpointError::Scheme(text.to_owned())),
            Some(other) => return Err(EndpointError::Scheme(other.to_owned())),
        };
        let path = path.trim_end_matches('/').to_owned();
        Ok(EndpointUrl { scheme, says_scheme, host: host.to_owned(), path, has_login: login.is_some() })
    }

    /// The whole endpoint in a uniform spelling.
    pub(crate) fn url(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}{}", self.host, self.path)
    }
}

/// Whether containerd uses http for a host without any configuration.
pub(crate) fn is_http_by_itself(host: &str) -> bool {
    is_loopback_with_port(host) && !host.ends_with(":80")
}

/// Whether a mirror of a file for containerd needs to be told of the registry. containerd tells all of them. One that is
/// for every registry, or on the node itself as peer-to-peer mirrors are, serves by that.
pub(crate) fn ns(host: &str, registry: &Prefix) -> Ns {
    let is_for_all = registry.host().is_none();
    if is_for_all || is_loopback(host) { Ns::Needed } else { Ns::Sent }
}

fn is_host(host: &str) -> bool {
    Location::of_endpoint(host, "").is_ok()
}

/// A loopback host with a port other than that of https.
pub(crate) fn is_loopback_with_port(host: &str) -> bool {
    let Some((bare, port)) = host.rsplit_once(':') else { return false };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_port && port != "443" && is_loopback(bare)
}

/// Whether a host, with or without a port, is the node itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if !port.ends_with(']') => bare,
        _ => host,
    };
    let address = bare.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    bare == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_endpoint_has_a_scheme_a_host_and_a_path() {
        let rows = [
            ("m.dev", "https://m.dev"),
            ("m.dev:443", "https://m.dev:443"),
            ("https://m.dev/", "https://m.dev"),
            ("HTTP://m.dev", "http://m.dev"),
            ("m.dev/v2/", "https://m.dev/v2"),
            ("m.dev/v2/a/b", "https://m.dev/v2/a/b"),
            ("localhost", "https://localhost"),
            ("localhost:5000", "http://localhost:5000"),
            ("localhost:443", "https://localhost:443"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("127.8.0.1:5000/x", "http://127.8.0.1:5000/x"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("https://[::1]:5000", "https://[::1]:5000"),
            ("10.0.0.5:5000", "https://10.0.0.5:5000"),
            ("https://user:pw@m.dev/v2", "https://m.dev/v2"),
        ];
        for (text, expected) in rows {
            assert_eq!(EndpointUrl::parse(text).unwrap().url(), expected, "{text}");
        }
        assert!(EndpointUrl::parse("https://user:pw@m.dev").unwrap().has_login);
        assert!(!EndpointUrl::parse("https://m.dev/a@b").unwrap().has_login);
    }

    #[test]
    fn what_is_no_endpoint() {
        let rows = [
            ("", "it has no host"),
            ("/v2", "it has no host"),
            ("https://", "it has no host"),
            ("ftp://m.dev", "its scheme is \"ftp\", but registries use http or https"),
            ("https://user:bad{@m.dev", "\"m.dev\" is not a host"),
            ("https://user:bad/x@m.dev", "\"user:bad/x@m.dev\" is not a host"),
            ("m dev", "\"m dev\" is not a host"),
            ("m.dev:port", "\"m.dev:port\" is not a host"),
            ("https://m.dev/v2?x=1", "it has a query or a fragment"),
            ("https://m.dev/\tv2", "it has a control character"),
        ];
        for (text, expected) in rows {
            assert_eq!(EndpointUrl::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn containerd_uses_http_by_itself_on_the_loopback_alone() {
        let rows = [
            ("m.dev", false),
            ("m.dev:5000", false),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("localhost:80", false),
            ("localhost", false),
        ];
        for (host, expected) in rows {
            assert_eq!(is_http_by_itself(host), expected, "{host}");
        }
    }

    #[test]
    fn a_host_may_be_one_that_no_reference_can_say() {
        for text in ["http://nexus", "https://my_registry:5000", "http://[::1]:5000", "nexus"] {
            EndpointUrl::parse(text).unwrap();
        }
    }
}

//! An endpoint of a mirror, as k3s and containerd write them: a URL, or a host with a port and a path.
//!
//! Before: a reader has the text.  After: it makes a mirror's location of it, and what the host needs of
//! transport.
//! Holds: what is taken for a host can stand in an image reference.
//! Not here: what stands behind the host in each format (`registries_yaml`, `certs_d`).

use std::net::IpAddr;

use crate::policy::{Kind, Name, Prefix};

/// An endpoint in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Endpoint {
    pub(in crate::config) scheme: Scheme,
    /// With the port, where there is one.
    pub(in crate::config) host: String,
    /// Begins with a slash and does not end with one; empty where there is none.
    pub(in crate::config) path: String,
    /// Whether a user or a password stands before the host.
    pub(in crate::config) has_login: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::config) enum Scheme {
    Http,
    Https,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::config) enum EndpointError {
    #[error("it has no host")]
    NoHost,
    #[error("its scheme is {0:?}, and registries speak http and https")]
    Scheme(String),
    #[error("{0:?} is no host")]
    Host(String),
    #[error("it has a query or a fragment")]
    Query,
}

impl Endpoint {
    /// Reads a text. Without a scheme it is https, but http for a loopback host with a port other than 443:
    /// k3s' `normalizeEndpointAddress`.
    pub(in crate::config) fn parse(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text.strip_prefix("//").unwrap_or(text)),
        };
        if rest.contains(['?', '#']) {
            return Err(EndpointError::Query);
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (login, host) = authority.rsplit_once('@').map_or((None, authority), |(l, h)| (Some(l), h));
        if host.is_empty() {
            return Err(EndpointError::NoHost);
        }
        if login.is_some_and(|login| login.contains(['{', '}', ' '])) || !is_host(host) {
            // A password with a slash in it is told from a host by the sign behind it, which stays in sight.
            let shown = if path.contains('@') { rest } else { host };
            return Err(EndpointError::Host(shown.to_owned()));
        }
        let scheme = match scheme.as_deref() {
            None if is_loopback_with_port(host) => Scheme::Http,
            None | Some("https" | "") => Scheme::Https,
            Some("http") => Scheme::Http,
            Some(other) => return Err(EndpointError::Scheme(other.to_owned())),
        };
        let path = path.trim_end_matches('/').to_owned();
        Ok(Endpoint { scheme, host: host.to_owned(), path, has_login: login.is_some() })
    }

    /// The whole again, in one spelling.
    pub(in crate::config) fn url(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}{}", self.host, self.path)
    }

    /// Whether containerd has to be told to speak http: to a loopback host it does so by itself, where the
    /// port is none of the two that have a meaning.
    pub(in crate::config) fn needs_plain_http(&self) -> bool {
        self.scheme == Scheme::Http && !is_http_by_itself(&self.host)
    }
}

/// Whether containerd falls back to http for a host that it has been told nothing of.
pub(in crate::config) fn is_http_by_itself(host: &str) -> bool {
    is_loopback_with_port(host) && !host.ends_with(":80")
}

/// Whether a reference can hold this host, by its characters.
fn is_host(host: &str) -> bool {
    let is_prefix = host.parse().is_ok_and(|prefix: Prefix| prefix.kind() == Kind::Host);
    is_prefix || format!("{host}/x").parse::<Name>().is_ok()
}

/// A loopback host with a port other than that of https.
pub(in crate::config) fn is_loopback_with_port(host: &str) -> bool {
    let Some((bare, port)) = host.rsplit_once(':') else { return false };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let address = bare.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let loopback = bare == "localhost" || address.is_ok_and(|address| address.is_loopback());
    is_port && port != "443" && loopback
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
            assert_eq!(Endpoint::parse(text).unwrap().url(), expected, "{text}");
        }
        assert!(Endpoint::parse("https://user:pw@m.dev").unwrap().has_login);
        assert!(!Endpoint::parse("https://m.dev/a@b").unwrap().has_login);
    }

    #[test]
    fn what_is_no_endpoint() {
        let rows = [
            ("", "it has no host"),
            ("/v2", "it has no host"),
            ("https://", "it has no host"),
            ("ftp://m.dev", "its scheme is \"ftp\", and registries speak http and https"),
            ("https://user:bad{@m.dev", "\"m.dev\" is no host"),
            ("https://user:bad/x@m.dev", "\"user:bad/x@m.dev\" is no host"),
            ("m dev", "\"m dev\" is no host"),
            ("m.dev:port", "\"m.dev:port\" is no host"),
            ("https://m.dev/v2?x=1", "it has a query or a fragment"),
        ];
        for (text, expected) in rows {
            assert_eq!(Endpoint::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn containerd_has_to_be_told_of_http_but_for_loopback() {
        let rows = [
            ("http://m.dev", true),
            ("http://m.dev:5000", true),
            ("https://m.dev", false),
            ("localhost:5000", false),
            ("http://127.0.0.1:5000", false),
            ("localhost:80", true),
            ("http://localhost", true),
        ];
        for (text, expected) in rows {
            assert_eq!(Endpoint::parse(text).unwrap().needs_plain_http(), expected, "{text}");
        }
    }
}

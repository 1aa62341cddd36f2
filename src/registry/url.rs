//! The URLs of a registry, of a token server, of a redirect.
//!
//! They are http or https with a host, and have no user and no fragment. Two URLs are of one origin where scheme,
//! host and port are the same.

use std::fmt;
use std::fmt::Write as _;

use http::Uri;

/// The longest host, in bytes: a name in DNS has no more.
const LONGEST_HOST: usize = 255;

/// An absolute URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub(super) https: bool,
    /// Lower case, an IPv6 address in its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query.
    pub(super) target: String,
}

impl Url {
    /// Reads an absolute URL; `None` where it is not one that can be asked.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.split('#').next()?.parse().ok()?;
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        // What the `http` crate leaves out of the host has to be a port. Else the text is not a URL: it has a user,
        // or a digit as in `[::1]1:5000`.
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" => default_port(https),
            rest => rest
                .strip_prefix(':')
                .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?
                .parse()
                .ok()?,
        };
        let host = authority.host().to_ascii_lowercase();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        // A text about an error names the host, and a registry may choose it.
        if port == 0 || bare.is_empty() || bare.len() > LONGEST_HOST || bare.contains(['[', ']']) {
            return None;
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let target = if target.starts_with('/') { target } else { format!("/{target}") };
        Some(Url { https, host, port, target })
    }

    /// The URL that a `Location` leads to from here (RFC 3986, 5.2, without dot segments); `None` where that cannot
    /// be asked.
    pub fn join(&self, location: &str) -> Option<Self> {
        let location = location.trim();
        let has_scheme = location.split_once("://").is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if has_scheme {
            return Url::parse(location);
        }
        let scheme = if self.https { "https" } else { "http" };
        if location.starts_with("//") {
            return Url::parse(&format!("{scheme}:{location}"));
        }
        let base = format!("{scheme}://{}", self.authority());
        if location.starts_with('/') {
            return Url::parse(&format!("{base}{location}"));
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Url::parse(&format!("{base}{folder}/{location}"))
    }

    /// `host[:port]`, the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        match self.port == default_port(self.https) {
            true => self.host.clone(),
            false => self.address(),
        }
    }

    /// `host:port`.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether credentials for the one may go to the other.
    pub fn same_origin(&self, other: &Url) -> bool {
        (self.https, &self.host, self.port) == (other.https, &other.host, other.port)
    }

    /// With further parameters.
    pub fn with_query(&self, pairs: &[(&str, &str)]) -> Self {
        let mut target = self.target.clone();
        if !pairs.is_empty() {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&form(pairs));
        }
        Url { target, ..self.clone() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

/// Pairs as a form or a query has them.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        encode(name, &mut text);
        text.push('=');
        encode(value, &mut text);
    }
    text
}

/// A text as a part of a path or of a query.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut into = String::new();
    encode(text, &mut into);
    into
}

fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(byte))
            }
            // Writing to a String does not fail.
            _ => drop(write!(into, "%{byte:02X}")),
        }
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes as a location leads nowhere, or to an http or https URL that reads as itself.
        #[test]
        fn any_location_is_read_or_refused(location in ".{0,60}") {
            let base = Url::parse("https://r.example:5000/v2/a/manifests/1").unwrap();
            if let Some(url) = base.join(&location) {
                prop_assert_eq!(Url::parse(&url.to_string()), Some(url));
            }
        }
    }

    #[test]
    fn urls_are_read_and_written() {
        let rows = [
            ("https://R.example/v2/a?x=1#f", Some("https://r.example/v2/a?x=1")),
            ("https://r.example:443/v2/", Some("https://r.example/v2/")),
            ("http://r.example:443/", Some("http://r.example:443/")),
            ("http://[::1]:5000/v2/", Some("http://[::1]:5000/v2/")),
            ("https://r.example", Some("https://r.example/")),
            ("https://r.example?service=x", Some("https://r.example/?service=x")),
            ("https://user:pw@r.example/", None),
            ("https://r.example:0/", None),
            ("https://r.example:99999/", None),
            ("https://r.example:/", None),
            ("ftp://r.example/", None),
            ("/v2/", None),
            ("r.example/v2", None),
            ("https:///v2", None),
            ("https://r example/", None),
            ("https://1[::1]:5000/v2/", None),
            ("https://[::1]1:5000/v2/", None),
            ("https://[[::1]]/v2/", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Url::parse(text).map(|url| url.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_location_is_read_from_where_it_stands() {
        let base = Url::parse("https://r.example:5000/v2/a/manifests/1?ns=x").unwrap();
        let rows = [
            ("https://other.example/b", Some("https://other.example/b")),
            ("//other.example/b", Some("https://other.example/b")),
            ("/b?c=http://d", Some("https://r.example:5000/b?c=http://d")),
            ("2", Some("https://r.example:5000/v2/a/manifests/2")),
            ("ftp://other.example/", None),
        ];
        for (location, expected) in rows {
            assert_eq!(base.join(location).map(|url| url.to_string()).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn a_host_is_no_longer_than_a_name_can_be() {
        let of = |length: usize| Url::parse(&format!("https://{}/v2/", "a".repeat(length)));
        assert!(of(LONGEST_HOST).is_some() && of(LONGEST_HOST + 1).is_none());
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let url = |text| Url::parse(text).unwrap();
        let base = url("https://r.example/v2/");
        assert!(base.same_origin(&url("https://R.EXAMPLE:443/else")));
        for other in [
            "http://r.example/v2/",
            "https://r.example:5000/",
            "https://sub.r.example/",
            "http://r.example:443/",
        ] {
            assert!(!base.same_origin(&url(other)), "{other}");
        }
    }

    #[test]
    fn a_query_is_escaped() {
        let realm = Url::parse("https://auth.example/token?a=b").unwrap();
        let asked = realm.with_query(&[("service", "my registry"), ("scope", "repository:a/b:pull")]);
        assert_eq!(asked.target, "/token?a=b&service=my%20registry&scope=repository%3Aa%2Fb%3Apull");
    }
}

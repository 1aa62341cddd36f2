//! The address of a registry as containerd reads it: scheme, host, and the root of its API.
//!
//! Holds: the root is the one that containerd asks.
//! Source: containerd `core/remotes/docker/config/hosts.go`, `parseHostConfig`.

use crate::config::mistake;
use crate::config::refusal::Refusal;

/// One registry's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostAddress {
    pub(crate) plain_http: bool,
    /// Host and port, as written.
    pub(crate) host: String,
    /// The path in front of repositories, without a slash at its end: `/v2`, `/v2/proxy`.
    pub(crate) root: String,
}

impl HostAddress {
    /// Reads `text`; `override_path` says that its path is the whole root.
    pub(crate) fn read(text: &str, override_path: bool) -> Result<Self, Refusal> {
        let (plain_http, rest) = scheme(text)?;
        let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        // Behind a slash as well: a password may contain one.
        if rest.contains('@') {
            // The text is not repeated: before the `@` there is most likely a password.
            return Err(Refusal::new("a registry's address cannot contain a user name")
                .hint("containerd ignores it; credentials are configured elsewhere"));
        }
        if rest.contains(['?', '#']) {
            return Err(Refusal::new(format!("{text:?} has a query or a fragment"))
                .hint("write scheme, host, port and path only"));
        }
        if path.contains(|c: char| c.is_ascii_control()) {
            // Go reads no such URL.
            return Err(Refusal::new(format!("{text:?} has a control character")));
        }
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let usual = || "write the address as https://mirror.dev.de:5000".to_owned();
            let hint = mistake::hint(text).unwrap_or_else(usual);
            return Err(Refusal::new(format!("{text:?} has no host")).hint(hint));
        }
        let path = clean(path);
        let root = match (override_path, path.is_empty() || path.ends_with("/v2")) {
            (true, _) => path,
            (false, true) if !path.is_empty() => path,
            (false, _) => format!("{path}/v2"),
        };
        Ok(Self { plain_http, host: host.to_owned(), root })
    }

    /// The text between host and repository in a reference; `None` where no reference can lead there.
    pub(super) fn path(&self) -> Option<&str> {
        let below = self.root.strip_prefix("/v2")?;
        if below.is_empty() { Some("") } else { below.strip_prefix('/') }
    }

    /// The address in full.
    pub(super) fn url(&self) -> String {
        format!("{}://{}{}", if self.plain_http { "http" } else { "https" }, self.host, self.root)
    }
}

/// containerd puts `https://` in front of a text that does not start with `http`. So a host whose name starts so,
/// without a scheme, is taken for a scheme.
fn scheme(text: &str) -> Result<(bool, &str), Refusal> {
    match text.split_once("://") {
        Some(("https", rest)) => Ok((false, rest)),
        Some(("http", rest)) => Ok((true, rest)),
        // Then it is a part of a password.
        Some((_, rest)) if rest.contains('@') => Ok((false, text)),
        Some((scheme, _)) => Err(Refusal::new(format!("{scheme:?} is not a scheme of a registry"))
            .hint("write https:// or http:// in front of the host")),
        None if text.starts_with("http") => Err(Refusal::new(format!("{text:?} starts like a scheme"))
            .hint(format!("containerd misreads it: write https://{text}"))),
        None => Ok((false, text)),
    }
}

/// Go's `path.Clean`, except that both the empty path and `/` give the empty path.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.iter().map(|part| format!("/{part}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_root_is_the_one_that_containerd_asks() {
        let rows = [
            ("https://m.de", false, "https://m.de/v2", Some("")),
            ("m.de", false, "https://m.de/v2", Some("")),
            ("m.de:443", false, "https://m.de:443/v2", Some("")),
            ("https://m.de/", false, "https://m.de/v2", Some("")),
            ("https://m.de/v2", false, "https://m.de/v2", Some("")),
            ("https://m.de/v2/", false, "https://m.de/v2", Some("")),
            ("https://m.de//v2/./x/..", false, "https://m.de/v2", Some("")),
            ("https://m.de/v2/proxy", true, "https://m.de/v2/proxy", Some("proxy")),
            ("https://m.de/v2/a/b", true, "https://m.de/v2/a/b", Some("a/b")),
            ("https://m.de/v2/proxy", false, "https://m.de/v2/proxy/v2", Some("proxy/v2")),
            ("https://m.de/proxy", false, "https://m.de/proxy/v2", None),
            ("https://m.de/proxy", true, "https://m.de/proxy", None),
            ("https://m.de/proxy/v2", false, "https://m.de/proxy/v2", None),
            ("https://m.de/v2x", false, "https://m.de/v2x/v2", None),
            ("https://m.de/v2x", true, "https://m.de/v2x", None),
            ("https://m.de", true, "https://m.de", None),
            ("http://[::1]:5000", false, "http://[::1]:5000/v2", Some("")),
        ];
        for (text, override_path, url, path) in rows {
            let address = HostAddress::read(text, override_path).unwrap();
            assert_eq!((address.url().as_str(), address.path()), (url, path), "{text} {override_path}");
        }
    }

    #[test]
    fn what_containerd_misreads_is_refused() {
        let rows = [
            ("httpmirror.local:5000", "\"httpmirror.local:5000\" starts like a scheme"),
            ("ftp://m.de", "\"ftp\" is not a scheme of a registry"),
            ("https://", "\"https://\" has no host"),
            ("", "\"\" has no host"),
            ("https://a b", "\"https://a b\" has no host"),
            ("https://me:secret@m.de", "a registry's address cannot contain a user name"),
            ("https://me:sec/ret@m.de", "a registry's address cannot contain a user name"),
            ("me:sec://ret@m.de", "a registry's address cannot contain a user name"),
            ("https://m.de/v2?ns=x", "\"https://m.de/v2?ns=x\" has a query or a fragment"),
            ("https://m.dev/\tv2", "\"https://m.dev/\\tv2\" has a control character"),
        ];
        for (text, message) in rows {
            assert_eq!(HostAddress::read(text, false).unwrap_err().message, message);
        }
    }
}

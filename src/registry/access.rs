//! How a registry is asked, and as whom.
//!
//! Before: the caller knows the transport and the login of a candidate.  After: `manifest` asks so.
//! Holds: without any word on transport, a host is asked as containerd asks it.
//!
//! Facts: containerd `core/remotes/docker/config/hosts.go`: Docker Hub's registry has another name than
//! `docker.io`; a loopback host is asked over TLS that is not verified and then in plain http, unless its
//! port tells which (80, 443 or none).

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::RegistryError;
use super::trust::SystemRoots;
use super::url::Url;
use crate::files::secret::Secret;
use crate::registry::proxy::Proxies;

/// Where the manifests of a registry are, and the TLS on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whether over TLS.
    pub scheme: Scheme,
    /// `host[:port]` that is asked.
    pub host: String,
    /// The path of the API, `/v2` for most.
    pub root: String,
    /// The registry that this one stands in for, told in the query `ns` as to a mirror of hosts.toml.
    pub namespace: Option<String>,
    /// Files of authorities (PEM) to trust beside the system's.
    pub ca: Vec<PathBuf>,
    /// A client certificate (PEM) and its key, which may stand in the same file.
    pub client_cert: Option<(PathBuf, Option<PathBuf>)>,
    /// Take any certificate.
    pub skip_verify: bool,
    /// Further headers, for this host only.
    pub headers: Vec<(String, Secret)>,
}

/// TLS or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// TLS.
    Https,
    /// Plain.
    Http,
    /// TLS, and plain where the other side speaks none.
    HttpsElseHttp,
}

/// As whom a registry is asked. containerd cannot present a registry token, so there is none here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// As nobody.
    Anonymous,
    /// As a user.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// With a token that the token server takes for a login.
    IdentityToken(Secret),
}

/// What is common to all that is asked from here.
#[derive(Debug, Default)]
pub struct Network {
    /// The proxies of the environment.
    pub proxies: Proxies,
    /// How long a connection, TLS included, may take.
    pub connect_timeout: Duration,
    /// How long one candidate may take as a whole.
    pub timeout: Duration,
    pub(super) roots: SystemRoots,
}

impl Access {
    /// What containerd does for a host that nothing else is known of.
    pub fn of(host: &str) -> Self {
        let (scheme, skip_verify) = match loopback_port(host) {
            None => (Scheme::Https, false),
            Some(Some("80")) => (Scheme::Http, false),
            Some(None | Some("443")) => (Scheme::Https, true),
            Some(Some(_)) => (Scheme::HttpsElseHttp, true),
        };
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        Access {
            scheme,
            host: host.to_owned(),
            root: "/v2".to_owned(),
            namespace: None,
            ca: Vec::new(),
            client_cert: None,
            skip_verify,
            headers: Vec::new(),
        }
    }

    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let scheme = if self.scheme == Scheme::Http { "http" } else { "https" };
        let root = self.root.trim_matches('/');
        let slash = if root.is_empty() { "" } else { "/" };
        let text = format!("{scheme}://{}{slash}{root}/{path}", self.host);
        let url = Url::parse(&text).ok_or(RegistryError::Url { url: text })?;
        Ok(match &self.namespace {
            Some(namespace) => url.with_query(&[("ns", namespace)]),
            None => url,
        })
    }

    pub(super) fn header_map(&self) -> Result<HeaderMap, RegistryError> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let refuse = || RegistryError::Header { name: name.clone() };
            let key: HeaderName = name.parse().map_err(|_| refuse())?;
            map.append(key, sensitive(value.expose()).ok_or_else(refuse)?);
        }
        Ok(map)
    }
}

impl Network {
    /// Limits and the proxies to go through.
    pub fn new(proxies: Proxies, connect_timeout: Duration, timeout: Duration) -> Self {
        Network { proxies, connect_timeout, timeout, roots: SystemRoots::default() }
    }
}

/// A header's value that does not show in any debug output; none where it has bytes that no header may have.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The port of a host on the loopback; none for any other host.
fn loopback_port(host: &str) -> Option<Option<&str>> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
    (name == "localhost" || address.is_some_and(|address| address.is_loopback())).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_asked_as_containerd_asks_it() {
        let rows = [
            ("docker.io", Scheme::Https, false, "https://registry-1.docker.io/v2/a/manifests/1"),
            ("quay.io", Scheme::Https, false, "https://quay.io/v2/a/manifests/1"),
            ("mirror.example:80", Scheme::Https, false, "https://mirror.example:80/v2/a/manifests/1"),
            ("localhost", Scheme::Https, true, "https://localhost/v2/a/manifests/1"),
            ("localhost:80", Scheme::Http, false, "http://localhost/v2/a/manifests/1"),
            ("localhost:443", Scheme::Https, true, "https://localhost/v2/a/manifests/1"),
            ("127.8.9.10:5000", Scheme::HttpsElseHttp, true, "https://127.8.9.10:5000/v2/a/manifests/1"),
            ("[::1]:5000", Scheme::HttpsElseHttp, true, "https://[::1]:5000/v2/a/manifests/1"),
            ("[::1]", Scheme::Https, true, "https://[::1]/v2/a/manifests/1"),
            ("128.0.0.1:5000", Scheme::Https, false, "https://128.0.0.1:5000/v2/a/manifests/1"),
            (
                "localhost.example:5000",
                Scheme::Https,
                false,
                "https://localhost.example:5000/v2/a/manifests/1",
            ),
        ];
        for (host, scheme, skip_verify, url) in rows {
            let access = Access::of(host);
            assert_eq!((access.scheme, access.skip_verify), (scheme, skip_verify), "{host}");
            assert_eq!(access.url("a/manifests/1").unwrap().to_string(), url, "{host}");
        }
    }

    #[test]
    fn a_root_and_a_namespace_stand_in_the_url() {
        for (root, url) in [
            ("/v2", "https://m.example/v2/a?ns=docker.io"),
            (
                "/artifactory/api/docker/hub/v2/",
                "https://m.example/artifactory/api/docker/hub/v2/a?ns=docker.io",
            ),
            ("", "https://m.example/a?ns=docker.io"),
        ] {
            let namespace = Some("docker.io".to_owned());
            let access = Access { root: root.to_owned(), namespace, ..Access::of("m.example") };
            assert_eq!(access.url("a").unwrap().to_string(), url);
        }
        let error = Access { root: "/a b".to_owned(), ..Access::of("m.example") }.url("x").unwrap_err();
        assert_eq!(error.to_string(), "https://m.example/a b/x is no URL that can be asked");
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_named_without_its_value() {
        let headers = vec![("X-Token".to_owned(), Secret::new("a\nb".to_owned()))];
        let error = Access { headers, ..Access::of("m.example") }.header_map().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the header \"X-Token\" cannot be sent: its name or value has bytes that no header may have"
        );
        let headers = vec![("X-Token".to_owned(), Secret::new("hunter2".to_owned()))];
        let map = Access { headers, ..Access::of("m.example") }.header_map().unwrap();
        assert!(!format!("{map:?}").contains("hunter2"));
    }
}

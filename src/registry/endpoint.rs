//! How one registry is reached: host, scheme, API root, TLS settings, headers.
//!
//! The configuration says it; the registry client asks so, and `containerd::hosts` writes it for containerd.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::error::RegistryError;
use super::tls::TlsSettings;
use crate::files::secret::Secret;
use crate::files::{byte_order_mark, go_duration, regular_file};

/// In bytes; no server takes a longer header.
pub(super) const LONGEST_HEADER: usize = 64 << 10;

/// How one registry is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The host that is really asked, with its port where it has one.
    pub host: String,
    /// The schemes that are tried, in order.
    pub schemes: Vec<&'static str>,
    /// The root of the API, without a slash at its end; `None` for `/v2`.
    pub api_root: Option<String>,
    /// Files of certificate authorities (PEM) that are trusted beside the machine's, as in containerd.
    pub ca: Vec<PathBuf>,
    /// Client certificates (PEM), each with its key where that is not in the same file. The first is sent that an
    /// authority named by the registry has signed, as in Go; none where none fits.
    pub client: Vec<(PathBuf, Option<PathBuf>)>,
    /// Whether any certificate of the registry is accepted.
    pub skip_verify: bool,
    /// Headers of every request, several of one name included.
    pub headers: Vec<(String, HeaderValue)>,
    /// How long a connection may take to come about, as written. The client counts TLS in, and takes 5 s where
    /// this is `None`.
    pub dial_timeout: Option<String>,
}

/// The value of a header, or where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HeaderValue {
    /// As written.
    Text(Secret),
    /// The text of a file.
    File(PathBuf),
}

/// One attempt to ask an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) https: bool,
    /// Only where the attempt before has found that the other side speaks no TLS.
    pub(super) after_plain: bool,
}

impl Endpoint {
    /// How containerd asks a host of which nothing is configured (`core/remotes/docker/config/hosts.go`):
    /// Docker Hub's registry has another name than `docker.io`; a loopback host is asked over TLS that is not
    /// verified, then in plain http, unless its port tells which (80, 443 or none).
    pub fn of(host: &str) -> Self {
        let (scheme, skip_verify) = match loopback_port(host) {
            None => ("https", false),
            Some(Some("80")) => ("http", false),
            Some(None | Some("443")) => ("https", true),
            // Plain http with an option of TLS is tried over TLS first.
            Some(Some(_)) => ("http", true),
        };
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        Endpoint { host: host.to_owned(), schemes: vec![scheme], skip_verify, ..Endpoint::default() }
    }

    /// What a request for a name of the registry `host` carries as `ns`: that registry, where this endpoint
    /// stands in for it (containerd `core/remotes/docker/resolver.go`).
    pub fn ns<'h>(&self, host: &'h str) -> Option<&'h str> {
        let is_hub = host == "docker.io" && self.host == "registry-1.docker.io";
        (self.host != host && !is_hub).then_some(host)
    }

    /// This endpoint with one scheme, so that nobody tries another. Without TLS its settings of TLS go: with them
    /// containerd, and the client here, would try TLS first.
    pub(super) fn settled(&self, https: bool) -> Self {
        match https {
            true => Self { schemes: vec!["https"], ..self.clone() },
            false => {
                let (ca, client) = Default::default();
                Self { schemes: vec!["http"], ca, client, skip_verify: false, ..self.clone() }
            }
        }
    }

    /// The attempts in order. containerd tries plain http with options of TLS over TLS first, but for port 80
    /// (`core/remotes/docker/config/hosts.go`).
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let has_tls = self.skip_verify || !self.ca.is_empty() || !self.client.is_empty();
        let port = self.host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
        let ambiguous = has_tls && port.is_some_and(|port| port != "80");
        let attempt = |https, after_plain| Attempt { https, after_plain };
        let of = |scheme: &&str| match *scheme {
            "https" => vec![attempt(true, false)],
            _ if ambiguous => vec![attempt(true, false), attempt(false, true)],
            _ => vec![attempt(false, false)],
        };
        self.schemes.iter().flat_map(of).collect()
    }

    pub(super) fn tls_settings(&self) -> TlsSettings {
        let Self { ca, client, skip_verify, .. } = self;
        TlsSettings { ca: ca.clone(), client: client.clone(), skip_verify: *skip_verify }
    }

    /// How long a connection may take, TLS included; `None` where nothing, or `0s`, is configured.
    pub(super) fn connect_limit(&self) -> Result<Option<Duration>, RegistryError> {
        let Some(text) = &self.dial_timeout else { return Ok(None) };
        let limit = go_duration::parse(text).map_err(|_| {
            RegistryError::Config(format!("the dial timeout of {}, \"{text}\", is not a duration", self.host))
        })?;
        Ok(Some(limit).filter(|limit| !limit.is_zero()))
    }
}

/// The port of a host on the loopback; `None` for any other host.
fn loopback_port(host: &str) -> Option<Option<&str>> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
    (name == "localhost" || address.is_some_and(|address| address.is_loopback())).then_some(port)
}

impl fmt::Display for Endpoint {
    /// In a few words, for `explain`: `https`, `http`, and what else there is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host: _, schemes: _, api_root, ca, client, skip_verify, headers, dial_timeout: _ } = self;
        let attempts = self.attempts();
        let mut schemes: Vec<&str> =
            attempts.iter().map(|attempt| if attempt.https { "https" } else { "http" }).collect();
        schemes.dedup();
        f.write_str(&schemes.join(", then "))?;
        if let Some(root) = api_root {
            write!(f, ", API root {root}/")?;
        }
        for file in ca {
            write!(f, ", CA {}", file.display())?;
        }
        for (cert, _) in client {
            write!(f, ", client certificate {}", cert.display())?;
        }
        if *skip_verify {
            f.write_str(", its certificate is not looked at")?;
        }
        for (name, _) in headers {
            write!(f, ", header {name}")?;
        }
        Ok(())
    }
}

// === impl HeaderValue ===

impl HeaderValue {
    /// The value. A line break at the end of a file is not part of it.
    ///
    /// # Errors
    /// A file that can't be read, or whose text is not a header's value.
    pub fn read(&self) -> io::Result<Secret> {
        let path = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::File(path) => path,
        };
        let bytes = regular_file::read(path, LONGEST_HEADER as u64)?;
        if byte_order_mark::is_before(&bytes) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, byte_order_mark::REFUSED));
        }
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not one line of text"));
        }
        Ok(Secret::new(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_asked_as_containerd_asks_it() {
        let rows = [
            ("docker.io", "https registry-1.docker.io"),
            ("quay.io", "https quay.io"),
            ("mirror.example:80", "https mirror.example:80"),
            ("localhost", "https localhost unverified"),
            ("localhost:80", "http localhost:80"),
            ("localhost:443", "https localhost:443 unverified"),
            ("127.8.9.10:5000", "https 127.8.9.10:5000 unverified, else http"),
            ("[::1]:5000", "https [::1]:5000 unverified, else http"),
            ("[::1]", "https [::1] unverified"),
        ];
        for (host, expected) in rows {
            let endpoint = Endpoint::of(host);
            let attempts = endpoint.attempts();
            let scheme = if attempts[0].https { "https" } else { "http" };
            let skip = if endpoint.skip_verify { " unverified" } else { "" };
            let other = if attempts.get(1).is_some_and(|next| next.after_plain) { ", else http" } else { "" };
            assert_eq!(format!("{scheme} {}{skip}{other}", endpoint.host), expected);
        }
    }

    #[test]
    fn it_is_shown_as_it_is_asked() {
        let ca = || vec!["/ca.pem".into()];
        let of = |host: &str, schemes: &[&'static str], ca| {
            Endpoint { host: host.to_owned(), schemes: schemes.to_vec(), ca, ..Endpoint::default() }
                .to_string()
        };
        assert_eq!(of("127.0.0.1:5000", &["http"], Vec::new()), "http");
        assert_eq!(of("127.0.0.1:5000", &["http"], ca()), "https, then http, CA /ca.pem");
        assert_eq!(of("m.dev", &["http"], ca()), "http, CA /ca.pem");
        assert_eq!(of("m.dev:5000", &["https", "http"], ca()), "https, then http, CA /ca.pem");
    }

    #[test]
    fn a_settled_endpoint_is_asked_in_one_way() {
        let endpoint = Endpoint { ca: vec!["/ca.pem".into()], ..Endpoint::of("127.0.0.1:5000") };
        for https in [true, false] {
            let settled = endpoint.settled(https);
            assert_eq!(settled.attempts(), [Attempt { https, after_plain: false }]);
            assert_eq!((settled.skip_verify, settled.ca.len()), (https, usize::from(https)));
        }
    }

    #[test]
    fn a_header_is_one_line_of_bearable_length() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            let value = HeaderValue::File(file.path().to_owned()).read();
            value.map(|value| value.expose().to_owned()).map_err(|error| error.to_string())
        };
        assert_eq!(read("Basic x\r\n"), Ok("Basic x".to_owned()));
        for bad in ["", "\n", "a\nb"] {
            assert_eq!(read(bad), Err("it is not one line of text".to_owned()), "{bad:?}");
        }
        let longest = "x".repeat(LONGEST_HEADER);
        read(&longest).unwrap();
        assert_eq!(read(&format!("{longest}x")), Err("it is longer than 64 KiB".to_owned()));
    }

    #[test]
    fn a_header_from_a_file_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let value = HeaderValue::File(file.clone());
        value.read().unwrap_err();
        std::fs::write(&file, "Bearer x\n").unwrap();
        assert_eq!(value.read().unwrap().expose(), "Bearer x");
        std::fs::write(&file, "\u{feff}Bearer x\n").unwrap();
        assert_eq!(value.read().unwrap_err().to_string(), byte_order_mark::REFUSED);
        std::fs::write(&file, "a\nb\n").unwrap();
        assert!(value.read().unwrap_err().to_string().contains("one line"));
    }
}

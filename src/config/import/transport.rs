//! Writes how registries are reached, as `[[transport]]` tables.
//!
//! Holds: every need is either in a table or in the list of what is left behind. No header is written, because it may
//! be a secret.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::containerd::hosts::{Transport, TransportNeed};
use crate::policy::Location;

use super::toml_text::{array, comment, key, string};

/// One table while it is put together.
#[derive(Default)]
struct Table<'n> {
    plain_http: bool,
    http_fallback: bool,
    ca: Vec<String>,
    client: Option<(String, Option<String>)>,
    skip_verify: bool,
    api_root: Option<&'n str>,
    dial_timeout: Option<Cow<'n, str>>,
}

/// A host in words.
pub(super) fn shown_host(host: &str) -> &str {
    if host == "*" { "every other host" } else { host }
}

/// Writes the tables. Returns what has no key in them, each with its place.
pub(super) fn write(needs: &[TransportNeed], out: &mut String) -> Vec<(String, String)> {
    let mut hosts: Vec<(&str, Vec<&TransportNeed>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for need in needs {
        let place = *places.entry(&need.host).or_insert(hosts.len());
        match hosts.get_mut(place) {
            Some((_, of_host)) => of_host.push(need),
            None => hosts.push((&need.host, vec![need])),
        }
    }
    let mut left = Vec::new();
    for (host, needs) in hosts {
        let is_registry = host.parse::<Location>().is_ok_and(|location| location.path().is_empty());
        // Plain http first: with it, TLS settings have no meaning.
        let plain_http = is_registry && needs.iter().any(|need| need.what == Transport::PlainHttp);
        let mut table = Table { plain_http, ..Table::default() };
        for need in &needs {
            if !is_registry || !table.take(&need.what) {
                let who = shown_host(host);
                left.push((format!("{who} needs {}", need.what), need.source.to_string()));
            }
        }
        if let Some(first) = needs.first().filter(|_| !table.is_empty()) {
            out.push('\n');
            comment(&first.source.to_string(), out);
            table.write(host, out);
        }
    }
    left
}

/// Whether a table for a host can have this API root.
pub(super) fn has_key(root: &str) -> bool {
    crate::config::transport::api_root(root).is_ok()
}

// === impl Table ===

impl<'n> Table<'n> {
    /// Adds a need; false where there is no key for it.
    fn take(&mut self, what: &'n Transport) -> bool {
        let path = |path: &std::path::Path| path.is_absolute().then(|| path.to_str().map(str::to_owned))?;
        let tls = matches!(
            what,
            Transport::CaFile(_)
                | Transport::ClientCert { .. }
                | Transport::SkipVerify
                | Transport::HttpFallback
        );
        if tls && self.plain_http {
            return false;
        }
        match what {
            Transport::PlainHttp => {}
            Transport::HttpFallback => self.http_fallback = true,
            Transport::SkipVerify => self.skip_verify = true,
            Transport::ApiRoot(root) if has_key(root) => self.api_root = Some(root),
            Transport::ApiRoot(_) => return false,
            Transport::DialTimeout(time) => match crate::config::duration::of_go(time) {
                Some(time) => self.dial_timeout = Some(time),
                None => return false,
            },
            Transport::CaFile(file) => match path(file) {
                Some(file) if !self.ca.contains(&file) => self.ca.push(file),
                Some(_) => {}
                None => return false,
            },
            Transport::ClientCert { cert, key } => {
                let pair = (path(cert), key.as_deref().map(path));
                let (Some(cert), None | Some(Some(_))) = (&pair.0, &pair.1) else { return false };
                let pair = (cert.clone(), pair.1.flatten());
                return *self.client.get_or_insert_with(|| pair.clone()) == pair;
            }
            Transport::Header { .. } => return false,
        }
        true
    }

    fn is_empty(&self) -> bool {
        let Table { plain_http, http_fallback, ca, client, skip_verify, api_root, dial_timeout } = self;
        let flags = [plain_http, http_fallback, skip_verify];
        !flags.into_iter().any(|flag| *flag)
            && api_root.is_none()
            && dial_timeout.is_none()
            && ca.is_empty()
            && client.is_none()
    }

    fn write(&self, host: &str, out: &mut String) {
        out.push_str("[[transport]]\n");
        key("registry", &string(host), out);
        match self.ca.as_slice() {
            [] => {}
            [file] => key("ca", &string(file), out),
            files => array("ca", files.iter().map(|file| string(file)).collect(), out),
        }
        if let Some((cert, own_key)) = &self.client {
            key("client-cert", &string(cert), out);
            if let Some(own_key) = own_key {
                key("client-key", &string(own_key), out);
            }
        }
        for (name, set) in [
            ("plain-http", self.plain_http),
            ("http-fallback", self.http_fallback),
            ("skip-verify", self.skip_verify),
        ] {
            if set {
                key(name, "true", out);
            }
        }
        for (name, text) in [("api-root", self.api_root), ("dial-timeout", self.dial_timeout.as_deref())] {
            if let Some(text) = text {
                key(name, &string(text), out);
            }
        }
    }
}

//! Writes one mirror of a rule, with its own settings.
//!
//! Holds: everything that is said is either written or in the list of what is left behind. No header is written, because it
//! may be a secret.

use std::path::{Path, PathBuf};

use super::toml_text::string;
use super::transport::has_key;
use crate::config::{duration, transport};
use crate::containerd::hosts::{Transport, Wanted};
use crate::policy::{Location, Mirror, Ns, Only};
use crate::registry::Endpoint;

/// How mirrors are reached.
pub(super) struct Reach<'c> {
    pub(super) endpoints: &'c [Endpoint],
    pub(super) wanted: &'c Wanted,
}

/// One mirror while it is written.
struct Written<'e> {
    endpoint: &'e Endpoint,
    /// How its host is reached.
    of_host: &'e Endpoint,
    /// The keys of its table.
    keys: Vec<String>,
    /// What has no key.
    left: Vec<Transport>,
}

/// The mirror as an element of `mirrors`. What cannot be written is added to `left`.
pub(super) fn mirror(mirror: &Mirror, strips: bool, reach: &Reach<'_>, left: &mut Vec<String>) -> String {
    let Mirror { location, only, strip_prefix, ns, endpoint, warm_by_tag, apart: _ } = mirror;
    let usual = reach.wanted.endpoint(location.host());
    let own = endpoint.and_then(|index| reach.endpoints.get(index as usize));
    // What the table for the host will say.
    let api_root = usual.api_root.clone().filter(|root| has_key(root));
    let of_host = Endpoint { api_root, ..usual.clone() };
    let mut written =
        Written { endpoint: own.unwrap_or(&usual), of_host: &of_host, keys: Vec::new(), left: Vec::new() };
    let address = written.address(location);
    written.keys.extend(match only {
        Only::Any => None,
        Only::Digests => Some("only = \"digests\"".to_owned()),
        Only::Tags => Some("only = \"tags\"".to_owned()),
    });
    written.keys.extend((*strip_prefix && strips).then(|| "strip-prefix = true".to_owned()));
    written.keys.extend((*ns == Ns::Needed).then(|| "ns = true".to_owned()));
    written.keys.extend(warm_by_tag.then(|| "warm-by-tag = true".to_owned()));
    if own.is_some() || usual != of_host {
        written.fallback();
        written.tls();
        written.others();
    }
    left.extend(written.left.iter().map(|what| format!("the mirror {location} needs {what}")));
    if written.keys.is_empty() {
        return string(&address);
    }
    format!("{{ location = {}, {} }}", string(&address), written.keys.join(", "))
}

fn absolute(path: &Path) -> Option<&str> {
    path.to_str().filter(|_| path.is_absolute())
}

// === impl Written ===

impl Written<'_> {
    /// The location, with a scheme where that is needed.
    fn address(&self, location: &Location) -> String {
        let text = location.to_string();
        let is_sayable = text.parse::<Location>().as_ref() == Ok(location);
        let scheme = self.endpoint.schemes.first().copied().unwrap_or("https");
        if is_sayable && self.endpoint.schemes == self.of_host.schemes && scheme == "https" {
            return text;
        }
        if is_sayable && self.endpoint == self.of_host {
            return text;
        }
        format!("{scheme}://{text}")
    }

    fn fallback(&mut self) {
        if self.endpoint.schemes.len() > 1 && self.of_host.schemes.len() == 1 {
            self.keys.push("http-fallback = true".to_owned());
        }
    }

    /// A native mirror with plain http has no TLS settings.
    fn tls(&mut self) {
        let Self { endpoint, of_host, keys, left } = self;
        let plain_http = endpoint.schemes == ["http"];
        let mut files = Vec::new();
        for file in endpoint.ca.iter().filter(|_| endpoint.ca != of_host.ca) {
            match absolute(file).filter(|_| !plain_http) {
                Some(file) => files.push(string(file)),
                None => left.push(Transport::CaFile(file.clone())),
            }
        }
        match files.as_slice() {
            [] => {}
            [file] => keys.push(format!("ca = {file}")),
            files => keys.push(format!("ca = [{}]", files.join(", "))),
        }
        let mut has_client = false;
        for (cert, key) in endpoint.client.iter().filter(|_| endpoint.client != of_host.client) {
            let written = client(cert, key.as_ref()).filter(|_| !plain_http && !has_client);
            match written {
                Some(pair) => {
                    has_client = true;
                    keys.extend(pair);
                }
                None => left.push(Transport::ClientCert { cert: cert.clone(), key: key.clone() }),
            }
        }
        match (endpoint.skip_verify, of_host.skip_verify) {
            (true, _) if plain_http => left.push(Transport::SkipVerify),
            (true, false) => keys.push("skip-verify = true".to_owned()),
            (false, true) if !plain_http => keys.push("skip-verify = false".to_owned()),
            _ => {}
        }
    }

    fn others(&mut self) {
        let Self { endpoint, of_host, keys, left } = self;
        if let Some(root) = endpoint.api_root.as_ref().filter(|_| endpoint.api_root != of_host.api_root) {
            // In a URL a brace is written so; in a native key it would look like a placeholder.
            let written = root.replace('{', "%7B").replace('}', "%7D");
            let written = if written.is_empty() { "/".to_owned() } else { written };
            match transport::api_root(&written) {
                Ok(_) => keys.push(format!("api-root = {}", string(&written))),
                Err(_) => left.push(Transport::ApiRoot(root.clone())),
            }
        }
        if endpoint.api_root.is_none() && of_host.api_root.is_some() {
            keys.push("api-root = \"/v2\"".to_owned());
        }
        let timeout =
            endpoint.dial_timeout.as_ref().filter(|_| endpoint.dial_timeout != of_host.dial_timeout);
        if let Some(time) = timeout {
            match duration::of_go(time) {
                Some(time) => keys.push(format!("dial-timeout = {}", string(&time))),
                None => left.push(Transport::DialTimeout(time.clone())),
            }
        }
        let headers = endpoint.headers.iter().filter(|header| !of_host.headers.contains(header));
        left.extend(
            headers.map(|(name, value)| Transport::Header { name: name.clone(), value: value.clone() }),
        );
    }
}

fn client(cert: &Path, key: Option<&PathBuf>) -> Option<Vec<String>> {
    let mut keys = vec![format!("client-cert = {}", string(absolute(cert)?))];
    if let Some(key) = key {
        keys.push(format!("client-key = {}", string(absolute(key)?)));
    }
    Some(keys)
}

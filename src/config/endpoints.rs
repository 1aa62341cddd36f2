//! How each mirror of each rule is reached: what the rule says of the mirror itself, over what is said of its host.
//!
//! Holds: two mirrors at one host do not change each other. A mirror for which nothing of its own counts has no
//! endpoint of its own.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::HashMap;
use foldhash::fast::RandomState;

use super::draft::{DraftRule, Own};
use crate::containerd::hosts::{Transport, Wanted};
use crate::policy::{Action, Layer};
use crate::registry::{Endpoint, HeaderValue};

/// Gives each mirror the number of its endpoint in the answer. Equal endpoints have one number.
pub(super) fn settle(rules: &mut [DraftRule], wanted: &Wanted) -> Vec<Endpoint> {
    let mut found = Endpoints::default();
    let native = wanted.needs().iter().filter(|need| need.layer == Layer::Native).cloned().collect();
    let native = Wanted::new(native, false);
    for drafted in rules {
        let layer = drafted.rule.layer;
        let Action::Route(route) = &mut drafted.rule.action else { continue };
        for (mirror, own) in route.mirrors.iter_mut().zip(&drafted.own) {
            if own.is_empty() && layer == Layer::Native {
                continue;
            }
            let host = mirror.location.host();
            let of_host = if own.alone { &native } else { wanted };
            let endpoint = endpoint(host, own, of_host, layer);
            if endpoint != by_host(host, wanted) {
                mirror.endpoint = Some(found.number(endpoint));
            }
        }
    }
    found.all
}

/// How a mirror of which its rule says nothing is reached.
pub(super) fn by_host(host: &str, wanted: &Wanted) -> Endpoint {
    if wanted.needs_of(host).is_empty() { Endpoint::of(host) } else { wanted.endpoint(host) }
}

fn endpoint(host: &str, own: &Own, of_host: &Wanted, layer: Layer) -> Endpoint {
    let says = |test: fn(&Transport) -> bool| own.needs.iter().any(|need| test(&need.value.what));
    let plain_http = says(|what| matches!(what, Transport::PlainHttp));
    let has_tls = says(is_tls);
    let mut endpoint = by_host(host, of_host);
    if of_host.needs_of(host).is_empty() && (own.https || plain_http || has_tls) {
        // containerd does not look at the certificate of a loopback host only where nothing is said of it.
        endpoint.skip_verify = false;
    }
    if plain_http {
        endpoint.schemes = vec!["http"];
    } else if own.https || says(|what| matches!(what, Transport::HttpFallback)) {
        endpoint.schemes = vec!["https"];
    }
    if plain_http && layer == Layer::Native {
        endpoint.ca.clear();
        endpoint.client.clear();
        endpoint.skip_verify = false;
    }
    if layer != Layer::Native {
        // The address of an endpoint in a source says its API root, `/v2` included.
        endpoint.api_root = None;
    }
    if own.verify {
        endpoint.skip_verify = false;
    }
    replaced(&mut endpoint, own);
    for need in &own.needs {
        add(&mut endpoint, &need.value.what);
    }
    endpoint
}

fn is_tls(what: &Transport) -> bool {
    matches!(what, Transport::CaFile(_) | Transport::ClientCert { .. } | Transport::SkipVerify)
}

/// Takes away what the mirror itself says in another way.
fn replaced(endpoint: &mut Endpoint, own: &Own) {
    for need in &own.needs {
        match &need.value.what {
            Transport::CaFile(_) => endpoint.ca.clear(),
            Transport::ClientCert { .. } => endpoint.client.clear(),
            Transport::Header { name, .. } => {
                endpoint.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            }
            _ => {}
        }
    }
}

fn add(endpoint: &mut Endpoint, what: &Transport) {
    match what {
        Transport::PlainHttp => {}
        Transport::HttpFallback => {
            if endpoint.schemes == ["https"] {
                endpoint.schemes.push("http");
            }
        }
        Transport::ApiRoot(root) => {
            endpoint.api_root = Some(root.trim_end_matches('/').to_owned()).filter(|root| root != "/v2");
        }
        Transport::CaFile(path) => {
            if !endpoint.ca.contains(path) {
                endpoint.ca.push(path.clone());
            }
        }
        Transport::ClientCert { cert, key } => {
            let pair = (cert.clone(), key.clone());
            if !endpoint.client.contains(&pair) {
                endpoint.client.push(pair);
            }
        }
        Transport::SkipVerify => endpoint.skip_verify = true,
        Transport::Header { name, value } => endpoint.headers.push((name.clone(), value.clone())),
        Transport::DialTimeout(time) => endpoint.dial_timeout = Some(time.clone()),
    }
}

/// Different endpoints, with their numbers. There may be one for each of thousands of mirrors.
#[derive(Default)]
struct Endpoints {
    all: Vec<Endpoint>,
    /// Numbers by the hash of the endpoint.
    numbers: HashMap<u64, Vec<u32>>,
    hasher: RandomState,
}

// === impl Endpoints ===

impl Endpoints {
    fn number(&mut self, endpoint: Endpoint) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hash(&endpoint, &mut hasher);
        let numbers = self.numbers.entry(hasher.finish()).or_default();
        let known = numbers.iter().find(|&&number| self.all.get(number as usize) == Some(&endpoint));
        if let Some(&number) = known {
            return number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        numbers.push(number);
        self.all.push(endpoint);
        number
    }
}

fn hash(endpoint: &Endpoint, hasher: &mut impl Hasher) {
    let Endpoint { host, schemes, api_root, ca, client, skip_verify, headers, dial_timeout } = endpoint;
    (host, schemes, api_root, ca, client, skip_verify, dial_timeout).hash(hasher);
    for (name, value) in headers {
        name.hash(hasher);
        match value {
            HeaderValue::Text(text) => text.expose().hash(hasher),
            HeaderValue::File(path) => path.hash(hasher),
        }
    }
}

//! How each mirror of each rule is reached: the rule's settings for the mirror come before those for its host.
//!
//! Holds: two mirrors at one host do not change each other. A mirror for which nothing of its own counts has no
//! endpoint of its own.

use foldhash::HashMap;

use super::draft::{DraftRule, Own};
use crate::containerd::hosts::{Transport, Wanted};
use crate::policy::{Action, Layer};
use crate::registry::Endpoint;

/// Gives each mirror the number of its endpoint in the answer. Equal endpoints have one number.
pub(super) fn settle(rules: &mut [DraftRule], wanted: &Wanted) -> Vec<Endpoint> {
    let mut found = EndpointNumbers::default();
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
            let usual = wanted.endpoint(host);
            if endpoint != usual {
                mirror.apart = endpoint.api_root != usual.api_root || endpoint.headers != usual.headers;
                mirror.endpoint = Some(found.number(endpoint));
            }
        }
    }
    found.all
}

fn endpoint(host: &str, own: &Own, of_host: &Wanted, layer: Layer) -> Endpoint {
    let says = |test: fn(&Transport) -> bool| own.needs.iter().any(|need| test(&need.value.what));
    let plain_http = says(|what| matches!(what, Transport::PlainHttp));
    let has_tls = says(Transport::is_tls);
    let mut endpoint = of_host.endpoint(host);
    if of_host.needs_of(host).is_empty() && (own.https || plain_http || has_tls) {
        // containerd does not look at the certificate of a loopback host only where nothing is said of it.
        endpoint.skip_verify = false;
    }
    if own.https || says(|what| matches!(what, Transport::HttpFallback)) {
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
        need.value.what.add_to(&mut endpoint);
    }
    if says(|what| matches!(what, Transport::ApiRoot(root) if root.trim_end_matches('/') == "/v2")) {
        // The default, although the host has another setting.
        endpoint.api_root = None;
    }
    if plain_http {
        endpoint.schemes = vec!["http"];
    }
    endpoint
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

/// Different endpoints, with their numbers. There may be one for each of thousands of mirrors.
#[derive(Default)]
struct EndpointNumbers {
    all: Vec<Endpoint>,
    numbers: HashMap<Endpoint, u32>,
}

// === impl EndpointNumbers ===

impl EndpointNumbers {
    fn number(&mut self, endpoint: Endpoint) -> u32 {
        if let Some(&number) = self.numbers.get(&endpoint) {
            return number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(endpoint.clone());
        self.numbers.insert(endpoint, number);
        number
    }
}

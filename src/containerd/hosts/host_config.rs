//! How one registry is reached, with everything that is said of it put together.
//!
//! Before: `host_settings` has the single statements.  After: `file` writes it for containerd; whoever asks the registry
//! itself does as it says.
//! Holds: plain http is what an address says, and http as a fallback only comes beside https.

use super::host_settings::{Transport, TransportNeed};
use crate::registry::Endpoint;

/// The host that containerd asks by itself (`docker.DefaultHost` in its resolver).
pub(super) fn host_asked(host: &str) -> &str {
    if host == "docker.io" { "registry-1.docker.io" } else { host }
}

/// Puts together what is said of a host.
pub(super) fn endpoint(host: &str, needs: &[&TransportNeed]) -> Endpoint {
    let mut endpoint = Endpoint { host: host.to_owned(), schemes: vec!["https"], ..Endpoint::default() };
    for need in needs {
        add(&mut endpoint, &need.what);
    }
    // containerd makes this of the name by itself, but not where a file says otherwise.
    endpoint.host = host_asked(&endpoint.host).to_owned();
    endpoint
}

fn add(endpoint: &mut Endpoint, what: &Transport) {
    match what {
        Transport::PlainHttp => endpoint.schemes = vec!["http"],
        Transport::HttpFallback if endpoint.schemes == ["https"] => endpoint.schemes.push("http"),
        Transport::HttpFallback => {}
        Transport::AskedAs(real) => endpoint.host.clone_from(real),
        Transport::ApiRoot(root) => endpoint.api_root = Some(root.trim_end_matches('/').to_owned()),
        Transport::CaFile(path) if !endpoint.ca.contains(path) => endpoint.ca.push(path.clone()),
        Transport::CaFile(_) => {}
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::files::secret::Secret;
    use crate::policy::{Layer, Source};
    use crate::registry::HeaderValue;

    #[test]
    fn everything_that_is_said_is_put_together() {
        let need = |what| TransportNeed {
            host: "m.dev:0443".to_owned(),
            what,
            source: Source { file: Arc::from("f"), line: 1 },
            layer: Layer::Native,
        };
        let header = HeaderValue::Text(Secret::new("hunter2".to_owned()));
        let needs = [
            need(Transport::HttpFallback),
            need(Transport::AskedAs("m.dev".to_owned())),
            need(Transport::ApiRoot("/p/".to_owned())),
            need(Transport::CaFile("/a".into())),
            need(Transport::CaFile("/a".into())),
            need(Transport::ClientCert { cert: "/c".into(), key: None }),
            need(Transport::SkipVerify),
            need(Transport::Header { name: "X".to_owned(), value: header }),
        ];
        let reach = endpoint("m.dev:0443", &needs.iter().collect::<Vec<_>>());
        assert_eq!((reach.host.as_str(), reach.ca.len()), ("m.dev", 1));
        assert_eq!(
            reach.to_string(),
            "https, then http, API root /p/, CA /a, client certificate /c, its certificate is not looked at, header X"
        );
        assert!(!format!("{reach:?}").contains("hunter2"));
        assert_eq!(endpoint("docker.io", &[]).host, "registry-1.docker.io");
        assert_eq!(endpoint("m.dev", &[]).to_string(), "https");
    }
}

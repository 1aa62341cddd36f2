//! How one registry is reached: the endpoint that its single settings make.
//!
//! Holds: plain http is what an address says, and http as a fallback only comes after https.

use super::host_settings::{Transport, TransportNeed};
use crate::registry::Endpoint;

/// The host that containerd asks by itself (`docker.DefaultHost` in its resolver).
pub(super) fn host_asked(host: &str) -> &str {
    if host == "docker.io" { "registry-1.docker.io" } else { host }
}

/// Puts together the settings of a host.
pub(super) fn endpoint(host: &str, needs: &[&TransportNeed]) -> Endpoint {
    let by_itself = Endpoint::of(host);
    let mut endpoint =
        Endpoint { host: host.to_owned(), schemes: by_itself.schemes.clone(), ..Endpoint::default() };
    for need in needs {
        need.what.add_to(&mut endpoint);
    }
    if needs.iter().any(|need| need.what == Transport::PlainHttp) {
        endpoint.schemes = vec!["http"];
    }
    // On the loopback containerd tries http, and does not look at certificates, as long as nothing is said of that.
    endpoint.skip_verify |= by_itself.skip_verify && !needs.iter().any(|need| says_tls(&need.what));
    // containerd does this with the name by itself, but not with what a file says.
    endpoint.host = host_asked(&endpoint.host).to_owned();
    endpoint
}

/// Whether it says something of the scheme or of certificates.
fn says_tls(what: &Transport) -> bool {
    what.is_tls() || matches!(what, Transport::PlainHttp | Transport::HttpFallback)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::files::secret::Secret;
    use crate::policy::{Layer, Source};
    use crate::registry::HeaderValue;

    #[test]
    fn all_settings_are_put_together() {
        let need = |what| TransportNeed {
            host: "m.dev".to_owned(),
            what,
            source: Source { file: Arc::from("f"), line: 1 },
            layer: Layer::Native,
        };
        let header = HeaderValue::Text(Secret::new("hunter2".to_owned()));
        let needs = [
            need(Transport::HttpFallback),
            need(Transport::ApiRoot("/p/".to_owned())),
            need(Transport::CaFile("/a".into())),
            need(Transport::CaFile("/a".into())),
            need(Transport::ClientCert { cert: "/c".into(), key: None }),
            need(Transport::SkipVerify),
            need(Transport::Header { name: "X".to_owned(), value: header }),
        ];
        let endpoint = super::endpoint("m.dev", &needs.iter().collect::<Vec<_>>());
        assert_eq!((endpoint.host.as_str(), endpoint.ca.len()), ("m.dev", 1));
        assert_eq!(
            endpoint.to_string(),
            "https, then http, API root /p/, CA /a, client certificate /c, its certificate is not looked at, header X"
        );
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        assert_eq!(super::endpoint("docker.io", &[]).host, "registry-1.docker.io");
        assert_eq!(super::endpoint("m.dev", &[]).to_string(), "https");
        // http on the loopback stays http, whatever else is said of it; with options of TLS this is tried before it.
        let root = need(Transport::ApiRoot("/proxy".to_owned()));
        let skip = "its certificate is not looked at";
        assert_eq!(
            super::endpoint("localhost:5000", &[&root]).to_string(),
            format!("https, then http, API root /proxy/, {skip}")
        );
        let ca = need(Transport::CaFile("/a".into()));
        let fallback = need(Transport::HttpFallback);
        assert_eq!(super::endpoint("localhost:5000", &[&fallback]).to_string(), "https, then http");
        let plain = need(Transport::PlainHttp);
        assert_eq!(super::endpoint("m.dev", &[&plain, &fallback]).to_string(), "http");
        assert_eq!(super::endpoint("127.0.0.1:5000", &[&ca]).to_string(), "https, then http, CA /a");
        assert_eq!(
            super::endpoint("localhost", &[&root]).to_string(),
            format!("https, API root /proxy/, {skip}")
        );
    }
}

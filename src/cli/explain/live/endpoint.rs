//! The ways to a candidate's registry.
//!
//! Before: `transport` has put together how a host is reached.  After: the registry client asks by one way
//! after the other.
//! Holds: the ways are those of the `hosts.toml` that the daemon keeps for containerd.
//! Not here: what is said of a host (`transport`).
//!
//! Facts: containerd `core/remotes/docker/config/hosts.go`: plain http with options of TLS is tried over TLS
//! first, but for port 80; `resolver.go`: `ns` names the registry where another host is asked for it.

use super::Outcome;
use crate::containerd::hosts::Wanted;
use crate::registry::{Access, Failure};

/// The ways to `host`, in the order in which they are tried; never none.
pub(super) fn ways(host: &str, wanted: &Wanted) -> Result<Vec<Access>, Outcome> {
    if wanted.needs_of(host).is_empty() {
        return Ok(vec![Access::of(host)]);
    }
    let accesses = wanted.endpoint(host).accesses(host);
    accesses.map_err(|error| Outcome::failed(Failure::Config, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::hosts::{Transport, TransportNeed};
    use crate::policy::{Layer, Source};

    fn shown(host: &str, needs: &[(&str, Transport)]) -> Vec<String> {
        let need = |(host, what): &(&str, Transport)| TransportNeed {
            host: (*host).to_owned(),
            what: what.clone(),
            source: Source { file: "f".into(), line: 1 },
            layer: Layer::Native,
        };
        let wanted = Wanted::new(needs.iter().map(need).collect(), false);
        let ways = ways(host, &wanted).unwrap_or_default();
        let show = |way: &Access| {
            let namespace = way.namespace.as_ref().map(|ns| format!("?ns={ns}")).unwrap_or_default();
            let skip = if way.skip_verify { " unverified" } else { "" };
            format!("{:?} {}{}{namespace}{skip}", way.scheme, way.host, way.root)
        };
        ways.iter().map(show).collect()
    }

    #[test]
    fn the_ways_are_those_of_the_file() {
        let root = || Transport::ApiRoot("/api/hub/v2/".to_owned());
        let real = || Transport::AskedAs("m.dev".to_owned());
        let ca = || Transport::CaFile("/ca".into());
        assert_eq!(shown("m.dev", &[]), ["Https m.dev/v2"]);
        assert_eq!(shown("127.0.0.1:5000", &[]), ["HttpsElseHttp 127.0.0.1:5000/v2 unverified"]);
        assert_eq!(shown("127.0.0.1:5000", &[("127.0.0.1:5000", ca())]), ["Https 127.0.0.1:5000/v2"]);
        assert_eq!(shown("m.dev", &[("m.dev", Transport::PlainHttp)]), ["Http m.dev/v2"]);
        let both = [("m.dev:5000", Transport::PlainHttp), ("m.dev:5000", Transport::SkipVerify)];
        assert_eq!(shown("m.dev:5000", &both), ["HttpsElseHttp m.dev:5000/v2 unverified"]);
        let insecure = [("m.dev", Transport::SkipVerify), ("m.dev", Transport::HttpFallback)];
        assert_eq!(shown("m.dev", &insecure), ["Https m.dev/v2 unverified", "Http m.dev/v2 unverified"]);
        let rooted = [("m.dev", root()), ("m.dev", real())];
        assert_eq!(shown("m.dev:0443", &rooted), ["Https m.dev/api/hub/v2?ns=m.dev:0443"]);
        assert_eq!(shown("docker.io", &[("docker.io", ca())]), ["Https registry-1.docker.io/v2"]);
    }
}

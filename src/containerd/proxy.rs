//! Which address containerd connects to for a registry, by the proxy variables of its environment.
//!
//! Before: the stall watch.  After: a connection of our own, to the same place.
//! Not here: the rules (`proxy`).

use super::Facts;

impl Facts {
    /// `host:port` that containerd connects to for the registry `host`, which may carry a port, where it speaks TLS
    /// with it or plain http.
    pub fn connects_to(&self, tls: bool, host: &str) -> String {
        let (name, port) = split(host);
        match self.proxies.proxy_for(tls, name, port) {
            Some(proxy) => proxy.address,
            None => format!("{name}:{port}"),
        }
    }
}

/// The host and port of a registry; https where no port is given.
fn split(host: &str) -> (&str, u16) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().unwrap_or(443)),
        _ => (host, 443),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::proxy::Proxies;

    #[test]
    fn the_address_is_the_proxys_or_the_registrys_own() {
        let environment = [
            ("HTTPS_PROXY", "http://user:pw@proxy.corp:3128/"),
            ("HTTP_PROXY", "http://plain.corp:3129"),
            ("NO_PROXY", ".corp"),
        ];
        let facts = Facts {
            proxies: Proxies::new(environment.map(|(name, value)| (name.into(), value.into()))),
            ..Facts::default()
        };
        let rows = [
            (true, "mirror.example", "proxy.corp:3128"),
            (false, "mirror.example:80", "plain.corp:3129"),
            (true, "mirror.corp", "mirror.corp:443"),
            (true, "mirror.corp:0443", "mirror.corp:443"),
            (true, "mirror.corp:5000", "mirror.corp:5000"),
            (false, "mirror.corp:80", "mirror.corp:80"),
            (true, "127.0.0.1:5000", "127.0.0.1:5000"),
            (true, "localhost", "localhost:443"),
            (true, "[::1]:5000", "[::1]:5000"),
            (true, "[::1]", "[::1]:443"),
        ];
        for (tls, host, address) in rows {
            assert_eq!(facts.connects_to(tls, host), address, "{host}");
        }
        assert_eq!(Facts::default().connects_to(true, "mirror.example"), "mirror.example:443");
    }
}

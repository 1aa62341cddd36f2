//! Which address containerd connects to for a registry, by the proxy variables of its environment.
//!
//! Before: the stall watch.  After: a connection of our own, to the same place.
//! Holds: the rules are those of Go's `net/http` (`golang.org/x/net/http/httpproxy`), as far as a host
//! and a port go: loopback never goes through a proxy.

use std::net::IpAddr;

use super::Facts;

impl Facts {
    /// `host:port` that containerd connects to for the registry `host`, which may carry a port.
    pub fn connects_to(&self, host: &str) -> String {
        let (name, port) = split(host);
        match self.variable("https_proxy").filter(|_| !self.excepted(name, port)) {
            Some(proxy) => proxy_address(proxy),
            None => format!("{}:{port}", host.strip_suffix(&format!(":{port}")).unwrap_or(host)),
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        // Go looks at the upper case form first.
        let upper = name.to_ascii_uppercase();
        let find = |wanted: &str| self.proxy_environment.iter().find(|(name, _)| name == wanted);
        let (_, value) = find(&upper).or_else(|| find(name))?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    fn excepted(&self, name: &str, port: u16) -> bool {
        let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
        if name == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        let list = self.variable("no_proxy").unwrap_or_default();
        list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
            let (pattern, wanted) = match entry.rsplit_once(':') {
                Some((pattern, digits)) if digits.parse::<u16>().is_ok() && !pattern.contains(':') => {
                    (pattern, digits.parse().ok())
                }
                _ => (entry, None),
            };
            wanted.is_none_or(|wanted: u16| wanted == port) && matches(pattern, name, address)
        })
    }
}

fn matches(pattern: &str, name: &str, address: Option<IpAddr>) -> bool {
    if pattern == "*" {
        return true;
    }
    if let (Some(address), Some((network, bits))) = (address, pattern.split_once('/')) {
        return in_network(address, network, bits);
    }
    let pattern = pattern.strip_prefix('*').unwrap_or(pattern);
    let (domain, itself) = match pattern.strip_prefix('.') {
        Some(domain) => (domain, false),
        None => (pattern, true),
    };
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    itself && name == domain || name.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
}

fn in_network(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let (left, right, width) = match (address, network) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            (u128::from(left.to_bits()), u128::from(right.to_bits()), 32)
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => (left.to_bits(), right.to_bits(), 128),
        _ => return false,
    };
    bits <= width && (left ^ right).checked_shr(width - bits).unwrap_or(0) == 0
}

/// The host and port of a registry; https where no port is given.
fn split(host: &str) -> (&str, u16) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().unwrap_or(443)),
        _ => (host, 443),
    }
}

fn proxy_address(proxy: &str) -> String {
    let (scheme, rest) = proxy.split_once("://").unwrap_or(("http", proxy));
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match scheme {
        "https" => 443,
        "socks5" | "socks5h" => 1080,
        _ => 80,
    };
    match host.rsplit_once(':') {
        Some((_, digits)) if digits.parse::<u16>().is_ok() => host.to_owned(),
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_as_in_go() {
        let environment = [
            ("HTTPS_PROXY", "http://user:pw@proxy.corp:3128/"),
            ("NO_PROXY", "10.0.0.0/8,.corp,exact.example,half.example:5000"),
        ];
        let facts = Facts {
            proxy_environment: environment.map(|(name, value)| (name.into(), value.into())).into(),
            ..Facts::default()
        };
        let rows = [
            ("mirror.example", "proxy.corp:3128"),
            ("mirror.corp", "mirror.corp:443"),
            ("corp", "proxy.corp:3128"),
            ("a.exact.example", "a.exact.example:443"),
            ("notexact.example", "proxy.corp:3128"),
            ("half.example:5000", "half.example:5000"),
            ("half.example", "proxy.corp:3128"),
            ("10.1.2.3:5000", "10.1.2.3:5000"),
            ("11.1.2.3:5000", "proxy.corp:3128"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("localhost", "localhost:443"),
            ("[::1]:5000", "[::1]:5000"),
            ("[::1]", "[::1]:443"),
        ];
        for (host, address) in rows {
            assert_eq!(facts.connects_to(host), address, "{host}");
        }
        assert_eq!(Facts::default().connects_to("mirror.example"), "mirror.example:443");
    }
}

//! Which proxy a URL is asked through, by the proxy variables of an environment.
//!
//! Before: an environment, containerd's or this process'.  After: `upstream` and `registry` connect where
//! containerd would.
//! Holds: the rules are those of Go's `net/http` (`golang.org/x/net/http/httpproxy`); loopback never goes
//! through a proxy.
//! Not here: speaking to a proxy (`registry`).

use std::fmt;
use std::net::IpAddr;

use crate::secret::Secret;

/// The proxy variables of an environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    variables: Vec<(String, String)>,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// `http`, `https`, `socks5` or whatever the variable says.
    pub scheme: String,
    /// `host:port`.
    pub address: String,
    /// `user:password`, as it stands in the variable.
    pub login: Option<Secret>,
}

// A variable may hold a password.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.iter().map(|(name, _)| name)).finish()
    }
}

impl Proxies {
    /// Keeps the proxy variables of an environment.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_one = |name: &str| name.to_ascii_lowercase().ends_with("_proxy");
        Proxies { variables: environment.into_iter().filter(|(name, _)| is_one(name)).collect() }
    }

    /// Whether no variable is set.
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }

    /// The proxy for a host (without its port) and a port.
    pub fn proxy_for(&self, https: bool, host: &str, port: u16) -> Option<Proxy> {
        let value = self.variable(if https { "https_proxy" } else { "http_proxy" })?;
        (!self.excepted(host, port)).then(|| Proxy::parse(value))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        // Go looks at the upper case form first, and takes one that is empty for none.
        let upper = name.to_ascii_uppercase();
        let find = |wanted: &str| {
            let found = self.variables.iter().find(|(name, value)| name == wanted && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        find(&upper).or_else(|| find(name))
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

impl Proxy {
    fn parse(text: &str) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(Secret::new(login.to_owned())), host),
            None => (None, authority),
        };
        let port = match scheme {
            "https" => 443,
            "socks5" | "socks5h" => 1080,
            _ => 80,
        };
        let address = match host.rsplit_once(':') {
            Some((_, digits)) if digits.parse::<u16>().is_ok() => host.to_owned(),
            _ => format!("{host}:{port}"),
        };
        Proxy { scheme: scheme.to_ascii_lowercase(), address, login }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_environment_decides_as_in_go() {
        let proxies = proxies(&[
            ("HTTPS_PROXY", "http://user:pw@proxy.corp:3128/"),
            ("NO_PROXY", "10.0.0.0/8,.corp,exact.example,half.example:5000"),
            ("PATH", "/bin"),
        ]);
        let rows = [
            ("mirror.example", 443, true),
            ("mirror.corp", 443, false),
            ("corp", 443, true),
            ("a.exact.example", 443, false),
            ("notexact.example", 443, true),
            ("half.example", 5000, false),
            ("half.example", 443, true),
            ("10.1.2.3", 5000, false),
            ("11.1.2.3", 5000, true),
            ("127.0.0.1", 5000, false),
            ("localhost", 443, false),
            ("[::1]", 5000, false),
        ];
        for (host, port, through) in rows {
            let proxy = proxies.proxy_for(true, host, port);
            assert_eq!(
                proxy.map(|proxy| proxy.address),
                through.then(|| "proxy.corp:3128".to_owned()),
                "{host}"
            );
            assert_eq!(proxies.proxy_for(false, host, port), None, "{host}: HTTPS_PROXY is for https alone");
        }
        let debug = format!("{proxies:?}");
        assert_eq!(debug, r#"["HTTPS_PROXY", "NO_PROXY"]"#);
    }

    #[test]
    fn an_empty_variable_is_none_and_the_lower_case_form_counts_then() {
        let proxies = proxies(&[
            ("HTTP_PROXY", ""),
            ("http_proxy", "https://p.example"),
            ("https_proxy", "socks5://s"),
        ]);
        let address = |https| proxies.proxy_for(https, "r.example", 80).map(|proxy| proxy.address);
        assert_eq!(address(false).as_deref(), Some("p.example:443"));
        assert_eq!(address(true).as_deref(), Some("s:1080"));
        assert!(Proxies::default().proxy_for(true, "r.example", 443).is_none());
    }
}

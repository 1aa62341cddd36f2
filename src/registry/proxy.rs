//! Which proxy a URL is asked through, by the proxy variables of an environment.
//!
//! The rules are those of Go's `net/http` (`golang.org/x/net/http/httpproxy`); the loopback never goes through a
//! proxy.

use std::fmt;
use std::net::IpAddr;

use crate::files::secret::Secret;

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

    /// The proxy for a host (without its port) and a port.
    pub fn proxy_for(&self, https: bool, host: &str, port: u16) -> Option<Proxy> {
        let value = self.variable(if https { "https_proxy" } else { "http_proxy" })?;
        (!self.excepted(host, port)).then(|| Proxy::parse(value))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        // Go looks at the upper case form first, and passes over a form that is empty.
        let upper = name.to_ascii_uppercase();
        let find = |wanted: &str| {
            let found = self.variables.iter().find(|(name, value)| name == wanted && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        find(&upper).or_else(|| find(name))
    }

    fn excepted(&self, name: &str, port: u16) -> bool {
        let name = name.trim_matches(['[', ']']).to_ascii_lowercase();
        let address = address(&name);
        if name == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        let list = self.variable("no_proxy").unwrap_or_default();
        list.split(',').any(|entry| matches(&entry.trim().to_ascii_lowercase(), &name, port, address))
    }
}

/// Whether an entry of `NO_PROXY` is for this host.
fn matches(entry: &str, name: &str, port: u16, asked: Option<IpAddr>) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = network(entry) {
        return asked.is_some_and(|asked| in_network(asked, network, bits));
    }
    let (pattern, wanted) = host_and_port(entry);
    if !wanted.is_empty() && *wanted != port.to_string() {
        return false;
    }
    if let Some(excepted) = address(pattern) {
        return asked == Some(excepted);
    }
    // `*.domain` is `.domain`; elsewhere a star is a letter like any other.
    let pattern = pattern.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(pattern);
    let (domain, itself) = match pattern.strip_prefix('.') {
        Some(domain) => (domain, false),
        None => (pattern, true),
    };
    !pattern.is_empty()
        && (itself && name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

/// Go takes an IPv4 address in the form of IPv6 for the same.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Go's `net.SplitHostPort`: an address of IPv6 has brackets where a port follows, and only there.
fn host_and_port(entry: &str) -> (&str, &str) {
    match entry.rsplit_once(':') {
        Some((host, port)) => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => (host, port),
            None if !host.contains(':') => (host, port),
            None => (entry, ""),
        },
        None => (entry, ""),
    }
}

fn network(entry: &str) -> Option<(IpAddr, u32)> {
    let (network, bits) = entry.split_once('/')?;
    let (network, bits): (IpAddr, u32) = (network.parse().ok()?, bits.parse().ok()?);
    (bits <= if network.is_ipv4() { 32 } else { 128 }).then_some((network, bits))
}

fn in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (left, right, width) = match (address, network) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            (u128::from(left.to_bits()), u128::from(right.to_bits()), 32)
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => (left.to_bits(), right.to_bits(), 128),
        _ => return false,
    };
    (left ^ right).checked_shr(width - bits).unwrap_or(0) == 0
}

impl Proxy {
    /// Whether the proxy itself is spoken to over TLS.
    pub(super) fn speaks_tls(&self) -> bool {
        self.scheme == "https"
    }

    fn parse(text: &str) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        // Go refuses a password with a slash in it; what matters here is that no part of it is taken for a host.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(Secret::new(login.to_owned())), rest),
            None => (None, rest),
        };
        let host = rest.split(['/', '?']).next().unwrap_or(rest);
        let port = match scheme.as_str() {
            "https" => 443,
            "socks5" | "socks5h" => 1080,
            _ => 80,
        };
        let address = match host.rsplit_once(':') {
            Some((_, digits)) if digits.parse::<u16>().is_ok() => host.to_owned(),
            _ => format!("{host}:{port}"),
        };
        Proxy { scheme, address, login }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn no_part_of_a_password_is_taken_for_the_host() {
        for (text, login) in [
            ("http://proxy.corp:3128/", None),
            ("proxy.corp:3128", None),
            ("http://user:pw@proxy.corp:3128?x", Some("user:pw")),
            ("http://user:p/w@proxy.corp:3128", Some("user:p/w")),
            ("http://user:p@w@proxy.corp:3128", Some("user:p@w")),
        ] {
            let proxy = Proxy::parse(text);
            assert_eq!(proxy.address, "proxy.corp:3128", "{text}");
            assert_eq!(proxy.login.as_ref().map(Secret::expose), login, "{text}");
        }
    }

    #[test]
    fn a_proxy_without_a_port_has_that_of_its_scheme() {
        for (text, scheme, address) in [
            ("proxy.corp", "http", "proxy.corp:80"),
            ("HTTP://proxy.corp", "http", "proxy.corp:80"),
            ("https://proxy.corp", "https", "proxy.corp:443"),
            ("HTTPS://proxy.corp/", "https", "proxy.corp:443"),
            ("Socks5h://proxy.corp", "socks5h", "proxy.corp:1080"),
        ] {
            let proxy = Proxy::parse(text);
            assert_eq!((proxy.scheme.as_str(), proxy.address.as_str()), (scheme, address), "{text}");
        }
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
    fn an_exception_is_read_as_in_go() {
        // An entry, and the hosts (on port 5000) that it is for and not for.
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("2001:db8::1", &["[2001:db8::1]", "[2001:DB8:0::1]"], &["[2001:db8::2]"]),
            ("[2001:db8::1]:5000", &["[2001:db8::1]"], &["[2001:db8::2]"]),
            ("[2001:db8::1]:443", &[], &["[2001:db8::1]"]),
            // To Go, brackets without a port are part of a name.
            ("[2001:db8::1]", &[], &["[2001:db8::1]"]),
            ("2001:db8::/32", &["[2001:db8::1]"], &["[2001:db9::1]", "10.0.0.1"]),
            ("10.0.0.1", &["10.0.0.1", "[::ffff:10.0.0.1]"], &["10.0.0.2", "a.10.0.0.1"]),
            ("10.0.0.1:5000", &["10.0.0.1"], &["10.0.0.2"]),
            ("10.0.0.0/33", &[], &["10.0.0.1"]),
            ("*.corp", &["m.corp", "a.M.Corp"], &["corp", "mcorp"]),
            ("*corp", &[], &["mcorp", "m.corp", "corp"]),
            (".corp:5000", &["m.corp"], &["corp"]),
            ("CORP:", &["m.corp", "corp"], &["mcorp"]),
            ("corp:https", &[], &["corp"]),
            (":5000", &[], &["corp", "m.corp"]),
            ("", &[], &["corp", "corp."]),
            ("a, *", &["corp", "10.0.0.1", "[2001:db8::1]"], &[]),
        ];
        for (entry, direct, through) in rows {
            let proxies = proxies(&[("HTTPS_PROXY", "p"), ("NO_PROXY", entry)]);
            let is_direct = |host: &&&str| proxies.proxy_for(true, host, 5000).is_none();
            assert_eq!(direct.iter().filter(is_direct).count(), direct.len(), "{entry}: {direct:?}");
            assert_eq!(through.iter().filter(is_direct).count(), 0, "{entry}: {through:?}");
        }
    }

    #[test]
    fn where_a_variable_is_empty_its_lower_case_form_counts() {
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

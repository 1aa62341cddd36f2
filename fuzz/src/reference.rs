//! Any text as an image's name, and a second line as the prefix of a rule that denies.
//!
//! What must hold: a name is a fixed point and its key another; prefixes and locations read as what they are
//! written as; whatever the registry is spelled like, a denied name stays denied, and one that is not denied
//! keeps its tag or digest on every way. Where a name leads is found out here a second time, from what
//! containerd and Go's dialler do with its text, and not by the code that is tried.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

use cri_shunt::inside::policy::{
    Action, Asked, Checkpoint, Decision, Layer, Location, Name, Policy, Prefix, PrefixKind, Rule, Settings,
    Source, is_image_id,
};

use super::disk::Disk;

const CONFIG: &str = r#"
[policy]
default-registry = "oci.example/hub"
[[policy.rule]]
prefix = "evil.example"
deny = "no"
[[policy.rule]]
prefix = "[2001:db8::1]:5000"
deny = "no"
[[policy.rule]]
prefix = "*.bad.example"
deny = "no"
[[policy.rule]]
prefix = "docker.io/library/evil"
deny = "no"
[[policy.rule]]
prefix = "quay.io/secret"
deny = "no"
[[policy.rule]]
prefix = "quay.io"
mirrors = ["m.example/{host}", { location = "d.example:443/q", only = "digests" }]
origin = "last"
[[policy.rule]]
prefix = "ghcr.io"
mirrors = ["m.example/gh"]
rewrite = [{ match = "^(old)/(.*)$", replace = "new-$2/${1}" }, { match = "a", replace = "" }]
[[policy.rule]]
prefix = "*.example"
mirrors = ["m.example/{host}"]
"#;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (reference, prefix) = text.split_once('\n').unwrap_or((text, ""));
    let _ = is_image_id(reference);
    if let Ok(location) = reference.parse::<Location>() {
        assert_eq!(location.to_string().parse(), Ok(location));
    }
    let prefix = prefix.parse::<Prefix>().ok();
    if let Some(prefix) = &prefix {
        let host = prefix.host().unwrap_or("*.");
        if is_host(host) {
            assert_eq!(prefix.to_string().parse().as_ref(), Ok(prefix));
        }
        assert!(prefix.covers(prefix));
    }
    let Ok(name) = reference.parse::<Name>() else { return };
    fixed(&name);
    let denied = is_denied(&name);
    for spelling in spellings(&name) {
        let policy = policy();
        let decision = policy.decide(&Asked::of(&spelling));
        assert_eq!(format!("{decision:?}"), format!("{:?}", policy.decide(&Asked::of(&spelling))));
        match decision {
            Decision::Deny { .. } => {}
            Decision::Pass { .. } => assert!(!denied, "{spelling} passes"),
            Decision::Route { candidates, .. } => {
                assert!(!denied && !candidates.is_empty(), "{spelling} is routed");
                for candidate in candidates {
                    assert_eq!(candidate.name.digest(), spelling.digest(), "{spelling}");
                    assert_eq!(candidate.name.tag(), spelling.tag(), "{spelling}");
                    fixed(&candidate.name);
                }
            }
        }
        if let Some(prefix) = &prefix {
            by_rule(prefix, &spelling);
        }
    }
}

/// Reading a name's text gives the name, and a key's text the key.
fn fixed(name: &Name) {
    assert_eq!(name.as_str().parse().as_ref(), Ok(name));
    assert!(!(name.tag().is_some() && name.digest().is_some()), "{name}");
    let key = name.key();
    assert_eq!(name.path(), key.path());
    // For Docker Hub's other names no `library/` is put in, and its first name would get one.
    if is_host(key.host()) && (key.host() != "docker.io" || key.path().contains('/')) {
        let again: Name = key.as_str().parse().unwrap();
        assert_eq!(again.key(), key);
    }
}

/// Whether a folded host is still read as one: `Foo` and `foo:443` are hosts, and `foo` alone is not.
fn is_host(folded: &str) -> bool {
    folded.contains(['.', ':']) || folded == "localhost"
}

/// What a rule that denies `prefix` does, alone.
fn by_rule(prefix: &Prefix, name: &Name) {
    let source = Source { file: "fuzz".into(), line: 1 };
    let action = Action::Deny { reason: "no".to_owned() };
    let (checkpoint, layer) = (Checkpoint::Refuse, Layer::Native);
    let rule = Rule {
        prefix: prefix.clone(),
        action,
        checkpoint,
        foreign_urls: false,
        verify: None,
        lock: Default::default(),
        namespaces: None,
        mode: None,
        source,
        layer,
    };
    let policy = Policy::new(vec![rule], Settings::default()).unwrap();
    let denied = matches!(policy.decide(&Asked::of(name)), Decision::Deny { .. });
    let place = Place::of(name);
    let expected = match prefix.kind() {
        PrefixKind::Any => true,
        PrefixKind::Domain => place.is_below(prefix.domain().unwrap()),
        PrefixKind::Host | PrefixKind::Path => {
            let host = prefix.host().unwrap();
            let path = prefix.as_str().strip_prefix(host).unwrap().trim_start_matches('/');
            place == Place::of_host(host) && within(name.path(), path)
        }
        PrefixKind::Exact => prefix.as_str() == name.key().as_str(),
    };
    assert_eq!(denied, expected, "{prefix} {name}");
}

fn is_denied(name: &Name) -> bool {
    let place = Place::of(name);
    let at = |host: &str| place == Place::of_host(host);
    at("evil.example")
        || at("[2001:db8::1]:5000")
        || place.is_below("bad.example")
        || at("docker.io") && within(name.path(), "library/evil")
        || at("quay.io") && within(name.path(), "secret")
}

/// Whether a path is another or below it.
fn within(path: &str, other: &str) -> bool {
    other.is_empty() || path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where containerd connects to.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: String,
}

impl Place {
    fn of(name: &Name) -> Self {
        Self::of_host(name.as_str().split('/').next().unwrap())
    }

    fn of_host(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let bracket = text.rfind(']').unwrap_or(0);
        let (host, port) = match text[bracket..].find(':') {
            Some(colon) => (&text[..bracket + colon], &text[bracket + colon + 1..]),
            None => (text.as_str(), "443"),
        };
        let port = match port.trim_start_matches('0') {
            "" => "0",
            port => port,
        };
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match address.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
            Some(address) => format!("{:?}", address.octets()),
            None => host.to_owned(),
        };
        // containerd 1.6 asks a loopback host without a port by http.
        let is_loopback = host == "localhost" || host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback());
        let port = if port == "80" && is_loopback { "443" } else { port };
        let is_hub = port == "443"
            && matches!(
                host.as_str(),
                "index.docker.io" | "registry-1.docker.io" | "registry.docker.io" | "registry.hub.docker.com"
            );
        let host = if is_hub { "docker.io".to_owned() } else { host };
        Self { host, port: port.to_owned() }
    }

    fn is_below(&self, domain: &str) -> bool {
        self.host.strip_suffix(domain).is_some_and(|front| front.ends_with('.') && front.len() > 1)
    }
}

/// The name, and others that lead to the same image.
fn spellings(name: &Name) -> Vec<Name> {
    let (host, rest) = name.as_str().split_once('/').unwrap();
    let has_port = host.rfind(']').map_or(host, |bracket| &host[bracket..]).contains(':');
    let port = |port: &str| if has_port { host.to_owned() } else { format!("{host}{port}") };
    let noughts = match host.rsplit_once(':').filter(|_| has_port) {
        Some((bare, port)) => format!("{bare}:00{port}"),
        None => format!("{host}:0443"),
    };
    let mut hosts = vec![host.to_owned(), port(":443"), noughts, host.to_ascii_uppercase()];
    if host == "docker.io" {
        hosts.extend(
            ["registry-1.docker.io", "INDEX.docker.io", "registry.hub.docker.com", "Docker.io:443"]
                .map(str::to_owned),
        );
    }
    hosts.iter().filter_map(|host| format!("{host}/{rest}").parse().ok()).collect()
}

fn policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| {
        let disk = Disk::new("reference");
        let loaded = cri_shunt::inside::config::load(&disk.write("config.toml", CONFIG.as_bytes()));
        loaded.unwrap_or_else(|problems| panic!("{:?}", problems.lines())).config.policy
    })
}

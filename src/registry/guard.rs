//! Where a registry may send this program: not to this machine or its link.
//!
//! A registry that a pod's author names chooses the realm of its tokens and the targets of its redirects. This
//! program runs on the node as root, so it must not carry requests to what listens on the loopback, or to a
//! metadata service on a link-local address. Only a registry that is on such an address itself may name others
//! of the same kind.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kinds of address that mean this machine, its link, or no single machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Loopback,
    LinkLocal,
    Unspecified,
    Multicast,
}

/// Which addresses a request may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Any: it is the registry that was configured.
    Anywhere,
    /// Only ordinary addresses, and those of the special kind that the registry itself is on: it has named the host.
    Beside(Option<Special>),
}

/// Why a host is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Astray {
    /// By its address.
    #[error("is {0}, where only a registry on such an address itself may lead")]
    Special(Special),
    /// Names below `invalid` are this program's own, and never resolve.
    #[error("is below .invalid, where no host can be")]
    Invalid,
    /// `0x7f.1`: proxies differ in what they make of it.
    #[error("is a number, but not an address in its usual form")]
    Number,
}

impl Special {
    pub(super) fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => match within(address) {
                Some(address) => Self::of_v4(address),
                None if address.is_loopback() => Some(Self::Loopback),
                None if address.is_unspecified() => Some(Self::Unspecified),
                None if address.is_unicast_link_local() => Some(Self::LinkLocal),
                None if address.is_multicast() => Some(Self::Multicast),
                None => None,
            },
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Self> {
        match address {
            _ if address.is_loopback() => Some(Self::Loopback),
            _ if address.is_link_local() => Some(Self::LinkLocal),
            // The whole of 0.0.0.0/8 means "this network"; Linux takes 0.0.0.0 for the loopback.
            _ if address.octets()[0] == 0 => Some(Self::Unspecified),
            _ if address.is_multicast() || address.is_broadcast() => Some(Self::Multicast),
            _ => None,
        }
    }

    /// The kind that a host's name alone tells of.
    pub(super) fn of_name(host: &str) -> Option<Self> {
        let host = bare(host);
        match host.parse::<IpAddr>() {
            Ok(address) => Self::of(address),
            Err(_) if host == "localhost" || host.ends_with(".localhost") => Some(Self::Loopback),
            Err(_) => None,
        }
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "on the loopback",
            Self::LinkLocal => "on a link-local address",
            Self::Unspecified => "on the unspecified address",
            Self::Multicast => "on a multicast address",
        })
    }
}

impl Reach {
    /// Whether a connection to a host on this kind of address may be used.
    pub(super) fn allows(self, special: Option<Special>) -> Result<(), Astray> {
        match (self, special) {
            (Self::Anywhere, _) | (_, None) => Ok(()),
            (Self::Beside(own), special) if own == special => Ok(()),
            (_, Some(special)) => Err(Astray::Special(special)),
        }
    }

    /// Whether a host may be looked for by this name.
    pub(super) fn allows_name(self, host: &str) -> Result<(), Astray> {
        let host = bare(host);
        let is_invalid = host == "invalid" || host.ends_with(".invalid");
        if self != Self::Anywhere && is_invalid { Err(Astray::Invalid) } else { Ok(()) }
    }

    /// The same where a proxy resolves the name, so that no address will be seen here.
    pub(super) fn allows_through_proxy(self, host: &str) -> Result<(), Astray> {
        self.allows(Special::of_name(host))?;
        let host = bare(host);
        let last = host.rsplit('.').next().unwrap_or_default();
        let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
        match is_number && host.parse::<IpAddr>().is_err() && self != Self::Anywhere {
            true => Err(Astray::Number),
            false => Ok(()),
        }
    }

    /// Where the answer of a host on this kind of address may lead.
    pub(super) fn beside(self, special: Option<Special>) -> Self {
        match self {
            Self::Anywhere => Self::Beside(special),
            beside @ Self::Beside(_) => beside,
        }
    }
}

/// A host's name in lower case, without brackets and without the dot of a full name.
fn bare(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, or behind NAT64.
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_known_in_every_spelling() {
        let rows = [
            ("127.0.0.1", Some(Special::Loopback)),
            ("127.255.0.9", Some(Special::Loopback)),
            ("::1", Some(Special::Loopback)),
            ("::ffff:127.0.0.1", Some(Special::Loopback)),
            ("::127.0.0.1", Some(Special::Loopback)),
            ("64:ff9b::7f00:1", Some(Special::Loopback)),
            ("169.254.169.254", Some(Special::LinkLocal)),
            ("::ffff:a9fe:a9fe", Some(Special::LinkLocal)),
            ("fe80::1", Some(Special::LinkLocal)),
            ("febf::1", Some(Special::LinkLocal)),
            ("0.0.0.0", Some(Special::Unspecified)),
            ("0.1.2.3", Some(Special::Unspecified)),
            ("::", Some(Special::Unspecified)),
            ("224.0.0.1", Some(Special::Multicast)),
            ("255.255.255.255", Some(Special::Multicast)),
            ("ff02::1", Some(Special::Multicast)),
            ("10.0.0.1", None),
            ("128.0.0.1", None),
            ("169.253.0.1", None),
            ("fec0::1", None),
            ("::ffff:10.0.0.1", None),
            ("2001:db8::1", None),
        ];
        for (address, special) in rows {
            assert_eq!(Special::of(address.parse().unwrap()), special, "{address}");
        }
    }

    #[test]
    fn a_name_tells_what_a_proxy_would_make_of_it() {
        let from_outside = Reach::Beside(None);
        for name in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "169.254.169.254.",
            "[::1]",
            "[::ffff:169.254.169.254]",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "127.1",
            "0177.0.0.1",
        ] {
            assert!(from_outside.allows_through_proxy(name).is_err(), "{name}");
            assert_eq!(Reach::Anywhere.allows_through_proxy(name), Ok(()), "{name}");
        }
        for name in ["r.example", "10.0.0.1", "[2001:db8::1]", "notlocalhost", "localhost.example", "a1"] {
            assert_eq!(from_outside.allows_through_proxy(name), Ok(()), "{name}");
        }
        for name in ["a.invalid", "invalid", "A.INVALID."] {
            assert_eq!(from_outside.allows_name(name), Err(Astray::Invalid), "{name}");
        }
        assert_eq!(from_outside.allows_name("a.invalid.example"), Ok(()));
    }

    #[test]
    fn a_registry_leads_only_to_its_own_kind() {
        let local = Reach::Anywhere.beside(Some(Special::Loopback));
        assert_eq!(local.allows(Some(Special::Loopback)), Ok(()));
        assert_eq!(local.allows(None), Ok(()));
        assert_eq!(local.allows(Some(Special::LinkLocal)), Err(Astray::Special(Special::LinkLocal)));
        // What a redirect's target answers opens nothing further.
        assert_eq!(Reach::Beside(None).beside(Some(Special::Loopback)), Reach::Beside(None));
    }
}

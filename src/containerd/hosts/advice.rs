//! What to add to containerd's config where it reads no `hosts.toml`.
//!
//! Holds: the table is the one of the containerd that is there, and nothing is to be removed that can stay beside a
//! `config_path` (`tests/config_path.rs`).
//! Source: containerd `docs/cri/registry.md`, `docs/hosts.md`; k3s' and RKE2's advanced options.

use crate::containerd::{Facts, Roots};

/// The directory that containerd's own documentation uses.
const USUAL: &str = "config_path = \"/etc/containerd/certs.d\"";
const TABLE_1: &str = "[plugins.\"io.containerd.grpc.v1.cri\".registry]";
const TABLE_2: &str = "[plugins.\"io.containerd.cri.v1.images\".registry]";

/// Why containerd, as it is set up, reads no `hosts.toml`, or why that is not known. Only
/// where [`Facts::is_reached`] is it a fault that somebody must fix.
#[must_use]
pub fn set_up(facts: &Facts) -> Option<String> {
    match facts.roots {
        Roots::Known(_) => None,
        Roots::None => Some(no_config_path(&facts.version)),
        Roots::Unknown if !facts.is_reached() => Some(
            "containerd's config_path is not known, since containerd does not answer: start it, or give config-path \
             under [containerd]"
                .to_owned(),
        ),
        Roots::Unknown => Some(format!(
            "the config_path of containerd {} is not known: give it as config-path under [containerd], and restart \
             cri-shunt",
            facts.version
        )),
    }
}

/// Why mirrors have no private hosts although containerd reads `hosts.toml`, and what to set to have them. Looks at the
/// disk.
#[must_use]
pub fn no_private_hosts(facts: &Facts) -> Option<String> {
    let reason = facts.fetches_by_mirror_host()?;
    Some(match facts.fetch_by {
        Some(_) => reason,
        None => format!(
            "{reason}; to have private hosts all the same, set fetch-by = \"private-host\" under [containerd]"
        ),
    })
}

fn no_config_path(version: &str) -> String {
    let is_1 = version.trim_start_matches('v').starts_with("1.");
    let table = if is_1 { TABLE_1 } else { TABLE_2 };
    let head = format!("containerd {version} has no config_path");
    if version.contains("k3s") {
        return format!(
            "{head}, so it reads no hosts.toml: k3s and RKE2 set one unless a template of their containerd config \
             leaves it out; in agent/etc/containerd/config.toml.tmpl below /var/lib/rancher/k3s or \
             /var/lib/rancher/rke2, under {table}, write config_path = \"<that directory>/certs.d\", and restart"
        );
    }
    // 2.x ignores `tls`. Logins (`configs.*.auth`, `auths`) work beside a `config_path` in every version.
    let remove = if is_1 {
        "remove mirrors and configs.*.tls from that table if it has them (logins can stay)"
    } else {
        "remove mirrors from that table if it has them (logins can stay)"
    };
    format!(
        "{head}, so it reads no hosts.toml: under {table} in /etc/containerd/config.toml write {USUAL}, {remove}, and \
         restart containerd"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_one_of_the_version() {
        for (version, roots, part) in [
            ("1.6.20", Roots::None, "io.containerd.grpc.v1.cri"),
            ("v1.7.24", Roots::None, "remove mirrors and configs.*.tls from that table"),
            ("v2.1.4", Roots::None, "io.containerd.cri.v1.images"),
            ("v2.1.4", Roots::None, "remove mirrors from that table"),
            ("v2.1.4", Roots::Unknown, "config-path under [containerd], and restart cri-shunt"),
            ("v2.0.5-k3s1", Roots::None, "config.toml.tmpl"),
        ] {
            let facts = Facts { version: version.to_owned(), roots, ..Facts::default() };
            let advice = set_up(&facts).unwrap();
            assert!(advice.contains(part), "{version}: {advice}");
        }
    }

    #[test]
    fn a_containerd_that_was_not_reached_is_not_one_without_config_path() {
        let away = Facts::default();
        assert!(!away.is_reached());
        assert!(set_up(&away).unwrap().starts_with("containerd's config_path is not known"));
        let known = Facts { version: "v2.1.9".to_owned(), roots: Roots::at("/c"), ..Facts::default() };
        assert_eq!(set_up(&known), None);
    }
}

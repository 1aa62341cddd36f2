//! What to add to containerd's config where it reads no `hosts.toml`.
//!
//! Before: files are wanted, and containerd has no `config_path`.  After: log, `status` and `check` say this.
//! Holds: the table is the one of the containerd that is there.
//! Source: containerd `docs/cri/registry.md`, `docs/hosts.md`; k3s' and RKE2's advanced options.

use std::path::PathBuf;

/// The directory that containerd's own documentation uses.
const USUAL: &str = "config_path = \"/etc/containerd/certs.d\"";
const TABLE_1: &str = "[plugins.\"io.containerd.grpc.v1.cri\".registry]";
const TABLE_2: &str = "[plugins.\"io.containerd.cri.v1.images\".registry]";

/// What is wrong with how containerd is set up, so that it would read no `hosts.toml`. `version` is empty where
/// containerd was not asked; `known` says that its config could be read.
#[must_use]
pub fn set_up(version: &str, known: bool, roots: &[PathBuf]) -> Option<String> {
    if roots.is_empty() { Some(advice(version, known)) } else { several_roots(version, roots) }
}

/// What to do where there is no `config_path`, or none is known.
fn advice(version: &str, known: bool) -> String {
    let (head, table) = match major(version) {
        Some(1) => (format!("containerd {version} has no config_path"), TABLE_1.to_owned()),
        Some(_) if known => (format!("containerd {version} has no config_path"), TABLE_2.to_owned()),
        Some(_) => {
            return format!(
                "the config_path of containerd {version} is not known: give it as config-path under [containerd], and \
                 restart cri-shunt"
            );
        }
        None => (
            "containerd's config_path is not known".to_owned(),
            format!("{TABLE_1} (containerd 1.x) or {TABLE_2} (2.x)"),
        ),
    };
    if version.contains("k3s") {
        return format!(
            "{head}, so it reads no hosts.toml: k3s and RKE2 set one unless a template of their containerd config \
             leaves it out; in agent/etc/containerd/config.toml.tmpl below /var/lib/rancher/k3s or \
             /var/lib/rancher/rke2, under {table}, write config_path = \"<that directory>/certs.d\", and restart"
        );
    }
    let clash = if major(version) == Some(1) {
        "take mirrors, configs and auths out of that table, which exclude it, "
    } else {
        ""
    };
    format!(
        "{head}, so it reads no hosts.toml: under {table} in /etc/containerd/config.toml write {USUAL}, {clash}and \
         restart containerd"
    )
}

/// What to say of a `config_path` of several directories: containerd 2.x reads it as the name of one when it
/// pulls (containerd/containerd#12808).
fn several_roots(version: &str, roots: &[PathBuf]) -> Option<String> {
    let first =
        roots.first().filter(|_| roots.len() > 1 && major(version).is_some_and(|major| major >= 2))?;
    Some(format!(
        "containerd {version} takes a config_path of several directories for one when it pulls, and reads no \
         hosts.toml: write config_path = \"{}\" under {TABLE_2} and restart containerd",
        first.display()
    ))
}

fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_one_of_the_version() {
        for (version, known, part) in [
            ("1.6.20", true, "io.containerd.grpc.v1.cri"),
            ("v1.7.24", true, "which exclude it"),
            ("v2.1.4", true, "io.containerd.cri.v1.images"),
            ("v2.1.4", false, "config-path under [containerd], and restart cri-shunt"),
            ("v2.0.5-k3s1", true, "config.toml.tmpl"),
            ("", false, "(containerd 1.x) or"),
        ] {
            let advice = advice(version, known);
            assert!(advice.contains(part), "{version}: {advice}");
        }
    }

    #[test]
    fn several_directories_are_no_directory_to_containerd_2() {
        let roots = [PathBuf::from("/a"), PathBuf::from("/b")];
        assert_eq!(several_roots("1.7.24", &roots), None);
        assert_eq!(several_roots("v2.1.9", &roots[..1]), None);
        assert!(several_roots("v2.1.9", &roots).unwrap().contains("config_path = \"/a\""));
    }
}

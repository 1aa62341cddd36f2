//! How the directories and files below a `config_path` are named, and which of them are the shunt's.
//!
//! Source: containerd `core/remotes/docker/config/hosts.go`, `hostPaths`.

/// The file in each directory.
pub(super) const HOSTS_TOML: &str = "hosts.toml";

/// The directory for every host that has none of its own.
pub const DEFAULT: &str = "_default";

/// The longest file that is read, in bytes. No longer one has been seen.
pub(super) const LONGEST: u64 = 1 << 20;

/// The first words of every file that the shunt writes.
pub(super) const MARK: &str = "# Written by cri-shunt";

/// Whether a `hosts.toml` was written by the shunt.
#[must_use]
pub fn is_owned(content: &[u8]) -> bool {
    content.starts_with(MARK.as_bytes())
}

/// containerd's name for the directory of a host with a port. Without a port it is the host itself.
pub(super) fn coded(host: &str) -> String {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => format!("{name}_{port}_"),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_containerds_name_for_the_host() {
        assert_eq!(coded("m.example:5000"), "m.example_5000_");
        assert_eq!(coded("[::1]:5000"), "[::1]_5000_");
        assert_eq!(coded("[::1]"), "[::1]");
    }
}

//! What still names the shunt's socket: files of kubelet, k3s, RKE2 and crictl, and running programs.

use std::fs;
use std::path::{Path, PathBuf};

/// Files, and directories whose files are looked at.
const PLACES: [&str; 9] = [
    "/etc/crictl.yaml",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
    "/var/lib/kubelet/instance-config.yaml",
    "/etc/kubernetes/kubelet.conf.d",
    "/etc/rancher/k3s/config.yaml",
    "/etc/rancher/k3s/config.yaml.d",
    "/etc/rancher/rke2/config.yaml",
    "/etc/rancher/rke2/config.yaml.d",
];

/// The services of clients.
const SERVICES: [&str; 5] = ["kubelet", "k3s", "k3s-agent", "rke2-server", "rke2-agent"];

/// Where units are. The installers of k3s and RKE2 put files with variables beside them.
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/usr/local/lib/systemd/system"];

/// What the name of a service is followed by there: the unit, its drop-ins, its variables.
const ENDS: [&str; 4] = [".service", ".service.d", ".service.env", ".env"];

/// Where files with the variables of a service are by the custom of Debian and of Red Hat.
const VARIABLES: [&str; 2] = ["/etc/default", "/etc/sysconfig"];

/// No longer file is looked at.
const LONGEST: u64 = 1 << 20;

/// Each place where the socket is named.
pub(crate) fn of(socket: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in places().flat_map(|place| files(&place)) {
        let is_short = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LONGEST);
        let Some(text) = is_short.then(|| fs::read_to_string(&file).ok()).flatten() else { continue };
        let lines = text.lines().enumerate().filter(|(_, line)| names(line, socket));
        found.extend(lines.map(|(index, _)| format!("{}:{}", file.display(), index + 1)));
    }
    found.extend(programs(socket));
    found
}

/// Each file or directory once.
fn places() -> impl Iterator<Item = PathBuf> {
    let units = SERVICES.iter().flat_map(|service| {
        UNITS.iter().flat_map(move |directory| ENDS.map(|end| format!("{directory}/{service}{end}")))
    });
    let variables = SERVICES
        .iter()
        .flat_map(|service| VARIABLES.iter().map(move |directory| format!("{directory}/{service}")));
    PLACES.iter().map(PathBuf::from).chain(units.chain(variables).map(PathBuf::from))
}

/// The file itself, or the files of a directory by their names.
fn files(place: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(place) else { return vec![place.to_owned()] };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}

/// Whether a line that is no comment names the socket.
fn names(line: &str, socket: &str) -> bool {
    !line.trim_start().starts_with('#') && line.contains(socket)
}

/// Running programs with the socket among their arguments. They have read it at their start.
fn programs(socket: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<(u32, String)> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .filter_map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let program = Path::new(line.split('\0').next()?).file_name()?.to_str()?.to_owned();
            let is_client = ["kubelet", "k3s", "rke2", "k3s-server", "k3s-agent"].contains(&program.as_str());
            (is_client && line.contains(socket)).then_some((pid, program))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(pid, program)| format!("the running {program} (process {pid})")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_of_each_distribution_are_looked_at() {
        let all: Vec<String> = places().map(|place| place.display().to_string()).collect();
        for place in [
            "/etc/systemd/system/kubelet.service.d",
            "/usr/lib/systemd/system/kubelet.service.d",
            "/etc/systemd/system/k3s-agent.service",
            "/etc/systemd/system/k3s-agent.service.env",
            "/usr/local/lib/systemd/system/rke2-server.service",
            "/usr/local/lib/systemd/system/rke2-agent.env",
            "/usr/lib/systemd/system/rke2-agent.service.d",
            "/etc/default/rke2-server",
            "/etc/sysconfig/kubelet",
        ] {
            assert!(all.iter().any(|found| found == place), "{place}");
        }
    }

    #[test]
    fn comments_do_not_count() {
        let socket = "/run/cri-shunt/cri-shunt.sock";
        assert!(names("runtime-endpoint: unix:///run/cri-shunt/cri-shunt.sock", socket));
        assert!(!names("  # unix:///run/cri-shunt/cri-shunt.sock", socket));
        assert!(!names("runtime-endpoint: unix:///run/containerd/containerd.sock", socket));
    }
}

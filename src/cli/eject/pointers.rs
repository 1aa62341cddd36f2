//! What still names the shunt's socket: files of kubelet, k3s, RKE2 and crictl, and running programs.

use std::fs;
use std::path::{Path, PathBuf};

/// Files, and directories whose files are looked at.
const PLACES: [&str; 15] = [
    "/etc/crictl.yaml",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
    "/var/lib/kubelet/instance-config.yaml",
    "/etc/kubernetes/kubelet.conf.d",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
    "/etc/systemd/system/kubelet.service",
    "/etc/systemd/system/kubelet.service.d",
    "/usr/lib/systemd/system/kubelet.service.d",
    "/etc/rancher/k3s/config.yaml",
    "/etc/rancher/k3s/config.yaml.d",
    "/etc/rancher/rke2/config.yaml",
    "/etc/rancher/rke2/config.yaml.d",
    "/etc/systemd/system/k3s.service",
];

/// No longer file is looked at.
const LONGEST: u64 = 1 << 20;

/// Each place where the socket is named.
pub(super) fn of(socket: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in PLACES.iter().flat_map(|place| files(Path::new(place))) {
        let is_short = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LONGEST);
        let Some(text) = is_short.then(|| fs::read_to_string(&file).ok()).flatten() else { continue };
        let lines = text.lines().enumerate().filter(|(_, line)| names(line, socket));
        found.extend(lines.map(|(index, _)| format!("{}:{}", file.display(), index + 1)));
    }
    found.extend(programs(socket));
    found
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
    fn comments_do_not_count() {
        let socket = "/run/cri-shunt/cri-shunt.sock";
        assert!(names("runtime-endpoint: unix:///run/cri-shunt/cri-shunt.sock", socket));
        assert!(!names("  # unix:///run/cri-shunt/cri-shunt.sock", socket));
        assert!(!names("runtime-endpoint: unix:///run/containerd/containerd.sock", socket));
    }
}

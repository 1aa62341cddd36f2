//! The config file of a private containerd, for both of its formats.
//!
//! Sources: `containerd config default` of each line; containerd docs/cri/config.md.

use super::version::Version;
use std::path::Path;
use std::process::Command;

/// What a test may want otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    /// The image of the pods' sandboxes, as written in containerd's config.
    pub sandbox_image: String,
    /// Gives containerd the environment of a proxy that refuses and records all that leaves the loopback.
    pub closed: bool,
    /// Gives it a `config_path`, so that it reads `hosts.toml` files.
    pub hosts_files: bool,
    /// Appended to the config file.
    pub more: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sandbox_image: "registry.k8s.io/pause:testbed".to_owned(),
            closed: true,
            hosts_files: true,
            more: String::new(),
        }
    }
}

/// The text of the config of a containerd that lives under `dir`.
pub fn text(version: Version, dir: &Path, options: &Options) -> String {
    let snapshotter = snapshotter(dir);
    let dir = dir.display();
    let common = format!(
        r#"root = "{dir}/root"
state = "{dir}/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp", "io.containerd.nri.v1.nri",
]
[grpc]
  address = "{dir}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{dir}/opt"
"#
    );
    let sandbox = &options.sandbox_image;
    let cri = match version {
        Version::V1_6 | Version::V1_7 => format!(
            r#"[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{sandbox}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{dir}/cni/bin"
  conf_dir = "{dir}/cni/conf"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{dir}/certs.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"
"#
        ),
        Version::V2_1 => format!(
            r#"[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{dir}/cni/bin"]
  conf_dir = "{dir}/cni/conf"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{snapshotter}"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{sandbox}"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{dir}/certs.d"
[plugins."io.containerd.transfer.v1.local"]
  config_path = "{dir}/certs.d"
"#
        ),
    };
    let format = if version < Version::V2_1 { 2 } else { 3 };
    let path = format!("config_path = \"{dir}/certs.d\"");
    let cri = if options.hosts_files { cri } else { cri.replace(&path, "config_path = \"\"") };
    format!("version = {format}\n{common}{cri}{}", options.more)
}

/// overlayfs where the folder's file system can carry it, else the slow one that always works.
fn snapshotter(dir: &Path) -> &'static str {
    let probe = dir.join("probe");
    for name in ["lower", "upper", "work", "merged"] {
        std::fs::create_dir_all(probe.join(name)).unwrap();
    }
    let merged = probe.join("merged");
    let layers = format!("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", probe.display());
    let mounted =
        Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers]).arg(&merged).output();
    let works = mounted.is_ok_and(|out| out.status.success());
    if works {
        drop(Command::new("umount").arg(&merged).output());
    }
    drop(std::fs::remove_dir_all(&probe));
    if works { "overlayfs" } else { "native" }
}

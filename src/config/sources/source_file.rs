//! Which files can be sources, and in which formats.

use std::path::PathBuf;

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// k3s' and RKE2's `registries.yaml`, and so Rancher's `rkeConfig.registries`.
    RegistriesYaml,
    /// A tree of containerd's `hosts.toml` files.
    CertsD,
    /// `registries.conf` of containers/image, with the drop-ins beside it.
    RegistriesConf,
    /// The YAML of sealos' image-cri-shim, or its ConfigMap.
    ImageCriShim,
    /// The `registry` tables of containerd's own `config.toml`.
    ContainerdConfig,
    /// `registry-mirrors` and `insecure-registries` of Docker's `daemon.json`.
    DockerDaemon,
    /// OpenShift's ImageDigestMirrorSet, ImageTagMirrorSet and ImageContentSourcePolicy.
    OpenShift,
    /// The documents of a Talos machine configuration that are about registries.
    Talos,
}

/// A source as requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// How to read it.
    pub format: Format,
    /// The file or directory.
    pub path: PathBuf,
    /// `registries.yaml` alone: the default endpoint is not tried after the mirrors.
    pub disable_default_endpoint: bool,
}

// === impl Format ===

impl Format {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Format; 8] = [
        Format::RegistriesYaml,
        Format::CertsD,
        Format::RegistriesConf,
        Format::ImageCriShim,
        Format::ContainerdConfig,
        Format::DockerDaemon,
        Format::OpenShift,
        Format::Talos,
    ];

    /// Its key in a `[[policy.source]]`, which is also the name of its flag.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.words().0
    }

    /// What it is.
    #[must_use]
    pub fn what(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Format::RegistriesYaml => ("registries-yaml", "a registries.yaml of k3s or RKE2"),
            Format::CertsD => ("certs-d", "a directory of containerd's hosts.toml files"),
            Format::RegistriesConf => ("registries-conf", "a registries.conf of containers/image"),
            Format::ImageCriShim => ("image-cri-shim", "the YAML of sealos' image-cri-shim"),
            Format::ContainerdConfig => ("containerd-config", "containerd's config.toml"),
            Format::DockerDaemon => ("docker-daemon", "Docker's daemon.json"),
            Format::OpenShift => ("openshift", "a mirror set of OpenShift (IDMS, ITMS, ICSP)"),
            Format::Talos => ("talos", "registry documents of Talos"),
        }
    }
}

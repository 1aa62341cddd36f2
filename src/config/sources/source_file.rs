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
    pub const ALL: [Format; 4] =
        [Format::RegistriesYaml, Format::CertsD, Format::RegistriesConf, Format::ImageCriShim];

    /// Its key in a `[[policy.source]]`, which is also the name of its flag.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Format::RegistriesYaml => "registries-yaml",
            Format::CertsD => "certs-d",
            Format::RegistriesConf => "registries-conf",
            Format::ImageCriShim => "image-cri-shim",
        }
    }
}

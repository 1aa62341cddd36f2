//! Rules from files in other programs' formats.
//!
//! Before: the command line or a `[[policy.source]]` names a file.  After: `assemble` puts the rules under
//! the native ones.
//! Holds: a source is read as its own program would read it, or it is a problem; nothing of it is dropped
//! silently. Where two rules have one prefix, the native one holds, then that of the earlier source; a
//! rule of a source never opens what a native rule denies.
//! Not here: what a rule does with a name (`policy`), and who uses the logins (`credentials`), and what becomes of transport.
//!
//! Every format matches registries by exact `host[:port]`. Rules see folded hosts, so here a rule for
//! `docker.io` is for `registry-1.docker.io` and `docker.io:443` too: no spelling gets around it.

mod certs_d;
pub(super) mod check;
pub(super) mod detect_format;
mod endpoint;
#[cfg(test)]
mod fixture;
mod image_cri_shim;
mod mapping;
pub(in crate::config) mod pattern;
mod registries_conf;
mod registries_yaml;
pub(super) mod request;
pub(super) mod roots;
mod text;
mod yaml;

use std::path::PathBuf;

use super::diagnostic::{Located, Problem, Texts};
use super::rules::{Draft, DraftRule};
use crate::containerd::hosts::TransportNeed;
use crate::credentials::Login;
use crate::policy::Layer;

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

/// A source as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// How to read it.
    pub format: Format,
    /// The file or directory.
    pub path: PathBuf,
    /// `registries.yaml` alone: the default endpoint is not tried after the mirrors.
    pub disable_default_endpoint: bool,
}

/// What a source says.
#[derive(Debug, Default)]
pub(super) struct Imported {
    /// In the order of the file. The layer is set by who asked.
    pub(super) rules: Vec<DraftRule>,
    pub(super) transport: Vec<Located<TransportNeed>>,
    pub(super) logins: Vec<Login>,
}

/// Reads every source, and puts its rules under the native ones: the order is that of the layers.
pub(super) fn read_all(
    sources: &[SourceFile],
    texts: &mut Texts,
    draft: &mut Draft,
    out: &mut Vec<Problem>,
) -> Imported {
    let mut all = Imported::default();
    for (i, source) in sources.iter().enumerate() {
        let Imported { rules, transport, logins } = read(source, texts, out);
        draft.rules.extend(rules.into_iter().map(|mut drafted| {
            drafted.rule.layer = Layer::Source(i);
            drafted
        }));
        all.transport.extend(transport.into_iter().map(|mut need| {
            need.value.layer = Layer::Source(i);
            need
        }));
        all.logins.extend(logins);
    }
    all
}

/// Reads one source; what is wrong with it is in `out`.
pub(super) fn read(source: &SourceFile, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    let path = &source.path;
    match source.format {
        Format::RegistriesYaml => registries_yaml::read(path, source.disable_default_endpoint, texts, out),
        Format::CertsD => certs_d::read(path, texts, out),
        Format::RegistriesConf => registries_conf::read(path, texts, out),
        Format::ImageCriShim => image_cri_shim::read(path, texts, out),
    }
}

// === impl Format ===

impl Format {
    /// All of them, in the order in which they are spoken of.
    pub const ALL: [Format; 4] =
        [Format::RegistriesYaml, Format::CertsD, Format::RegistriesConf, Format::ImageCriShim];

    /// Its key in a `[[policy.source]]`, which is its flag as well.
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

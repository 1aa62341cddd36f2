//! The flags that say what configuration is read: the native files, and other programs' files.
//!
//! Before: the shell.  After: `serve`, `explain`, `check` and `test` load the `Input` that comes of them.
//! Holds: all commands read the same things for the same flags. A source by itself stands alone: the
//! native configuration is read beside it only where `--config` names it.
//! Not here: what is read (`config`).

use std::path::PathBuf;

use crate::config::{Format, Input, MainFile, SourceFile, defaults};

/// The native configuration and the sources.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Inputs {
    /// The main configuration file, with `conf.d/*.toml` beside it [default: /etc/cri-shunt/config.toml,
    /// unless a source is given, which then stands alone]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    sources: Sources,
}

/// Files in other programs' formats. Where two of them have a rule for one registry, the one that stands
/// first here holds.
#[derive(Clone, Debug, clap::Args)]
struct Sources {
    /// Rules of a registries.yaml of k3s or RKE2, beside or instead of a configuration
    #[arg(long, value_name = "FILE")]
    registries_yaml: Option<PathBuf>,

    /// Rules of a tree of containerd's hosts.toml files
    #[arg(long, value_name = "DIR")]
    certs_d: Option<PathBuf>,

    /// Rules of a registries.conf of containers/image, with its drop-ins
    #[arg(long, value_name = "FILE")]
    registries_conf: Option<PathBuf>,

    /// Rules of the YAML of sealos' image-cri-shim
    #[arg(long, value_name = "FILE")]
    image_cri_shim: Option<PathBuf>,

    /// As for k3s: with --registries-yaml, registries are not asked themselves after their mirrors
    #[arg(long, requires = "registries_yaml")]
    disable_default_registry_endpoint: bool,
}

impl Inputs {
    /// The input. With `optional` the default configuration file need not exist.
    pub(super) fn read(self, optional: bool) -> Input {
        let Inputs { config, sources } = self;
        let sources = sources.list();
        let main = match config {
            Some(path) => MainFile::Required(path),
            None if !sources.is_empty() => MainFile::Absent,
            None if optional => MainFile::IfPresent(PathBuf::from(defaults::CONFIG_FILE)),
            None => MainFile::Required(PathBuf::from(defaults::CONFIG_FILE)),
        };
        Input { main, default_registry: None, sources, socket: None, containerd: None }
    }

    /// What is read, for a headline.
    pub(super) fn title(&self) -> String {
        let sources = self.sources.clone().list();
        let native = match &self.config {
            Some(path) => Some(path.display().to_string()),
            None if sources.is_empty() => Some(defaults::CONFIG_FILE.to_owned()),
            None => None,
        };
        let sources = sources.iter().map(|source| source.path.display().to_string());
        native.into_iter().chain(sources).collect::<Vec<_>>().join(", ")
    }
}

impl Sources {
    fn list(self) -> Vec<SourceFile> {
        let Sources {
            registries_yaml,
            certs_d,
            registries_conf,
            image_cri_shim,
            disable_default_registry_endpoint,
        } = self;
        let given = [
            (Format::RegistriesYaml, registries_yaml),
            (Format::CertsD, certs_d),
            (Format::RegistriesConf, registries_conf),
            (Format::ImageCriShim, image_cri_shim),
        ];
        let source = |(format, path): (Format, Option<PathBuf>)| {
            let disable = format == Format::RegistriesYaml && disable_default_registry_endpoint;
            Some(SourceFile { format, path: path?, disable_default_endpoint: disable })
        };
        given.into_iter().filter_map(source).collect()
    }
}

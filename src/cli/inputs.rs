//! The flags that say which configuration is read: the native files, and files of other programs.
//!
//! `serve`, `explain`, `check` and `test` have the same flags. Where a source is given, the native configuration is
//! read only if `--config` names it.

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::terminal;
use crate::config::{Format, Input, MainFile, SourceFile, defaults};

/// The file that means standard input.
pub(super) const STDIN: &str = "-";

/// The native configuration and the sources.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Inputs {
    /// The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default:
    /// /etc/cri-shunt/config.toml, unless another program's file is given: then only that file is read]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    sources: Sources,
}

/// Files in other programs' formats. Where two of them have a rule for one registry, the first one here wins.
#[derive(Clone, Debug, clap::Args)]
struct Sources {
    /// Take rules from a registries.yaml of k3s or RKE2
    #[arg(long, value_name = "FILE")]
    registries_yaml: Option<PathBuf>,

    /// Take rules from a directory of containerd's hosts.toml files
    #[arg(long, value_name = "DIR")]
    certs_d: Option<PathBuf>,

    /// Take rules from a registries.conf of containers/image, and from its drop-ins
    #[arg(long, value_name = "FILE")]
    registries_conf: Option<PathBuf>,

    /// Take rules from the YAML file of sealos' image-cri-shim
    #[arg(long, value_name = "FILE")]
    image_cri_shim: Option<PathBuf>,

    /// With --registries-yaml: do not ask the registry itself after its mirrors, like k3s' flag of this name
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

    /// Refuses flags that would read standard input twice; `more` is how often it is read beside these flags.
    pub(super) fn check_stdin(&self, more: usize) -> Result<(), Exit> {
        let sources = self.sources.clone().list();
        let paths = self.config.iter().chain(sources.iter().map(|source| &source.path));
        let uses = paths.filter(|path| path.as_path() == Path::new(STDIN)).count();
        if uses == 0 || uses + more < 2 {
            return Ok(());
        }
        terminal::say("error: `-` is given twice, and stdin can be read once only\n");
        Err(Exit::Usage)
    }

    /// The input's name, for a headline.
    pub(super) fn title(&self) -> String {
        let sources = self.sources.clone().list();
        let native = match &self.config {
            Some(path) if path == Path::new(STDIN) => Some("stdin".to_owned()),
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

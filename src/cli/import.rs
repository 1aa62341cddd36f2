//! `cri-shunt import`: files of other programs, as a native configuration.
//!
//! Before: an administrator who wants to leave such a file behind.  After: TOML on stdout, and on stderr what
//! could not be carried over.
//! Holds: nothing is on stdout where a file cannot be used.
//! Not here: the conversion (`config`).

use std::path::PathBuf;

use super::{Exit, terminal};
use crate::config::{self, Format, ImportRequest};

/// Convert files of other programs into a native configuration.
///
/// Reads what administrators already have: registries.yaml of k3s and RKE2, a certs.d directory of
/// containerd, registries.conf of containers/image with its drop-ins, the YAML or ConfigMap of sealos'
/// image-cri-shim. Writes TOML that decides as those files do when they are read live, with the place of
/// origin above each rule. Says on stderr what could not be carried over, and why. Passwords are never
/// written. Where several files have a rule for one prefix, that of the earlier file holds.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt import /etc/rancher/k3s/registries.yaml > /etc/cri-shunt/conf.d/k3s.toml\n  \
    cri-shunt import /etc/containerd/certs.d /etc/containers/registries.conf\n  \
    cri-shunt import --format image-cri-shim settings.yaml\n\n\
    Exit status: 0 everything has been carried over; 1 something could not be (the rest has been written); 2 \
    wrong usage, or a file that cannot be used (nothing has been written).")]
pub(super) struct Arguments {
    /// The format of all files [default: seen from what is in each]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FileFormat>,

    /// As for k3s: registries are not asked themselves after their mirrors
    #[arg(long)]
    disable_default_registry_endpoint: bool,

    /// Say what is worth knowing and needs no change, too
    #[arg(long, short)]
    verbose: bool,

    /// The files, and directories of hosts.toml files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// The formats, as they are called on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FileFormat {
    /// k3s' and RKE2's registries.yaml, and Rancher's rkeConfig.registries
    RegistriesYaml,
    /// A directory of containerd's hosts.toml files
    CertsD,
    /// registries.conf of containers/image
    RegistriesConf,
    /// The YAML of sealos' image-cri-shim, or its ConfigMap
    ImageCriShim,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { format, disable_default_registry_endpoint, verbose, files } = arguments;
    let request = ImportRequest {
        files,
        format: format.map(Format::from),
        disable_default_endpoint: disable_default_registry_endpoint,
    };
    let import = match config::import(&request) {
        Ok(import) => import,
        Err(problems) => {
            terminal::say(&problems.render(terminal::style(), verbose));
            return Exit::Usage;
        }
    };
    terminal::say(&import.report.render(terminal::style(), verbose));
    let rules = match import.rules {
        1 => "1 rule".to_owned(),
        rules => format!("{rules} rules"),
    };
    if let Err(exit) = terminal::print(&import.toml) {
        return exit;
    }
    if import.left_behind == 0 {
        terminal::say(&format!("{rules}; everything has been carried over\n"));
        return Exit::Ok;
    }
    let left = import.left_behind;
    terminal::say(&format!("{rules}; not carried over: {left} (listed at the end of the output)\n"));
    Exit::Bad
}

impl From<FileFormat> for Format {
    fn from(format: FileFormat) -> Self {
        match format {
            FileFormat::RegistriesYaml => Format::RegistriesYaml,
            FileFormat::CertsD => Format::CertsD,
            FileFormat::RegistriesConf => Format::RegistriesConf,
            FileFormat::ImageCriShim => Format::ImageCriShim,
        }
    }
}

//! `cri-shunt import`: converts files of other programs into a native configuration.
//!
//! The TOML goes to stdout or into a file, and what could not be converted goes to stderr. Where a file cannot be
//! used, nothing is written.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::detail::Detail;
use super::exit::Exit;
use super::inputs::{STDIN, check_stdin, of_stdin};
use super::{output, terminal};
use crate::config::{self, Diagnostics, Format, ImportRequest, Input};

/// Convert files of other programs into a native configuration.
///
/// Reads registries.yaml of k3s and RKE2, a certs.d directory of containerd and the mirrors in its config.toml,
/// registries.conf of containers/image with its drop-ins, Docker's daemon.json, mirror sets of OpenShift, registry
/// documents of Talos, and the YAML or ConfigMap of sealos' image-cri-shim. Writes TOML that decides like those files, with
/// the place of origin above each rule. Messages on stderr say what could not be carried over, and why. Passwords are
/// never written. Where several files have a rule for one prefix, the rule of the first file is taken.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt import --output /etc/cri-shunt/conf.d/k3s.toml /etc/rancher/k3s/registries.yaml\n  \
    cri-shunt import /etc/containerd/certs.d /etc/containers/registries.conf\n  \
    kubectl get configmap image-cri-shim -o yaml | cri-shunt import --format image-cri-shim -\n\n\
    Exit status:\n  \
    0  everything has been carried over\n  \
    1  something could not be carried over; the rest has been written\n  \
    2  wrong usage, or a file that cannot be used; nothing has been written")]
pub(super) struct Arguments {
    /// The format of all files [default: found out from the content of each]
    #[arg(long, value_parser = formats(), value_name = "FORMAT")]
    format: Option<Format>,

    /// Do not ask the registry itself after its mirrors, like k3s' flag of this name
    #[arg(long)]
    disable_default_registry_endpoint: bool,

    #[command(flatten)]
    detail: Detail,

    /// Write to this file instead of stdout, and only if the import succeeds and, in conf.d, the whole configuration can
    /// be used with it; `-` is stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Let --output replace a file that import has not written
    #[arg(long, requires = "output")]
    force: bool,

    /// The files, and directories of hosts.toml files; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// The formats, as they are called on the command line.
fn formats() -> impl TypedValueParser<Value = Format> {
    let named = |format: Format| PossibleValue::new(format.key()).help(format.what());
    PossibleValuesParser::new(Format::ALL.map(named)).map(|key| {
        // The parser has let nothing else through.
        Format::ALL.into_iter().find(|format| format.key() == key).unwrap_or(Format::RegistriesYaml)
    })
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { format, disable_default_registry_endpoint, detail, output, force, files } = arguments;
    let Detail { quiet, verbose } = detail;
    if let Err(exit) = check_stdin(of_stdin(&files)) {
        return exit;
    }
    let output = output.filter(|output| output.as_path() != Path::new(STDIN));
    let request =
        ImportRequest { files, format, disable_default_endpoint: disable_default_registry_endpoint };
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
    if let Some((path, problems)) = output.as_ref().and_then(|path| Some((path, joined(path, &import.toml)?)))
    {
        terminal::say(&problems.render(terminal::style(), verbose));
        let why =
            format!("the configuration cannot be used with {}; nothing has been written", path.display());
        return terminal::fail(&why, Exit::Usage);
    }
    let written = match &output {
        None => terminal::print(&import.toml),
        Some(path) => output::write(path, &import.toml, output::OF_IMPORT, force)
            .map_err(|error| terminal::fail(&error, Exit::Usage)),
    };
    if let Err(exit) = written {
        return exit;
    }
    if import.left_behind == 0 {
        if !quiet {
            terminal::say(&format!("{rules}; everything has been carried over\n"));
        }
        return Exit::Ok;
    }
    let left = import.left_behind;
    terminal::say(&format!("{rules}; not carried over: {left} (listed at the end of the output)\n"));
    Exit::Bad
}

/// What is wrong with the configuration that a file in `conf.d` joins, once it has this text.
fn joined(path: &Path, toml: &str) -> Option<Diagnostics> {
    let directory = path.parent().filter(|directory| directory.ends_with("conf.d"))?;
    let main = directory.with_file_name("config.toml");
    // Without a main file there is no configuration yet.
    let input = main.exists().then(|| Input::file(&main))?;
    config::load_with(&input, path, toml).err()
}

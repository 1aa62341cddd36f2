//! `cri-shunt diff`: what does a change of the policy change, in its rules and for the images?

mod report;

use std::path::{Path, PathBuf};

use self::report::{Images, Report};
use super::detail::Detail;
use super::exit::Exit;
use super::format::Format;
use super::inputs::{check_stdin, of_stdin};
use super::names::Names;
use super::terminal;
use crate::config::{self, Input, Loaded};

/// Show what changes between two policies.
///
/// OLD and NEW are each a configuration of cri-shunt (a config.toml with the conf.d beside it, or the directory of
/// both), or a file or directory of another program that cri-shunt can read; the content says which. Rules are
/// compared by their prefix and by what they mean, not by how they are written: registries.yaml and the configuration
/// that import makes of it do not differ.
///
/// Compared are the rules, the settings of the policy, how registries are reached and what signatures have to be; not logins,
/// values of headers, sockets and logs. With images, also what each policy decides about each of them; those without a difference are not
/// shown. Needs no daemon, and containerd only with --node.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt diff /etc/cri-shunt ./new.toml\n  \
    cri-shunt diff /etc/cri-shunt ./new.toml --node\n  \
    cri-shunt diff /etc/rancher/k3s/registries.yaml /etc/cri-shunt nginx:1.25\n  \
    git show HEAD~1:config.toml | cri-shunt diff - config.toml\n\n\
    Exit status:\n  \
    0  nothing differs\n  \
    1  something differs\n  \
    2  wrong usage, or a configuration that cannot be used\n  \
    3  containerd cannot be reached")]
pub(super) struct Arguments {
    /// How to write the differences
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,

    /// The old policy; `-` is stdin
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The new policy; `-` is stdin
    #[arg(value_name = "NEW")]
    new: PathBuf,

    #[command(flatten)]
    names: Names,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    compare(arguments).unwrap_or_else(|exit| exit)
}

fn compare(arguments: &Arguments) -> Result<Exit, Exit> {
    let Arguments { format, detail, old, new, names } = arguments;
    check_stdin(of_stdin(&[old, new]) + names.of_stdin())?;
    // The problems of both are shown at once.
    let (old, new) = match (load(old, None, *detail), load(new, names.containerd.as_ref(), *detail)) {
        (Ok(old), Ok(new)) => (old.config, new.config),
        _ => return Err(Exit::Usage),
    };
    let images = names.read(new.containerd.socket.as_path())?;
    let images = Images::of(&images, &old, &new);
    let report = Report { changes: config::changes(&old, &new), images, quiet: detail.quiet };
    terminal::print(&match format {
        Format::Text => report.text(),
        Format::Json => report.json(),
    })?;
    Ok(if report.is_empty() { Exit::Ok } else { Exit::Bad })
}

fn load(path: &Path, containerd: Option<&String>, detail: Detail) -> Result<Loaded, ()> {
    let loaded = config::given(path)
        .and_then(|input| config::load_from(&Input { containerd: containerd.cloned(), ..input }));
    let (problems, loaded) = match loaded {
        Ok(loaded) if !detail.verbose => return Ok(loaded),
        Ok(loaded) => (loaded.warnings.render(terminal::style(), true), Ok(loaded)),
        Err(problems) => (problems.render(terminal::style(), false), Err(())),
    };
    terminal::say(&problems);
    loaded
}

//! `cri-shunt config`: all files as one, and where each key comes from.

use super::detail::Detail;
use super::exit::Exit;
use super::format::Format;
use super::inputs::Inputs;
use super::terminal;
use crate::config::{self, Merged};

/// Show the whole configuration, with the place of each key.
///
/// Puts the main file, the files of conf.d and other programs' files together, as `serve` does, and shows every key
/// with its value and the file and line that it comes from. Keys that no file sets have their default. The rules of
/// other programs' files are shown as rules of a native configuration. Values of headers are not shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt config\n  \
    cri-shunt config --registries-yaml /etc/rancher/k3s/registries.yaml\n  \
    cri-shunt config --format json | jq -r 'select(.key == \"policy.rule\") | .source'\n\n\
    Exit status:\n  \
    0  the configuration can be used\n  \
    2  wrong usage, or a configuration that cannot be used")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// How to write the answer: as TOML, or as an object for each key and each rule
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let Arguments { inputs, format, detail } = arguments;
    if let Err(exit) = inputs.check_stdin(0) {
        return exit;
    }
    let loaded = match config::load_from(&inputs.clone().read(false)) {
        Ok(loaded) => loaded,
        Err(problems) => {
            terminal::say(&problems.render(terminal::style(), detail.verbose));
            return Exit::Usage;
        }
    };
    if detail.verbose {
        terminal::say(&loaded.warnings.render(terminal::style(), true));
    }
    let merged = Merged::of(&loaded);
    let text = match format {
        _ if detail.quiet => String::new(),
        Format::Text => config::visible(&merged.text()).into_owned(),
        Format::Json => merged.objects().map(|object| terminal::json(&object)).collect(),
    };
    terminal::print(&text).err().unwrap_or(Exit::Ok)
}

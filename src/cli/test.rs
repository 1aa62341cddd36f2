//! `cri-shunt test`: does the policy decide as expected? The answers of `explain` are compared with a file.

mod difference;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::difference::Difference;
use super::detail::Detail;
use super::exit::Exit;
use super::explain::Answer;
use super::format::Format;
use super::inputs::{Inputs, STDIN, of_stdin, shown};
use super::terminal;
use crate::config::{self, Config, Expectation, Style};
use crate::credentials::Credentials;
use crate::files::reader::Reader;
use crate::state::Question;

/// Compare the decisions of a policy with a file of expectations.
///
/// The file is TOML with an `[[expect]]` for each image: `image`, and one or more of `decision` (route, pass, deny or
/// invalid), `rule` (the prefix that explain shows), `reference` (the first candidate) and `candidates` (all of them,
/// in order) and `signatures` (the names of what has to be signed, none where nothing has to be). `namespace` is that of the pod that asks. `name` and `description` are for people. Needs no daemon and no containerd, and pulls nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt test --config ./config.toml expectations.toml\n  \
    cri-shunt test --registries-yaml /etc/rancher/k3s/registries.yaml --quiet expectations.toml\n\n\
    A file:\n  \
    [[expect]]\n  \
    image = \"gitea/gitea:1.22.1-rootless\"\n  \
    decision = \"route\"\n  \
    reference = \"mirror.example.com/gitea/gitea:1.22.1-rootless\"\n\n\
    Exit status:\n  \
    0  every expectation is met\n  \
    1  one is not met\n  \
    2  wrong usage, or a file or a configuration that cannot be used")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    #[command(flatten)]
    detail: Detail,

    /// How to write the results
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Files of expectations; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { inputs, detail: Detail { quiet, verbose }, format, files } = arguments;
    if let Err(exit) = inputs.check_stdin(of_stdin(&files)) {
        return exit;
    }
    let expectations = read(&files);
    // The problems of both are shown at once.
    let loaded = config::load_from(&inputs.read(false)).map_err(|problems| terminal::refuse(&problems));
    match (expectations, loaded) {
        (Ok(expectations), Ok(loaded)) => {
            if verbose {
                terminal::say(&loaded.warnings.render(terminal::style(), true));
            }
            compare(&expectations, &loaded.config, quiet, format)
        }
        (Err(exit), _) | (_, Err(exit)) => exit,
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Expectation>, Exit> {
    let files = files.iter().map(|path| (shown(path), bytes(path))).collect();
    config::expectations(files).map_err(|problems| terminal::refuse(&problems))
}

/// A pipe can be read here like a file.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new(STDIN) {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn compare(
    expectations: &[Expectation],
    Config { policy, demands, .. }: &Config,
    quiet: bool,
    format: Format,
) -> Exit {
    let style = terminal::style_of_stdout();
    // An expectation says nothing about logins, so they are not looked up.
    let no_logins = Credentials::default();
    let mut out = String::new();
    let mut failures = Vec::new();
    for expectation in expectations {
        let Expectation { image, namespace, .. } = expectation;
        let question = Question { image: image.clone(), namespace: namespace.clone() };
        let mut answer = Answer::new(&question, policy, &no_logins, &Reader::This);
        answer.add_signatures(policy, demands);
        let found = Difference::find(expectation, &answer);
        match format {
            Format::Json if found.is_some() || !quiet => {
                out.push_str(&terminal::json(&difference::case(expectation, &answer, found.as_ref())));
            }
            Format::Text if !quiet => out.push_str(&line(expectation, found.is_none(), style)),
            _ => {}
        }
        failures.extend(found);
    }
    let failed = failures.len();
    for failure in failures.iter().filter(|_| format == Format::Text) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&failure.text());
    }
    if format == Format::Text && (!quiet || failed > 0) {
        let passed = expectations.len() - failed;
        out.push_str(&format!("\n{passed} passed; {failed} failed\n"));
    }
    let printed = terminal::print(&out);
    if failed > 0 { Exit::Bad } else { printed.err().unwrap_or(Exit::Ok) }
}

fn line(expectation: &Expectation, met: bool, style: Style) -> String {
    let (word, colour) = if met { ("ok    ", 32) } else { ("FAILED", 31) };
    let word = match style {
        Style::Plain => word.to_owned(),
        Style::Coloured => format!("\u{1b}[{colour}m{word}\u{1b}[0m"),
    };
    format!("{word}  {}\n", difference::title(expectation))
}

//! `cri-shunt test`: does the policy decide as it is meant to?
//!
//! Before: a policy that is kept in git, and a file of expectations beside it.  After: a line for each case,
//! the differences, and an exit status.
//! Holds: what is compared is the answer of `explain`, which is made by the code that serves.
//! Not here: the file (`config`), how differences look (`difference`).

mod difference;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::difference::Difference;
use super::explain::Answer;
use super::inputs::Inputs;
use super::{Exit, terminal};
use crate::config::{self, Expectation, Style};
use crate::credentials::Credentials;
use crate::policy::Policy;

/// Try a policy on a file of expectations.
///
/// The file is TOML with an `[[expect]]` for each image: `image`, and one or more of `decision` (route,
/// pass, deny or invalid), `rule` (the prefix that explain shows), `reference` (what is tried first) and
/// `candidates` (everything that is tried, in order); `name` and `description` are for people. Needs no
/// daemon and no containerd, and pulls nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt test --config ./config.toml expectations.toml\n  \
    cri-shunt test --registries-yaml /etc/rancher/k3s/registries.yaml --quiet expectations.toml\n\n\
    A file:\n  \
    [[expect]]\n  \
    image = \"gitea/gitea:1.22.1-rootless\"\n  \
    decision = \"route\"\n  \
    reference = \"mirror.example.com/gitea/gitea:1.22.1-rootless\"\n\n\
    Exit status: 0 every expectation is met; 1 one is not; 2 wrong usage, or a file or a configuration that \
    cannot be used.")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// Say nothing of what is met
    #[arg(long, short)]
    quiet: bool,

    /// Files of expectations; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { inputs, quiet, files } = arguments;
    let expectations = read(&files);
    // What is wrong with either is said at once.
    let loaded = config::load_from(&inputs.read(false)).map_err(|problems| {
        terminal::say(&problems.render(terminal::style(), false));
        Exit::Usage
    });
    match (expectations, loaded) {
        (Ok(expectations), Ok(loaded)) => compare(&expectations, &loaded.config.policy, quiet),
        (Err(exit), _) | (_, Err(exit)) => exit,
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Expectation>, Exit> {
    let files = files.iter().map(|path| (name(path), bytes(path))).collect();
    config::expectations(files).map_err(|problems| {
        terminal::say(&problems.render(terminal::style(), false));
        Exit::Usage
    })
}

const STDIN: &str = "-";

fn name(path: &Path) -> String {
    if path == Path::new(STDIN) { "stdin".to_owned() } else { path.display().to_string() }
}

/// A pipe is as good as a file here.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new(STDIN) {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn compare(expectations: &[Expectation], policy: &Policy, quiet: bool) -> Exit {
    let style = terminal::style_of_stdout();
    // Nothing is expected of logins, so none is looked up.
    let no_logins = Credentials::default();
    let mut out = String::new();
    let mut failures = Vec::new();
    for expectation in expectations {
        let answer = Answer::new(&expectation.image, policy, &no_logins);
        let found = Difference::find(expectation, &answer);
        if !quiet {
            out.push_str(&line(expectation, found.is_none(), style));
        }
        failures.extend(found);
    }
    for failure in &failures {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&failure.text());
    }
    let failed = failures.len();
    if !quiet || failed > 0 {
        let passed = expectations.len() - failed;
        out.push_str(&format!("\n{passed} passed; {failed} failed\n"));
    }
    let printed = terminal::print(&out);
    // Whether anybody reads it to the end makes no difference to the result.
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

//! `cri-shunt explain`: where may this image come from, and why?
//!
//! Before: an administrator, or a script.  After: text, or one JSON object a line.
//! Holds: the answer is what `policy` decides for a PullImage, by the code that serves; nothing is asked
//! of any daemon or, but for `--live`, registry. The JSON keys and their order are stable.
//! Not here: the decision (`policy`), how answers look (`answer`), asking registries (`live`).

mod answer;
mod live;

use std::io::{self, BufRead};
use std::time::Duration;

pub(super) use self::answer::Answer;
use self::answer::Verdict;
use self::live::Live;
use super::inputs::Inputs;
use super::{Exit, terminal};
use crate::config::{self, Config, Input};

/// Say where an image may come from, and why.
///
/// Decides as the running daemon would for a pull, and shows the rule, the candidates in order, and
/// whose credentials each would be given. Needs no daemon and no containerd, and pulls nothing.
///
/// With --live each candidate's registry is asked for the manifest, and its digest or the error is shown:
/// the quickest answer to "why does this pull fail". It is asked from this process' network, with the node's
/// credentials (a pod's own are not known here), through the proxies of containerd where its environment
/// can be read; by HEAD, which counts little against rate limits, and by GET only where the answer to HEAD
/// leaves the reason open.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt explain nginx:1.25 quay.io/prometheus/prometheus:v3.0.0\n  \
    cri-shunt explain --default-registry oci-mirror.dev.de gitea/gitea:1.22.1-rootless\n  \
    cri-shunt explain --live nginx:1.25\n  \
    crictl images -o json | jq -r '.images[].repoTags[]' | cri-shunt explain --format json -\n\n\
    Exit status: 0 every image may be pulled; 1 one is denied or is no image reference, or, with --live, no \
    candidate of it has the manifest; 2 wrong usage, or a configuration that cannot be used; 3 --live cannot \
    start.")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// Explain with this `policy.default-registry`; the default configuration file need not exist then
    #[arg(long, value_name = "HOST")]
    default_registry: Option<String>,

    /// How to write the answers
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Ask each candidate's registry for the manifest
    #[arg(long)]
    live: bool,

    /// How long one candidate may take, with --live
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = config::positive_duration,
          requires = "live")]
    timeout: Duration,

    /// Image references as a client would write them; `-` reads them from stdin, one a line
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// The forms of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { inputs, default_registry, format, live, timeout, images } = arguments;
    let input =
        Input { default_registry: default_registry.clone(), ..inputs.read(default_registry.is_some()) };
    match config::load_from(&input) {
        Ok(loaded) => {
            let config = loaded.config;
            let live = live.then(|| Live::new(&config, timeout)).transpose();
            live.and_then(|live| explain(&config, live, format, &images)).unwrap_or_else(|exit| exit)
        }
        Err(problems) => {
            terminal::say(&problems.render(terminal::style(), false));
            Exit::Usage
        }
    }
}

/// Answers image by image, so that a long stdin is answered as it comes.
fn explain(config: &Config, live: Option<Live>, format: Format, images: &[String]) -> Result<Exit, Exit> {
    let mut writer = AnswerWriter { config, live, format, written: false, refused: false };
    for image in images {
        if image != "-" {
            writer.answer(image)?;
            continue;
        }
        for line in io::stdin().lock().lines() {
            let line = line.map_err(|error| {
                terminal::say(&format!("error: cannot read stdin: {error}\n"));
                Exit::Usage
            })?;
            if !line.trim().is_empty() {
                writer.answer(line.trim())?;
            }
        }
    }
    Ok(if writer.refused { Exit::Bad } else { Exit::Ok })
}

struct AnswerWriter<'c> {
    config: &'c Config,
    live: Option<Live>,
    format: Format,
    written: bool,
    refused: bool,
}

impl AnswerWriter<'_> {
    fn answer(&mut self, image: &str) -> Result<(), Exit> {
        let mut answer = Answer::new(image, &self.config.policy, &self.config.credentials);
        answer.add_transport(&self.config.transport);
        self.refused |= matches!(answer.decision, Verdict::Deny | Verdict::Invalid);
        if let Some(live) = &self.live {
            self.refused |= !live.ask(&mut answer, self.config);
        }
        let text = match self.format {
            Format::Json => answer.json(),
            // A blank line between two answers.
            Format::Text if self.written => format!("\n{}", answer.text()),
            Format::Text => answer.text(),
        };
        self.written = true;
        terminal::print(&text)
    }
}

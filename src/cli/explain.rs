//! `cri-shunt explain`: where may this image come from, and why?
//!
//! The daemon decides with the same code (`policy`). It is asked only which files it can use, and no registry is asked
//! without `--live`. The JSON keys
//! and their order are stable.

mod answer;
mod asked;
mod live;
mod outage;
mod outcome;
mod target;

use std::io::{self, BufRead};
use std::path::PathBuf;
use std::time::Duration;

pub(super) use self::answer::Answer;
use self::asked::Asked;
use self::live::Live;
use super::detail::Detail;
use super::exit::Exit;
use super::eyes;
use super::format::Format;
use super::inputs::{Inputs, SOURCES, STDIN};
use super::terminal;
use crate::config::{self, Config, Input, defaults};
use crate::files::reader::Reader;
use crate::state::{Explained, Generation};

/// Show where an image may come from, and why.
///
/// Decides as the running daemon does for a pull, and shows the rule, the candidates in their order, and the
/// credentials that each of them gets. Needs no daemon and no containerd, and pulls nothing. If the daemon runs, it
/// says which files it cannot use; else its unit says that.
///
/// With --live, explain asks the registry of each candidate for the manifest, and shows its digest or the error. This
/// is the fastest way to find out why a pull fails. It asks from this machine's network, with the node's credentials
/// (those of a pod are not known here), and through containerd's proxies where its environment can be read. It asks
/// with HEAD, and then with GET for the manifest itself, as a pull does. A registry with a rate limit may count that.
///
/// With --daemon no file is read here: the running daemon answers by the policy that is in force now. It differs from
/// the files while a reload is refused, and for the moment until the daemon sees a change.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt explain nginx:1.25 quay.io/prometheus/prometheus:v3.0.0\n  \
    cri-shunt explain --default-registry oci-mirror.dev.de gitea/gitea:1.22.1-rootless\n  \
    cri-shunt explain --live nginx:1.25\n  \
    cri-shunt explain --daemon nginx:1.25\n  \
    crictl images -o json | jq -r '.images[].repoTags[]' | cri-shunt explain --format json -\n\n\
    Exit status:\n  \
    0  every image may be pulled\n  \
    1  an image is denied or is not a valid reference; with --live also: no candidate has the manifest\n  \
    2  wrong usage, or a configuration that cannot be used\n  \
    3  --live cannot start, or the daemon cannot be reached")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// Use this `policy.default-registry`; the default configuration file may be missing then
    #[arg(long, value_name = "HOST")]
    default_registry: Option<String>,

    /// How to write the answers
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,

    /// Ask the running daemon, which answers by the policy that is in force now
    #[arg(long, conflicts_with_all = ["config", "default_registry", "live", SOURCES])]
    daemon: bool,

    /// The daemon's socket, with --daemon
    #[arg(long, value_name = "PATH", default_value = defaults::LISTEN_SOCKET, requires = "daemon")]
    socket: PathBuf,

    /// Ask each candidate's registry for the manifest
    #[arg(long)]
    live: bool,

    /// How long one candidate may take, with --live
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = config::positive_duration,
          requires = "live")]
    timeout: Duration,

    /// Image references as a client writes them; `-` reads them from stdin, one a line, with comments after `#`
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { inputs, default_registry, format, detail, daemon, socket, live, timeout, images } =
        arguments;
    let from_stdin = images.iter().any(|image| image == STDIN);
    if let Err(exit) = inputs.check_stdin(usize::from(from_stdin)) {
        return exit;
    }
    let writer = Writer { format, quiet: detail.quiet, written: false, refused: false };
    if daemon {
        let asked = Asked::new(socket);
        return asked
            .and_then(|mut asked| writer.run(&images, |image| asked.explain(image)))
            .unwrap_or_else(|exit| exit);
    }
    let input =
        Input { default_registry: default_registry.clone(), ..inputs.read(default_registry.is_some()) };
    match config::load_from(&input) {
        Ok(loaded) => {
            if detail.verbose {
                terminal::say(&loaded.warnings.render(terminal::style(), true));
            }
            let config = loaded.config;
            let live = live.then(|| Live::new(&config, timeout)).transpose();
            let reader = eyes::of_the_daemon(&config);
            live.and_then(|live| {
                writer.run(&images, |image| Ok(by_config(image, &config, live.as_ref(), &reader)))
            })
            .unwrap_or_else(|exit| exit)
        }
        Err(problems) => {
            terminal::say(&problems.render(terminal::style(), false));
            Exit::Usage
        }
    }
}

fn by_config(image: &str, config: &Config, live: Option<&Live>, reader: &Reader) -> Explained {
    let mut answer = Answer::new(image, &config.policy, &config.credentials, reader);
    answer.add_transport(&config.reach(), reader);
    let serves = live.is_none_or(|live| live.ask(&mut answer, config, reader));
    explained(&answer, answer.is_refused() || !serves)
}

/// What the daemon answers to `--daemon`.
pub(super) fn for_daemon(generation: &Generation, image: &str) -> Explained {
    let mut answer = Answer::new(image, &generation.policy, &generation.credentials, &Reader::This);
    answer.add_transport(&generation.reach(), &Reader::This);
    explained(&answer, answer.is_refused())
}

fn explained(answer: &Answer, refused: bool) -> Explained {
    Explained { text: answer.text(), json: terminal::json(answer), refused }
}

/// A line of stdin without its comment, which begins the line or follows a blank.
fn without_comment(line: &str) -> &str {
    let starts = |(at, _): &(usize, &str)| line[..*at].chars().last().is_none_or(char::is_whitespace);
    let end = line.match_indices('#').find(starts).map_or(line.len(), |(at, _)| at);
    line[..end].trim()
}

struct Writer {
    format: Format,
    /// Whether only those are written that are refused.
    quiet: bool,
    written: bool,
    refused: bool,
}

impl Writer {
    /// Answers image by image, so that a long stdin is answered as it comes.
    fn run(
        mut self,
        images: &[String],
        mut explain: impl FnMut(&str) -> Result<Explained, Exit>,
    ) -> Result<Exit, Exit> {
        for image in images {
            if image != STDIN {
                self.write(&explain(image)?)?;
                continue;
            }
            for line in io::stdin().lock().lines() {
                let line = line.map_err(|error| {
                    terminal::say(&format!("error: cannot read stdin: {error}\n"));
                    Exit::Usage
                })?;
                let image = without_comment(&line);
                if !image.is_empty() {
                    self.write(&explain(image)?)?;
                }
            }
        }
        Ok(if self.refused { Exit::Bad } else { Exit::Ok })
    }

    fn write(&mut self, explained: &Explained) -> Result<(), Exit> {
        let Explained { text, json, refused } = explained;
        self.refused |= refused;
        if self.quiet && !refused {
            return Ok(());
        }
        let text = match self.format {
            Format::Json => json.clone(),
            // A blank line between two answers.
            Format::Text if self.written => format!("\n{text}"),
            Format::Text => text.clone(),
        };
        self.written = true;
        terminal::print(&text)
    }
}

//! `cri-shunt explain`: where may this image come from, and why?
//!
//! The daemon decides with the same code (`policy`). It is asked only which files it can use, and no registry is asked
//! without `--live`. The JSON keys and their order are stable.

mod answer;
mod asked;
mod decided;
mod in_force;
mod live;
mod outage;
mod outcome;
mod signatures;
mod target;

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::path::PathBuf;
use std::time::Duration;

pub(super) use self::answer::{Answer, Found, Signatures, Verdict};
use self::asked::Asked;
pub(super) use self::live::{Asked as AskedCandidate, Checked, DIFFER, Depth, Held, Live};
use super::detail::Detail;
use super::exit::Exit;
use super::eyes;
use super::format::Format;
use super::inputs::{InputsWithDefault, SOURCES, STDIN, check_stdin, of_stdin};
use super::names::without_comment;
use super::terminal;
use crate::config::{self, Config, defaults};
use crate::files::reader::Reader;
use crate::state::{Explained, Generation, Question};

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
/// A rule may be for the pods of some namespaces only. With --namespace explain decides as for a pod there, and without
/// as for a client that has no pod, like crictl or kubeadm.
///
/// If the rule is only observed (mode = "observe"), explain shows what would be done, and what is done now.
///
/// With --daemon no file is read here: the running daemon answers by the policy that is in force now. It differs from
/// the files while a reload is refused, and for the moment until the daemon sees a change.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt explain nginx:1.25 quay.io/prometheus/prometheus:v3.0.0\n  \
    cri-shunt explain --default-registry oci-mirror.dev.de gitea/gitea:1.22.1-rootless\n  \
    cri-shunt explain --live nginx:1.25\n  \
    cri-shunt explain --daemon nginx:1.25\n  \
    cri-shunt explain --namespace team-a nginx:1.25\n  \
    crictl images -o json | jq -r '.images[].repoTags[]' | cri-shunt explain --format json -\n\n\
    Exit status:\n  \
    0  every image may be pulled\n  \
    1  an image is denied or is not a valid reference; with --live also: no candidate has the manifest\n  \
    2  wrong usage, or a configuration that cannot be used\n  \
    3  --live cannot start, or the daemon cannot be reached")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: InputsWithDefault,

    /// Decide as for a pod in this namespace
    #[arg(long, value_name = "NAMESPACE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    namespace: Option<String>,

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
    explain(arguments).unwrap_or_else(|exit| exit)
}

fn explain(arguments: Arguments) -> Result<Exit, Exit> {
    let Arguments { inputs, namespace, format, detail, daemon, socket, live, timeout, images } = arguments;
    let namespace = namespace.unwrap_or_default();
    let question = |image: &str| Question { image: image.to_owned(), namespace: namespace.clone() };
    let stdin = of_stdin(&images);
    let writer = Writer { format, quiet: detail.quiet, written: false, refused: false };
    if daemon {
        check_stdin(stdin)?;
        let mut asked = Asked::new(socket)?;
        return writer.run(&images, |image| asked.explain(&question(image)));
    }
    let config = inputs.load(None, stdin, detail.verbose)?;
    let live = live.then(|| Live::new(&config, timeout)).transpose()?;
    let reader = eyes::of_the_daemon(&config);
    writer.run(&images, |image| Ok(by_config(&question(image), &config, live.as_ref(), &reader)))
}

fn by_config(question: &Question, config: &Config, live: Option<&Live>, reader: &Reader) -> Explained {
    let mut answer = Answer::new(question, &config.policy, &config.credentials, reader);
    answer.add_transport(&config.reach(), reader);
    answer.add_signatures(&config.policy, &config.demands);
    let serves = live.is_none_or(|live| live.ask(&mut answer, config, reader));
    // Where the policy says no, nobody was asked, and what is only observed refuses nothing.
    let missing = !serves && !answer.says_no();
    explained(&answer, answer.is_refused() || missing)
}

/// What the daemon answers to `--daemon`.
pub(super) fn for_daemon(generation: &Generation, question: &Question) -> Explained {
    let mut answer = Answer::new(question, generation.written(), &generation.credentials, &Reader::This);
    answer.add_transport(&generation.reach(), &Reader::This);
    answer.add_signatures(generation.written(), &generation.demands);
    explained(&answer, answer.is_refused())
}

/// What the registries of an image's candidates answer, for `doctor`. Those of `known` are not asked for their time.
pub(super) fn candidates(
    question: &Question,
    config: &Config,
    live: &Live,
    reader: &Reader,
    known: &BTreeSet<String>,
) -> Vec<AskedCandidate> {
    let answer = Answer::new(question, &config.policy, &config.credentials, reader);
    live.candidates(&answer, config, reader, known)
}

fn explained(answer: &Answer, refused: bool) -> Explained {
    Explained { text: answer.text(), json: terminal::json(answer), refused }
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
            let mut named = false;
            for line in io::stdin().lock().lines() {
                let line = line
                    .map_err(|error| terminal::fail(&format!("cannot read stdin: {error}"), Exit::Usage))?;
                let image = without_comment(&line);
                if !image.is_empty() {
                    named = true;
                    self.write(&explain(image)?)?;
                }
            }
            // What should have written it may have failed.
            if !named && !self.quiet {
                terminal::say("stdin names no image\n");
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

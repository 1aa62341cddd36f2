//! What `preflight`, `lock`, `drift` and `verify` have in common: which images, by which policy, how much is asked at once, and
//! how it is shown.

use std::time::Duration;

use super::detail::Detail;
use super::exit::Exit;
use super::explain::{Answer, DIFFER, Depth, Live};
use super::eyes;
use super::format::Format;
use super::inputs::InputsWithDefault;
use super::names::Names;
use super::progress::Progress;
use super::terminal;
use crate::config::{self, Config, visible};
use crate::files::reader::Reader;
use crate::state::Question;

/// The flags for it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Asking {
    #[command(flatten)]
    inputs: InputsWithDefault,

    /// For how many images registries are asked at the same time
    #[arg(long, short, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(super) jobs: u8,

    /// How long one candidate may take
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = config::positive_duration)]
    pub(super) timeout: Duration,

    /// How to write what was found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) detail: Detail,

    #[command(flatten)]
    pub(super) names: Names,
}

/// What is asked, if anything is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Questions {
    /// For how many images at the same time.
    jobs: u8,
    /// How long one candidate may take.
    timeout: Duration,
    /// How much; nothing asks no registry.
    depth: Option<Depth>,
    /// Whether the registry in the name is asked, too, if the policy does not ask it.
    origin: bool,
}

impl Asking {
    /// The configuration; `stdin` is how often stdin is read by flags that are not here.
    pub(super) fn load(&self, stdin: usize) -> Result<Config, Exit> {
        let stdin = stdin + self.names.of_stdin();
        self.inputs.load(self.names.containerd.as_ref(), stdin, self.detail.verbose)
    }

    /// The same as if nothing was locked: what the tags are now.
    pub(super) fn load_unlocked(&self, stdin: usize) -> Result<Config, Exit> {
        let config = self.load(stdin)?;
        let policy = config.policy.without_locks().unwrap_or(config.policy);
        Ok(Config { policy, ..config })
    }

    /// The questions about each image; without a depth no registry is asked.
    pub(super) fn questions(&self, depth: impl Into<Option<Depth>>, origin: bool) -> Questions {
        Questions { jobs: self.jobs, timeout: self.timeout, depth: depth.into(), origin }
    }
}

/// What the policy says of each name, and what the registries of its candidates say.
pub(super) fn ask(names: &[String], config: &Config, questions: Questions) -> Result<Vec<Answer>, Exit> {
    let Questions { jobs, timeout, depth, origin } = questions;
    let reader = eyes::of_the_daemon(config);
    let mut answers = decided(names, config, &reader);
    for answer in answers.iter_mut().filter(|answer| origin && !answer.says_no()) {
        answer.add_origin(&config.reach(), &reader);
    }
    if let Some(depth) = depth {
        let live = Live::for_many(config, timeout, depth)?;
        let progress = Progress::new(answers.len());
        live.ask_each(&mut answers, jobs.into(), (config, &reader), || progress.step());
    }
    warn(&answers);
    Ok(answers)
}

/// What the policy says of each name. No registry is asked.
pub(super) fn decided(names: &[String], config: &Config, reader: &Reader) -> Vec<Answer> {
    let decided = |name: &String| {
        let question = Question::without_pod(name);
        let mut answer = Answer::new(&question, &config.policy, &config.credentials, reader);
        answer.add_transport(&config.reach(), reader);
        answer.add_signatures(&config.policy, &config.demands);
        answer
    };
    names.iter().map(decided).collect()
}

/// Says once what is the same for many images.
fn warn(answers: &[Answer]) {
    let mut seen = std::collections::BTreeSet::new();
    let warnings = answers.iter().flat_map(Answer::warnings).filter(|warning| *warning != DIFFER);
    for warning in warnings.filter(|warning| seen.insert(*warning)) {
        terminal::say(&format!("warning: {}\n", visible(warning)));
    }
}

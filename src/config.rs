//! The configuration: TOML files in, one checked [`Config`] out, or every problem with its place.
//!
//! Before: `cli` names the file.  After: `app` builds the program from `Config`, `cli` asks its policy.
//! Holds: a `Config` has been checked as a whole; one that has a problem does not exist.
//! Not here: the meaning of rules (`policy`, which knows nothing of files).
//!
//! The way through the folder: `files` finds the texts, `tree` reads typed values out of each,
//! `settings` and `rules` know the keys, `assemble` makes one policy of all files, `lint` finds what
//! is valid and still not meant. `diagnostic` shows what they have to say.

mod assemble;
pub mod defaults;
mod diagnostic;
mod duration;
mod files;
mod lint;
mod rules;
mod settings;
mod tree;

use std::path::{Path, PathBuf};

use crate::policy::Policy;

use self::diagnostic::{Located, Problem, Span, Texts};
use self::files::Role;
use self::rules::Draft;
use self::settings::Settings;
use self::tree::{Refusal, Section};

pub(crate) use self::diagnostic::visible;
pub use self::diagnostic::{Diagnostics, Severity, Style};
pub use self::settings::{Containerd, Group, Level, Listen, Log, Pull, SocketPath, SocketPathError, State};

/// The whole configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// The socket that clients use.
    pub listen: Listen,
    /// The containerd behind it.
    pub containerd: Containerd,
    /// Where images may come from.
    pub policy: Policy,
    /// How they are pulled.
    pub pull: Pull,
    /// What is kept on disk.
    pub state: State,
    /// What is logged.
    pub log: Log,
    /// The files and directories that this was read from, and that a change may appear in.
    pub sources: Vec<PathBuf>,
}

/// A usable configuration, and what is worth saying about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings and notes; no errors.
    pub warnings: Diagnostics,
}

/// The main file.
#[derive(Clone, Copy, Debug)]
pub enum MainFile<'a> {
    /// It is an error where it does not exist.
    Required(&'a Path),
    /// Where it does not exist, the built-in defaults hold.
    IfPresent(&'a Path),
}

/// What a configuration is read from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The main file, with `conf.d/*.toml` beside it.
    pub main: MainFile<'a>,
    /// `policy.default-registry` as it was given on the command line.
    pub default_registry: Option<&'a str>,
}

/// The name under which the command line's default registry appears as a source.
pub const DEFAULT_REGISTRY_FLAG: &str = "--default-registry";

/// Reads the configuration whose main file is `path`.
///
/// # Errors
/// Every problem of every file, where there is one that makes the configuration unusable.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    load_from(&Input { main: MainFile::Required(path), default_registry: None })
}

/// Reads a configuration.
///
/// # Errors
/// As [`load`].
pub fn load_from(input: &Input<'_>) -> Result<Loaded, Diagnostics> {
    let mut texts = Texts::default();
    let mut problems = Vec::new();
    let found = files::read(input, &mut texts, &mut problems);
    let mut draft = Draft::default();
    let mut settings = None;
    for &(text, role) in &found.texts {
        let Some(document) = tree::parse(text, texts.content(text), &mut problems) else { continue };
        let mut root = Section::root(text, &document);
        match role {
            Role::Main => settings = Some(settings::read(&mut root, &mut problems)),
            Role::DropIn => refuse_settings(&mut root, &mut problems),
        }
        rules::read(root.section("policy", &mut problems), &texts, &mut draft, &mut problems);
        root.finish(&mut problems);
    }
    read_flag(input, &mut texts, &mut draft, &mut problems);
    let policy = assemble::policy(&draft, &texts, &mut problems);
    let settings = settings.unwrap_or_else(Settings::built_in);
    let Some(policy) = policy.filter(|_| problems.iter().all(|problem| problem.severity != Severity::Error))
    else {
        return Err(Diagnostics::new(texts, problems));
    };
    lint::policy(&draft, &settings, &mut problems);
    let Settings { listen, containerd, pull, state, log } = settings;
    let config = Config { listen, containerd, policy, pull, state, log, sources: found.sources };
    Ok(Loaded { config, warnings: Diagnostics::new(texts, problems) })
}

/// A drop-in adds policy; where the sockets are is said in one place.
fn refuse_settings(root: &mut Section<'_>, out: &mut Vec<Problem>) {
    for key in ["listen", "containerd", "pull", "state", "log"] {
        if let Some(entry) = root.entry(key) {
            let problem = Problem::error(format!("`{key}` belongs into the main file"))
                .at(&entry.at)
                .hint("a file in conf.d holds `policy` only");
            out.push(problem);
        }
    }
}

/// The flag is a text like any file, so that whatever is wrong with it can be shown in the same way.
fn read_flag(input: &Input<'_>, texts: &mut Texts, draft: &mut Draft, out: &mut Vec<Problem>) {
    let Some(value) = input.default_registry else { return };
    let text = texts.add(DEFAULT_REGISTRY_FLAG, value.to_owned());
    let at = Span { text, range: 0..value.len() };
    match rules::location(value) {
        Ok(value) => {
            let set = Some(Located { value, at });
            rules::once("policy.default-registry", &mut draft.default_registry, set, texts, out);
        }
        Err(Refusal { message, hint }) => out.push(Problem::error(message).at(&at).maybe_hint(hint)),
    }
}

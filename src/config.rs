//! The configuration: TOML files in, one checked [`Config`] out, or every problem with its place.
//!
//! Before: `cli` names the file.  After: `app` builds the program from `Config`, `cli` asks its policy.
//! Holds: a `Config` has been checked as a whole; one that has a problem does not exist.
//! Not here: the meaning of rules (`policy`, which knows nothing of files).
//!
//! The way through the folder: `files` finds the texts, `tree` reads typed values out of each,
//! `settings`, `rules` and `credentials` know the keys, `assemble` makes one policy of all files, `lint` finds
//! what is valid and still not meant; `transport` reads what registries need of connections. `diagnostic` shows
//! what they have to say.

mod assemble;
mod credentials;
pub mod defaults;
mod diagnostic;
mod duration;
mod expectations;
mod files;
mod import;
mod lint;
mod prefix_index;
mod rules;
mod settings;
mod socket_path;
mod sources;
#[cfg(test)]
mod tests;
mod text;
mod transport;
mod tree;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::containerd::hosts::Wanted;
use crate::credentials::Credentials;
use crate::policy::Policy;

use self::diagnostic::{Located, Problem, Span, Texts};
use self::files::Role;
use self::rules::Draft;
use self::settings::Settings;
use self::tree::{Refusal, Section};

pub(crate) use self::diagnostic::visible;
pub use self::diagnostic::{Diagnostics, Severity, Style};
pub(crate) use self::duration::positive_duration;
pub use self::expectations::{Candidates, Expectation, expectations};
pub use self::import::{ImportRequest, import};
pub use self::settings::{Containerd, Group, Listen, Log, Pull, State};
pub use self::sources::{Format, SourceFile};

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
    /// What containerd is to be told of hosts.
    pub transport: Wanted,
    /// The node's logins for registries.
    pub credentials: Credentials,
    /// What people know it by: the main file, the drop-ins, and other programs' files as they are named.
    pub sources: Vec<PathBuf>,
    /// How often they are looked at for a change; `None` is never.
    pub watch: Option<Duration>,
}

/// A usable configuration, and what is worth saying about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings and notes; no errors. They also know what was looked at ([`Diagnostics::seen`]).
    pub warnings: Diagnostics,
}

/// The main file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MainFile {
    /// It is an error where it does not exist.
    Required(PathBuf),
    /// Where it does not exist, the built-in defaults hold.
    IfPresent(PathBuf),
    /// There is none: the built-in defaults hold.
    Absent,
}

/// What a configuration is read from. A reload reads the same input again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The main file, with `conf.d/*.toml` beside it.
    pub main: MainFile,
    /// `policy.default-registry` as given on the command line; an error where a file sets it as well.
    pub default_registry: Option<String>,
    /// Sources given on the command line; they come after those that files name.
    pub sources: Vec<SourceFile>,
    /// Takes the place of `listen.socket`.
    pub socket: Option<String>,
    /// Takes the place of `containerd.socket`.
    pub containerd: Option<String>,
}

/// The name under which the command line's default registry appears as a source.
pub const DEFAULT_REGISTRY_FLAG: &str = "--default-registry";

/// Reads the configuration whose main file is `path`.
///
/// # Errors
/// Every problem of every file, where there is one that makes the configuration unusable.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    load_from(&Input::file(path))
}

/// Reads a configuration. All its files are what they were at one moment: where one of them changes before
/// the last one is read, all are read again.
///
/// # Errors
/// As [`load`].
pub fn load_from(input: &Input) -> Result<Loaded, Diagnostics> {
    load_whole(|| load_once(input))
}

/// Calls `load` until nothing changes meanwhile.
fn load_whole(mut load: impl FnMut() -> Result<Loaded, Diagnostics>) -> Result<Loaded, Diagnostics> {
    let mut loaded = load();
    for _ in 1..text::ATTEMPTS {
        if torn(&loaded).is_none() {
            return loaded;
        }
        std::thread::sleep(text::PAUSE);
        loaded = load();
    }
    let Some(path) = torn(&loaded).map(Path::to_path_buf) else { return loaded };
    let message = format!("{} changed each time the configuration was read", path.display());
    let hint = "something writes it again and again; try once it has finished";
    let seen = match &loaded {
        Ok(loaded) => loaded.warnings.seen(),
        Err(problems) => problems.seen(),
    };
    Err(Diagnostics::new(Texts::looked_at(seen.clone()), vec![Problem::error(message).hint(hint)]))
}

/// The path that changed while all were read.
fn torn(loaded: &Result<Loaded, Diagnostics>) -> Option<&Path> {
    match loaded {
        Ok(loaded) => loaded.warnings.seen().torn(),
        Err(problems) => problems.seen().torn(),
    }
}

fn load_once(input: &Input) -> Result<Loaded, Diagnostics> {
    let mut texts = Texts::default();
    let mut problems = Vec::new();
    let found = files::read(input, &mut texts, &mut problems);
    let mut draft = Draft::default();
    let mut logins = credentials::Draft::default();
    let mut settings = None;
    let mut needs = transport::Draft::default();
    for &(text, role) in &found.texts {
        let Some(document) = tree::parse(text, texts.content(text), &mut problems) else { continue };
        let mut root = Section::root(text, &document);
        match role {
            Role::Main => settings = Some(settings::read(&mut root, &mut problems)),
            Role::DropIn => refuse_settings(&mut root, &mut problems),
        }
        needs.read(&mut root, &texts, &mut problems);
        rules::read(root.section("policy", &mut problems), &texts, &mut draft, &mut problems);
        logins.read(root.sections("credentials", &mut problems), &texts, &mut problems);
        root.finish(&mut problems);
    }
    let mut settings = settings.unwrap_or_else(Settings::built_in);
    read_flags(input, &mut texts, &mut settings, &mut draft, &mut problems);
    settings.check_loop(&mut problems);
    let named = draft.sources.iter().map(|set| set.value.clone());
    let sources: Vec<SourceFile> = named.chain(input.sources.iter().cloned()).collect();
    let mut imported = sources::read_all(&sources, &mut texts, &mut draft, &mut problems);
    sources::roots::settle(&mut draft, &mut imported.transport, &mut problems);
    let mut needs = needs.finish(&mut texts, &mut problems);
    needs.extend(imported.transport);
    transport::check_files(&needs, &mut problems);
    let credentials = logins.finish(imported.logins, &draft, &mut texts, &mut problems);
    let policy = assemble::policy(&draft, &texts, &mut problems);
    let Some(policy) = policy.filter(|_| problems.iter().all(|problem| problem.severity != Severity::Error))
    else {
        return Err(Diagnostics::new(texts, problems));
    };
    lint::policy(&draft, &policy, &settings, &mut problems);
    sources::check::policy(&draft, &policy, &mut problems);
    sources::check::live(&sources, &mut problems);
    transport::lint(&needs, &mut problems);
    let Settings { listen, containerd, pull, state, log, sockets_at: _ } = settings;
    let named = sources.into_iter().map(|source| source.path);
    let sources = found.sources.into_iter().chain(named).collect();
    let needs = needs.into_iter().map(|need| need.value).collect();
    let transport = Wanted::new(needs, containerd.fence);
    let watch = draft.watch.map_or(Some(defaults::WATCH), |set| set.value);
    let config =
        Config { listen, containerd, policy, pull, state, log, transport, credentials, sources, watch };
    Ok(Loaded { config, warnings: Diagnostics::new(texts, problems) })
}

/// A drop-in adds to what the main file says of registries.
fn refuse_settings(root: &mut Section<'_>, out: &mut Vec<Problem>) {
    let [tables @ .., last] = files::EVERYWHERE.map(|key| format!("`{key}`"));
    for key in files::MAIN_ONLY {
        if let Some(entry) = root.entry(key) {
            let problem = Problem::error(format!("`{key}` belongs in the main file"))
                .at(&entry.at)
                .hint(format!("a file in conf.d holds {} and {last} only", tables.join(", ")));
            out.push(problem);
        }
    }
}

/// A flag is a text like any file, so that whatever is wrong with it can be shown in the same way.
fn read_flags(
    input: &Input,
    texts: &mut Texts,
    settings: &mut Settings,
    draft: &mut Draft,
    out: &mut Vec<Problem>,
) {
    let Input { main: _, default_registry, sources: _, socket, containerd } = input;
    let set = read_flag(DEFAULT_REGISTRY_FLAG, default_registry.as_deref(), rules::location, texts, out);
    rules::once("policy.default-registry", &mut draft.default_registry, set, texts, out);
    if let Some(set) = read_flag("--socket", socket.as_deref(), settings::socket, texts, out) {
        settings.listen.socket = set.value;
        settings.sockets_at.0 = Some(set.at);
    }
    if let Some(set) = read_flag("--containerd", containerd.as_deref(), settings::socket, texts, out) {
        settings.containerd.socket = set.value;
        settings.sockets_at.1 = Some(set.at);
    }
}

fn read_flag<T>(
    flag: &str,
    value: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, Refusal>,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
) -> Option<Located<T>> {
    let value = value?;
    let text = texts.add(flag, value.to_owned());
    let at = Span { text, range: 0..value.len() };
    match read(value) {
        Ok(value) => Some(Located { value, at }),
        Err(Refusal { message, hint }) => {
            out.push(Problem::error(message).at(&at).maybe_hint(hint));
            None
        }
    }
}

// === impl Input ===

impl Input {
    /// A file alone.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Input {
            main: MainFile::Required(path.to_path_buf()),
            default_registry: None,
            sources: Vec::new(),
            socket: None,
            containerd: None,
        }
    }
}

//! Reads all files of a configuration and puts them together.
//!
//! Holds: a [`Config`] has been checked as a whole. Where one of its files has an error, no `Config` is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::credentials::CredentialsDraft;
use super::diagnostic::{Diagnostics, Located, Problem, Severity, Span, TextId, Texts};
use super::draft::PolicyDraft;
use super::files::FileRole;
use super::input::Input;
use super::parse_toml;
use super::refusal::Refusal;
use super::section::{NATIVE, Section};
use super::settings::MainTables;
use super::signatures::SignaturesDraft;
use super::sources::source_file::SourceFile;
use super::transport::TransportDraft;
use super::{Config, Loaded};
use super::{
    assemble, defaults, end_mark, endpoints, files, lint, locks, references, rules, settings, signatures,
    sources, text, transport,
};
use crate::containerd::hosts::Wanted;
use crate::files::byte_order_mark;
use crate::policy::{DefaultAction, Policy};
use crate::state::Extent;

/// The name of the flag, under which the command line's default registry appears in decisions.
pub const DEFAULT_REGISTRY_FLAG: &str = "--default-registry";

/// Keys of `[policy]` that people write at the top of a file.
const OF_POLICY: [(&str, &str); 4] = [
    ("rule", "[[policy.rule]]"),
    ("source", "[[policy.source]]"),
    ("default", "it below [policy]"),
    ("default-registry", "it below [policy]"),
];

/// Reads the configuration whose main file is `path`.
///
/// # Errors
/// Every problem of every file, where one of them is an error.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    load_from(&Input::file(path))
}

/// Reads a configuration. All its files are read as they were at one moment: if one of them changes before
/// the last one is read, all are read again.
///
/// # Errors
/// As [`load`].
pub fn load_from(input: &Input) -> Result<Loaded, Diagnostics> {
    load_whole(|| load_once(input))
}

/// Calls `load` until no file changes during the call.
pub(super) fn load_whole(
    mut load: impl FnMut() -> Result<Loaded, Diagnostics>,
) -> Result<Loaded, Diagnostics> {
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
    let hint = "a program keeps writing it; try again when it has finished";
    let seen = match &loaded {
        Ok(loaded) => loaded.warnings.seen(),
        Err(problems) => problems.seen(),
    };
    Err(Diagnostics::new(Texts::looked_at(seen.clone()), vec![Problem::error(message).hint(hint)]))
}

/// The path that changed while the files were read.
fn torn(loaded: &Result<Loaded, Diagnostics>) -> Option<&Path> {
    match loaded {
        Ok(loaded) => loaded.warnings.seen().torn(),
        Err(problems) => problems.seen().torn(),
    }
}

pub(super) fn load_once(input: &Input) -> Result<Loaded, Diagnostics> {
    load_into(input, Texts::default())
}

/// Reads a configuration from copies of its files. They were good once, so what other files are like now is no error.
pub(super) fn load_copies(input: &Input, copies: BTreeMap<PathBuf, String>) -> Result<Loaded, Diagnostics> {
    load_into(input, Texts::of_copies(copies))
}

/// Reads a configuration as it will be once this text is in a file of it. Nothing is written.
///
/// # Errors
/// As [`load`].
pub fn load_with(input: &Input, path: &Path, text: &str) -> Result<Loaded, Diagnostics> {
    load_whole(|| load_into(input, Texts::with_future(path.to_path_buf(), text.to_owned())))
}

fn load_into(input: &Input, mut texts: Texts) -> Result<Loaded, Diagnostics> {
    let mut problems = Vec::new();
    let found = files::read(input, &mut texts, &mut problems);
    let OwnFiles { mut draft, logins, signed, needs, mut settings, main_has_policy } =
        read_own(&found.texts, &texts, &mut problems);
    read_flags(input, &mut texts, &mut settings, &mut draft, &mut problems);
    settings.check_loop(&mut problems);
    let named = draft.sources.iter().map(|set| set.value.clone());
    let sources: Vec<SourceFile> = named.chain(input.sources.iter().cloned()).collect();
    locks::finish(&mut draft, &mut texts, &mut problems);
    let imported = sources::read_all(&sources, &mut texts, &mut draft, &mut problems);
    let mut needs = needs.finish(&mut problems);
    let with_secrets = transport::files_with_secrets(&imported, &draft);
    needs.extend(imported.transport);
    let mut needed = transport::needed_files(draft.own_needs().chain(&needs));
    let wanted = needs.iter().map(|need| need.value.clone()).collect();
    let transport = Wanted::new(wanted, settings.containerd.fence);
    let settled = signed.finish(&mut draft, &mut texts, &mut problems);
    let endpoints = endpoints::settle(&mut draft.rules, &transport);
    let before = problems.len();
    let credentials =
        logins.finish(imported.logins, &draft, &settled.demands, &mut texts, &mut needed, &mut problems);
    if texts.copies().is_some() {
        problems[before..].iter_mut().for_each(|problem| problem.severity = Severity::Warning);
    }
    let policy = assemble::policy(&draft, &settled, &texts, &mut problems);
    let Some(policy) = policy.filter(|_| problems.iter().all(|problem| problem.severity != Severity::Error))
    else {
        return Err(refused(&found.texts, texts, problems));
    };
    let main = found.texts.first().map(|(text, _)| Span { text: *text, range: 0..0 });
    lint::policy(&draft, &policy, &settings, main.as_ref(), &mut problems);
    sources::lint::policy(&draft, &policy, &mut problems);
    sources::lint::live(&sources, &mut problems);
    let own = found.texts.iter().map(|&(text, _)| (texts.name(text).to_string(), texts.content(text)));
    lint::imported(own, &sources, &mut problems);
    let demands = settled.demands;
    signatures::lint(&draft, &policy, &demands, settings.containerd.fence, &mut problems);
    let of_mirrors = draft.rules.iter().flat_map(|drafted| &drafted.own).map(|own| &*own.needs);
    transport::lint(of_mirrors, &needs, &mut problems);
    let MainTables { listen, containerd, pull, state, log, audit, metrics, sockets_at: _ } = settings;
    let main = found.texts.iter().find(|(_, role)| *role == FileRole::Main);
    let main = main.map(|&(text, _)| byte_order_mark::without(texts.content(text)));
    let extent = Extent {
        rules: policy.rules().len(),
        has_default: has_default(&draft, &policy),
        names_sources: !sources.is_empty(),
        main_has_policy,
        main_is_empty: main.is_some_and(|content| content.trim().is_empty()),
    };
    let named = sources.into_iter().map(|source| source.path);
    let sources: Vec<_> = found.sources.into_iter().chain(named).collect();
    let directory = files::drop_in_directory(input);
    let own = [sources.clone(), directory.into_iter().collect()].concat();
    lint::exposed(&with_secrets, &own, &needed, &mut problems);
    let watch = draft.watch.map_or(Some(defaults::WATCH), |set| set.value);
    let (needed, needed_at): (Vec<_>, _) = needed.into_iter().map(|file| (file.value, file.at)).unzip();
    let needed = needed.into();
    let config = Config {
        listen,
        containerd,
        policy,
        pull,
        state,
        log,
        audit,
        metrics,
        transport,
        endpoints,
        demands,
        credentials,
        needed,
        extent,
        sources,
        watch,
    };
    let own = found.texts.iter().map(|(text, _)| *text).collect();
    Ok(Loaded { config, warnings: Diagnostics::new(texts, problems), needed_at, own })
}

/// The problems of files of which no policy is made. If the main file looks like one of another program, that is the only one.
fn refused(found: &[(TextId, FileRole)], texts: Texts, problems: Vec<Problem>) -> Diagnostics {
    let main = found.first().filter(|(_, role)| *role == FileRole::Main);
    let other = main.and_then(|&(text, _)| {
        sources::detect_format::not_native(Path::new(&*texts.name(text)), texts.content(text))
    });
    Diagnostics::new(texts, other.map_or(problems, |other| vec![other]))
}

/// Whether something holds for the images that no rule is for.
fn has_default(draft: &PolicyDraft, policy: &Policy) -> bool {
    draft.default_registry.is_some()
        || policy.settings().default == DefaultAction::Deny
        || draft.verify.is_some()
        || draft.policy_json.is_some()
}

/// What the program's own files say.
struct OwnFiles {
    draft: PolicyDraft,
    logins: CredentialsDraft,
    signed: SignaturesDraft,
    needs: TransportDraft,
    settings: MainTables,
    /// Whether the main file says something in `[policy]`, or has the table.
    main_has_policy: bool,
}

fn read_own(found: &[(TextId, FileRole)], texts: &Texts, out: &mut Vec<Problem>) -> OwnFiles {
    let mut draft = PolicyDraft::default();
    let mut logins = CredentialsDraft::default();
    let mut signed = SignaturesDraft::default();
    let mut needs = TransportDraft::default();
    let mut settings = None;
    let mut main_has_policy = false;
    for &(text, role) in found {
        let Some(document) = parse_toml::parse(text, texts.content(text), out) else { continue };
        let Some(mut root) = Section::root(&document, &NATIVE, out) else { continue };
        end_mark::check(&mut root, texts, out);
        match role {
            FileRole::Main => settings = Some(settings::read(&mut root, out)),
            FileRole::DropIn => refuse_settings(&mut root, out),
        }
        needs.read(&mut root, texts, out);
        let policy = root.section("policy", out);
        main_has_policy |= role == FileRole::Main && policy.is_some();
        rules::read(policy, texts, &mut draft, out);
        logins.read(root.sections("credentials", out), texts, out);
        signed.read(root.sections("signature", out), texts, out);
        root.finish_with(&OF_POLICY, out);
    }
    let settings = settings.unwrap_or_else(MainTables::built_in);
    OwnFiles { draft, logins, signed, needs, settings, main_has_policy }
}

/// Reports tables that belong in the main file only.
fn refuse_settings(root: &mut Section<'_>, out: &mut Vec<Problem>) {
    let [tables @ .., last] = files::EVERYWHERE.map(|key| format!("`{key}`"));
    for key in files::MAIN_ONLY {
        if let Some(field) = root.field(key) {
            let problem = Problem::error(format!("`{key}` belongs in the main file"))
                .at(field.at)
                .hint(format!("a file in conf.d may hold only {} and {last}", tables.join(", ")));
            out.push(problem);
        }
    }
}

/// Reads the flags. Each is a text like a file, so that its problems are shown in the same way.
fn read_flags(
    input: &Input,
    texts: &mut Texts,
    settings: &mut MainTables,
    draft: &mut PolicyDraft,
    out: &mut Vec<Problem>,
) {
    let Input { main: _, default_registry, sources: _, socket, containerd } = input;
    let set = read_flag(DEFAULT_REGISTRY_FLAG, default_registry.as_deref(), references::location, texts, out);
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

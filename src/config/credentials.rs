//! Reads `[[credentials]]`: logins by reference, and files that hold logins.
//!
//! Holds: the configuration contains no secret, and no secret is read here. Two logins for one registry are an error.
//! A file that does not exist now is only a warning: it may be created before it is needed (`Loaded::warn_of_files`).
//! Not here: which login a registry gets (the room `credentials`).

mod login;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{Located, Problem, Span, Texts};
use super::draft::{self, PolicyDraft};
use super::path::{from, path};
use super::section::Section;
use super::{defaults, duration};
use crate::credentials::{self, Credentials, DockerConfig, Entry, Login, LoginFile, Sources};
use crate::files::fingerprint::FileState;
use crate::policy::{Action, Location};
use crate::signature::Demands;
use crate::state::NeededFile;

/// The tables of all files, before they become one value.
#[derive(Default)]
pub(super) struct CredentialsDraft {
    entries: Vec<(Entry, Span)>,
    docker: Vec<(DockerConfig, Span)>,
    providers: Vec<ProviderFiles>,
}

/// What two flags of kubelet name.
struct ProviderFiles {
    config: Located<PathBuf>,
    bin_dir: PathBuf,
    timeout: Duration,
}

/// The keys of which each table has one.
const KINDS: [&str; 3] = ["registry", "docker-config", "image-credential-provider-config"];

// === impl CredentialsDraft ===

impl CredentialsDraft {
    /// Adds the tables of one file. Relative paths start at its directory.
    pub(super) fn read(&mut self, sections: Vec<Section<'_>>, texts: &Texts, out: &mut Vec<Problem>) {
        for mut section in sections {
            let directory = texts.directory(section.at().text);
            let before = out.len();
            let named: Vec<Span> =
                KINDS.iter().filter_map(|key| Some(section.field(key)?.at.clone())).collect();
            if let [first, second, ..] = named.as_slice() {
                let message = "`registry`, `docker-config` and `image-credential-provider-config` cannot be used together";
                let problem = Problem::error(message).at(second).also(first, "the other one");
                out.push(problem.hint("write a [[credentials]] for each"));
            }
            self.read_table(&mut section, &directory, texts, before, out);
            if named.is_empty() && out.len() == before && !section.has_unknown() {
                missing(&section, out);
            }
            section.finish(out);
        }
    }

    /// Reads a table. `before` is the number of problems when it began.
    fn read_table(
        &mut self,
        section: &mut Section<'_>,
        directory: &Path,
        texts: &Texts,
        before: usize,
        out: &mut Vec<Problem>,
    ) {
        let docker = section.parse("docker-config", out, path);
        let helper_dir = section.parse("helper-dir", out, path);
        let config = section.parse("image-credential-provider-config", out, path);
        let bin_dir = section.parse("image-credential-provider-bin-dir", out, path);
        let timeout = section.parse("timeout", out, duration::parse_positive);
        belongs(
            "helper-dir",
            helper_dir.as_ref().map(|set| &set.at),
            docker.is_some(),
            "`docker-config`",
            out,
        );
        let at = bin_dir.as_ref().map(|set| &set.at);
        let plugins = "`image-credential-provider-config`";
        belongs("image-credential-provider-bin-dir", at, config.is_some(), plugins, out);
        let runs = docker.is_some() || config.is_some();
        let either = "`docker-config` or `image-credential-provider-config`";
        belongs("timeout", timeout.as_ref().map(|set| &set.at), runs, either, out);
        let timeout = timeout.map_or(defaults::HELPER_TIMEOUT, |set| set.value);
        let place = |path: &Path| from(directory, path);
        if let Some(set) = docker {
            let helpers = helper_dir.map(|set| place(&set.value));
            self.docker.push((DockerConfig::new(place(&set.value), helpers, timeout), set.at));
        }
        if let Some(set) = config {
            match bin_dir {
                Some(bin_dir) => self.providers.push(ProviderFiles {
                    config: Located { value: place(&set.value), at: set.at },
                    bin_dir: place(&bin_dir.value),
                    timeout,
                }),
                None => section.missing(
                    "image-credential-provider-bin-dir",
                    "name the directory of the plugins, as kubelet has it",
                    out,
                ),
            }
        }
        let source = |at: &Span| draft::file_line(at, texts);
        self.entries.extend(login::read(section, &place, &source, before, out));
    }

    /// Puts all logins together.
    pub(super) fn finish(
        self,
        logins: Vec<Login>,
        policy: &PolicyDraft,
        demands: &Demands,
        texts: &mut Texts,
        needed: &mut Vec<Located<NeededFile>>,
        out: &mut Vec<Problem>,
    ) -> Credentials {
        let CredentialsDraft { entries, docker, providers } = self;
        duplicates(&entries, texts, out);
        let mirrors = if entries.is_empty() { HashSet::new() } else { mirrors(policy, demands) };
        for (entry, at) in &entries {
            for file in LoginFile::of(entry) {
                add_needed(file, Some(entry.key.as_str()), at, texts, needed);
            }
            if !mirrors.contains(entry.key.host()) {
                let message =
                    format!("no rule has a mirror on `{}`: this login is never used", entry.key.host());
                let hint = "a registry that is asked under its own name gets the client's login";
                out.push(Problem::warning(message).at(at).hint(hint));
            }
        }
        for (file, at) in &docker {
            add_needed(LoginFile::of_docker(file), None, at, texts, needed);
        }
        let mut plugins = Vec::new();
        for ProviderFiles { config, bin_dir, timeout } in providers {
            let mut seen = |path: &Path| texts.saw(path, FileState::of(path));
            match credentials::read_providers(&config.value, &bin_dir, timeout, &mut seen) {
                Ok(found) => {
                    lint_plugins(&found, &config.at, out);
                    for provider in &found.providers {
                        let program = LoginFile::Program(provider.program().to_owned());
                        add_needed(program, None, &config.at, texts, needed);
                    }
                    plugins.extend(found.providers);
                }
                Err(cause) => out.push(Problem::error(cause.to_string()).at(&config.at)),
            }
        }
        let entries = entries.into_iter().map(|(entry, _)| entry).collect();
        let docker = docker.into_iter().map(|(file, _)| file).collect();
        Credentials::new(Sources { entries, logins, docker, providers: plugins })
    }
}

/// The hosts of all mirrors, and of what else has signatures, normalised.
fn mirrors(policy: &PolicyDraft, demands: &Demands) -> HashSet<String> {
    let routes = policy.rules.iter().filter_map(|drafted| match &drafted.rule.action {
        Action::Route(route) => Some(route.mirrors.iter().map(|mirror| &mirror.location)),
        Action::Deny { .. } | Action::Pass => None,
    });
    let locations = routes.flatten().chain(policy.default_registry.iter().map(|set| &set.value));
    locations.chain(demands.repositories()).map(Location::folded_host).collect()
}

fn missing(section: &Section<'_>, out: &mut Vec<Problem>) {
    let message = "a login needs one of `registry`, `docker-config` and `image-credential-provider-config`";
    let hint = "write which registry it is for: registry = \"harbor.dev.de/team\", or where logins are already stored";
    out.push(Problem::error(message).at(section.at()).hint(hint));
}

/// Reports a key that has a meaning only together with another one.
fn belongs(key: &str, at: Option<&Span>, there: bool, other: &str, out: &mut Vec<Problem>) {
    if let Some(at) = at.filter(|_| !there) {
        out.push(Problem::error(format!("`{key}` has no meaning without {other}")).at(at));
    }
}

fn duplicates(entries: &[(Entry, Span)], texts: &Texts, out: &mut Vec<Problem>) {
    for (index, (entry, at)) in entries.iter().enumerate() {
        let first = entries[..index].iter().find(|(other, _)| other.key == entry.key);
        if let Some((_, first)) = first {
            let place = draft::file_line(first, texts);
            let message = format!("there is already a login for `{}` in {place}", entry.key.as_str());
            let problem = Problem::error(message).at(at).also(first, "the other one");
            out.push(problem.hint("keep one of the two; a longer path may have a login of its own"));
        }
    }
}

fn lint_plugins(found: &credentials::Providers, at: &Span, out: &mut Vec<Problem>) {
    for name in &found.not_asked {
        let message =
            format!("the credential provider {name:?} is not used: it needs a pod's service account");
        out.push(
            Problem::warning(message).at(at).hint("only kubelet has that; give the mirror another login"),
        );
    }
}

fn add_needed(
    file: LoginFile,
    registry: Option<&str>,
    at: &Span,
    texts: &Texts,
    needed: &mut Vec<Located<NeededFile>>,
) {
    let source = draft::file_line(at, texts);
    let value = NeededFile::of_login(file, registry.map(str::to_owned), source);
    needed.push(Located { value, at: at.clone() });
}

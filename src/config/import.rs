//! Converts files of other programs into a native configuration.
//!
//! Holds: the files are read by the same code as live sources, and the rules that are in force are written. So the
//! new configuration decides as the sources did. No secret is written.
//! Not here: how the format of a file is found (`sources::detect_format`), how a rule is written (`native`, `mirror`).

mod mirror;
mod native;
#[cfg(test)]
mod tests;
mod toml_text;
mod transport;

use std::path::PathBuf;

use self::mirror::Reach;
use super::diagnostic::{Diagnostics, Problem, Texts};
use super::input::{Input, MainFile};
use super::load::load_from;
use super::sources::detect_format;
use super::sources::source_file::{Format, SourceFile};
use super::{Config, Loaded};
use crate::containerd::hosts::TransportNeed;
use crate::credentials::Login;
use crate::files::reader::Reader;
use crate::policy::Rule;

/// What to convert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRequest {
    /// The files and directories. Where two of them have a rule for the same prefix, that of the earlier one is used.
    pub files: Vec<PathBuf>,
    /// The format of all of them; with `None` the format of each is detected.
    pub format: Option<Format>,
    /// Like k3s' flag of that name, for every `registries.yaml` among them.
    pub disable_default_endpoint: bool,
}

/// A native configuration, and what is missing from it.
#[derive(Debug)]
pub struct Import {
    /// The configuration: TOML with `[[policy.rule]]`, `[[transport]]` and comments.
    pub toml: String,
    /// How many rules it has.
    pub rules: usize,
    /// How many things could not be carried over; each is in the report and in the comments.
    pub left_behind: usize,
    /// Everything there is to report about the files.
    pub report: Diagnostics,
}

/// Converts files.
///
/// # Errors
/// Every problem of every file, where one of them cannot be read or understood.
pub fn import(request: &ImportRequest) -> Result<Import, Diagnostics> {
    let sources = sources(request)?;
    let input = Input { sources, ..Input::of(MainFile::Absent) };
    let mut loaded = load_from(&input)?;
    loaded.warn_of_files(&Reader::This);
    let Loaded { config, warnings: mut report, .. } = loaded;
    let mut tables = String::new();
    let mut needs = transport::write(config.transport.needs(), &mut tables);
    report.extend(config.credentials.logins().iter().map(|login| (login_left_behind(login), &login.source)));
    let others: Vec<String> = report.left_behind().collect();
    let rules: Vec<_> = config.policy.rules_in_force().collect();
    let reach = Reach { endpoints: &config.endpoints, wanted: &config.transport };
    let (rules_text, of_mirrors) = native::rules(&rules, &reach);
    needs.extend(of_mirrors);
    let toml = native::write(&rules_text, &tables, &needs, &others);
    let left_behind = needs.len() + others.len();
    Ok(Import { toml, rules: rules.len(), left_behind, report })
}

/// What cannot be written, and its place.
pub(super) type Left = (String, String);

/// A rule alone, as [`import`] writes it, and what it needs without a key for it.
pub(super) fn rule(rule: &Rule, config: &Config) -> (String, Vec<Left>) {
    native::rules(&[rule], &Reach { endpoints: &config.endpoints, wanted: &config.transport })
}

/// What hosts need, as [`import`] writes it, and what has no key.
pub(super) fn transport(needs: &[TransportNeed]) -> (String, Vec<Left>) {
    let mut tables = String::new();
    let left = transport::write(needs, &mut tables);
    (tables, left)
}

/// A comment of TOML, on a line of its own.
pub(super) fn comment(text: &str) -> String {
    let mut out = String::new();
    toml_text::comment(text, &mut out);
    out
}

/// A string of TOML.
pub(super) fn string(text: &str) -> String {
    toml_text::string(text)
}

/// Makes a source of each file.
fn sources(request: &ImportRequest) -> Result<Vec<SourceFile>, Diagnostics> {
    let ImportRequest { files, format, disable_default_endpoint } = request;
    let mut texts = Texts::default();
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    for path in files {
        let found = format.or_else(|| detect_format::format(path, &mut texts, &mut problems));
        sources.extend(found.map(|format| SourceFile {
            format,
            path: path.clone(),
            disable_default_endpoint: *disable_default_endpoint && format == Format::RegistriesYaml,
        }));
    }
    if problems.is_empty()
        && *disable_default_endpoint
        && sources.iter().all(|source| source.format != Format::RegistriesYaml)
    {
        let problem = Problem::error(
            "--disable-default-registry-endpoint has no effect: it is for a registries.yaml, and no such file is given",
        );
        problems
            .push(problem.hint("in the other formats the file itself says whether the registry is asked"));
    }
    if problems.is_empty() { Ok(sources) } else { Err(Diagnostics::new(texts, problems)) }
}

fn login_left_behind(login: &Login) -> Problem {
    let message = format!("the credentials for {} are not carried over", transport::shown_host(&login.host));
    let hint = "a configuration holds no password: write it into a file of its own, and name that by a \
                [[credentials]] with `registry`, `username` and `password-file`";
    Problem::warning(message).hint(hint).left_behind()
}

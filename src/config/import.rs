//! Converts files of other programs into a native configuration, for good.
//!
//! Before: the command line names files.  After: `cli` prints the text, and what could not be carried over.
//! Holds: the files are read by the code that reads them as live sources, and the rules written are those
//! that were in force together, so the new configuration decides as the sources did; no secret is written.
//! Not here: which format a file is of (`sources::recognise`), how a rule is written down (`native`).

mod native;
#[cfg(test)]
mod tests;
mod transport;

use std::path::PathBuf;

use super::diagnostic::{Diagnostics, Problem, Texts};
use super::sources::{Format, SourceFile, detect_format};
use super::{Input, Loaded, MainFile, load_from};
use crate::credentials::Login;

/// What is to be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRequest {
    /// The files and directories. Where two of them have a rule for one prefix, that of the earlier holds.
    pub files: Vec<PathBuf>,
    /// The format of all of them; none where each is to be recognised.
    pub format: Option<Format>,
    /// As k3s' flag of that name, for every `registries.yaml` among them.
    pub disable_default_endpoint: bool,
}

/// A native configuration, and what it had to do without.
#[derive(Debug)]
pub struct Import {
    /// The configuration: TOML with `[[policy.rule]]`, `[[transport]]` and comments.
    pub toml: String,
    /// How many rules it has.
    pub rules: usize,
    /// How many things could not be carried over; each is in the report, and in the comments.
    pub left_behind: usize,
    /// All that is worth saying of the files.
    pub report: Diagnostics,
}

/// Converts files.
///
/// # Errors
/// Every problem of every file, where one of them cannot be read or understood.
pub fn import(request: &ImportRequest) -> Result<Import, Diagnostics> {
    let sources = sources(request)?;
    let input =
        Input { main: MainFile::Absent, default_registry: None, sources, socket: None, containerd: None };
    let Loaded { config, warnings: mut report } = load_from(&input)?;
    let mut tables = String::new();
    let needs = transport::write(config.transport.needs(), &mut tables);
    report.extend(config.credentials.logins().iter().map(|login| (login_left_behind(login), &login.source)));
    let others: Vec<String> = report.left_behind().collect();
    let rules: Vec<_> = config.policy.rules_in_force().collect();
    let toml = native::write(&rules, &tables, &needs, &others);
    let left_behind = needs.len() + others.len();
    Ok(Import { toml, rules: rules.len(), left_behind, report })
}

/// The sources that the files are.
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
        let problem =
            Problem::error("--disable-default-registry-endpoint is for a registries.yaml, and none is here");
        problems.push(problem.hint("the other formats say in the file whether the registry itself is asked"));
    }
    if problems.is_empty() { Ok(sources) } else { Err(Diagnostics::new(texts, problems)) }
}

/// A host, or what stands for all others.
fn place(host: &str) -> &str {
    if host == "*" { "every other host" } else { host }
}

fn login_left_behind(login: &Login) -> Problem {
    let message = format!("the credentials for {} are not carried over", place(&login.host));
    let hint = "a configuration holds no password: write it into a file of its own, and name that by a \
                [[credentials]] with `registry`, `username` and `password-file`";
    Problem::warning(message).hint(hint).left_behind()
}

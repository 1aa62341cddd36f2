//! Finds and reads the files of the configuration.
//!
//! Before: `config::load` says where the main file is.  After: `tree` parses each text.
//! Holds: the main file comes first, the drop-ins follow by name; every file that cannot be read is a
//! problem of its own, and none hides another.
//! Not here: what is in them.

use std::io;
use std::path::{Path, PathBuf};

use super::defaults;
use super::diagnostic::{Problem, TextId, Texts};
use super::text::{self, TextError};
use super::{Input, MainFile};

/// The tables that every file may have.
pub(super) const EVERYWHERE: [&str; 3] = ["policy", "transport", "credentials"];

/// The tables of the main file alone: where the sockets are is said in one place.
pub(super) const MAIN_ONLY: [&str; 5] = ["listen", "containerd", "pull", "state", "log"];

/// What a text may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Every table.
    Main,
    /// What every file may have ([`EVERYWHERE`]).
    DropIn,
}

/// What was found: the texts in order, and the files that are meant to be there.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) texts: Vec<(TextId, Role)>,
    pub(super) sources: Vec<PathBuf>,
}

/// Reads the main file and the drop-ins beside it.
pub(super) fn read(input: &Input, texts: &mut Texts, out: &mut Vec<Problem>) -> Found {
    let mut found = Found::default();
    let (main, required) = match &input.main {
        MainFile::Required(path) => (path, true),
        MainFile::IfPresent(path) => (path, false),
        MainFile::Absent => return found,
    };
    found.sources.push(main.to_path_buf());
    match text::bytes(main, texts) {
        Ok(bytes) => add(main, bytes, Role::Main, &mut found, texts, out),
        Err(error) if !required && is_absent(&error) => {}
        Err(error) => out.push(text::problem(main, &error).maybe_hint(advice(main, &error))),
    }
    let directory = main.with_file_name("conf.d");
    for path in drop_ins(&directory, texts, out) {
        found.sources.push(path.clone());
        match text::bytes(&path, texts) {
            Ok(bytes) => add(&path, bytes, Role::DropIn, &mut found, texts, out),
            Err(error) => out.push(text::problem(&path, &error)),
        }
    }
    found
}

/// The drop-ins by name. Hidden files are what editors leave behind.
fn drop_ins(directory: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match text::list(directory, texts) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Vec::new(),
        Err(error) => {
            out.push(text::problem(directory, &error));
            return Vec::new();
        }
    };
    let hidden = |path: &Path| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !hidden(path));
    paths.sort();
    paths
}

fn add(
    path: &Path,
    bytes: Vec<u8>,
    role: Role,
    found: &mut Found,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
) {
    let text = text::add(path, bytes, texts, out);
    found.texts.extend(text.map(|text| (text, role)));
}

fn is_absent(error: &TextError) -> bool {
    matches!(error, TextError::Io(cause) if cause.kind() == io::ErrorKind::NotFound)
}

/// What to do about a main file that cannot be read, beyond what holds for every file.
fn advice(path: &Path, error: &TextError) -> Option<String> {
    match error {
        TextError::Io(_) if is_absent(error) && path == Path::new(defaults::CONFIG_FILE) => Some(
            "create it (an empty file means: every default, no rule), or name another with --config".into(),
        ),
        TextError::Directory => Some(format!("name the file itself: {}", path.join("config.toml").display())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_advice() {
        let absent = || TextError::Io(io::Error::from(io::ErrorKind::NotFound));
        let create = advice(Path::new(defaults::CONFIG_FILE), &absent());
        let expected =
            "create it (an empty file means: every default, no rule), or name another with --config";
        assert_eq!(create.as_deref(), Some(expected));
        assert_eq!(advice(Path::new("/x/config.toml"), &absent()), None);
        let directory = advice(Path::new("/x"), &TextError::Directory);
        assert_eq!(directory.as_deref(), Some("name the file itself: /x/config.toml"));
    }
}

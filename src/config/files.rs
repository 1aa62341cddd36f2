//! Finds and reads the program's own configuration files.
//!
//! Holds: the main file comes first, then the drop-ins in the order of their names. Each file that cannot be read is
//! reported.

use std::io;
use std::path::{Path, PathBuf};

use super::defaults;
use super::diagnostic::{Problem, Span, TextId, Texts};
use super::input::{Input, MainFile};
use super::text::{self, TextError};

/// The tables that every file may have, and the one key above them.
pub(super) const EVERYWHERE: [&str; 5] = ["end-mark", "policy", "transport", "credentials", "signature"];

/// The tables that only the main file may have.
pub(super) const MAIN_ONLY: [&str; 7] = ["listen", "containerd", "pull", "state", "log", "audit", "metrics"];

/// Which tables a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileRole {
    /// Every table.
    Main,
    /// The tables in [`EVERYWHERE`].
    DropIn,
}

/// The texts in order, and the paths of the files.
#[derive(Debug, Default)]
pub(super) struct ConfigFiles {
    pub(super) texts: Vec<(TextId, FileRole)>,
    pub(super) sources: Vec<PathBuf>,
}

/// Reads the main file and the drop-ins beside it.
pub(super) fn read(input: &Input, texts: &mut Texts, out: &mut Vec<Problem>) -> ConfigFiles {
    let mut found = ConfigFiles::default();
    let (main, required) = match &input.main {
        MainFile::Required(path) => (path, true),
        MainFile::IfPresent(path) => (path, false),
        MainFile::Absent => return found,
    };
    found.sources.push(main.to_path_buf());
    match text::bytes(main, texts) {
        Ok(bytes) => add(main, bytes, FileRole::Main, &mut found, texts, out),
        Err(error) if !required && is_absent(&error) => {}
        Err(error) => out.push(text::problem(main, &error).maybe_hint(advice(main, &error))),
    }
    if main.as_path() == Path::new(text::STDIN) {
        return found;
    }
    let directory = beside(main);
    for path in drop_ins(&directory, texts, out) {
        found.sources.push(path.clone());
        match text::bytes(&path, texts) {
            Ok(bytes) => add(&path, bytes, FileRole::DropIn, &mut found, texts, out),
            Err(error) => out.push(text::problem(&path, &error)),
        }
    }
    found
}

/// The directory of the drop-ins, whether it is there or not.
pub(super) fn drop_in_directory(input: &Input) -> Option<PathBuf> {
    match &input.main {
        MainFile::Required(path) | MainFile::IfPresent(path) if path != Path::new(text::STDIN) => {
            Some(beside(path))
        }
        _ => None,
    }
}

fn beside(main: &Path) -> PathBuf {
    main.with_file_name("conf.d")
}

/// The drop-ins, sorted by name. Hidden files are ignored: editors leave them behind.
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
    role: FileRole,
    found: &mut ConfigFiles,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
) {
    let is_empty = bytes.trim_ascii().is_empty();
    let text = text::add(path, bytes, texts, out);
    if let (Some(text), true, FileRole::DropIn) = (text, is_empty, role) {
        let problem = Problem::warning("this file is empty, so it sets nothing");
        let hint = "if a command should have written it, run that again; else remove the file";
        out.push(problem.at(&Span { text, range: 0..0 }).hint(hint));
    }
    found.texts.extend(text.map(|text| (text, role)));
}

fn is_absent(error: &TextError) -> bool {
    matches!(error, TextError::Io(cause) if cause.kind() == io::ErrorKind::NotFound)
}

/// A hint for a main file that cannot be read.
fn advice(path: &Path, error: &TextError) -> Option<String> {
    match error {
        TextError::Io(_) if is_absent(error) && path == Path::new(defaults::CONFIG_FILE) => Some(
            "create it (an empty file means all defaults and no rule), or name another file with --config"
                .into(),
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
            "create it (an empty file means all defaults and no rule), or name another file with --config";
        assert_eq!(create.as_deref(), Some(expected));
        assert_eq!(advice(Path::new("/x/config.toml"), &absent()), None);
        let directory = advice(Path::new("/x"), &TextError::Directory);
        assert_eq!(directory.as_deref(), Some("name the file itself: /x/config.toml"));
    }
}

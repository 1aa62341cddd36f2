//! Finds and reads the files of the configuration.
//!
//! Before: `config::load` says where the main file is.  After: `tree` parses each text.
//! Holds: the main file comes first, the drop-ins follow by name; every file that cannot be read is a
//! problem of its own, and none hides another.
//! Not here: what is in them.

use std::io;
use std::path::{Path, PathBuf};

use super::defaults;
use super::diagnostic::{Problem, Span, TextId, Texts};
use super::sources::mask;
use super::{Input, MainFile};

/// What a text may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Every table.
    Main,
    /// Policy only.
    DropIn,
}

/// What was found: the texts in order, and the paths that a reload has to watch.
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
    match std::fs::read(main) {
        Ok(bytes) => add(main, bytes, Role::Main, &mut found, texts, out),
        Err(error) if !required && error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => out.push(unreadable(main, &error).maybe_hint(advice(main, &error))),
    }
    let directory = main.with_file_name("conf.d");
    for path in drop_ins(&directory, out) {
        found.sources.push(path.clone());
        match std::fs::read(&path) {
            Ok(bytes) => add(&path, bytes, Role::DropIn, &mut found, texts, out),
            Err(error) => out.push(unreadable(&path, &error)),
        }
    }
    found.sources.push(directory);
    found
}

/// The drop-ins by name. Hidden files are what editors leave behind.
fn drop_ins(directory: &Path, out: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            out.push(unreadable(directory, &error));
            return Vec::new();
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(error) => out.push(unreadable(directory, &error)),
        }
    }
    let hidden = |path: &Path| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
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
    let name = path.to_string_lossy();
    match String::from_utf8(bytes) {
        Ok(content) => {
            // No password belongs here, and people put them everywhere.
            let hidden = mask::secrets(&content);
            let text = texts.add(&name, content);
            texts.mask(text, &hidden);
            found.texts.push((text, role));
        }
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let content = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let text = texts.add(&name, content);
            out.push(Problem::error("this is not UTF-8 text").at(&Span { text, range: valid..valid }));
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::error(format!("cannot read {}: {error}", path.display()))
}

fn advice(path: &Path, error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::NotFound if path == Path::new(defaults::CONFIG_FILE) => Some(
            "create it (an empty file means: every default, no rule), or name another with --config".into(),
        ),
        io::ErrorKind::NotFound => None,
        io::ErrorKind::IsADirectory => {
            Some(format!("name the file itself: {}", path.join("config.toml").display()))
        }
        io::ErrorKind::PermissionDenied => {
            Some("run this as root, or as the user that the service runs as".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_advice() {
        let told = |path: &str, kind: io::ErrorKind| advice(Path::new(path), &io::Error::from(kind));
        let create = told(defaults::CONFIG_FILE, io::ErrorKind::NotFound);
        let expected =
            "create it (an empty file means: every default, no rule), or name another with --config";
        assert_eq!(create.as_deref(), Some(expected));
        assert_eq!(told("/x/config.toml", io::ErrorKind::NotFound), None);
        let denied = told("/x", io::ErrorKind::PermissionDenied);
        assert_eq!(denied.as_deref(), Some("run this as root, or as the user that the service runs as"));
        let directory = told("/x", io::ErrorKind::IsADirectory);
        assert_eq!(directory.as_deref(), Some("name the file itself: /x/config.toml"));
    }
}

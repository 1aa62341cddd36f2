//! Reads containers/image's `registries.conf` (versions 1 and 2), with the drop-ins beside it.
//!
//! Holds: what containers/image refuses to load is refused here. The candidates of a name are the places that it would
//! ask, in its order, and a location replaces the prefix. Where a rule cannot express an entry, there is an error or
//! a warning.
//! Not here: `policy.json`, `auth.json`, and files of a user (`~/.config/containers`).

#[cfg(test)]
mod conformance;
mod file;
mod merge;
mod short_names;
#[cfg(test)]
mod tests;
mod to_rules;
mod version_1;

use std::io;
use std::path::{Path, PathBuf};

use super::super::diagnostic::{Problem, TextId, Texts};
use super::super::draft::Imported;
use super::super::parse_toml;
use super::super::section::{CONTAINERS_IMAGE, Section};
use super::super::text::{self, TextError};

use self::file::File;
use self::merge::Merged;

pub(super) use self::file::{MirrorTable, Registry, place};

/// Reads a source.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    let before = out.len();
    let mut imported = Imported::default();
    let mut merged = Merged::default();
    let mut add = |path: &Path, texts: &mut Texts, out: &mut Vec<Problem>| {
        let text = text::read(path, texts, out);
        let file = text.and_then(|text| read_file(text, texts, out));
        merged.add(file.unwrap_or_default(), out);
    };
    add(path, texts, out);
    for path in drop_ins(&drop_in_directory(path), texts, out) {
        add(&path, texts, out);
    }
    to_rules::add(&merged, texts, &mut imported, out);
    short_names::add(&merged, texts, &mut imported, out);
    if out[before..].iter().any(Problem::is_error) {
        return Imported::default();
    }
    imported
}

/// Adds the rules of entries that another format has.
pub(super) fn add_registries(
    registries: Vec<Registry>,
    texts: &Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    let mut merged = Merged::default();
    merged.add(File { registries, ..File::default() }, out);
    to_rules::add(&merged, texts, imported, out);
}

/// Reads a file of either version; `None` where its syntax is broken.
fn read_file(text: TextId, texts: &Texts, out: &mut Vec<Problem>) -> Option<File> {
    let document = parse_toml::parse_foreign(text, texts.content(text), out)?;
    let mut root = Section::root(&document, &CONTAINERS_IMAGE, out)?;
    match root.refused("registries") {
        Some(old) => version_1::read(&old, &file::keys(&mut root), out),
        None => Some(file::read(root, out)),
    }
}

/// `registries.conf.d` beside `registries.conf`.
fn drop_in_directory(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".d");
    PathBuf::from(name)
}

/// The drop-ins by name.
fn drop_ins(directory: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match text::list(directory, texts) {
        Ok(entries) => entries,
        Err(TextError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            out.push(text::problem(directory, &error));
            return Vec::new();
        }
    };
    let files = entries.into_iter().filter(|entry| !entry.is_directory).map(|entry| entry.path);
    let mut paths: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "conf")).collect();
    paths.sort();
    paths
}

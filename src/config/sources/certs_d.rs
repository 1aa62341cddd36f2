//! Reads containerd's `certs.d`: a directory for each registry, with a `hosts.toml` in it.
//!
//! Holds: each registry is decided as in containerd, from the one directory that containerd would choose. A file on
//! which containerd gives up, so that it asks the public registry, is an error here.
//! Not here: what containerd does with the same tree for a mirror's own name (`second_pass`).
//!
//! Two directories may send two registries to the same place. The format allows it, so the rules carry `collapse`. A
//! mirror cannot tell the two apart by containerd's `ns` parameter, because that is not sent for the mirror's own name.

#[cfg(test)]
mod conformance;
mod directory;
mod host_address;
mod hosts_file;
mod second_pass;
#[cfg(test)]
mod tests;
mod to_rules;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::super::diagnostic::{Located, Problem, Severity, Span, TextId, Texts};
use super::super::draft::{self, Imported};
use super::super::text::{self, TextError, look};
use crate::containerd::hosts::{self, Transport};
use crate::files::parallel;

pub(super) use self::directory::Directory;
pub(super) use self::host_address::HostAddress;
pub(super) use self::hosts_file::{Capabilities, Host, HostsFile};
pub(super) use self::to_rules::{add as add_directory, pass};

/// The file in each directory.
const HOSTS_TOML: &str = "hosts.toml";

/// A directory, and its file if that could be read.
struct DirectoryFile {
    directory: Directory,
    text: Option<TextId>,
    at: Span,
}

/// Reads a source. There may be thousands of small files, so they are read and parsed in parallel.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    let before = out.len();
    let mut imported = Imported::default();
    let found = find(path, texts, &mut imported, out);
    let parse = |DirectoryFile { directory, text, .. }: &DirectoryFile| {
        let mut problems = Vec::new();
        let file = text.and_then(|text| hosts_file::read(text, &directory.path, texts, &mut problems));
        (file, problems)
    };
    let mut files = Vec::with_capacity(found.len());
    for (file, problems) in parallel::map(&found, parse) {
        files.push(file);
        out.extend(problems);
    }
    let has_default = found.iter().any(|found| found.directory.registry == "*");
    for (DirectoryFile { directory, at, .. }, file) in found.iter().zip(&files) {
        let shadows = has_default && directory.registry != "*";
        match file {
            Some(file) => to_rules::add(directory, file, (at, shadows), texts, &mut imported, out),
            None if shadows => imported.rules.push(to_rules::pass(directory, at, texts)),
            None => {}
        }
    }
    if out[before..].iter().any(Problem::is_error) {
        return Imported::default();
    }
    let read = found.iter().map(|found| &found.directory).zip(files.iter().map(Option::as_ref));
    second_pass::note(read, &imported, out);
    imported
}

/// The directories, with the texts of their files. Certificates of directories without a file are read here.
fn find(
    path: &Path,
    texts: &mut Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) -> Vec<DirectoryFile> {
    let directories = directory::list(path, texts, out);
    let looking = &*texts;
    let contents = parallel::map(&directories, |directory| {
        let path = directory.path.join(HOSTS_TOML);
        let (content, state) = look(&path, looking);
        (path, content, state)
    });
    let mut found = Vec::with_capacity(directories.len());
    for (directory, (path, content, state)) in directories.into_iter().zip(contents) {
        texts.saw(&path, state);
        // The shunt's own files are made from rules, and must not become rules.
        if content.as_ref().is_ok_and(|content| hosts::is_owned(content)) {
            continue;
        }
        // A broken link is not the same as no file.
        let absent = matches!(&content, Err(TextError::Io(error)) if error.kind() == io::ErrorKind::NotFound);
        let without = absent && (texts.copies().is_some() || !path.is_symlink());
        let text = if without { None } else { text::take(&path, content, texts, out) };
        let shown = if without { &directory.path } else { &path };
        let id = text.unwrap_or_else(|| texts.add(&shown.to_string_lossy(), String::new()));
        let at = Span { text: id, range: 0..0 };
        if without {
            certificates(&directory, &at, texts, imported, out);
        }
        found.push(DirectoryFile { directory, text, at });
    }
    found
}

/// Without a `hosts.toml`, `*.crt` are authorities and `*.cert` with `*.key` are client certificates. No copy is kept of
/// them, and a start from copies does not fail where they are gone.
fn certificates(
    directory: &Directory,
    at: &Span,
    texts: &mut Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    let entries = text::list_on_disk(&directory.path, texts).unwrap_or_else(|error| {
        let mut problem = text::problem(&directory.path, &error);
        if texts.copies().is_some() {
            problem.severity = Severity::Warning;
        }
        out.push(problem);
        Vec::new()
    });
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path).collect();
    paths.sort();
    for path in paths {
        let value = match path.extension().and_then(OsStr::to_str) {
            Some("crt") => Transport::CaFile(path),
            Some("cert") => {
                let key = path.with_extension("key");
                Transport::ClientCert { cert: path, key: key.exists().then_some(key) }
            }
            _ => continue,
        };
        let need = Located { value, at: at.clone() };
        imported.transport.push(draft::need(&directory.registry, need, texts));
    }
}

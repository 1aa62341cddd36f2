//! Reads containerd's `certs.d`: a directory for each registry, with a `hosts.toml` in it.
//!
//! Before: `sources` names the root.  After: the rules and transport needs go under the native ones.
//! Holds: each registry is decided as containerd would, from the one directory that it would choose; a file
//! on which containerd gives up, and asks the public registry, is an error here.
//! Not here: containerd reading the same tree for the names that it gets (`again` says where it matters).
//!
//! Two directories may send two registries to one place: the format means it, so the rules carry
//! `collapse`. containerd's `ns` parameter, by which a mirror could tell them apart, is not sent for the
//! mirror's own name.

mod again;
#[cfg(test)]
mod conformance;
mod directory;
mod endpoint;
mod hosts_file;
mod meaning;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::super::diagnostic::{Located, Problem, Span, Texts};
use super::super::text::{TextError, bytes};
use super::{Imported, text};
use crate::transport::{self, Transport};

use self::directory::Directory;
use self::hosts_file::HostsFile;

/// The file in each directory.
const HOSTS_TOML: &str = "hosts.toml";

/// What is in a directory's file.
type Content = Result<Vec<u8>, TextError>;

/// Reads a source.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    let before = out.len();
    let mut imported = Imported::default();
    let found = directory::list(path, texts, out).into_iter();
    let mut directories: Vec<(Directory, Content)> = found
        .map(|directory| {
            let content = bytes(&directory.path.join(HOSTS_TOML), texts);
            (directory, content)
        })
        .collect();
    // What the shunt has written there itself comes of the rules, and must not become one.
    directories.retain(|(_, content)| !content.as_ref().is_ok_and(|content| transport::is_owned(content)));
    let has_default = directories.iter().any(|(directory, _)| directory.registry == "*");
    let mut files = Vec::with_capacity(directories.len());
    for (directory, content) in directories {
        let (file, at) = read_file(&directory, content, texts, &mut imported, out);
        match &file {
            Some(file) => {
                let shadows = has_default && directory.registry != "*";
                meaning::add(&directory, file, (&at, shadows), texts, &mut imported, out);
            }
            None if has_default && directory.registry != "*" => {
                imported.rules.push(meaning::pass(&directory, at, texts));
            }
            None => {}
        }
        files.push((directory, file));
    }
    if out[before..].iter().any(Problem::is_error) {
        return Imported::default();
    }
    again::note(&files, &imported, out);
    imported
}

/// The file of a directory, and its place; a directory without one holds certificates.
fn read_file(
    directory: &Directory,
    content: Content,
    texts: &mut Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) -> (Option<HostsFile>, Span) {
    let path = directory.path.join(HOSTS_TOML);
    let content = match content {
        // A link that leads nowhere is not nothing.
        Err(TextError::Io(error)) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            let text = texts.add(&directory.path.to_string_lossy(), String::new());
            let at = Span { text, range: 0..0 };
            certificates(directory, &at, texts, imported, out);
            return (None, at);
        }
        other => other,
    };
    let Some(text) = text::take(&path, content, texts, out) else {
        let text = texts.add(&path.to_string_lossy(), String::new());
        return (None, Span { text, range: 0..0 });
    };
    (hosts_file::read(text, &directory.path, texts, out), Span { text, range: 0..0 })
}

/// Where there is no `hosts.toml`, `*.crt` are authorities and `*.cert` with `*.key` are client pairs.
fn certificates(
    directory: &Directory,
    at: &Span,
    texts: &mut Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    let entries = text::list(&directory.path, texts).unwrap_or_else(|error| {
        out.push(text::problem(&directory.path, &error));
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
        imported.transport.push(meaning::transport_need(&directory.registry, need, texts));
    }
}

//! Finds the directories of a `certs.d`, and the registry of each.
//!
//! Holds: a registry has the one directory that containerd would choose for it. A directory that containerd never looks
//! into is reported.
//! Source: containerd `core/remotes/docker/config/hosts.go`, `hostDirectory` and `HostDirFromRoot`.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::diagnostic::{Problem, Texts};
use crate::config::text::{self, DirectoryEntry, TextError};
use crate::files::fingerprint::FileState;
use crate::policy::{Prefix, PrefixKind};

/// The directory for registries without one of their own.
pub(super) const DEFAULT: &str = "_default";

/// One directory.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    /// The registry as written in the name of the directory; `*` for the default.
    pub(crate) registry: String,
    pub(crate) prefix: Prefix,
}

/// The directories, sorted by name; problems are in `out`.
pub(super) fn list(root: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Vec<Directory> {
    let mut found: Vec<Directory> = Vec::new();
    // Only directories of registries are kept; one without a file is kept as an empty text.
    let is_kept = texts.copies().is_some();
    for DirectoryEntry { path, is_directory } in entries(root, texts, out) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(registry) = registry(name) else {
            out.extend(misnamed(&path, name));
            continue;
        };
        if !is_directory && !is_kept {
            // The link may lead to a directory later, without a change of the root.
            texts.saw(&path, FileState::of(&path));
            out.extend(not_a_directory(&path, name, &registry));
            continue;
        }
        match prefix(&registry) {
            Some(prefix) => found.push(Directory { path, registry, prefix }),
            None => out.push(unused(&path, &format!("no image can have a registry called {registry:?}"))),
        }
    }
    one_each(found, out)
}

fn entries(root: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Vec<DirectoryEntry> {
    let mut entries = text::list(root, texts).unwrap_or_else(|error| {
        let kind = if let TextError::Io(cause) = &error { Some(cause.kind()) } else { None };
        let hint = match kind {
            Some(io::ErrorKind::NotADirectory) => {
                Some("name the directory that holds one directory for each registry, as config_path does")
            }
            Some(io::ErrorKind::NotFound) if root.to_string_lossy().contains(':') => {
                Some("a source is one directory; for a list as in config_path, write a source for each")
            }
            _ => None,
        };
        out.push(text::problem(root, &error).maybe_hint(hint));
        Vec::new()
    });
    // All have the same parent, and comparing thousands of paths by components is slow.
    entries.sort_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
    entries
}

/// The registry for which containerd uses a directory of this name: `host_port_` for `host:port`, else the name
/// itself. `None` for hidden names and for names that fit no registry.
fn registry(name: &str) -> Option<String> {
    if name == DEFAULT {
        return Some("*".to_owned());
    }
    if name.starts_with('.') {
        return None;
    }
    let coded = name.strip_suffix('_').and_then(|rest| rest.rsplit_once('_'));
    if let Some((host, port)) = coded {
        let is_port = !host.is_empty() && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        return is_port.then(|| format!("{host}:{port}"));
    }
    Some(name.to_owned())
}

fn prefix(registry: &str) -> Option<Prefix> {
    let prefix: Prefix = registry.parse().ok()?;
    let whole = matches!(prefix.kind(), PrefixKind::Host | PrefixKind::Any);
    // containerd replaces this host in every name before it looks for a directory.
    (whole && registry != "index.docker.io").then_some(prefix)
}

fn misnamed(path: &Path, name: &str) -> Option<Problem> {
    let hidden = name.starts_with('.');
    (!hidden && path.is_dir()).then(|| unused(path, "its name ends with `_` but has no port"))
}

fn unused(path: &Path, why: &str) -> Problem {
    let problem = Problem::warning(format!("containerd never looks into {}: {why}", path.display()));
    let hint = "valid names are docker.io, mirror.dev.de_5000_, mirror.dev.de:5000 or _default";
    problem.hint(hint)
}

/// Other files beside the directories are ignored; a file that has the name of a registry is a mistake.
fn not_a_directory(path: &Path, name: &str, registry: &str) -> Option<Problem> {
    if name == "hosts.toml" {
        let message = format!("{} belongs to no registry: containerd never reads it", path.display());
        let hint = "put it in the directory of its registry, or in _default";
        return Some(Problem::warning(message).hint(hint));
    }
    prefix(registry)?;
    let message = format!(
        "{} is a file: because of it, containerd refuses every pull from {registry:?}",
        path.display()
    );
    Some(
        Problem::warning(message)
            .hint("make it a directory with a hosts.toml in it, or give it another name"),
    )
}

/// Of two directories for one registry, keeps the one that containerd looks for first. Where the names are two
/// registries for containerd and one for rules, keeps the one with the rules' spelling.
fn one_each(found: Vec<Directory>, out: &mut Vec<Problem>) -> Vec<Directory> {
    let mut kept: Vec<Directory> = Vec::with_capacity(found.len());
    let mut places: HashMap<Prefix, usize> = HashMap::with_capacity(found.len());
    for directory in found {
        out.extend(port_lost(&directory));
        let at = *places.entry(directory.prefix.clone()).or_insert(kept.len());
        if at == kept.len() {
            kept.push(directory);
            continue;
        }
        let coded = |directory: &Directory| directory.path.to_string_lossy().ends_with('_');
        let canonical = |directory: &Directory| directory.registry == directory.prefix.as_str();
        let other = &kept[at];
        let newer_holds = match other.registry == directory.registry {
            true => coded(&directory),
            false if canonical(other) != canonical(&directory) => canonical(&directory),
            false => {
                out.push(ambiguous(other, &directory));
                continue;
            }
        };
        let (holds, idle) = if newer_holds { (&directory, other) } else { (other, &directory) };
        out.push(idle_directory(holds, idle));
        if newer_holds {
            kept[at] = directory;
        }
    }
    kept
}

fn idle_directory(holds: &Directory, idle: &Directory) -> Problem {
    let (idle_path, holds_path) = (idle.path.display(), holds.path.display());
    if holds.registry == idle.registry {
        let message = format!("containerd never looks into {idle_path}: it finds {holds_path} first");
        return Problem::warning(message).hint("keep one of the two");
    }
    let message =
        format!("{idle_path} has no effect beside {holds_path}: here both names mean the same registry");
    Problem::warning(message)
        .hint(format!("every spelling of \"{}\" has the same rule; keep one of the two", holds.prefix))
}

fn ambiguous(one: &Directory, other: &Directory) -> Problem {
    let message = format!(
        "{} and {} are for one registry, \"{}\"",
        one.path.display(),
        other.path.display(),
        one.prefix
    );
    Problem::error(message).hint(format!("keep one of the two, and call it {}", one.prefix))
}

/// `mirror.dev.de_5000` is a directory whose last `_` was forgotten.
fn port_lost(directory: &Directory) -> Option<Problem> {
    let (host, port) = directory.registry.rsplit_once('_')?;
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    is_port.then(|| {
        let message = format!("{} is for the registry \"{}\"", directory.path.display(), directory.registry);
        Problem::warning(message).hint(format!("for port {port} of {host} call it {host}_{port}_"))
    })
}

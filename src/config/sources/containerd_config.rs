//! Reads the `registry` tables of containerd's own `config.toml`: `mirrors`, `configs`, `auths` and `headers`.
//!
//! Holds: endpoints are tried in containerd's order, and the registry itself last unless it is one of them. Versions 1
//! to 4 of the file have the table under different plugins; a table that this version of the file does not read is
//! reported.
//! Not here: `config_path`, which is a source of its own (`certs_d`).
//! Source: containerd `internal/cri/server/images/image_pull.go` and `internal/cri/config/config.go`. containerd 2.4
//! is to remove these tables.

#[cfg(test)]
mod conformance;
mod registry;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::super::diagnostic::{Located, Problem, Span, TextId, Texts};
use super::super::draft::Imported;
use super::super::parse_toml;
use super::super::section::{CONTAINERD, Section};
use super::one_file;

/// The plugins that have had the table.
const PLUGINS: [&str; 3] = ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"];

/// Reads a source.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    one_file::read(path, texts, out, add)
}

fn add(text: TextId, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    let Some(document) = parse_toml::parse_foreign(text, texts.content(text), out) else { return };
    let Some(mut root) = Section::root(&document, &CONTAINERD, out) else { return };
    let version = root.integer("version", out);
    imports(&mut root, out);
    let mut plugins = root.section("plugins", out);
    let mut is_there = false;
    for plugin in PLUGINS {
        let Some(mut plugin_table) = plugins.as_mut().and_then(|plugins| plugins.section(plugin, out)) else {
            continue;
        };
        let Some(table) = plugin_table.field("registry") else { continue };
        is_there = true;
        if !is_read(plugin, version.as_ref()) {
            not_read(plugin, version.as_ref(), &table.key.at, out);
            continue;
        }
        if let Some(table) = table.section(out) {
            registry::add(table, texts, imported, out);
        }
    }
    if !is_there {
        let message = format!("{} has no table `registry`: no rule comes from it", texts.name(text));
        out.push(
            Problem::warning(message).hint(format!("in a file of version 3 it is {}", header(PLUGINS[2]))),
        );
    }
}

/// Files that containerd reads with this one.
fn imports(root: &mut Section<'_>, out: &mut Vec<Problem>) {
    let Some(field) = root.field("imports") else { return };
    if field.items(out).is_some_and(|items| !items.is_empty()) {
        let message = "the files that `imports` names are not read here";
        let hint = "name those that have a table `registry` too, each as a source";
        out.push(Problem::warning(message).at(field.at).hint(hint).left_behind());
    }
}

/// A file without a version is one of version 1. containerd moves the table of version 2 to the newer plugin.
fn is_read(plugin: &str, version: Option<&Located<i64>>) -> bool {
    match version.map_or(1, |set| set.value) {
        ..=1 => plugin == PLUGINS[0],
        2 => plugin != PLUGINS[0],
        _ => plugin == PLUGINS[2],
    }
}

fn not_read(plugin: &str, version: Option<&Located<i64>>, at: &Span, out: &mut Vec<Problem>) {
    let (which, right) = match version.map(|set| set.value) {
        None => ("without a `version`".to_owned(), PLUGINS[0]),
        Some(..=1) => ("of version 1".to_owned(), PLUGINS[0]),
        Some(2) => ("of version 2".to_owned(), PLUGINS[1]),
        Some(newer) => (format!("of version {newer}"), PLUGINS[2]),
    };
    let message = format!("containerd does not read {} in a file {which}", header(plugin));
    let hint = match version {
        None if plugin == PLUGINS[1] => "write `version = 2` at the top of the file".to_owned(),
        None if plugin == PLUGINS[2] => "write `version = 3` at the top of the file".to_owned(),
        _ => format!("there it is {}", header(right)),
    };
    out.push(Problem::warning(message).at(at).hint(hint).left_behind());
}

fn header(plugin: &str) -> String {
    match plugin.contains('.') {
        true => format!("[plugins.\"{plugin}\".registry]"),
        false => format!("[plugins.{plugin}.registry]"),
    }
}

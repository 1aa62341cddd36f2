//! Reads the YAML of sealos' image-cri-shim: its file, or the ConfigMap from which the file is updated.
//!
//! Holds: registries are tried in image-cri-shim's order. Its bugs are not copied; where they make a difference, a
//! message says so.
//! Not here: its sockets, log and caches, which do not decide where an image comes from.

mod config_map;
mod keys;
#[cfg(test)]
mod tests;
mod to_rules;

use std::path::Path;

use super::super::diagnostic::{Problem, Span, TextId, Texts};
use super::super::draft::Imported;
use super::super::node::Value;
use super::super::parse_yaml;
use super::super::text;

use self::keys::Registries;

/// Reads a source.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    let before = out.len();
    let mut imported = Imported::default();
    let Some(text) = text::read(path, texts, out) else { return imported };
    if let Some(registries) = registries(text, texts, out) {
        if registries.offline.is_none() && registries.others.is_empty() {
            let problem = Problem::error("this file names no registry");
            let hint = "image-cri-shim needs an `address`, such as http://sealos.hub:5000";
            out.push(problem.at(&Span { text, range: 0..0 }).hint(hint));
        }
        to_rules::add(registries, texts, &mut imported, out);
    }
    if out[before..].iter().any(Problem::is_error) {
        return Imported::default();
    }
    imported
}

fn registries(text: TextId, texts: &Texts, out: &mut Vec<Problem>) -> Option<Registries> {
    let content = texts.content(text);
    let document = parse_yaml::parse(text, content, out)?;
    if config_map::is_one(&document) {
        let inner = config_map::content(&document, content, out)?;
        return keys::read(&parse_yaml::parse(text, &inner, out)?, out);
    }
    if let Value::Null = document.value {
        return Some(Registries::default());
    }
    keys::read(&document, out)
}

//! Reads the YAML of sealos' image-cri-shim: its file, or the ConfigMap that it is kept in step with.
//!
//! Before: `sources` names the file.  After: the rule, needs and logins go under the native ones.
//! Holds: registries are tried in image-cri-shim's order; its faults are not taken over, and what was odd in
//! a file there is said.
//! Not here: its sockets, log and caches, which are not about where an image comes from.

mod config_map;
mod fields;
mod keys;
#[cfg(test)]
mod tests;
mod to_rules;

use std::path::Path;

use super::super::diagnostic::{Problem, Span, TextId, Texts};
use super::yaml::{self, Value};
use super::{Imported, text};

use self::keys::Registries;

/// Reads a source.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    let before = out.len();
    let mut imported = Imported::default();
    let Some(text) = text::read(path, texts, out) else { return imported };
    if let Some(registries) = registries(text, texts, out) {
        if registries.offline.is_none() && registries.others.is_empty() {
            let problem = Problem::error("there is no registry in this file");
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
    let document = yaml::parse(text, content, out)?;
    if config_map::is_one(&document) {
        let inner = config_map::content(&document, content, out)?;
        return keys::read(&yaml::parse(text, &inner, out)?, out);
    }
    if let Value::Null = document.value {
        return Some(Registries::default());
    }
    keys::read(&document, out)
}

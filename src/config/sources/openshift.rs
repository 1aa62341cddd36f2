//! Reads OpenShift's ImageDigestMirrorSet, ImageTagMirrorSet and ImageContentSourcePolicy, any number of them in a file.
//!
//! Holds: all of them together mean what the Machine Config Operator writes into `registries.conf` for them, and that
//! is read as `registries_conf` reads it. What the operator refuses is an error.
//! Source: openshift/runtime-utils `pkg/registries`, and `validateRegistriesConfScopes` of the operator.

#[cfg(test)]
mod conformance;
mod merge;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::super::diagnostic::{Located, Problem, Severity, Span, TextId, Texts};
use super::super::draft::Imported;
use super::super::node::Node;
use super::super::parse_yaml;
use super::super::refusal::Refusal;
use super::super::section::{Field, OPENSHIFT, Section};
use super::one_file;
use super::registries_conf;
use crate::policy::Only;

use self::merge::{Mirrors, SourceMirrors};

/// The kinds, the list in each, and which names it is for.
const KINDS: [(&str, &str, Only); 3] = [
    ("ImageDigestMirrorSet", "imageDigestMirrors", Only::Digests),
    ("ImageTagMirrorSet", "imageTagMirrors", Only::Tags),
    ("ImageContentSourcePolicy", "repositoryDigestMirrors", Only::Digests),
];

const POLICIES: [(&str, bool); 2] = [("AllowContactingSource", false), ("NeverContactSource", true)];

/// Reads a source.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    one_file::read(path, texts, out, add)
}

fn add(text: TextId, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    let Some(documents) = parse_yaml::documents(text, texts.content(text), out) else { return };
    let before = out.len();
    let mut sets = Vec::new();
    let mut seen = 0;
    for document in &documents {
        seen += read_document(document, &mut sets, out);
    }
    if seen == 0 && !out[before..].iter().any(Problem::is_error) {
        let kinds = KINDS.map(|(kind, ..)| kind).join(", ");
        let message = format!("{} has none of the kinds {kinds}", texts.name(text));
        out.push(Problem::error(message).hint("write such an object, with `kind` and `spec`"));
    }
    let registries = merge::merge(sets, out);
    if !out[before..].iter().any(Problem::is_error) {
        registries_conf::add_registries(registries, texts, imported, out);
    }
}

/// Adds the sets of a document. Returns how many objects of these kinds it has.
fn read_document(document: &Node, sets: &mut Vec<SourceMirrors>, out: &mut Vec<Problem>) -> usize {
    let Some(mut root) = Section::root(document, &OPENSHIFT, out) else { return 0 };
    let Some(kind) = root.string("kind", out) else { return 0 };
    if kind.value == "List" || kind.value.ends_with("List") {
        let items = root.field("items").and_then(|field| field.items(out)).unwrap_or_default();
        return items.iter().map(|item| read_document(item.node(), sets, out)).sum();
    }
    let Some((_, key, only)) = KINDS.iter().find(|(known, ..)| *known == kind.value) else {
        let message = format!("an object of the kind `{}` says nothing of mirrors", kind.value);
        out.push(Problem::new(Severity::Note, message).at(&kind.at));
        return 0;
    };
    if let Some(mut spec) = root.section("spec", out) {
        let items = spec.field(key).and_then(|field| field.items(out)).unwrap_or_default();
        sets.extend(items.iter().filter_map(|item| set(item, *only, out)));
        spec.finish(out);
    }
    1
}

fn set(item: &Field<'_>, only: Only, out: &mut Vec<Problem>) -> Option<SourceMirrors> {
    let mut section = item.section(out)?;
    let has_source = section.field("source").is_some_and(|field| field.text() != Some(""));
    let source = if has_source { section.parse("source", out, place) } else { None };
    let policy = match section.field("mirrorSourcePolicy").filter(|field| field.text() != Some("")) {
        Some(_) => section.choice("mirrorSourcePolicy", out, &POLICIES),
        None => None,
    };
    let items = section.field("mirrors").and_then(|field| field.items(out)).unwrap_or_default();
    let mirror = |item: &Field<'_>, out: &mut Vec<Problem>| {
        Some(Located { value: item.parse(out, place)?, at: item.at.clone() })
    };
    let mirrors: Vec<Located<String>> = items.iter().filter_map(|item| mirror(item, out)).collect();
    let at: Span = section.at().clone();
    section.finish(out);
    if !has_source {
        let problem = Problem::error("a set of mirrors needs a `source`").at(&at);
        out.push(problem.hint("write the registry, or a repository in it, whose images have these mirrors"));
    }
    Some(SourceMirrors { source: source?, mirrors: Mirrors { only, mirrors }, never: policy })
}

/// A registry, or a repository in it.
fn place(text: &str) -> Result<String, Refusal> {
    registries_conf::place(text).map_err(|refusal| match text.split_once("://") {
        Some((_, bare)) => refusal.hint(format!("leave the scheme out: {}", bare.trim_end_matches('/'))),
        None => refusal,
    })
}

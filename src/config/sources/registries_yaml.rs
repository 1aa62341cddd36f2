//! Reads `registries.yaml` as k3s and RKE2 make containerd's configuration of it.
//!
//! Holds: the semantics are those of k3s' `pkg/agent/containerd/config.go`: one entry by exact host, else `*`;
//! endpoints in order, each with the rewrites; the registry itself last and never rewritten, and not at all with
//! `disable-default-registry-endpoint`.
//! Not here: what k3s does with the same file for a mirror's own name (`second_pass`).
//!
//! Three things differ. Rewrites are tried in the order of the file, where k3s uses a random order. An unusable pattern
//! is an error, where k3s goes on without it. With the default endpoint disabled it is never asked, where k3s still
//! asks it for a registry that has an entry in `configs`.

mod configs;
#[cfg(test)]
mod conformance;
mod mirrors;
mod reader;
mod second_pass;
#[cfg(test)]
mod tests;

use std::path::Path;

use foldhash::{HashMap, HashSet};

use self::mirrors::MirrorEntry;
use self::reader::Reader;
use super::super::diagnostic::{Problem, Span, Texts};
use super::super::draft::{DraftRule, Imported};
use super::super::node::{Node, Value};
use super::super::parse_yaml;
use super::super::section::{K3S, Section};
use super::super::text;
use super::endpoint_list;
use crate::policy::{Action, Prefix, PrefixKind};

/// Reads a source.
pub(super) fn read(
    path: &Path,
    disable_default_endpoint: bool,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
) -> Imported {
    let mut imported = Imported::default();
    let Some(text) = text::read(path, texts, out) else { return imported };
    let Some(document) = parse_yaml::parse(text, texts.content(text), out) else { return imported };
    let reader = Reader { text, texts, disable_default_endpoint };
    let Some(mut root) = reader.root(&document, out) else { return imported };
    let mirrors = root.section("mirrors", out);
    let configs = root.section("configs", out);
    let auths = root.section("auths", out);
    root.finish(out);
    let entries = mirrors.map(|mirrors| reader.mirrors(&mirrors, &mut imported, out)).unwrap_or_default();
    if let Some(configs) = &configs {
        configs::read(configs, &reader, &mut imported, out);
        reader.hide_wildcard(configs, &entries, &mut imported);
    }
    if let Some(auths) = &auths {
        configs::read_auths(auths, &reader, &mut imported, out);
    }
    let configured = configs.iter().flat_map(Section::fields);
    let configured: HashSet<Prefix> = configured.filter_map(|entry| entry.key.text.parse().ok()).collect();
    second_pass::lint(&entries, &configured, out);
    imported
}

// === impl Reader ===

impl<'t> Reader<'t> {
    /// The mapping with `mirrors` and `configs`: the document, or a Rancher cluster's
    /// `spec.rkeConfig.registries`.
    fn root<'n>(&self, document: &'n Node, out: &mut Vec<Problem>) -> Option<Section<'n>> {
        if let Value::Null = document.value {
            let message = format!("{} is empty: no rule comes from it", self.texts.name(self.text));
            let at = Span { text: self.text, range: 0..0 };
            out.push(Problem::warning(message).at(&at).hint("write `mirrors:` and `configs:`, as for k3s"));
            return None;
        }
        let mut mapping = Section::root(document, &K3S, out)?;
        for key in ["spec", "rkeConfig", "registries"] {
            match mapping.field(key) {
                Some(entry) => mapping = entry.section(out)?,
                None if key == "registries" => {}
                None => continue,
            }
        }
        Some(mapping.fresh())
    }

    fn mirrors(
        &self,
        mirrors: &Section<'_>,
        imported: &mut Imported,
        out: &mut Vec<Problem>,
    ) -> Vec<MirrorEntry> {
        let mut entries: Vec<MirrorEntry> = Vec::new();
        let mut seen: HashMap<String, (usize, String)> = HashMap::default();
        for entry in mirrors.fields() {
            let Some(prefix) = endpoint_list::registry(&entry, out) else { continue };
            let Some(route) = mirrors::read(&entry, &prefix, self, imported, out) else { continue };
            let found = MirrorEntry { prefix, at: entry.key.at.clone(), route };
            let text = found.prefix.as_str().to_owned();
            let Some((index, spelled)) = seen.get(&text) else {
                seen.insert(text, (entries.len(), entry.key.text.clone()));
                entries.push(found);
                continue;
            };
            // Two spellings of one registry: the one in image names is that of the prefix.
            let first = &entries[*index];
            let (kept, dropped) = if entry.key.text == text { (&found, first) } else { (first, &found) };
            let message = format!(
                "the other entry for `{text}` is used instead of this one: `{spelled}` and `{}` are the same registry",
                entry.key.text
            );
            let problem = Problem::warning(message).at(&dropped.at).also(&kept.at, "this one is used");
            out.push(problem.hint("merge the two entries"));
            if entry.key.text == text {
                let index = *index;
                entries[index] = found;
            }
        }
        for MirrorEntry { prefix, at, route } in &entries {
            imported.rules.push(route.rule(prefix, at, self.texts));
        }
        entries
    }

    /// A registry with an entry in `configs` and none in `mirrors` has a directory of its own, so containerd
    /// does not use `*` for it.
    fn hide_wildcard(&self, configs: &Section<'_>, entries: &[MirrorEntry], imported: &mut Imported) {
        if !entries.iter().any(|entry| entry.prefix.kind() == PrefixKind::Any) {
            return;
        }
        let mut ruled: HashSet<Prefix> =
            imported.rules.iter().map(|drafted| drafted.rule.prefix.clone()).collect();
        for entry in configs.fields() {
            let Ok(prefix) = entry.key.text.parse::<Prefix>() else { continue };
            if prefix.kind() == PrefixKind::Host && ruled.insert(prefix.clone()) {
                imported.rules.push(DraftRule::of_source(
                    prefix,
                    Action::Pass,
                    &entry.key.at,
                    Vec::new(),
                    self.texts,
                ));
            }
        }
    }
}

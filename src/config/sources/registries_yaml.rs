//! Reads `registries.yaml` as k3s and RKE2 make containerd's configuration of it.
//!
//! Before: `sources` names the file.  After: its mirrors are rules, its TLS settings transport needs, its
//! credentials logins.
//! Holds: the semantics are those of k3s' `pkg/agent/containerd/config.go`, which is what serves on a node:
//! one entry by exact host, else `*`; endpoints in order, each with the rewrites; the registry itself last
//! and never rewritten, unless `disable-default-registry-endpoint` says not at all.
//! Not here: one mirror's endpoints (`mirrors`), TLS and credentials (`configs`), what k3s does with the same
//! file behind this program (`second_pass`).
//!
//! Three things differ. Rewrites are tried in the order of the file, where k3s leaves the order to chance.
//! An unusable pattern is an error, where k3s goes on without it. With the default endpoint disabled it is
//! never asked, where k3s forgets that for a registry that has an entry in `configs`.

mod configs;
#[cfg(test)]
mod conformance;
mod mirrors;
mod second_pass;
#[cfg(test)]
mod tests;

use std::path::Path;

use foldhash::{HashMap, HashSet};

use super::super::assemble;
use super::super::diagnostic::{Located, Problem, Span, TextId, Texts};
use super::super::rules::DraftRule;
use super::mapping::{Entry, Mapping};
use super::yaml::{self, Node};
use super::{Imported, text};
use crate::policy::{Action, Checkpoint, Kind, Layer, Prefix, Rule};

/// Who else reads the file, in messages.
const PROGRAM: &str = "k3s";

/// Reads a source.
pub(super) fn read(
    path: &Path,
    disable_default_endpoint: bool,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
) -> Imported {
    let mut imported = Imported::default();
    let Some(text) = text::read(path, texts, out) else { return imported };
    let Some(document) = yaml::parse(text, texts.content(text), out) else { return imported };
    let reader = Reader { text, texts, disable_default_endpoint };
    let Some(mut root) = reader.root(&document, out) else { return imported };
    let mirrors = root.mapping("mirrors", out);
    let configs = root.mapping("configs", out);
    let auths = root.mapping("auths", out);
    root.finish(PROGRAM, out);
    let entries = mirrors.map(|mirrors| reader.mirrors(&mirrors, &mut imported, out)).unwrap_or_default();
    if let Some(configs) = &configs {
        configs::read(configs, &reader, &mut imported, out);
        reader.hide_wildcard(configs, &entries, &mut imported);
    }
    if let Some(auths) = &auths {
        configs::read_auths(auths, &reader, &mut imported, out);
    }
    let configured = configs.iter().flat_map(Mapping::entries);
    let configured: HashSet<Prefix> = configured.filter_map(|entry| entry.key.text.parse().ok()).collect();
    second_pass::lint(&entries, &configured, out);
    imported
}

/// What every part of the reader needs.
struct Reader<'t> {
    text: TextId,
    texts: &'t Texts,
    disable_default_endpoint: bool,
}

/// An entry of `mirrors` that has a meaning.
struct MirrorEntry {
    prefix: Prefix,
    at: Span,
    route: mirrors::Read,
}

// === impl Reader ===

impl<'t> Reader<'t> {
    /// The mapping that holds `mirrors` and `configs`: the document, or what Rancher keeps of it in a cluster's
    /// `spec.rkeConfig.registries`.
    fn root<'n>(&self, document: &'n Node, out: &mut Vec<Problem>) -> Option<Mapping<'n>> {
        if let yaml::Value::Null = document.value {
            let message = format!("{} is empty: no rule comes from it", self.texts.name(self.text));
            let at = Span { text: self.text, range: 0..0 };
            out.push(Problem::warning(message).at(&at).hint("write `mirrors:` and `configs:`, as for k3s"));
            return None;
        }
        let mut mapping = Mapping::root(document, out)?;
        for key in ["spec", "rkeConfig", "registries"] {
            match mapping.entry(key) {
                Some(entry) => mapping = entry.mapping(out)?,
                None if key == "registries" => {}
                None => continue,
            }
        }
        Some(mapping.fresh())
    }

    fn mirrors(
        &self,
        mirrors: &Mapping<'_>,
        imported: &mut Imported,
        out: &mut Vec<Problem>,
    ) -> Vec<MirrorEntry> {
        let mut entries: Vec<MirrorEntry> = Vec::new();
        let mut seen: HashMap<String, (usize, String)> = HashMap::default();
        for entry in mirrors.entries() {
            let Some(prefix) = self.prefix(&entry, out) else { continue };
            let Some(route) = mirrors::read(&entry, &prefix, self, imported, out) else { continue };
            let found = MirrorEntry { prefix, at: entry.key.at.clone(), route };
            let text = found.prefix.as_str().to_owned();
            let Some((index, spelled)) = seen.get(&text) else {
                seen.insert(text, (entries.len(), entry.key.text.clone()));
                entries.push(found);
                continue;
            };
            // Two spellings of one registry: that of the prefix is the one that images are named by.
            let first = &entries[*index];
            let (kept, dropped) = if entry.key.text == text { (&found, first) } else { (first, &found) };
            let message = format!(
                "this entry gives way to the other one for `{text}`: `{spelled}` and `{}` are one registry",
                entry.key.text
            );
            let problem = Problem::warning(message).at(&dropped.at).also(&kept.at, "this one holds");
            out.push(problem.hint("make one entry of the two"));
            if entry.key.text == text {
                let index = *index;
                entries[index] = found;
            }
        }
        for MirrorEntry { prefix, at, route } in &entries {
            imported.rules.push(self.rule(prefix.clone(), at, route.action(), route.spans.clone()));
        }
        entries
    }

    fn rule(&self, prefix: Prefix, at: &Span, action: Action, mirrors_at: Vec<Span>) -> DraftRule {
        let source = assemble::source(at, self.texts);
        let rule = Rule { prefix, action, checkpoint: Checkpoint::Refuse, source, layer: Layer::Source(0) };
        DraftRule { rule, at: at.clone(), mirrors_at }
    }

    /// The registry that an entry is for; nothing where no image can name it.
    fn prefix(&self, entry: &Entry<'_>, out: &mut Vec<Problem>) -> Option<Prefix> {
        let key = &entry.key.text;
        let parsed = key.parse::<Prefix>().ok();
        let found = parsed.filter(|prefix| matches!(prefix.kind(), Kind::Host | Kind::Any));
        if found.is_none() {
            let message =
                format!("`{key}` is no registry that an image can name, so this entry has no effect");
            let hint = match key.split_once("://") {
                Some((_, host)) => format!("leave the scheme out: {}", host.trim_end_matches('/')),
                None => "write a host with its port, if it has one, or \"*\"".to_owned(),
            };
            out.push(Problem::warning(message).at(&entry.key.at).hint(hint));
        }
        found
    }

    /// A registry with an entry in `configs` and none in `mirrors` has a directory of its own, so containerd
    /// does not take `*` for it.
    fn hide_wildcard(&self, configs: &Mapping<'_>, entries: &[MirrorEntry], imported: &mut Imported) {
        if !entries.iter().any(|entry| entry.prefix.kind() == Kind::Any) {
            return;
        }
        let mut ruled: HashSet<Prefix> =
            imported.rules.iter().map(|drafted| drafted.rule.prefix.clone()).collect();
        for entry in configs.entries() {
            let Ok(prefix) = entry.key.text.parse::<Prefix>() else { continue };
            if prefix.kind() == Kind::Host && ruled.insert(prefix.clone()) {
                imported.rules.push(self.rule(prefix, &entry.key.at, Action::Pass, Vec::new()));
            }
        }
    }
}

/// A text with its place.
fn located(text: &str, at: &Span) -> Located<String> {
    Located { value: text.to_owned(), at: at.clone() }
}

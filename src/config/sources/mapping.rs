//! Takes typed values out of a YAML mapping and records everything that is wrong with them.
//!
//! Before: `yaml` has parsed the document.  After: the readers know what each key means.
//! Holds: as `tree` does for TOML, a reader goes on after a problem, and a key that nobody asked for is
//! reported. That is a warning here: the format's own program takes no notice of such a key either.
//! Not here: what the values mean.

use super::super::diagnostic::{Problem, Span};
use super::super::tree::did_you_mean;
use super::yaml::{Key, Node, Value};

/// One mapping, and which of its keys have been asked for.
pub(in crate::config) struct Mapping<'n> {
    /// What stands before its keys in messages; empty at the top.
    name: String,
    entries: &'n [(Key, Node)],
    asked: Vec<&'static str>,
}

/// A value, the key that it stands under, and its full name.
pub(in crate::config) struct Entry<'n> {
    pub(in crate::config) name: String,
    pub(in crate::config) key: &'n Key,
    pub(in crate::config) node: &'n Node,
}

// === impl Mapping ===

impl<'n> Mapping<'n> {
    /// The document; nothing where it is empty or is no mapping.
    pub(in crate::config) fn root(node: &'n Node, out: &mut Vec<Problem>) -> Option<Self> {
        Mapping::of(node, "", &node.at, out)
    }

    fn of(node: &'n Node, name: &str, at: &Span, out: &mut Vec<Problem>) -> Option<Self> {
        match &node.value {
            Value::Map(entries) => Some(Mapping { name: name.to_owned(), entries, asked: Vec::new() }),
            Value::Null => None,
            _ => {
                let label = if name.is_empty() { "the document".to_owned() } else { format!("`{name}`") };
                let message = format!("{label} must be a mapping, not {}", node.type_name());
                out.push(Problem::error(message).at(at));
                None
            }
        }
    }

    /// The same mapping with nothing asked for yet.
    pub(in crate::config) fn fresh(self) -> Self {
        Mapping { asked: Vec::new(), ..self }
    }

    /// Every entry: for mappings whose keys are names.
    pub(in crate::config) fn entries(&self) -> impl Iterator<Item = Entry<'n>> {
        self.entries.iter().map(|(key, node)| Entry { name: self.name_of(&key.text), key, node })
    }

    /// The value under a key; nothing where it is `null`.
    pub(in crate::config) fn entry(&mut self, key: &'static str) -> Option<Entry<'n>> {
        self.asked.push(key);
        let (key, node) = self.entries.iter().find(|(found, _)| found.text == key)?;
        let present = !matches!(node.value, Value::Null);
        present.then(|| Entry { name: self.name_of(&key.text), key, node })
    }

    pub(in crate::config) fn mapping(
        &mut self,
        key: &'static str,
        out: &mut Vec<Problem>,
    ) -> Option<Mapping<'n>> {
        self.entry(key)?.mapping(out)
    }

    pub(in crate::config) fn text(
        &mut self,
        key: &'static str,
        out: &mut Vec<Problem>,
    ) -> Option<(&'n str, &'n Span)> {
        let entry = self.entry(key)?;
        Some((entry.text(out)?, &entry.node.at))
    }

    pub(in crate::config) fn boolean(
        &mut self,
        key: &'static str,
        out: &mut Vec<Problem>,
    ) -> Option<(bool, &'n Span)> {
        let entry = self.entry(key)?;
        match entry.node.value {
            Value::Bool(value, _) => Some((value, &entry.node.at)),
            _ => entry.wrong_type("true or false", out),
        }
    }

    /// Records every key that nobody has asked for; `program` is who takes no notice of them.
    pub(in crate::config) fn finish(self, program: &str, out: &mut Vec<Problem>) {
        let unknown = self.entries.iter().filter(|(key, _)| !self.asked.contains(&key.text.as_str()));
        for (key, _) in unknown {
            let place = if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
            let message =
                format!("unknown key `{}`{place}: {program} takes no notice of it, nor does this", key.text);
            let hint = match did_you_mean(&key.text.replace('_', "-"), &self.asked) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            out.push(Problem::warning(message).at(&key.at).hint(hint));
        }
    }

    fn name_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

// === impl Entry ===

impl<'n> Entry<'n> {
    /// The value as a mapping; nothing where it is `null`.
    pub(in crate::config) fn mapping(&self, out: &mut Vec<Problem>) -> Option<Mapping<'n>> {
        Mapping::of(self.node, &self.name, &self.node.at, out)
    }

    /// A scalar's text.
    pub(in crate::config) fn text(&self, out: &mut Vec<Problem>) -> Option<&'n str> {
        match self.node.text() {
            Some(text) => Some(text),
            None => self.wrong_type("a string", out),
        }
    }

    /// The items of a list, each named after it.
    pub(in crate::config) fn items(&self, out: &mut Vec<Problem>) -> Option<Vec<Entry<'n>>> {
        let Value::List(items) = &self.node.value else {
            return self.wrong_type("a list", out);
        };
        let item = |node: &'n Node| Entry { name: self.name.clone(), key: self.key, node };
        Some(items.iter().map(item).collect())
    }

    pub(in crate::config) fn wrong_type<T>(&self, expected: &str, out: &mut Vec<Problem>) -> Option<T> {
        let message = format!("`{}` must be {expected}, not {}", self.name, self.node.type_name());
        out.push(Problem::error(message).at(&self.node.at));
        None
    }
}

//! Takes values out of one YAML mapping, as Go's JSON decoder would.
//!
//! Before: `yaml` has the tree.  After: `keys` knows which keys there are.
//! Holds: keys are found whatever their case; `null` is as if the key were not there; a value of another type
//! is an error.
//! Not here: what keys mean. Source: `sigs.k8s.io/yaml`, which goes through `encoding/json`.

use crate::config::diagnostic::{Located, Problem, Span};
use crate::config::sources::yaml::{Key, Node, Value};
use crate::config::tree;

/// One mapping, and which of its keys have been asked for.
pub(super) struct Fields<'n> {
    name: String,
    at: Span,
    pairs: &'n [(Key, Node)],
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The keys of a mapping; nothing where the value is something else.
    pub(super) fn of(name: &str, node: &'n Node, out: &mut Vec<Problem>) -> Option<Self> {
        let pairs: &[(Key, Node)] = match &node.value {
            Value::Map(pairs) => pairs,
            Value::Null => &[],
            _ => {
                wrong_type(name, node, "a mapping", out);
                return None;
            }
        };
        Some(Self { name: name.to_owned(), at: node.at.clone(), pairs, asked: Vec::new() })
    }

    pub(super) fn at(&self) -> &Span {
        &self.at
    }

    fn label(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// The value under a key; a key that is there in two cases is an error.
    pub(super) fn take(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<(&'n Key, &'n Node)> {
        self.asked.push(key);
        let mut found = self.pairs.iter().filter(|(name, _)| name.text.eq_ignore_ascii_case(key));
        let (name, node) = found.next()?;
        for (other, _) in found {
            let message = format!("`{}` is set twice: its case makes no difference", self.label(key));
            let problem = Problem::error(message).at(&other.at).also(&name.at, "first set here");
            out.push(problem.hint("keep one of the two"));
        }
        (!matches!(node.value, Value::Null)).then_some((name, node))
    }

    pub(super) fn text(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Located<&'n str>> {
        let (_, node) = self.take(key, out)?;
        let Value::Text(text) = &node.value else {
            let hint = matches!(node.value, Value::Number(_) | Value::Bool(..)).then_some("put it in quotes");
            wrong_type_hinted(&self.label(key), node, "a string", hint, out);
            return None;
        };
        Some(Located { value: text, at: node.at.clone() })
    }

    pub(super) fn integer(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Located<i64>> {
        let (_, node) = self.take(key, out)?;
        let number = match &node.value {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            wrong_type(&self.label(key), node, "an integer", out);
        }
        Some(Located { value: number?, at: node.at.clone() })
    }

    pub(super) fn section(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Fields<'n>> {
        let (_, node) = self.take(key, out)?;
        Fields::of(&self.label(key), node, out)
    }

    pub(super) fn list(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<&'n [Node]> {
        let (_, node) = self.take(key, out)?;
        match &node.value {
            Value::List(items) => Some(items),
            _ => {
                wrong_type(&self.label(key), node, "a list", out);
                None
            }
        }
    }

    /// Reports every key that nobody has asked for.
    pub(super) fn finish(self, out: &mut Vec<Problem>) {
        let unknown = self
            .pairs
            .iter()
            .filter(|(key, _)| !self.asked.iter().any(|asked| key.text.eq_ignore_ascii_case(asked)));
        for (key, _) in unknown {
            let place = if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
            let message = format!(
                "unknown key `{}`{place}: image-cri-shim takes no notice of it, nor does this",
                key.text
            );
            let hint = match tree::nearest(&key.text, &self.asked) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            out.push(Problem::warning(message).at(&key.at).hint(hint));
        }
    }
}

pub(super) fn wrong_type(name: &str, node: &Node, expected: &str, out: &mut Vec<Problem>) {
    wrong_type_hinted(name, node, expected, None, out);
}

fn wrong_type_hinted(name: &str, node: &Node, expected: &str, hint: Option<&str>, out: &mut Vec<Problem>) {
    let what = if name.is_empty() { "the document".to_owned() } else { format!("`{name}`") };
    let message = format!("{what} must be {expected}, not {}", node.type_name());
    out.push(Problem::error(message).at(&node.at).maybe_hint(hint));
}

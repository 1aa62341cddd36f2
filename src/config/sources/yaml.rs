//! A YAML document as a tree in which every node knows its place.
//!
//! Before: `text` has read the file.  After: the readers of YAML formats take values out, one mapping at a
//! time, and report everything that is wrong with them.
//! Holds: anchors, aliases and merge keys are resolved, within a budget; a scalar keeps the text that was
//! written (`0123`, `yes`); a key stands once in a mapping.
//! Not here: what keys mean; the parser itself (serde-saphyr).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned, UserMessageFormatter};

use super::super::diagnostic::{Problem, Span, TextId};

/// A value and where it stands. What an alias stands for has the place of the alias.
#[derive(Clone, Debug)]
pub(in crate::config) struct Node {
    pub(in crate::config) at: Span,
    pub(in crate::config) value: Value,
}

#[derive(Clone, Debug)]
pub(in crate::config) enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// A boolean, and how it is written: YAML 1.1 knows `yes` and `on` as well.
    Bool(bool, String),
    /// A number as it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(in crate::config) struct Key {
    pub(in crate::config) at: Span,
    pub(in crate::config) text: String,
}

/// Parses a text that has one document. None where it is too broken to look into, with the reason in
/// `out`; an empty document is `Null`.
pub(in crate::config) fn parse(text: TextId, content: &str, out: &mut Vec<Problem>) -> Option<Node> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    // The visitor below sees both, so that both can be shown.
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.budget = Some(budget(content.len()));
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(content, options) {
        Ok(raw) => Some(Builder { text, content }.node(raw, out)),
        Err(error) => {
            out.push(syntax_problem(text, content, &error));
            None
        }
    }
}

/// What is written out may be as long as it likes, for there is a limit for the file. What aliases make of it
/// may not, but one anchor may well have thousands of them, a registry each.
fn budget(length: usize) -> serde_saphyr::Budget {
    let mut budget = serde_saphyr::Budget::default();
    budget.enforce_alias_anchor_ratio = false;
    // A node takes two bytes at least.
    budget.max_nodes += length / 2;
    budget.max_events += length;
    budget.max_aliases += length / 2;
    budget.max_anchors += length / 2;
    budget.max_merge_keys += length / 2;
    budget
}

fn syntax_problem(text: TextId, content: &str, error: &serde_saphyr::Error) -> Problem {
    let words = error.render_with_formatter(&UserMessageFormatter);
    // The place is shown by the caret; the parser repeats it in its words.
    let words = words.split(" at line ").next().unwrap_or(&words).trim_end_matches(',').to_owned();
    let range = error.location().map_or(0..0, |location| bytes(&location, content));
    let is_alias = content[range.clone()].starts_with('*');
    let (words, range, hint) = match indenting_tab(content, range.start, words.contains("tab")) {
        Some(tab) => (words, tab..tab + 1, Some("YAML is indented by spaces, never by tabs")),
        None if words.contains("too large or too complex") => {
            let words = "written out, its aliases make it too large".to_owned();
            (words, range, Some("a list of aliases of lists of aliases grows fast; write out what is meant"))
        }
        None if is_alias => {
            let hint = "`*` begins an alias, and there is no anchor `&` of this name before it; a name that begins with `*` needs quotes: \"*\"";
            (words, range, Some(hint))
        }
        None => (words, range, None),
    };
    Problem::error(format!("this is not YAML: {words}")).at(&Span { text, range }).maybe_hint(hint)
}

/// The tab behind a complaint, where it is a tab in front of a line: the parser points behind it, or in front
/// of the line where it has not `named` a tab but was led astray by one.
fn indenting_tab(content: &str, at: usize, named: bool) -> Option<usize> {
    let line = content[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let after = content[line..].split_inclusive('\n').scan(line, |start, line| {
        let found = (*start, line);
        *start += line.len();
        Some(found)
    });
    // A tab on a line further down can be one of a block of text, where tabs are allowed.
    let lines = if named { usize::MAX } else { 1 };
    let tab = |(start, line): (usize, &str)| {
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        indent.find('\t').map(|tab| start + tab)
    };
    after.take(lines).find_map(tab)
}

/// The parser counts bytes as well where it reads from a string, but for what is wrong with the syntax.
fn bytes(location: &Location, content: &str) -> std::ops::Range<usize> {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let span = location.span();
    let byte_of = |nth: u64| content.char_indices().nth(number(nth)).map_or(content.len(), |(at, _)| at);
    let (start, end) = match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(length)) => (number(start), number(start).saturating_add(number(length))),
        _ => {
            let start = byte_of(span.offset());
            // Of a line's end there is nothing to show but that it is there.
            (start, start + content[start..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8))
        }
    };
    let (start, end) = (start.min(content.len()), end.min(content.len()));
    if content.is_char_boundary(start) && content.is_char_boundary(end) { start..end } else { 0..0 }
}

/// What the parser gives: no places of its own but those of `Spanned`.
enum Raw {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

struct RawVisitor;

struct Builder<'c> {
    text: TextId,
    content: &'c str,
}

// === impl Builder ===

impl Builder<'_> {
    fn span(&self, location: &Location) -> Span {
        Span { text: self.text, range: bytes(location, self.content) }
    }

    fn node(&self, raw: Spanned<Raw>, out: &mut Vec<Problem>) -> Node {
        let at = self.span(&raw.referenced);
        // Plain scalars are the only ones that are no texts, so what was written is what they are.
        let written = || self.content[bytes(&raw.defined, self.content)].to_owned();
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Bool(value) => Value::Bool(value, written()),
            Raw::Number => Value::Number(written()),
            Raw::Text(text) => Value::Text(text),
            Raw::List(items) => Value::List(items.into_iter().map(|item| self.node(item, out)).collect()),
            Raw::Map(pairs) => Value::Map(self.map(pairs, out)),
        };
        Node { at, value }
    }

    fn map(&self, pairs: Vec<(Spanned<Raw>, Spanned<Raw>)>, out: &mut Vec<Problem>) -> Vec<(Key, Node)> {
        let mut map: Vec<(Key, Node)> = Vec::with_capacity(pairs.len());
        let mut places = std::collections::HashMap::with_capacity(pairs.len());
        for (key, value) in pairs {
            let key = self.node(key, out);
            let Some(text) = key.text() else {
                out.push(Problem::error("a key must be a word, not a list or a mapping").at(&key.at));
                continue;
            };
            let key = Key { at: key.at.clone(), text: text.to_owned() };
            if let Some(first) = places.insert(key.text.clone(), key.at.clone()) {
                let problem = Problem::error(format!("`{}` is set twice in one mapping", key.text))
                    .at(&key.at)
                    .also(&first, "first set here");
                out.push(problem.hint("keep one of the two"));
                continue;
            }
            let value = self.node(value, out);
            map.push((key, value));
        }
        map
    }
}

// === impl Node ===

impl Node {
    /// A scalar's text, whatever YAML takes it for; none for `null`, lists and mappings.
    pub(in crate::config) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Bool(_, text) | Value::Number(text) | Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What it is, in words.
    pub(in crate::config) fn type_name(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(..) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

// === impl Raw ===

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

//! The lines that belong to a key further up, and so to its secret.
//!
//! Before: `mask` goes through a file line by line.  After: it hides these lines.
//! Holds: what YAML and TOML take for a part of a value is one here: a block, a text in quotes, what is
//! indented deeper. A mapping below the key stays, whose own keys say what is secret.
//! Not here: what stands on the line of the key.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// `|`, `>-` and the like, after a tag or an anchor if need be, before the end of a line.
static BLOCK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:[&!]\S*[ \t]+)*[|>][-+0-9]*(?:[ \t]+#.*)?$").ok());

/// A key of a mapping: a base64 text may end with an equals sign, but has no blank before it.
static WORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^(?:- +)*["']?[\w./-]+["']?(?:[ \t]*:|[ \t]+=)(?:\s|$)"#).ok());

/// What is open at the beginning of a line, from the outside in.
#[derive(Default)]
pub(super) struct Below(Vec<Open>);

struct Open {
    indent: usize,
    /// Whether the key stands in a list, so that the next item is not a part of its value.
    in_item: bool,
    kind: Kind,
}

enum Kind {
    /// A text as it stands.
    Block,
    /// A text in quotes, which ends with these.
    Quoted(&'static str),
    /// Nothing yet, or what may go on.
    Plain,
}

// === impl Below ===

impl Below {
    /// What is hidden of a line because of the lines before it; nothing where it stands for itself.
    pub(super) fn hidden(&mut self, line: &str) -> Option<Range<usize>> {
        let (indent, text) = (indent(line), line.trim());
        if text.is_empty() {
            return None;
        }
        while self.0.pop_if(|open| open.ends_before(indent, text)).is_some() {}
        let open = self.0.last_mut()?;
        let hidden = match open.kind {
            Kind::Block => true,
            Kind::Plain => !is_word(text),
            Kind::Quoted(quotes) => {
                // It may be the end, or a quote within.
                if text.contains(quotes) {
                    open.kind = Kind::Plain;
                }
                true
            }
        };
        hidden.then_some(indent..indent + text.len())
    }

    /// Notes a key whose value begins at `value`.
    pub(super) fn open(&mut self, line: &str, value: Option<usize>) {
        let Some(value) = value.and_then(|at| line.get(at..)) else { return };
        let in_item = line.trim_start().starts_with("- ");
        self.0.push(Open { indent: indent(line), in_item, kind: kind(value.trim()) });
    }
}

// === impl Open ===

impl Open {
    fn ends_before(&mut self, indent: usize, text: &str) -> bool {
        let item = indent == self.indent && !self.in_item && (text == "-" || text.starts_with("- "));
        let deeper = indent > self.indent || item;
        match self.kind {
            Kind::Block | Kind::Plain => !deeper,
            // A quote that is forgotten does not hide the rest of the file.
            Kind::Quoted(quotes) => quotes.len() == 1 && !deeper && is_word(text),
        }
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_word(text: &str) -> bool {
    WORD.as_ref().is_some_and(|word| word.is_match(text))
}

fn kind(value: &str) -> Kind {
    if BLOCK.as_ref().is_none_or(|block| block.is_match(value)) {
        return Kind::Block;
    }
    for quotes in ["\"\"\"", "'''", "\"", "'"] {
        if let Some(rest) = value.strip_prefix(quotes) {
            return if rest.contains(quotes) { Kind::Plain } else { Kind::Quoted(quotes) };
        }
    }
    Kind::Plain
}

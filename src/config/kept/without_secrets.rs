//! The text of a configuration file without its secrets.
//!
//! Holds: what stays is on the line on which it was. Of another program's file only what is known to be public stays;
//! the program's own files hold no secrets but the values of headers. Comments go.

use std::ops::Range;

use crate::config::diagnostic::{Span, TextId, public};
use crate::config::node::{Key, Node, Value};
use crate::config::{parse_toml, parse_yaml};

/// A text, and what it has lost.
pub(super) struct Pruned {
    pub(super) text: String,
    /// The line and the key of each secret.
    pub(super) left_out: Vec<(u32, String)>,
}

/// What a pair is, and all that is in it.
struct Dropped {
    key: Key,
    node: Node,
}

/// The text without its secrets; nothing where it cannot be parsed. `native` is a file of this program.
pub(super) fn of(id: TextId, content: &str, native: bool) -> Option<Pruned> {
    let place = (!native).then_some(public::TABLE);
    let mut dropped = Vec::new();
    let text = match parse_toml::parse_foreign(id, content, &mut Vec::new()) {
        Some(mut root) => {
            let mut known = Vec::new();
            spans(&root, &mut known);
            prune(&mut root, place, &mut dropped);
            let mut text = content.as_bytes().to_vec();
            dropped.iter().for_each(|pair| blank_pair(&mut text, &pair.key, &pair.node));
            blank_comments(&mut text, content, known);
            String::from_utf8(text).ok()?
        }
        None => {
            let mut roots = parse_yaml::documents(id, content, &mut Vec::new())?;
            let mut out = Json { text: String::new(), line: 1, content };
            let is_one = roots.len() == 1;
            for root in &mut roots {
                prune(root, place, &mut dropped);
                if !is_one {
                    out.begin_document(&root.at);
                }
                out.node(root);
            }
            out.text
        }
    };
    let left_out = dropped.into_iter().map(|pair| (line(content, &pair.key.at), pair.key.text)).collect();
    Some(Pruned { text, left_out })
}

fn line(content: &str, at: &Span) -> u32 {
    let before = content.get(..at.range.start).unwrap_or_default();
    u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX - 1) + 1
}

/// Takes the secrets out of a tree. `place` is `None` in a file of this program.
fn prune(node: &mut Node, place: Option<public::Place>, dropped: &mut Vec<Dropped>) {
    match &mut node.value {
        Value::List(items) => {
            items.iter_mut().for_each(|item| prune(item, place.map(public::Place::item), dropped))
        }
        Value::Map(pairs) => {
            for (key, mut node) in std::mem::take(pairs) {
                let below = place.map(|place| place.below(&key.text));
                let is_public = match below {
                    None => key.text != "headers",
                    Some(below) => below.is_some_and(|below| may_hold(below, &node)),
                };
                if is_public {
                    prune(&mut node, below.flatten(), dropped);
                    pairs.push((key, node));
                } else {
                    dropped.push(Dropped { key, node });
                }
            }
        }
        _ => {}
    }
}

/// Whether no text right here, or in a list here, may be a secret.
fn may_hold(place: public::Place, node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => place.may_hold(text),
        Value::List(items) => items.iter().all(|item| may_hold(place.item(), item)),
        Value::Number(text) => place.may_hold(text),
        _ => true,
    }
}

/// The places of all keys and values, which a `#` may be part of.
fn spans(node: &Node, known: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| spans(item, known)),
        Value::Map(pairs) => {
            for (key, node) in pairs {
                known.push(key.at.range.clone());
                spans(node, known);
            }
        }
        _ => known.push(node.at.range.clone()),
    }
}

fn blank(text: &mut [u8], range: Range<usize>) {
    let range = range.start.min(text.len())..range.end.min(text.len());
    text[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// Blanks `key = value`, with the comma that belongs to it. Of tables below lines of their own these lines stay.
fn blank_pair(text: &mut [u8], key: &Key, node: &Node) {
    let is_inline = text.get(node.at.range.start) == Some(&b'{');
    // The line of a [[table]] has the key in it.
    let is_below_lines = node.at.range.start < key.at.range.start;
    match &node.value {
        Value::Map(pairs) if !is_inline => {
            return pairs.iter().for_each(|(key, node)| blank_pair(text, key, node));
        }
        Value::List(items) if is_below_lines => {
            let pairs = items.iter().filter_map(|item| match &item.value {
                Value::Map(pairs) => Some(pairs),
                _ => None,
            });
            return pairs.flatten().for_each(|(key, node)| blank_pair(text, key, node));
        }
        _ => {}
    }
    let (mut start, end) = (key.at.range.start, node.at.range.end);
    // The keys in front of a dotted one.
    let is_dotted = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    if start > 0 && text.get(start - 1) == Some(&b'.') {
        start -= text[..start].iter().rev().take_while(|byte| is_dotted(byte)).count();
    }
    blank(text, start..end);
    let after = text[end..].iter().position(|byte| !byte.is_ascii_whitespace()).map(|at| end + at);
    let before = text[..start].iter().rposition(|byte| !byte.is_ascii_whitespace());
    if let Some(at) = [after, before].into_iter().flatten().find(|at| text.get(*at) == Some(&b',')) {
        text[at] = b' ';
    }
}

fn blank_comments(text: &mut [u8], content: &str, mut known: Vec<Range<usize>>) {
    known.sort_by_key(|range| range.start);
    let mut known = known.into_iter().peekable();
    let mut at = 0;
    while let Some(hash) = content.get(at..).and_then(|rest| rest.find('#')).map(|found| at + found) {
        while known.peek().is_some_and(|range| range.end <= hash) {
            known.next();
        }
        at = match known.peek() {
            Some(range) if range.start <= hash => range.end,
            _ => {
                let end = content[hash..].find('\n').map_or(content.len(), |end| hash + end);
                blank(text, hash..end);
                end
            }
        };
    }
}

/// Writes a tree as JSON, which is YAML too, with each key on its line.
struct Json<'c> {
    text: String,
    line: u32,
    content: &'c str,
}

// === impl Json ===

impl Json<'_> {
    fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Null | Value::Date => self.text.push_str("null"),
            Value::Bool(_, text) | Value::Number(text) => self.text.push_str(text),
            Value::Text(text) => self.text.push_str(&serde_json::Value::from(text.as_str()).to_string()),
            Value::List(items) => {
                self.text.push('[');
                for item in items {
                    self.go_to(&item.at);
                    self.node(item);
                    self.text.push(',');
                }
                self.text.push(']');
            }
            Value::Map(pairs) => {
                self.text.push('{');
                for (key, node) in pairs {
                    self.go_to(&key.at);
                    self.text.push_str(&serde_json::Value::from(key.text.as_str()).to_string());
                    self.text.push_str(": ");
                    self.node(node);
                    self.text.push(',');
                }
                self.text.push('}');
            }
        }
    }

    /// Each document begins at its own line.
    fn begin_document(&mut self, at: &Span) {
        let line = line(self.content, at);
        while self.line < line || !(self.text.is_empty() || self.text.ends_with('\n')) {
            self.text.push('\n');
            self.line += 1;
        }
        self.text.push_str("--- ");
    }

    fn go_to(&mut self, at: &Span) {
        let line = line(self.content, at);
        while self.line < line {
            self.text.push_str("\n ");
            self.line += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnostic::Texts;

    fn pruned(content: &str, native: bool) -> (String, Vec<(u32, String)>) {
        let id = Texts::default().add("f", content.to_owned());
        let pruned = of(id, content, native).unwrap();
        let lines: Vec<&str> = pruned.text.lines().map(str::trim).collect();
        (lines.join("|"), pruned.left_out)
    }

    #[test]
    fn secrets_go_and_everything_else_keeps_its_line() {
        let rows = [
            (
                true,
                "# hush\n[policy] # hush\n[[policy.rule]]\nprefix = 'a.dev'\n\
                 mirrors = [{ location = 'm.dev', headers = { X = 'hush' } }, 'n.dev#1']\n\
                 [[transport]]\nregistry = 'm.dev'\nheaders = { A = 'hush',\n B = 'hush' }\nplain-http = true",
                "|[policy]|[[policy.rule]]|prefix = 'a.dev'|\
                 mirrors = [{ location = 'm.dev'                           }, 'n.dev#1']|\
                 [[transport]]|registry = 'm.dev'|||plain-http = true",
                vec![(5, "headers"), (8, "headers")],
            ),
            (
                false,
                "[host.'https://m.dev']\nca = '/ca'\nx = 'hush'\n[host.'https://m.dev'.header]\nX = ['hush',\n 'hush']",
                "[host.'https://m.dev']|ca = '/ca'||[host.'https://m.dev'.header]||",
                vec![(3, "x"), (4, "header")],
            ),
            (
                false,
                "[host.'https://m.dev']\nca = '/ca'\n[[other]]\nx = 'hush'\n[[other]]\n[[other.inner]]\nx = ['hush'] # hush\n\
                 [other.inner.y]\nz.z = 'hush'\n[[other]]\nx = [{ y = 'hush' },\n { y = 'hush' }]\n[host.'https://n.dev']\nca = '/ca'",
                "[host.'https://m.dev']|ca = '/ca'|[[other]]||[[other]]|[[other.inner]]||[other.inner.y]||[[other]]|||\
                 [host.'https://n.dev']|ca = '/ca'",
                vec![(3, "other")],
            ),
            (
                false,
                "kind: RegistryMirrorConfig\nname: a.dev\n---\n# hush\n---\nkind: RegistryAuthConfig\npassword: hush\n--- {name: b.dev}\n",
                "--- {\"kind\": \"RegistryMirrorConfig\",|\"name\": \"a.dev\",}|--- null|||\
                 --- {\"kind\": \"RegistryAuthConfig\",}||--- {\"name\": \"b.dev\",}",
                vec![(7, "password")],
            ),
            (
                false,
                "mirrors:\n  a.dev:\n    endpoint: [https://m.dev]\n    rewrite: {'^a': b}\nconfigs:\n  m.dev:\n    auth:\n      username: hush\n      password: hush\n    tls:\n      ca_file: /ca # hush",
                "{\"mirrors\": {|\"a.dev\": {|\"endpoint\": [\"https://m.dev\",],|\"rewrite\": {\"^a\": \"b\",},},},|\"configs\": {|\"m.dev\": {||||\"tls\": {|\"ca_file\": \"/ca\",},},},}",
                vec![(7, "auth")],
            ),
        ];
        for (native, content, expected, left_out) in rows {
            let (text, found) = pruned(content, native);
            let found: Vec<(u32, &str)> = found.iter().map(|(line, key)| (*line, key.as_str())).collect();
            assert!(!text.contains("hush"), "{text}");
            assert_eq!((text.as_str(), found), (expected, left_out));
            // It can be read again.
            let id = Texts::default().add("f", content.to_owned());
            let once = of(id, content, native).unwrap().text;
            assert!(of(id, &once, native).is_some(), "{once}");
        }
    }
}

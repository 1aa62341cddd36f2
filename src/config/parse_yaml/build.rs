//! Builds a tree of the parser's events.
//!
//! Holds: the size of the tree is limited: by the length of the text, plus a fixed amount for aliases. Its depth is
//! limited with every alias written out. The copy of a value that an alias refers to has the place of the alias. A
//! mapping's own keys win over those of `<<`.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::scalar;
use super::syntax::syntax_problem;
use crate::config::diagnostic::{Problem, Span, TextId};
use crate::config::node::{Key, Node, Value};

/// How many bytes aliases may add to a document: the size of a quarter of a million nodes.
const BY_ALIASES: usize = 250_000 * size_of::<Node>();

/// How many bytes anchors may take in all: their values are kept beside the document.
const BY_TEXT: usize = 4 * BY_ALIASES;

/// How deep a document may be, as the parser itself limits it. Whatever walks a tree calls itself for each level.
const DEPTH: usize = 255;

/// A problem after which nothing more is read.
type Broken = Box<Problem>;

/// Reads the one document of a text.
pub(super) fn document(text: TextId, content: &str, out: &mut Vec<Problem>) -> Result<Node, Broken> {
    let found = documents(text, content, 1, out)?.into_iter().next();
    Ok(found.unwrap_or(Node { at: Span { text, range: 0..0 }, value: Value::Null }))
}

/// Reads the documents of a text. More than `most` of them are an error.
pub(super) fn documents(
    text: TextId,
    content: &str,
    most: usize,
    out: &mut Vec<Problem>,
) -> Result<Vec<Node>, Broken> {
    let options = granit_parser::options! { emit_unresolved_aliases: true };
    let mut builder = Builder {
        open: Vec::new(),
        anchors: HashMap::default(),
        // A node takes at least one byte of text.
        left: content.len().saturating_mul(size_of::<Node>()).min(BY_TEXT) + BY_ALIASES,
        roots: Vec::new(),
        most,
        out,
    };
    for next in Parser::new_from_str_with_options(content, options) {
        let (event, span) = next.map_err(|error| Box::new(syntax_problem(text, content, &error)))?;
        let range = span.byte_range().unwrap_or(0..0);
        builder.event(event, Span { text, range })?;
    }
    Ok(builder.roots)
}

struct Builder<'o> {
    /// The lists and mappings that are open, from the outside in.
    open: Vec<Open>,
    anchors: HashMap<usize, Node, RandomState>,
    /// How many bytes anchors and aliases may still take.
    left: usize,
    roots: Vec<Node>,
    most: usize,
    out: &'o mut Vec<Problem>,
}

/// An open list or mapping.
struct Open {
    at: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        pairs: Vec<(Key, Node)>,
        /// The values of `<<`, in order.
        merged: Vec<Node>,
        key: Option<KeyNode>,
    },
}

/// A node as a key.
enum KeyNode {
    Word(Key),
    /// `<<` without quotes.
    Merge,
    /// Not a word; it is reported and its value ignored.
    Other,
}

fn broken(message: impl Into<String>, at: &Span, hint: impl Into<String>) -> Broken {
    Box::new(Problem::error(message).at(at).hint(hint))
}

// === impl Builder ===

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, at: Span) -> Result<(), Broken> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let value = scalar::value(&text, plain, tag.as_deref().map(Tag::suffix));
                let merge = plain && tag.is_none() && text == "<<";
                self.put(Node { at, value }, anchor, merge)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { at, anchor, content: Content::List(Vec::new()) });
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                let content = Content::Map { pairs: Vec::new(), merged: Vec::new(), key: None };
                self.open.push(Open { at, anchor, content });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, &at),
            Event::UnresolvedAlias(name) => Err(broken(
                format!("this is not YAML: the anchor `&{name}` is not defined before this alias"),
                &at,
                "a name that begins with `*` needs quotes: \"*\"",
            )),
            _ => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, at: &Span) -> Result<(), Broken> {
        let Some(found) = self.anchors.get(&anchor) else {
            return Err(broken(
                "this is not YAML: the alias refers to a value that contains it",
                at,
                "write the value out",
            ));
        };
        let (size, depth) = found.size();
        if self.open.len() + depth > DEPTH {
            return Err(broken(
                format!("written out, the aliases of this document make it more than {DEPTH} levels deep"),
                at,
                "write the values out, with fewer lists and mappings inside of each other",
            ));
        }
        self.spend(size, at)?;
        let Some(mut node) = self.anchors.get(&anchor).cloned() else { return Ok(()) };
        node.move_to(at);
        self.put(node, 0, false)
    }

    fn spend(&mut self, bytes: usize, at: &Span) -> Result<(), Broken> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            broken(
                "written out, the aliases of this document make it too large",
                at,
                "each alias counts as much as the value it refers to; write the values out",
            )
        })?;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Broken> {
        let Some(Open { at, anchor, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { pairs, merged, key: _ } => Value::Map(self.map(pairs, merged)?),
        };
        self.put(Node { at, value }, anchor, false)
    }

    /// Adds a complete node to the innermost open list or mapping.
    fn put(&mut self, node: Node, anchor: usize, merge: bool) -> Result<(), Broken> {
        if anchor != 0 {
            let ((size, _), at) = (node.size(), node.at.clone());
            self.spend(size, &at)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else { return self.put_root(node) };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { pairs, merged, key } => match key.take() {
                None if merge => *key = Some(KeyNode::Merge),
                None => *key = Some(word(node, self.out)),
                Some(KeyNode::Word(key)) => pairs.push((key, node)),
                Some(KeyNode::Merge) => merged.push(node),
                Some(KeyNode::Other) => {}
            },
        }
        Ok(())
    }

    fn put_root(&mut self, node: Node) -> Result<(), Broken> {
        match self.roots.len() < self.most {
            true => self.roots.push(node),
            // After the last `---` of a file there may be nothing.
            false if matches!(node.value, Value::Null) => {}
            false => {
                let message = "this is a second YAML document, but only one is allowed";
                return Err(broken(message, &node.at, "merge the two, and remove the `---` between them"));
            }
        }
        Ok(())
    }

    /// A mapping with each key once.
    fn map(&mut self, pairs: Vec<(Key, Node)>, merged: Vec<Node>) -> Result<Vec<(Key, Node)>, Broken> {
        let mut map = self.once_each(pairs);
        if merged.is_empty() {
            return Ok(map);
        }
        let mut known: HashSet<String, RandomState> = map.iter().map(|(key, _)| key.text.clone()).collect();
        for node in merged {
            let sources = match node.value {
                Value::List(nodes) => nodes,
                _ => vec![node],
            };
            for Node { at, value } in sources {
                let Value::Map(pairs) = value else {
                    let hint = "write an alias of a mapping, or a list of such aliases";
                    return Err(broken("`<<` works with mappings only", &at, hint));
                };
                map.extend(pairs.into_iter().filter(|(key, _)| known.insert(key.text.clone())));
            }
        }
        Ok(map)
    }

    fn once_each(&mut self, pairs: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
        let mut places: HashMap<&str, &Span, RandomState> = HashMap::default();
        places.reserve(pairs.len());
        let mut repeated: HashSet<usize, RandomState> = HashSet::default();
        for (i, (key, _)) in pairs.iter().enumerate() {
            let first = *places.entry(&key.text).or_insert(&key.at);
            if first != &key.at {
                let problem = Problem::error(format!("`{}` is set twice in one mapping", key.text));
                let problem = problem.at(&key.at).also(first, "first set here");
                self.out.push(problem.hint("keep one of the two"));
                repeated.insert(i);
            }
        }
        if repeated.is_empty() {
            return pairs;
        }
        let kept = pairs.into_iter().enumerate().filter(|(i, _)| !repeated.contains(i));
        kept.map(|(_, pair)| pair).collect()
    }
}

fn word(node: Node, out: &mut Vec<Problem>) -> KeyNode {
    let Node { at, value } = node;
    let is_mapping = matches!(value, Value::Map(_));
    match value {
        Value::Bool(_, text) | Value::Number(text) | Value::Text(text) => KeyNode::Word(Key { at, text }),
        Value::Null | Value::Date | Value::List(_) | Value::Map(_) => {
            let problem = Problem::error("a key must be a word, not a list or a mapping").at(&at);
            // `{{ x }}` of a template is a mapping as the key of a mapping.
            let hint = "if this is a variable of a template, nothing has filled it in: write its value";
            out.push(problem.maybe_hint(is_mapping.then(|| hint.to_owned())));
            KeyNode::Other
        }
    }
}

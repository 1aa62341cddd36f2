//! Puts the parser's events together to a tree.
//!
//! Before: `parse` has a text.  After: one [`Node`], or the problem that makes it useless.
//! Holds: the tree is no larger than the text allows by itself, and aliases a good deal more; what they stand
//! for stands at their place. In a mapping its own keys win over those that `<<` takes in.
//! Not here: scalars (`scalar`).

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::{Key, Node, Value, scalar, syntax_problem};
use crate::config::diagnostic::{Problem, Span, TextId};

/// How many bytes aliases may add to a document: what a quarter of a million nodes take.
const BY_ALIASES: usize = 250_000 * size_of::<Node>();

/// What ends the reading.
type Broken = Box<Problem>;

/// Reads the one document of a text.
pub(super) fn document(text: TextId, content: &str, out: &mut Vec<Problem>) -> Result<Node, Broken> {
    let options = granit_parser::options! { emit_unresolved_aliases: true };
    let mut builder = Builder {
        open: Vec::new(),
        anchors: HashMap::default(),
        // A node takes a byte of text at least.
        left: content.len() * size_of::<Node>() + BY_ALIASES,
        root: None,
        out,
    };
    for next in Parser::new_from_str_with_options(content, options) {
        let (event, span) = next.map_err(|error| Box::new(syntax_problem(text, content, &error)))?;
        let range = span.byte_range().unwrap_or(0..0);
        builder.event(event, Span { text, range })?;
    }
    Ok(builder.root.unwrap_or(Node { at: Span { text, range: 0..0 }, value: Value::Null }))
}

struct Builder<'o> {
    /// What has begun and not ended, from the outside in.
    open: Vec<Open>,
    anchors: HashMap<usize, Node, RandomState>,
    /// How many bytes anchors and aliases may still take.
    left: usize,
    root: Option<Node>,
    out: &'o mut Vec<Problem>,
}

/// A list or a mapping that has begun.
struct Open {
    at: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        pairs: Vec<(Key, Node)>,
        /// What `<<` takes in, in order.
        merged: Vec<Node>,
        key: Option<KeyNode>,
    },
}

/// A node in a key's place.
enum KeyNode {
    Word(Key),
    /// `<<` without quotes.
    Merge,
    /// No word; it is reported and its value left out.
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
                format!("this is not YAML: there is no anchor `&{name}` before this alias"),
                &at,
                "a name that begins with `*` needs quotes: \"*\"",
            )),
            _ => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, at: &Span) -> Result<(), Broken> {
        let Some(found) = self.anchors.get(&anchor) else {
            return Err(broken(
                "this is not YAML: the alias stands for what it is a part of",
                at,
                "write out what is meant",
            ));
        };
        let mut node = found.clone();
        self.spend(node.size(), at)?;
        node.move_to(at);
        self.put(node, 0, false)
    }

    fn spend(&mut self, bytes: usize, at: &Span) -> Result<(), Broken> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            broken(
                "written out, the aliases of this document make it too large",
                at,
                "each alias takes the room of all that it stands for; write out what is meant",
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

    /// Puts a whole node where it belongs.
    fn put(&mut self, node: Node, anchor: usize, merge: bool) -> Result<(), Broken> {
        if anchor != 0 {
            let (size, at) = (node.size(), node.at.clone());
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
        match &self.root {
            None => self.root = Some(node),
            // What follows the last `---` of a file may be nothing.
            Some(_) if matches!(node.value, Value::Null) => {}
            Some(_) => {
                let message = "this is a second YAML document, and one is meant";
                return Err(broken(message, &node.at, "make one of the two, without `---` between them"));
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
                    let hint = "write an alias of a mapping, or a list of such";
                    return Err(broken("`<<` takes in mappings only", &at, hint));
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
    match value {
        Value::Bool(_, text) | Value::Number(text) | Value::Text(text) => KeyNode::Word(Key { at, text }),
        Value::Null | Value::List(_) | Value::Map(_) => {
            out.push(Problem::error("a key must be a word, not a list or a mapping").at(&at));
            KeyNode::Other
        }
    }
}

// === impl Node ===

impl Node {
    /// How many bytes it takes: itself, and all that it holds.
    fn size(&self) -> usize {
        let held = match &self.value {
            Value::Null => 0,
            Value::Bool(_, text) | Value::Number(text) | Value::Text(text) => text.len(),
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(pairs) => {
                let key = |key: &Key| size_of::<Key>() + key.text.len();
                pairs.iter().map(|(name, node)| key(name) + node.size()).sum()
            }
        };
        size_of::<Node>() + held
    }

    /// Gives it, and all in it, the place of an alias.
    fn move_to(&mut self, at: &Span) {
        self.at.clone_from(at);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.move_to(at)),
            Value::Map(pairs) => {
                for (key, node) in pairs {
                    key.at.clone_from(at);
                    node.move_to(at);
                }
            }
            _ => {}
        }
    }
}

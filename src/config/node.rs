//! A document of any format as a tree in which every value knows its place.

use super::diagnostic::Span;

/// A value and its place. What a YAML alias refers to has the place of the alias.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Span,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// A boolean, and how it is written: YAML 1.1 knows `yes` and `on` as well.
    Bool(bool, String),
    /// A number as it is written; an integer of TOML in decimal.
    Number(String),
    Text(String),
    /// A date of TOML, which no key takes.
    Date,
    List(Vec<Node>),
    /// In the order of the text, each key once.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) at: Span,
    pub(super) text: String,
}

impl Node {
    /// The text of a scalar, also of a boolean or a number.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Bool(_, text) | Value::Number(text) | Value::Text(text) => Some(text),
            Value::Null | Value::Date | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// How many bytes it takes, with everything in it, and how many levels of lists and mappings it has.
    pub(super) fn size(&self) -> (usize, usize) {
        let add =
            |(bytes, depth): (usize, usize), (more, inner): (usize, usize)| (bytes + more, depth.max(inner));
        let (held, depth) = match &self.value {
            Value::Null | Value::Date => (0, 0),
            Value::Bool(_, text) | Value::Number(text) | Value::Text(text) => (text.len(), 0),
            Value::List(items) => {
                let (held, depth) = items.iter().map(Node::size).fold((0, 0), add);
                (held, depth + 1)
            }
            Value::Map(pairs) => {
                let sizes = pairs.iter().map(|(key, node)| {
                    let (bytes, depth) = node.size();
                    (size_of::<Key>() + key.text.len() + bytes, depth)
                });
                let (held, depth) = sizes.fold((0, 0), add);
                (held, depth + 1)
            }
        };
        (size_of::<Node>() + held, depth)
    }

    /// Gives it, and everything in it, the place of an alias.
    pub(super) fn move_to(&mut self, at: &Span) {
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

//! Parses TOML into a tree of nodes.
//!
//! Holds: a key that is set twice and a number with a leading zero are reported, and the rest of the document is
//! still read. After any other mistake in the syntax nothing is read: the parser's further complaints are guesses.
//! serde is not used, because it stops at the first mistake and knows no places.

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Problem, Span, TextId, is_local};
use super::node::{Key, Node, Value};

/// Parses a file of this program. `None` where its syntax is broken; the reason is in `out` either way.
pub(super) fn parse(text: TextId, content: &str, out: &mut Vec<Problem>) -> Option<Node> {
    parse_with(
        "keep one of the two; a further rule needs a [[policy.rule]] line of its own",
        text,
        content,
        out,
    )
}

/// As [`parse`], for a file of another program.
pub(super) fn parse_foreign(text: TextId, content: &str, out: &mut Vec<Problem>) -> Option<Node> {
    parse_with("keep one of the two", text, content, out)
}

fn parse_with(on_duplicate: &str, text: TextId, content: &str, out: &mut Vec<Problem>) -> Option<Node> {
    let (document, errors) = DeTable::parse_recoverable(content);
    let broken = errors.iter().filter(|error| !is_local(error.message()));
    let first_broken = broken.min_by_key(|error| error.span().map_or(0, |range| range.start));
    let reported = errors.iter().filter(|error| is_local(error.message()) || Some(*error) == first_broken);
    for error in reported {
        let range = error.span().unwrap_or(0..0);
        let word = content.get(range.clone()).unwrap_or_default();
        out.push(syntax_problem(error.message(), word, on_duplicate).at(&Span { text, range }));
    }
    let root = || Node { at: Span { text, range: 0..0 }, value: table(text, document.into_inner()) };
    first_broken.is_none().then(root)
}

fn syntax_problem(message: &str, word: &str, on_duplicate: &str) -> Problem {
    if message == "duplicate key" {
        return Problem::error(format!("`{word}` is set twice in one table")).hint(on_duplicate);
    }
    if message.starts_with("unexpected leading zero") {
        return Problem::error("a number must not begin with 0")
            .hint("write file modes as text, for example \"0660\"");
    }
    Problem::error(format!("this is not TOML: {message}"))
}

fn table(text: TextId, table: DeTable<'_>) -> Value {
    let pair = |(key, value): (toml::Spanned<toml::de::DeString<'_>>, toml::Spanned<DeValue<'_>>)| {
        let at = Span { text, range: key.span() };
        (Key { at, text: key.into_inner().into_owned() }, node(text, value))
    };
    let mut pairs: Vec<(Key, Node)> = table.into_iter().map(pair).collect();
    pairs.sort_by_key(|(key, _)| key.at.range.start);
    Value::Map(pairs)
}

fn node(text: TextId, value: toml::Spanned<DeValue<'_>>) -> Node {
    let at = Span { text, range: value.span() };
    let value = match value.into_inner() {
        DeValue::String(value) => Value::Text(value.into_owned()),
        DeValue::Integer(value) => {
            let decimal = i64::from_str_radix(value.as_str(), value.radix());
            Value::Number(decimal.map_or_else(|_| value.as_str().to_owned(), |decimal| decimal.to_string()))
        }
        DeValue::Float(value) => Value::Number(value.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Bool(value, value.to_string()),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(values) => Value::List(values.into_iter().map(|value| node(text, value)).collect()),
        DeValue::Table(values) => table(text, values),
    };
    Node { at, value }
}

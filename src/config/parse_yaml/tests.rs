//! Documents in, trees out, each node with its place.

use super::*;
use crate::config::diagnostic::{Diagnostics, Texts};
use crate::config::node::{Key, Node, Value};

/// The tree in one line, `value@start` for scalars, and the problems.
fn tree(content: &str) -> (String, String) {
    let mut texts = Texts::default();
    let text = texts.add("f", content.to_owned());
    let mut out = Vec::new();
    let node = parse(text, content, &mut out);
    let shown = Diagnostics::new(texts, out).lines().into_iter().map(|(_, line)| line).collect::<Vec<_>>();
    (node.as_ref().map(show).unwrap_or_default(), shown.join("; "))
}

fn show(node: &Node) -> String {
    let at = node.at.range.start;
    match &node.value {
        Value::Null | Value::Date => "null".to_owned(),
        Value::Bool(value, text) => format!("{value}:{text}@{at}"),
        Value::Number(text) => format!("#{text}@{at}"),
        Value::Text(text) => format!("{text}@{at}"),
        Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Map(pairs) => {
            let pair =
                |(key, node): &(Key, Node)| format!("{}@{}={}", key.text, key.at.range.start, show(node));
            format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(" "))
        }
    }
}

#[test]
fn documents() {
    for (content, expected) in [
        ("", "null"),
        ("# c\n", "null"),
        ("---\n", "null"),
        ("a: 1\n---\n", "{a@0=#1@3}"),
        ("a: 1\n...\n", "{a@0=#1@3}"),
        ("\u{feff}a: b\n", "{a@3=b@6}"),
        ("a: [b, 'c', {d: e}]\n", "{a@0=[b@4 c@7 {d@13=e@16}]}"),
        ("a:\nb: ~\nc: ''\n", "{a@0=null b@3=null c@8=@11}"),
        ("\u{e9}: \u{fc}\n", "{\u{e9}@0=\u{fc}@4}"),
        ("a: |\n  x\n  y\nb: yes\n", "{a@0=x\ny\n@7 b@13=true:yes@16}"),
        ("a: &x {b: 1}\nc: *x\n", "{a@0={b@7=#1@10} c@13={b@16=#1@16}}"),
        ("k: &k word\n*k : v\n", "{k@0=word@6 word@11=v@16}"),
        (
            "a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\n",
            "{a@0={b@7=#1@10 c@13=#2@16} d@19={b@31=#3@34 c@27=#2@27}}",
        ),
        ("a: {<<: [{b: 1}, {b: 2, c: 3}]}\n", "{a@0={b@10=#1@13 c@24=#3@27}}"),
        ("a: {'<<': 1}\n", "{a@0={<<@4=#1@10}}"),
        ("a: &x b\nc: &x d\ne: *x\n", "{a@0=b@6 c@8=d@14 e@16=d@19}"),
        // JSON may be indented by tabs, also between its tokens.
        ("{\n\t\"a\":\t[\n\t\t\"b\tc\",\t1\n\t]\n}\n", "{a@3=[b\tc@12 #1@19]}"),
    ] {
        assert_eq!(tree(content), (expected.to_owned(), String::new()), "{content:?}");
    }
}

#[test]
fn what_is_wrong_with_documents() {
    for (content, expected) in [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: `a` is set twice in one mapping (keep one of the two)"),
        (
            "a: b\n---\nc: d\n",
            "f:3:1: this is a second YAML document, but only one is allowed (merge the two, and remove the `---` between them)",
        ),
        (
            "a: &x [*x]\n",
            "f:1:8: this is not YAML: the alias refers to a value that contains it (write the value out)",
        ),
        (
            "a: *x\n",
            "f:1:4: this is not YAML: the anchor `&x` is not defined before this alias (a name that begins with `*` needs quotes: \"*\")",
        ),
        (
            "a: {<<: 5}\n",
            "f:1:9: `<<` works with mappings only (write an alias of a mapping, or a list of such aliases)",
        ),
        ("[a]: b\nc: d\n", "f:1:1: a key must be a word, not a list or a mapping"),
        (
            "\u{e9}: b\n\u{fc}:\n\tc: d\n",
            "f:3:1: this is not YAML: tabs disallowed within this context (block indentation) (YAML is indented by spaces, never by tabs)",
        ),
        ("a: \"\u{e9}\" b\n", "f:1:8: this is not YAML: invalid trailing content after double-quoted scalar"),
    ] {
        assert_eq!(tree(content).1, expected, "{content:?}");
    }
}

#[test]
fn aliases_do_not_make_a_document_deeper_than_the_parser_allows() {
    let deep = |levels: usize, inner: &str| format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels));
    let chain = |anchors: usize, levels: usize| {
        let first = format!("a0: &a0 {}\n", deep(levels, "x"));
        let alias = |i: usize| format!("a{i}: &a{i} {}\n", deep(levels, &format!("*a{} ", i - 1)));
        first + &(1..anchors).map(alias).collect::<String>()
    };
    assert_eq!(
        tree(&chain(60, 240)).1,
        "f:2:249: written out, the aliases of this document make it more than 255 levels deep (write the values out, with fewer lists and mappings inside of each other)"
    );
    // The mapping is a level as well.
    assert_eq!(tree(&chain(2, 127)).1, "");
    assert_ne!(tree(&chain(2, 128)).1, "");
}

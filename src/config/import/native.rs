//! Writes rules down as a native configuration.
//!
//! Before: `import` has the rules that are in force.  After: people keep the text, `rules` reads it.
//! Holds: what is written is read back as the same rules; nothing that a file or a name holds gets out of
//! its comment or its string.
//! Not here: which rules there are.

use std::fmt::Write;

use crate::config::diagnostic::visible;
use crate::policy::{Action, Checkpoint, Kind, Mirror, Only, Origin, Prefix, Rewrite, Route, Rule};

/// How long a line may become before an array gets a line for each element.
const WIDTH: usize = 100;

/// The text: the rules, the tables that follow them, and as comments what had to be left behind. A need comes
/// with its place.
pub(super) fn write(rules: &[&Rule], tables: &str, needs: &[(String, String)], others: &[String]) -> String {
    let mut out =
        String::from("# Written by cri-shunt import. Above each rule is the place that it comes from.\n");
    if rules.iter().any(|rule| !matches!(rule.action, Action::Deny { .. })) {
        out.push_str(
            "# These are native rules now: unlike those of a source, they open what a wider native deny covers.\n",
        );
    }
    if rules.iter().any(|rule| matches!(&rule.action, Action::Route(route) if route.collapse)) {
        out.push_str(
            "# collapse: these formats ask a mirror for one path, whatever the registry; {host} can keep them apart.\n",
        );
    }
    for rule in rules {
        out.push('\n');
        write_rule(rule, &mut out);
    }
    out.push_str(tables);
    if !needs.is_empty() {
        comment("", &mut out);
        comment("Not carried over, since [[transport]] can't say it, or it may be a secret:", &mut out);
        for (need, place) in needs {
            comment(&format!("- {need} ({place})"), &mut out);
        }
    }
    if !others.is_empty() {
        comment("", &mut out);
        comment("Not carried over:", &mut out);
        for other in others {
            comment(&format!("- {other}"), &mut out);
        }
    }
    out
}

/// One line of comment; an empty one is a line without a sign.
pub(super) fn comment(text: &str, out: &mut String) {
    if !text.is_empty() {
        out.push_str("# ");
        // A line break in a file's name would end the comment.
        out.push_str(&visible(text).replace('\n', "\\n"));
    }
    out.push('\n');
}

fn write_rule(rule: &Rule, out: &mut String) {
    comment(&rule.source.to_string(), out);
    out.push_str("[[policy.rule]]\n");
    key("prefix", &string(&spelled(&rule.prefix)), out);
    match &rule.action {
        Action::Route(route) => write_route(route, &rule.prefix, out),
        Action::Deny { reason } => key("deny", &string(reason), out),
        Action::Pass => key("pass", "true", out),
    }
    match rule.checkpoint {
        Checkpoint::Refuse => {}
        Checkpoint::Allow => key("checkpoint", "\"allow\"", out),
    }
}

fn write_route(route: &Route, prefix: &Prefix, out: &mut String) {
    // What a rule of a source says nothing of is the policy's to say.
    let Route { mirrors, rewrites, origin, collapse, node_credentials: _ } = route;
    // Without a path in the prefix there is nothing to strip, and a rewrite does it by itself.
    let strips = matches!(prefix.kind(), Kind::Path | Kind::Exact) && rewrites.is_empty();
    array("mirrors", mirrors.iter().map(|one| mirror(one, strips)).collect(), out);
    if !rewrites.is_empty() {
        array("rewrite", rewrites.iter().map(rewrite).collect(), out);
    }
    match origin {
        Origin::Never => {}
        Origin::Last => key("origin", "\"last\"", out),
    }
    if *collapse {
        key("collapse", "true", out);
    }
}

fn mirror(mirror: &Mirror, strips: bool) -> String {
    let Mirror { location, only, strip_prefix } = mirror;
    let location = string(&location.to_string());
    let only = match only {
        Only::Any => None,
        Only::Digests => Some("only = \"digests\""),
        Only::Tags => Some("only = \"tags\""),
    };
    let strip = (*strip_prefix && strips).then_some("strip-prefix = true");
    if only.is_none() && strip.is_none() {
        return location;
    }
    let location = format!("location = {location}");
    let parts: Vec<&str> = [Some(location.as_str()), only, strip].into_iter().flatten().collect();
    format!("{{ {} }}", parts.join(", "))
}

fn rewrite(rewrite: &Rewrite) -> String {
    let Rewrite { pattern, replacement } = rewrite;
    format!("{{ match = {}, replace = {} }}", string(pattern.as_str()), string(replacement))
}

pub(super) fn key(name: &str, value: &str, out: &mut String) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{name} = {value}");
}

pub(super) fn array(name: &str, elements: Vec<String>, out: &mut String) {
    let line = format!("[{}]", elements.join(", "));
    if name.len() + line.len() + 3 <= WIDTH {
        return key(name, &line, out);
    }
    let lines: String = elements.iter().map(|element| format!("    {element},\n")).collect();
    key(name, &format!("[\n{lines}]"), out);
}

/// A string on one line: literal where a backslash would have to be doubled, and it can be.
pub(super) fn string(text: &str) -> String {
    if text.contains('\\') && !text.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{text}'");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        // Writing to a String does not fail.
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            '\n' => write!(out, "\\n"),
            '\t' => write!(out, "\\t"),
            c if c.is_control() => write!(out, "\\u{:04X}", u32::from(c)),
            c => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

/// A prefix as it can be read again. The port of https is folded away, and without it a word alone is no
/// host: `mirror` was `mirror:443`.
fn spelled(prefix: &Prefix) -> String {
    let text = prefix.as_str();
    match prefix.host() {
        Some(host) if !host.contains(['.', ':']) && host != "localhost" => {
            format!("{host}:443{}", &text[host.len()..])
        }
        _ => text.to_owned(),
    }
}

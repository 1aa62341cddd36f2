//! Writes rules as a native configuration.
//!
//! Holds: reading the text gives the same rules. Nothing in a file or a name can break out of its comment or string.

use super::mirror::{Reach, mirror};
use super::toml_text::{array, comment, key, string};
use crate::policy::{Action, Checkpoint, Order, Origin, Prefix, PrefixKind, Rewrite, Route, Rule};

/// The rules. What cannot be written of their mirrors comes with its place.
pub(super) fn rules(rules: &[&Rule], reach: &Reach<'_>) -> (String, Vec<(String, String)>) {
    let mut out =
        String::from("# Written by cri-shunt import. Above each rule is the place that it comes from.\n");
    if rules.iter().any(|rule| !matches!(rule.action, Action::Deny { .. })) {
        out.push_str(
            "# These are native rules now: unlike rules of a source, they allow what a wider native rule denies.\n",
        );
    }
    if rules.iter().any(|rule| matches!(&rule.action, Action::Route(route) if route.collapse)) {
        out.push_str(
            "# collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.\n",
        );
    }
    let mut left = Vec::new();
    for rule in rules {
        out.push('\n');
        let mut of_rule = Vec::new();
        write_rule(rule, reach, &mut of_rule, &mut out);
        left.extend(of_rule.into_iter().map(|what| (what, rule.source.to_string())));
    }
    (out, left)
}

/// The whole text: the rules, the tables after them, and comments about what had to be left behind. A need comes
/// with its place.
pub(super) fn write(rules: &str, tables: &str, needs: &[(String, String)], others: &[String]) -> String {
    let mut out = rules.to_owned();
    out.push_str(tables);
    if !needs.is_empty() {
        comment("", &mut out);
        comment("Not carried over, because there is no key for it, or because it may be a secret:", &mut out);
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

fn write_rule(rule: &Rule, reach: &Reach<'_>, left: &mut Vec<String>, out: &mut String) {
    comment(&rule.source.to_string(), out);
    out.push_str("[[policy.rule]]\n");
    key("prefix", &string(&spelled(&rule.prefix)), out);
    match &rule.action {
        Action::Route(route) => write_route(route, &rule.prefix, reach, left, out),
        Action::Deny { reason } => key("deny", &string(reason), out),
        Action::Pass => key("pass", "true", out),
    }
    match rule.checkpoint {
        Checkpoint::Refuse => {}
        Checkpoint::Allow => key("checkpoint", "\"allow\"", out),
    }
}

fn write_route(route: &Route, prefix: &Prefix, reach: &Reach<'_>, left: &mut Vec<String>, out: &mut String) {
    // A rule of a source has no such keys; the policy's settings apply.
    let Route { mirrors, order, rewrites, origin, collapse, node_credentials: _, outage: _ } = route;
    // Without a path in the prefix there is nothing to strip, and a rewrite strips it itself.
    let strips = matches!(prefix.kind(), PrefixKind::Path | PrefixKind::Exact) && rewrites.is_empty();
    array("mirrors", mirrors.iter().map(|one| mirror(one, strips, reach, left)).collect(), out);
    if !rewrites.is_empty() {
        array("rewrite", rewrites.iter().map(rewrite).collect(), out);
    }
    match order {
        Order::Fixed => {}
        Order::Fastest => key("order", "\"fastest\"", out),
    }
    match origin {
        Origin::Never => {}
        Origin::Last => key("origin", "\"last\"", out),
    }
    if *collapse {
        key("collapse", "true", out);
    }
}

fn rewrite(rewrite: &Rewrite) -> String {
    let Rewrite { pattern, replacement } = rewrite;
    format!("{{ match = {}, replace = {} }}", string(pattern.as_str()), string(replacement))
}

/// A prefix as it can be read again. Normalising drops the port 443, and without it a single word is not a
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

//! Writes rules as a native configuration.
//!
//! Holds: reading the text gives the same rules. Nothing in a file or a name can break out of its comment or string.

use super::mirror::{Reach, mirror};
use super::toml_text::{array, comment, key, string};
use crate::config::{rules, signatures};
use crate::files::go_duration;
use crate::policy::{
    Action, Checkpoint, Held, Order, Origin, Outage, Prefix, PrefixKind, Rewrite, Route, Rule,
};

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

/// Every key of a rule, also those that no rule of a source has: `diff` compares by them.
fn write_rule(rule: &Rule, reach: &Reach<'_>, left: &mut Vec<String>, out: &mut String) {
    let Rule { prefix, namespaces, mode, action, checkpoint, foreign_urls, verify, lock, source, layer: _ } =
        rule;
    comment(&source.to_string(), out);
    out.push_str("[[policy.rule]]\n");
    key("prefix", &string(&spelled(prefix)), out);
    if let Some(namespaces) = namespaces {
        array("namespaces", namespaces.patterns().map(string).collect(), out);
    }
    if let Some(mode) = mode {
        key("mode", &string(mode.word()), out);
    }
    match action {
        Action::Route(route) => write_route(route, prefix, reach, left, out),
        Action::Deny { reason } => key("deny", &string(reason), out),
        Action::Pass => key("pass", "true", out),
    }
    match checkpoint {
        Checkpoint::Refuse => {}
        Checkpoint::Allow => key("checkpoint", "\"allow\"", out),
    }
    if *foreign_urls {
        key("foreign-urls", "true", out);
    }
    if let Some(verify) = verify {
        key("verify", &string(signatures::word(verify)), out);
    }
    let Held { list, unlisted } = lock;
    if let Some(list) = list {
        key("locked", &string(&list.file_name()), out);
    }
    if let Some(unlisted) = unlisted {
        key("unlisted", &string(unlisted.word()), out);
    }
}

fn write_route(route: &Route, prefix: &Prefix, reach: &Reach<'_>, left: &mut Vec<String>, out: &mut String) {
    let Route { mirrors, order, rewrites, origin, collapse, node_credentials, outage } = route;
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
    // A rule of a source has none of these; the policy's settings apply.
    if let Some(use_of) = node_credentials {
        key("node-credentials", &string(rules::node_credentials(*use_of)), out);
    }
    let Outage { answer, max_age } = outage;
    if let Some(answer) = answer {
        key("on-outage", &string(rules::on_outage(*answer)), out);
    }
    if let Some(age) = max_age {
        key("outage-max-age", &string(&go_duration::text(*age)), out);
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

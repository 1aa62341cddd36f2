//! One entry of `mirrors`: its endpoints and its rewrites.
//!
//! Not here: what a list of endpoints means in any format (`endpoint_list`).

use regex::Regex;

use super::super::super::diagnostic::{Problem, Severity, Span};
use super::super::super::draft::Imported;
use super::super::super::section::Field;
use super::super::endpoint::EndpointUrl;
use super::super::endpoint_list::{self, ListFormat, ListRoute};
use super::super::pattern;
use super::reader::{PROGRAM, Reader};
use crate::policy::{Origin, Prefix, Rewrite};

/// As k3s' `normalizeEndpointAddress` reads an endpoint.
const LIST: ListFormat = ListFormat {
    severity: Severity::Warning,
    ignored: "this endpoint is ignored, as in k3s",
    logins: "they belong under `configs`",
    read: |text| {
        let endpoint = EndpointUrl::parse(text)?;
        let root = if endpoint.path.is_empty() { "/v2".to_owned() } else { endpoint.path.clone() };
        Ok((endpoint, root))
    },
};

/// An entry of `mirrors` that has a meaning.
pub(super) struct MirrorEntry {
    pub(super) prefix: Prefix,
    pub(super) at: Span,
    pub(super) route: ListRoute,
}

/// Reads an entry. `None` where k3s would write nothing for it, so that `*` applies.
pub(super) fn read(
    entry: &Field<'_>,
    prefix: &Prefix,
    reader: &Reader<'_>,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) -> Option<ListRoute> {
    let mut mapping = entry.section(out)?;
    let endpoints = mapping.field("endpoint").and_then(|entry| entry.items(out)).unwrap_or_default();
    let rewrite = mapping.field("rewrite");
    let rewrites = rewrite.as_ref().map(|field| rewrites(field, out)).unwrap_or_default();
    mapping.finish(out);
    let mut listed = endpoint_list::read(&endpoints, &LIST, out);
    let idle_rewrite = rewrite.as_ref().filter(|_| !rewrites.is_empty());
    if listed.is_empty() {
        // An entry without endpoints changes nothing. One whose endpoints are all unusable was meant to.
        if endpoints.is_empty() {
            idle(idle_rewrite, out);
            return None;
        }
        return Some(ListRoute::refused(entry, reader.texts, out));
    }
    // The registry itself at the end of the list is the default endpoint.
    let last_is_default = listed.last().is_some_and(|last| last.is_default(prefix));
    if !reader.disable_default_endpoint && last_is_default {
        listed.pop();
    }
    if listed.is_empty() {
        idle(idle_rewrite, out);
        return None;
    }
    let origin = if reader.disable_default_endpoint { Origin::Never } else { Origin::Last };
    let route = ListRoute::by(&listed, prefix, (rewrites, origin), reader.texts);
    imported.transport.extend(route.needs_of_itself().cloned());
    Some(route)
}

/// Warns of rewrites that no mirror is asked by.
fn idle(rewrite: Option<&Field<'_>>, out: &mut Vec<Problem>) {
    let Some(field) = rewrite else { return };
    let message = format!(
        "`rewrite` has no effect: this entry has no mirror, and {PROGRAM} does not rewrite requests to the registry itself"
    );
    out.push(Problem::warning(message).at(&field.key.at));
}

/// The rewrites in the order of the file.
fn rewrites(entry: &Field<'_>, out: &mut Vec<Problem>) -> Vec<Rewrite> {
    let Some(mapping) = entry.section(out) else { return Vec::new() };
    let mut rewrites: Vec<(Rewrite, &Span)> = Vec::new();
    for entry in mapping.fields() {
        let Some(replacement) = entry.string(out) else { continue };
        let at = &entry.key.at;
        let written = &entry.key.text;
        if written.contains('\\') {
            let message = format!(
                "{PROGRAM} writes this pattern unchanged into containerd's configuration, where TOML interprets the backslash"
            );
            let hint = "write [.] for a dot and [0-9] for a digit, which need no backslash";
            out.push(Problem::warning(message).at(at).hint(hint));
        }
        // Backslashes are doubled for TOML. No repository contains a backslash, so nothing else can be meant.
        match pattern::compile(&written.replace("\\\\", "\\")) {
            Ok(pattern) => rewrites.push((Rewrite { pattern, replacement: replacement.to_owned() }, at)),
            Err(error) => {
                let message = format!("{PROGRAM} does not accept this regular expression: {error}");
                let hint = format!(
                    "{PROGRAM} goes on without the rewrite, so that the mirror is asked for another path; see github.com/google/re2/wiki/Syntax"
                );
                out.push(Problem::error(message).at(at).hint(hint));
            }
        }
    }
    order(&rewrites, out);
    rewrites.into_iter().map(|(rewrite, _)| rewrite).collect()
}

/// Where two patterns can change the same path, it matters which is tried first.
fn order(rewrites: &[(Rewrite, &Span)], out: &mut Vec<Problem>) {
    let patterns: Vec<&Regex> = rewrites.iter().map(|(rewrite, _)| &rewrite.pattern).collect();
    if let Some((first, second)) = pattern::meeting(&patterns) {
        let ((first, at), (second, other)) = (&rewrites[first], &rewrites[second]);
        let message = format!(
            "`{}` and `{}` can change the same path, and {PROGRAM} tries them in random order",
            first.pattern, second.pattern
        );
        let hint =
            "here the first in the file is tried first; start each pattern with ^ and a different text";
        out.push(Problem::warning(message).at(other).also(at, "tried first").hint(hint));
    }
}

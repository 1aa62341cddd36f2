//! One entry of `mirrors`: its endpoints and its rewrites.
//!
//! Holds: what a reference cannot express of an endpoint is said of this mirror alone. A text that is not an endpoint is
//! ignored with a warning. An entry that has only such texts refuses its images, because they would come from the public
//! registry otherwise.

use std::collections::hash_map::Entry::{Occupied, Vacant};

use foldhash::HashMap;
use regex::Regex;

use super::super::super::diagnostic::{Located, Problem, Span};
use super::super::super::draft::{self, Imported, Own};
use super::super::super::section::Field;
use super::super::endpoint::{self, EndpointUrl, Scheme};
use super::super::pattern;
use super::reader::{PROGRAM, Reader};
use crate::containerd::hosts::Transport;
use crate::policy::{Action, Location, Mirror, Ns, Origin, Prefix, Rewrite};

/// An entry of `mirrors` that has a meaning.
pub(super) struct MirrorEntry {
    pub(super) prefix: Prefix,
    pub(super) at: Span,
    pub(super) route: EntryRoute,
}

/// One entry as a route.
#[derive(Default)]
pub(super) struct EntryRoute {
    mirrors: Vec<Mirror>,
    pub(super) rewrites: Vec<Rewrite>,
    origin: Origin,
    /// The place of each mirror.
    pub(super) spans: Vec<Span>,
    /// The settings of each mirror itself.
    pub(super) own: Vec<Own>,
    /// Whether every endpoint is the registry itself.
    only_itself: bool,
    /// Why its images are refused.
    refused: Option<String>,
}

/// Reads an entry. `None` where k3s would write nothing for it, so that `*` applies.
pub(super) fn read(
    entry: &Field<'_>,
    prefix: &Prefix,
    reader: &Reader<'_>,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) -> Option<EntryRoute> {
    let mut mapping = entry.section(out)?;
    let endpoints = mapping.field("endpoint").and_then(|entry| entry.items(out)).unwrap_or_default();
    let rewrite = mapping.field("rewrite");
    let rewrites = rewrite.as_ref().map(|field| rewrites(field, out)).unwrap_or_default();
    mapping.finish(out);
    let mut parsed: Vec<(EndpointUrl, &Span)> = Vec::new();
    let mut seen: HashMap<(Scheme, String, String), &Span> = HashMap::default();
    for item in &endpoints {
        let Some(endpoint) = parse(item, out) else { continue };
        let same = (endpoint.scheme, endpoint.host.clone(), root(&endpoint).to_owned());
        match seen.entry(same) {
            // k3s compares normalised endpoints.
            Occupied(first) => {
                let first: &Span = first.get();
                let message = format!("`{}` is already in this list", endpoint.url());
                let problem = Problem::warning(message).at(item.at).also(first, "first here");
                out.push(problem.hint("remove one of them"));
            }
            Vacant(place) => {
                place.insert(item.at);
                parsed.push((endpoint, item.at));
            }
        }
    }
    if parsed.is_empty() {
        if endpoints.is_empty() {
            idle_rewrite(rewrite.as_ref().filter(|_| !rewrites.is_empty()), out);
        }
        return none_left(entry, !endpoints.is_empty(), reader, out);
    }
    // The registry itself at the end of the list is the default endpoint.
    let is_default = |endpoint: &EndpointUrl| is_default(endpoint, prefix);
    if !reader.disable_default_endpoint && parsed.last().is_some_and(|(last, _)| is_default(last)) {
        parsed.pop();
    }
    if parsed.is_empty() {
        idle_rewrite(rewrite.as_ref().filter(|_| !rewrites.is_empty()), out);
        return None;
    }
    let origin = if reader.disable_default_endpoint { Origin::Never } else { Origin::Last };
    let mut read = EntryRoute { rewrites, origin, ..EntryRoute::default() };
    for (endpoint, at) in parsed {
        // Its host is one, or it would not have been parsed.
        let Some((location, own)) = mirror(&endpoint, at, reader) else { continue };
        // After a rewrite the mirror is asked for another path than the registry's.
        let ns = if read.rewrites.is_empty() { endpoint::ns(&endpoint.host, prefix) } else { Ns::Sent };
        read.mirrors.push(Mirror { ns, ..Mirror::at(location) });
        read.spans.push(at.clone());
        read.own.push(own);
    }
    // By their references; the scheme and the API root are configured for containerd's own pulls then.
    let itself = |Mirror { location, .. }: &Mirror| {
        location.path().is_empty() && location.host().parse().is_ok_and(|host: Prefix| host == *prefix)
    };
    read.only_itself = read.rewrites.is_empty() && read.mirrors.iter().all(itself);
    if read.only_itself {
        imported.transport.extend(read.own.iter().flat_map(|own| &own.needs).cloned());
    }
    Some(read)
}

/// Warns of rewrites that no mirror is asked by.
fn idle_rewrite(rewrite: Option<&Field<'_>>, out: &mut Vec<Problem>) {
    let Some(field) = rewrite else { return };
    let message = format!(
        "`rewrite` has no effect: this entry has no mirror, and {PROGRAM} does not rewrite requests to the registry itself"
    );
    out.push(Problem::warning(message).at(&field.key.at));
}

/// An entry without endpoints changes nothing. One whose endpoints are all unusable was meant to.
fn none_left(
    entry: &Field<'_>,
    had_some: bool,
    reader: &Reader<'_>,
    out: &mut Vec<Problem>,
) -> Option<EntryRoute> {
    if !had_some {
        return None;
    }
    let message = format!("`{}` has no endpoint that can be used, so its images are refused", entry.name);
    let hint = "without the entry they would come from the registry itself; remove it if you want that";
    out.push(Problem::warning(message).at(&entry.key.at).hint(hint));
    let reason = format!("no endpoint of `{}` in {} can be used", entry.name, reader.texts.name(reader.text));
    Some(EntryRoute { refused: Some(reason), ..EntryRoute::default() })
}

fn parse(item: &Field<'_>, out: &mut Vec<Problem>) -> Option<EndpointUrl> {
    let text = item.string(out)?;
    match EndpointUrl::parse(text) {
        Ok(endpoint) => {
            if endpoint.has_login {
                let message = "the credentials in this endpoint are ignored: containerd does not use them";
                out.push(Problem::warning(message).at(item.at).hint("they belong under `configs`"));
            }
            Some(endpoint)
        }
        Err(error) => {
            let message = format!("this endpoint is ignored, as in {PROGRAM}: {error}");
            let hint = "write a URL, https://mirror.dev.de, or a host with its port";
            out.push(Problem::warning(message).at(item.at).hint(hint));
            None
        }
    }
}

/// The API root.
fn root(endpoint: &EndpointUrl) -> &str {
    if endpoint.path.is_empty() { "/v2" } else { &endpoint.path }
}

/// Whether containerd would ask it without any configuration.
fn is_default(endpoint: &EndpointUrl, prefix: &Prefix) -> bool {
    let scheme = if endpoint::is_loopback_with_port(&endpoint.host) { Scheme::Http } else { Scheme::Https };
    let is_registry = || endpoint.host.parse().is_ok_and(|host: Prefix| host == *prefix);
    endpoint.scheme == scheme && root(endpoint) == "/v2" && is_registry()
}

/// The mirror as a reference can express it, and what it cannot express.
fn mirror(endpoint: &EndpointUrl, at: &Span, reader: &Reader<'_>) -> Option<(Location, Own)> {
    let need = |what| draft::need(&endpoint.host, Located { value: what, at: at.clone() }, reader.texts);
    let mut own = Own { https: endpoint.scheme == Scheme::Https && endpoint.says_scheme, ..Own::default() };
    let path = match root(endpoint).strip_prefix("/v2") {
        Some("") => Some(""),
        // For k3s a brace is a normal character, not a placeholder.
        Some(path) if !path.contains(['{', '}']) => path.strip_prefix('/'),
        _ => None,
    };
    let below = path.and_then(|path| Location::of_endpoint(&endpoint.host, path).ok());
    let location = match below {
        Some(location) => location,
        None => {
            own.needs.push(need(Transport::ApiRoot(root(endpoint).to_owned())));
            Location::of_endpoint(&endpoint.host, "").ok()?
        }
    };
    if endpoint.scheme == Scheme::Http {
        own.say_http(need(Transport::PlainHttp));
    }
    Some((location, own))
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

// === impl EntryRoute ===

impl EntryRoute {
    pub(super) fn action(&self) -> Action {
        if let Some(reason) = &self.refused {
            return Action::Deny { reason: reason.clone() };
        }
        if self.only_itself {
            return Action::Pass;
        }
        draft::source_route(self.mirrors.clone(), self.rewrites.clone(), self.origin)
    }

    /// The hosts that this entry sends images to.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (&Location, &Span)> {
        let mirrors = self.mirrors.iter().zip(&self.spans).filter(|_| !self.only_itself);
        mirrors.map(|(mirror, at)| (&mirror.location, at))
    }
}

//! One entry of `mirrors`: its endpoints and its rewrites.
//!
//! Before: the reader knows which registry it is for.  After: the entry is a route, or a pass.
//! Holds: an endpoint that no reference can express leaves a transport need; one that is no endpoint at all
//! is left out with a warning, and an entry that has only such is an error, for its images would go to the
//! public registry.
//! Not here: which host needs which certificate (`configs`).

use std::collections::hash_map::Entry::{Occupied, Vacant};

use foldhash::HashMap;
use regex::Regex;

use super::super::super::assemble;
use super::super::super::diagnostic::{Located, Problem, Span};
use super::super::endpoint::{self, Endpoint, Scheme};
use super::super::mapping::Entry;
use super::super::{Imported, pattern, yaml};
use super::{PROGRAM, Reader};
use crate::containerd::hosts::Transport;
use crate::policy::{Action, Location, Mirror, Only, Origin, Prefix, Rewrite, Route};

/// What an entry says.
pub(super) struct Read {
    mirrors: Vec<Mirror>,
    pub(super) rewrites: Vec<Rewrite>,
    origin: Origin,
    /// Where each mirror stands.
    pub(super) spans: Vec<Span>,
    /// Whether every endpoint is the registry itself.
    only_itself: bool,
}

/// Reads an entry. Nothing where k3s would write nothing for it, so that `*` stays in force.
pub(super) fn read(
    entry: &Entry<'_>,
    prefix: &Prefix,
    reader: &Reader<'_>,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) -> Option<Read> {
    let mut mapping = entry.mapping(out)?;
    let endpoints = mapping.entry("endpoint").and_then(|entry| entry.items(out)).unwrap_or_default();
    let rewrites = mapping.entry("rewrite").map(|entry| rewrites(&entry, out)).unwrap_or_default();
    mapping.finish(PROGRAM, out);
    let mut parsed: Vec<(Endpoint, &yaml::Node)> = Vec::new();
    let mut seen: HashMap<(Scheme, String, String), &Span> = HashMap::default();
    for item in &endpoints {
        let Some(endpoint) = parse(item, out) else { continue };
        let same = (endpoint.scheme, endpoint.host.clone(), root(&endpoint).to_owned());
        match seen.entry(same) {
            // k3s compares what it has normalised.
            Occupied(first) => {
                let first: &Span = first.get();
                let message = format!("`{}` is in this list already", endpoint.url());
                let problem = Problem::warning(message).at(&item.node.at).also(first, "first here");
                out.push(problem.hint("leave one out"));
            }
            Vacant(place) => {
                place.insert(&item.node.at);
                parsed.push((endpoint, item.node));
            }
        }
    }
    if parsed.is_empty() {
        return none_left(entry, !endpoints.is_empty(), out);
    }
    // The registry itself at the end of the list is the default endpoint.
    let is_default = |endpoint: &Endpoint| is_default(endpoint, prefix);
    if !reader.disable_default_endpoint && parsed.last().is_some_and(|(last, _)| is_default(last)) {
        parsed.pop();
    }
    if parsed.is_empty() {
        return None;
    }
    let origin = if reader.disable_default_endpoint { Origin::Never } else { Origin::Last };
    let mut read = Read { mirrors: Vec::new(), rewrites, origin, spans: Vec::new(), only_itself: false };
    for (endpoint, node) in parsed {
        let Some(location) = location(&endpoint, &node.at, reader, imported, out) else { continue };
        read.mirrors.push(Mirror { location, only: Only::Any, strip_prefix: false });
        read.spans.push(node.at.clone());
    }
    // By their references, that is: the scheme and the API root are containerd's to know either way.
    let itself = |Mirror { location, .. }: &Mirror| {
        location.path().is_empty() && location.host().parse().is_ok_and(|host: Prefix| host == *prefix)
    };
    read.only_itself = read.rewrites.is_empty() && read.mirrors.iter().all(itself);
    Some(read)
}

fn none_left(entry: &Entry<'_>, had_some: bool, out: &mut Vec<Problem>) -> Option<Read> {
    if had_some {
        let message = format!("`{}` has no endpoint that can be used", entry.name);
        let hint = "without one its images would come from the registry itself; leave the entry out if that is meant";
        out.push(Problem::error(message).at(&entry.key.at).hint(hint));
    }
    None
}

fn parse(item: &Entry<'_>, out: &mut Vec<Problem>) -> Option<Endpoint> {
    let text = item.text(out)?;
    match Endpoint::parse(text) {
        Ok(endpoint) => {
            if endpoint.has_login {
                let message = "the credentials in this endpoint are left out: containerd does not use them";
                out.push(Problem::warning(message).at(&item.node.at).hint("they belong under `configs`"));
            }
            Some(endpoint)
        }
        Err(error) => {
            let message = format!("this endpoint is left out, as {PROGRAM} does: {error}");
            let hint = "write a URL, https://mirror.dev.de, or a host with its port";
            out.push(Problem::warning(message).at(&item.node.at).hint(hint));
            None
        }
    }
}

/// The API root.
fn root(endpoint: &Endpoint) -> &str {
    if endpoint.path.is_empty() { "/v2" } else { &endpoint.path }
}

/// Whether it is what containerd would ask without any configuration.
fn is_default(endpoint: &Endpoint, prefix: &Prefix) -> bool {
    let scheme = if endpoint::is_loopback_with_port(&endpoint.host) { Scheme::Http } else { Scheme::Https };
    let is_registry = || endpoint.host.parse().is_ok_and(|host: Prefix| host == *prefix);
    endpoint.scheme == scheme && root(endpoint) == "/v2" && is_registry()
}

/// The mirror as a reference can say it; what it cannot is a need of the host.
fn location(
    endpoint: &Endpoint,
    at: &Span,
    reader: &Reader<'_>,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) -> Option<Location> {
    let mut need = |what| {
        let what = Located { value: what, at: at.clone() };
        imported.transport.push(assemble::need(&endpoint.host, what, reader.texts));
    };
    if endpoint.needs_plain_http() {
        need(Transport::PlainHttp);
    }
    let whole = match root(endpoint).strip_prefix("/v2") {
        Some("") => Some(endpoint.host.clone()),
        // To k3s a brace is a brace, and not our placeholder.
        Some(path) if path.starts_with('/') && !path.contains(['{', '}']) => {
            Some(format!("{}{path}", endpoint.host))
        }
        _ => None,
    };
    if let Some(location) = whole.and_then(|whole| whole.parse().ok()) {
        return Some(location);
    }
    match endpoint.host.parse::<Location>() {
        Ok(location) => {
            need(Transport::ApiRoot(root(endpoint).to_owned()));
            Some(location)
        }
        Err(error) => {
            out.push(Problem::error(error.to_string()).at(at).maybe_hint(error.hint()));
            None
        }
    }
}

/// The rewrites in the order of the file.
fn rewrites(entry: &Entry<'_>, out: &mut Vec<Problem>) -> Vec<Rewrite> {
    let Some(mapping) = entry.mapping(out) else { return Vec::new() };
    let mut rewrites: Vec<(Rewrite, &Span)> = Vec::new();
    for entry in mapping.entries() {
        let Some(replacement) = entry.text(out) else { continue };
        let at = &entry.key.at;
        let written = &entry.key.text;
        if written.contains('\\') {
            let message = format!(
                "{PROGRAM} writes this pattern into containerd's configuration as it is, and TOML reads the backslash"
            );
            let hint = "write [.] for a dot and [0-9] for a digit, which need none";
            out.push(Problem::warning(message).at(at).hint(hint));
        }
        // Doubled for TOML's sake. No repository holds a backslash, so nothing else can be meant.
        match pattern::compile(&written.replace("\\\\", "\\")) {
            Ok(pattern) => rewrites.push((Rewrite { pattern, replacement: replacement.to_owned() }, at)),
            Err(error) => {
                let message = format!("this is no regular expression that {PROGRAM} takes: {error}");
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

/// Where two patterns can change one path it matters which is tried first.
fn order(rewrites: &[(Rewrite, &Span)], out: &mut Vec<Problem>) {
    let patterns: Vec<&Regex> = rewrites.iter().map(|(rewrite, _)| &rewrite.pattern).collect();
    if let Some((first, second)) = pattern::meeting(&patterns) {
        let ((first, at), (second, other)) = (&rewrites[first], &rewrites[second]);
        let message = format!(
            "`{}` and `{}` can change one path, and {PROGRAM} leaves to chance which is tried first",
            first.pattern, second.pattern
        );
        let hint = "here the one that stands first is; begin patterns with ^ and what sets them apart";
        out.push(Problem::warning(message).at(other).also(at, "tried first").hint(hint));
    }
}

// === impl Read ===

impl Read {
    pub(super) fn action(&self) -> Action {
        if self.only_itself {
            return Action::Pass;
        }
        Action::Route(Route {
            mirrors: self.mirrors.clone(),
            rewrites: self.rewrites.clone(),
            origin: self.origin,
            // An endpoint is asked for the bare repository, whatever the registry: the format means it.
            collapse: true,
            node_credentials: None,
        })
    }

    /// The hosts that this entry sends images to.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (&Location, &Span)> {
        let mirrors = self.mirrors.iter().zip(&self.spans).filter(|_| !self.only_itself);
        mirrors.map(|(mirror, at)| (&mirror.location, at))
    }
}

//! A registry's list of endpoints, as k3s' `registries.yaml`, containerd's own config and Docker's have it.
//!
//! Holds: what a reference cannot express of an endpoint is said of this mirror alone. A text that is not an endpoint is
//! ignored with a warning. A list that has only such texts refuses its images, because they would come from the public
//! registry otherwise.

use std::collections::hash_map::Entry::{Occupied, Vacant};

use foldhash::HashMap;

use super::super::diagnostic::{Located, Problem, Severity, Span, Texts};
use super::super::draft::{self, DraftRule, Own};
use super::super::mistake;
use super::super::node::Value;
use super::super::section::Field;
use super::endpoint::{self, EndpointError, EndpointUrl, Scheme};
use crate::containerd::hosts::{Transport, TransportNeed};
use crate::policy::{Action, Location, Mirror, Ns, Origin, Prefix, PrefixKind, Rewrite};

/// One endpoint of a list.
pub(super) struct Listed<'n> {
    pub(super) endpoint: EndpointUrl,
    /// The API root.
    pub(super) root: String,
    pub(super) at: &'n Span,
}

/// How a program reads its list.
pub(super) struct ListFormat {
    /// How bad a text is that is not an endpoint.
    pub(super) severity: Severity,
    /// What happens to such a text, in words.
    pub(super) ignored: &'static str,
    /// Where logins belong.
    pub(super) logins: &'static str,
    /// Reads an endpoint, and its API root.
    pub(super) read: fn(&str) -> Result<(EndpointUrl, String), EndpointError>,
}

/// A list as a route.
#[derive(Default)]
pub(super) struct ListRoute {
    pub(super) mirrors: Vec<Mirror>,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) origin: Origin,
    /// The place of each mirror.
    pub(super) spans: Vec<Span>,
    /// The settings of each mirror itself.
    pub(super) own: Vec<Own>,
    /// Whether every endpoint is the registry itself.
    only_itself: bool,
    /// Why its images are refused.
    refused: Option<String>,
}

/// The endpoints of a list, each once.
pub(super) fn read<'n>(items: &[Field<'n>], format: &ListFormat, out: &mut Vec<Problem>) -> Vec<Listed<'n>> {
    let mut listed: Vec<Listed<'n>> = Vec::new();
    let mut seen: HashMap<(Scheme, String, String), &Span> = HashMap::default();
    for item in items {
        let Some((endpoint, root)) = one(item, format, out) else { continue };
        match seen.entry((endpoint.scheme, endpoint.host.clone(), root.clone())) {
            Occupied(first) => {
                let first: &Span = first.get();
                let message = format!("`{}` is already in this list", endpoint.url());
                let problem = Problem::warning(message).at(item.at).also(first, "first here");
                out.push(problem.hint("remove one of them"));
            }
            Vacant(place) => {
                place.insert(item.at);
                listed.push(Listed { endpoint, root, at: item.at });
            }
        }
    }
    listed
}

fn one(item: &Field<'_>, format: &ListFormat, out: &mut Vec<Problem>) -> Option<(EndpointUrl, String)> {
    let text = item.string(out)?;
    match (format.read)(text) {
        Ok((endpoint, root)) => {
            if endpoint.has_login {
                let message = "the credentials in this endpoint are ignored: containerd does not use them";
                out.push(Problem::warning(message).at(item.at).hint(format.logins));
            }
            Some((endpoint, root))
        }
        Err(error) => {
            let message = format!("{}: {error}", format.ignored);
            let usual = || match error {
                EndpointError::NoScheme => format!("write https://{text}"),
                EndpointError::Login => format.logins.to_owned(),
                _ => "write a URL, https://mirror.dev.de, or a host with its port".to_owned(),
            };
            let hint = mistake::hint(text).unwrap_or_else(usual);
            out.push(Problem::new(format.severity, message).at(item.at).hint(hint));
            None
        }
    }
}

/// The registry of an entry, by its key; `None` where no image can have it.
pub(super) fn registry(entry: &Field<'_>, out: &mut Vec<Problem>) -> Option<Prefix> {
    let key = &entry.key.text;
    let parsed = key.parse::<Prefix>().ok();
    let found = parsed.filter(|prefix| matches!(prefix.kind(), PrefixKind::Host | PrefixKind::Any));
    if found.is_some() {
        // A list of addresses in the place of the table that has it.
        let misplaced =
            matches!(entry.value, Value::List(_) | Value::Text(_)) && entry.section(out).is_none();
        return match out.pop_if(|_| misplaced) {
            Some(problem) => {
                let hint =
                    "the addresses go one level deeper: into the list `endpoint` (of Talos: `endpoints`)";
                out.push(problem.hint(hint));
                None
            }
            None => found,
        };
    }
    if matches!(key.as_str(), "endpoint" | "endpoints" | "rewrite") {
        let message = format!("`{key}` stands where the name of a registry belongs");
        let hint = format!("it is one level too high: write it below its registry, such as docker.io.{key}");
        out.push(Problem::error(message).at(&entry.key.at).hint(hint));
        return None;
    }
    let message = format!("`{key}` cannot be the registry of an image, so this entry has no effect");
    let hint = match key.split_once("://") {
        _ if mistake::hint(key).is_some() => mistake::hint(key).unwrap_or_default(),
        Some((_, host)) => format!("leave the scheme out: {}", host.trim_end_matches('/')),
        None => "write a host with its port, if it has one, or \"*\"".to_owned(),
    };
    out.push(Problem::warning(message).at(&entry.key.at).hint(hint));
    None
}

/// The mirror as a reference can express it, and what it cannot express.
fn mirror(listed: &Listed<'_>, texts: &Texts) -> Option<(Location, Own)> {
    let Listed { endpoint, root, at } = listed;
    let need = |what| draft::need(&endpoint.host, Located { value: what, at: (*at).clone() }, texts);
    let mut own = Own { https: endpoint.scheme == Scheme::Https && endpoint.says_scheme, ..Own::default() };
    let path = match root.strip_prefix("/v2") {
        Some("") => Some(""),
        // In these files a brace is a normal character, not a placeholder.
        Some(path) if !path.contains(['{', '}']) => path.strip_prefix('/'),
        _ => None,
    };
    let below = path.and_then(|path| Location::of_endpoint(&endpoint.host, path).ok());
    let location = match below {
        Some(location) => location,
        None => {
            own.needs.push(need(Transport::ApiRoot(root.clone())));
            Location::of_endpoint(&endpoint.host, "").ok()?
        }
    };
    if endpoint.scheme == Scheme::Http {
        own.say_http(need(Transport::PlainHttp));
    }
    Some((location, own))
}

// === impl Listed ===

impl Listed<'_> {
    /// Whether it is the registry, as containerd would ask it without any configuration.
    pub(super) fn is_default(&self, prefix: &Prefix) -> bool {
        let host = &self.endpoint.host;
        let scheme = if endpoint::is_loopback_with_port(host) { Scheme::Http } else { Scheme::Https };
        let is_registry = || host.parse().is_ok_and(|host: Prefix| host == *prefix);
        self.endpoint.scheme == scheme && self.root == "/v2" && is_registry()
    }
}

// === impl ListRoute ===

impl ListRoute {
    /// The route by these endpoints, of which there is at least one.
    pub(super) fn by(
        listed: &[Listed<'_>],
        prefix: &Prefix,
        (rewrites, origin): (Vec<Rewrite>, Origin),
        texts: &Texts,
    ) -> Self {
        let mut route = ListRoute { rewrites, origin, ..ListRoute::default() };
        for listed in listed {
            // Its host is one, or it would not have been read.
            let Some((location, own)) = mirror(listed, texts) else { continue };
            // After a rewrite the mirror is asked for another path than the registry's.
            let host = &listed.endpoint.host;
            let ns = if route.rewrites.is_empty() { endpoint::ns(host, prefix) } else { Ns::Sent };
            route.mirrors.push(Mirror { ns, ..Mirror::at(location) });
            route.spans.push(listed.at.clone());
            route.own.push(own);
        }
        // By their references; the scheme and the API root are configured for containerd's own pulls then.
        let itself = |Mirror { location, .. }: &Mirror| {
            location.path().is_empty() && location.host().parse().is_ok_and(|host: Prefix| host == *prefix)
        };
        route.only_itself = route.rewrites.is_empty() && route.mirrors.iter().all(itself);
        route
    }

    /// The route of a list that has endpoints, and none that can be used.
    pub(super) fn refused(list: &Field<'_>, texts: &Texts, out: &mut Vec<Problem>) -> Self {
        let message = format!("`{}` has no endpoint that can be used, so its images are refused", list.name);
        let hint = "without the entry they would come from the registry itself; remove it if you want that";
        out.push(Problem::warning(message).at(&list.key.at).hint(hint));
        let file = texts.name(list.key.at.text);
        let reason = format!("no endpoint of `{}` in {file} can be used", list.name);
        ListRoute { refused: Some(reason), ..ListRoute::default() }
    }

    /// What containerd's own pulls from the registry need, where it is the one endpoint.
    pub(super) fn needs_of_itself(&self) -> impl Iterator<Item = &Located<TransportNeed>> {
        self.own.iter().filter(|_| self.only_itself).flat_map(|own| &own.needs)
    }

    /// The rule for a registry.
    pub(super) fn rule(&self, prefix: &Prefix, at: &Span, texts: &Texts) -> DraftRule {
        let drafted = DraftRule::of_source(prefix.clone(), self.action(), at, self.spans.clone(), texts);
        drafted.with_own(self.own.clone())
    }

    fn action(&self) -> Action {
        if let Some(reason) = &self.refused {
            return Action::Deny { reason: reason.clone() };
        }
        if self.only_itself {
            return Action::Pass;
        }
        draft::source_route(self.mirrors.clone(), self.rewrites.clone(), self.origin)
    }

    /// The hosts that it sends images to.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (&Location, &Span)> {
        let mirrors = self.mirrors.iter().zip(&self.spans).filter(|_| !self.only_itself);
        mirrors.map(|(mirror, at)| (&mirror.location, at))
    }
}

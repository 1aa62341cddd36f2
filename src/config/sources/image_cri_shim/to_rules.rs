//! What image-cri-shim's registries mean: one rule for everything.
//!
//! Before: `keys` has read the registries.  After: `Imported` takes the rule, needs and logins.
//! Holds: the order is image-cri-shim's; every image goes to every registry under its path alone, then to
//! where its name says. What is not taken over: that a digest is dropped where a registry does not have it,
//! that certificates are not looked at, and that a name on one of the registries is moved to another.
//! Not here: which registry has an image. image-cri-shim asks each before the pull; here the pull itself goes
//! from one to the next.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::config::assemble;
use crate::config::diagnostic::{Located, Problem, Severity, Span, Texts};
use crate::config::rules::DraftRule;
use crate::config::sources::Imported;
use crate::config::sources::endpoint::is_http_by_itself;
use crate::containerd::hosts::Transport;
use crate::credentials::Login;
use crate::policy::{Action, Checkpoint, Layer, Location, Mirror, Only, Origin, Prefix, Route, Rule};

use super::keys::{Registries, Registry};

/// A registry in its place of the order.
struct Ranked {
    location: Location,
    registry: Registry,
    plain_http: bool,
    offline: bool,
}

/// Adds the rule, and what the registries need.
pub(super) fn add(registries: Registries, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    let mut ranked = rank(registries, out);
    ranked.sort_by(|one, other| {
        let order = |ranked: &Ranked| (Reverse(ranked.registry.priority), !ranked.offline);
        let by_host = || one.location.host().cmp(other.location.host());
        order(one).cmp(&order(other)).then_with(by_host)
    });
    let mut mirrors = Vec::new();
    let mut mirrors_at = Vec::new();
    for Ranked { location, registry, plain_http, .. } in ranked {
        let Located { at, .. } = registry.address;
        let host = location.host().to_owned();
        if plain_http {
            let what = Located { value: Transport::PlainHttp, at: at.clone() };
            imported.transport.push(assemble::need(&host, what, texts));
        }
        imported.logins.extend(registry.login.map(|login| Login {
            host,
            username: Some(login.username),
            password: login.password,
            encoded: None,
            identity_token: None,
            source: assemble::source(&login.at, texts),
        }));
        mirrors.push(Mirror { location, only: Only::Any, strip_prefix: false });
        mirrors_at.push(at);
    }
    let (Some(at), Ok(prefix)) = (mirrors_at.first().cloned(), "*".parse::<Prefix>()) else { return };
    out.extend(hazards(&at));
    let route =
        Route { mirrors, rewrites: Vec::new(), origin: Origin::Last, collapse: true, node_credentials: None };
    let source = assemble::source(&at, texts);
    let layer = Layer::default();
    let rule = Rule { prefix, action: Action::Route(route), checkpoint: Checkpoint::Refuse, source, layer };
    imported.rules.push(DraftRule { rule, at, mirrors_at });
}

/// The registries without their duplicates: the last of several counts.
fn rank(registries: Registries, out: &mut Vec<Problem>) -> Vec<Ranked> {
    let Registries { offline, others } = registries;
    let mut by_host: BTreeMap<String, (usize, Ranked)> = BTreeMap::new();
    for (i, registry) in others.into_iter().enumerate() {
        let Some(one) = place(registry, false, out) else { continue };
        let (host, at) = (one.location.host().to_owned(), one.registry.address.at.clone());
        if let Some((_, other)) = by_host.insert(host.clone(), (i, one)) {
            let message = format!("`{host}` is in this list twice: the last one counts");
            let problem = Problem::warning(message).at(&at);
            out.push(problem.also(&other.registry.address.at, "has no effect"));
        }
    }
    let mut ranked: Vec<(usize, Ranked)> = by_host.into_values().collect();
    ranked.sort_by_key(|(i, _)| *i);
    let mut ranked: Vec<Ranked> = ranked.into_iter().map(|(_, ranked)| ranked).collect();
    ranked.extend(offline.and_then(|registry| place(registry, true, out)));
    ranked
}

/// Where a registry is. image-cri-shim takes the host of an address and nothing else.
fn place(registry: Registry, offline: bool, out: &mut Vec<Problem>) -> Option<Ranked> {
    let Located { value: address, at } = &registry.address;
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, address.as_str()),
    };
    if let Some(scheme) = scheme.filter(|scheme| !matches!(*scheme, "http" | "https")) {
        let problem = Problem::error(format!("{scheme:?} is no scheme of a registry")).at(at);
        out.push(problem.hint("write https:// or http:// in front of the host"));
        return None;
    }
    if rest.contains('@') {
        // The text is not repeated: what stands before the sign is most likely a password.
        let problem = Problem::error("a registry's address can't hold a user").at(at);
        out.push(problem.hint("write user and password in `auth`"));
        return None;
    }
    if scheme.is_none() && offline {
        let message = format!("the address has no scheme: here it is https://{rest}");
        let hint = "image-cri-shim does not work with such an address: write http:// or https:// in front";
        out.push(Problem::warning(message).at(at).hint(hint));
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.trim_matches('/').is_empty() {
        let message = format!("the path of the address is left out: images are looked for at {host}");
        let hint = "as image-cri-shim does; a native rule can name a path";
        out.push(Problem::warning(message).at(at).hint(hint));
    }
    let host = if matches!(host, "registry-1.docker.io" | "index.docker.io") { "docker.io" } else { host };
    match host.parse::<Location>() {
        Ok(location) => {
            let plain_http = scheme == Some("http") && !is_http_by_itself(host);
            Some(Ranked { location, registry, plain_http, offline })
        }
        Err(error) => {
            out.push(Problem::error(error.to_string()).at(at).maybe_hint(error.hint()));
            None
        }
    }
}

/// What image-cri-shim does by its nature, and people may not know.
fn hazards(at: &Span) -> [Problem; 2] {
    let leak = Problem::warning("what none of these registries has is pulled from where its name says").hint(
        "image-cri-shim does so too; to keep it in, write a native rule for `*` with origin = \"never\"",
    );
    let verified = Problem::new(Severity::Note, "the certificates of these registries are looked at")
        .hint("image-cri-shim does not; where one is not from a known authority, tell containerd");
    [leak.at(at), verified.at(at)]
}

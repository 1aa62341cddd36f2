//! Makes one rule for everything of image-cri-shim's registries.
//!
//! Holds: the order is image-cri-shim's. Every image is looked for in every registry under its path alone, then in the
//! registry in its name. Three things are different here: a digest is not dropped where a registry does not have it,
//! certificates are verified, and a name on one of the registries is not moved to another.
//! Not here: which registry has an image. image-cri-shim asks each before the pull; here the pull itself tries one
//! after the other.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::config::diagnostic::{Located, Problem, Severity, Span, Texts};
use crate::config::draft::{self, DraftRule, Imported, Own};
use crate::containerd::hosts::Transport;
use crate::credentials::Login;
use crate::policy::{Location, Mirror, Origin, Prefix};

use super::keys::{Registries, Registry};

/// A registry with what decides its place in the order.
struct Ranked {
    location: Location,
    registry: Registry,
    plain_http: bool,
    offline: bool,
}

/// Adds the rule, and what the registries need.
pub(super) fn add(registries: Registries, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    let addresses = registries.offline.iter().chain(&registries.others);
    let first = addresses.map(|registry| registry.address.at.clone()).next();
    let mut ranked = rank(registries, out);
    if let (true, Some(at)) = (ranked.is_empty(), first) {
        let problem = Problem::error("none of the registries in this file can be used").at(&at);
        out.push(problem.hint("without one every image would come from the registry in its name"));
    }
    ranked.sort_by(|one, other| {
        let order = |ranked: &Ranked| (Reverse(ranked.registry.priority), !ranked.offline);
        let by_host = || one.location.host().cmp(other.location.host());
        order(one).cmp(&order(other)).then_with(by_host)
    });
    let mut mirrors = Vec::new();
    let mut mirrors_at = Vec::new();
    let mut own = Vec::new();
    for Ranked { location, registry, plain_http, .. } in ranked {
        let Located { at, .. } = registry.address;
        let host = location.host().to_owned();
        let mut of_mirror = Own { https: !plain_http, alone: true, ..Own::default() };
        if plain_http {
            let what = Located { value: Transport::PlainHttp, at: at.clone() };
            of_mirror.say_http(draft::need(&host, what, texts));
        }
        own.push(of_mirror);
        imported.logins.extend(registry.login.map(|login| Login {
            host,
            username: Some(login.username),
            password: login.password,
            encoded: None,
            identity_token: None,
            source: draft::file_line(&login.at, texts),
        }));
        mirrors.push(Mirror::at(location));
        mirrors_at.push(at);
    }
    let (Some(at), Ok(prefix)) = (mirrors_at.first().cloned(), "*".parse::<Prefix>()) else { return };
    out.extend(hazards(&at));
    let action = draft::source_route(mirrors, Vec::new(), Origin::Last);
    imported.rules.push(DraftRule::of_source(prefix, action, &at, mirrors_at, texts).with_own(own));
}

/// The registries without duplicates: the last of several counts.
fn rank(registries: Registries, out: &mut Vec<Problem>) -> Vec<Ranked> {
    let Registries { offline, others } = registries;
    let mut by_host: BTreeMap<String, (usize, Ranked)> = BTreeMap::new();
    for (i, registry) in others.into_iter().enumerate() {
        let Some(one) = ranked_registry(registry, false, out) else { continue };
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
    ranked.extend(offline.and_then(|registry| ranked_registry(registry, true, out)));
    ranked
}

/// The host of a registry. image-cri-shim uses only the host of an address.
fn ranked_registry(registry: Registry, offline: bool, out: &mut Vec<Problem>) -> Option<Ranked> {
    let Located { value: address, at } = &registry.address;
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, address.as_str()),
    };
    if rest.contains('@') {
        // The text is not repeated: before the `@` there is most likely a password.
        let message = "this registry is left out: its address cannot contain a user name";
        out.push(Problem::warning(message).at(at).hint("write user and password in `auth`"));
        return None;
    }
    if let Some(scheme) = scheme.filter(|scheme| !matches!(*scheme, "http" | "https")) {
        let message = format!("this registry is left out: {scheme:?} is not a scheme of a registry");
        out.push(Problem::warning(message).at(at).hint("write https:// or http:// in front of the host"));
        return None;
    }
    if scheme.is_none() && offline {
        let message = format!("the address has no scheme: here it is https://{rest}");
        let hint = "image-cri-shim does not work with such an address: write http:// or https:// in front";
        out.push(Problem::warning(message).at(at).hint(hint));
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.trim_matches('/').is_empty() {
        let message = format!("the path of the address is ignored: images are looked for at {host}");
        let hint = "image-cri-shim ignores it too; a native rule can name a path";
        out.push(Problem::warning(message).at(at).hint(hint));
    }
    let host = if matches!(host, "registry-1.docker.io" | "index.docker.io") { "docker.io" } else { host };
    match Location::of_endpoint(host, "") {
        Ok(location) => {
            let plain_http = scheme == Some("http");
            Some(Ranked { location, registry, plain_http, offline })
        }
        Err(error) => {
            let message = format!("this registry is left out: {error}");
            out.push(Problem::warning(message).at(at).maybe_hint(error.hint()));
            None
        }
    }
}

/// What image-cri-shim always does, and people may not know.
fn hazards(at: &Span) -> [Problem; 2] {
    let leak = Problem::warning(
        "images that none of these registries has are pulled from the registry in their name",
    )
    .hint("image-cri-shim does so too; to prevent that, write a native rule for `*` with origin = \"never\"");
    let verified = Problem::new(Severity::Note, "the certificates of these registries are verified")
        .hint("image-cri-shim does not verify them; for one that is not from a known authority, write a [[transport]] with `ca`");
    [leak.at(at), verified.at(at)]
}

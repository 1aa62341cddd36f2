//! The files for mirrors that are told of the registry in `ns`: containerd tells them only where it was asked for the
//! registry's own name, so the file is for that.
//!
//! Holds: a registry has such a file only if its rule covers all of it and no rule below may reach it, as with the fence.
//! The registry itself is in it only where the rule says so. A mirror without `ns` has no place in it.
//!
//! Source: containerd `core/remotes/docker/resolver.go`, `addNamespace`.

use std::collections::BTreeSet;

use crate::policy::{Action, Layer, Mirror, Ns, Only, Origin, Policy, PrefixKind, Route, Rule};

use super::below::Below;
use super::file::{Entry, Serves, entries, is_readable};
use super::place::DEFAULT;
use super::planned::{Planned, Why};
use super::wanted::{Endpoints, fold};

/// Plans the files; `mirrors` are the folded hosts that rules lead to. The texts are what cannot be done, and why.
pub(super) fn plan(
    policy: &Policy,
    endpoints: &Endpoints<'_>,
    mirrors: &BTreeSet<String>,
) -> (Vec<Planned>, Vec<String>) {
    let (mut files, mut gaps) = (Vec::new(), Vec::new());
    let below = Below::of(policy);
    // A source is a file that containerd reads by itself, or its mirrors go without.
    for rule in policy.rules_in_force().filter(|rule| rule.layer == Layer::Native) {
        let Action::Route(route) = &rule.action else { continue };
        let told: Vec<&Mirror> = route.mirrors.iter().filter(|mirror| mirror.ns == Ns::Needed).collect();
        if told.is_empty() {
            continue;
        }
        match file(policy, rule, (route, &told), endpoints, &below, mirrors) {
            Ok((hosts, planned)) => {
                files.extend(hosts.into_iter().map(|host| Planned { host, ..planned.clone() }));
            }
            Err(why) => gaps.push(format!(
                "{} ({}): when containerd fetches layers, it cannot tell the mirror the registry by `ns`: {why}",
                rule.prefix, rule.source
            )),
        }
    }
    (files, gaps)
}

/// The hosts that the file is for, and the file.
fn file(
    policy: &Policy,
    rule: &Rule,
    (route, told): (&Route, &[&Mirror]),
    endpoints: &Endpoints<'_>,
    below: &Below<'_>,
    mirrors: &BTreeSet<String>,
) -> Result<(Vec<String>, Planned), String> {
    if rule.namespaces.is_some() {
        return Err("a hosts.toml knows no namespaces, so write the rule for all of them".to_owned());
    }
    let (hosts, opening) = match (rule.prefix.kind(), rule.prefix.host()) {
        (PrefixKind::Any, _) => (vec![DEFAULT.to_owned()], below.any_opening(policy, rule)),
        (PrefixKind::Host, Some(host)) if mirrors.contains(host) => {
            return Err(format!("{host} is a mirror itself"));
        }
        (PrefixKind::Host, Some(host)) => (super::fence::spellings(host), below.opening(host)),
        _ => return Err("a hosts.toml is for a whole registry, so write the rule for that".to_owned()),
    };
    if let Some(opening) = opening {
        return Err(format!(
            "the rule for {} ({}) lets images through, which would come from that mirror too",
            opening.prefix, opening.source
        ));
    }
    let mut found: Vec<Entry> = Vec::new();
    for mirror in told {
        let location = &mirror.location;
        let serves = if mirror.only == Only::Digests { Serves::Digests } else { Serves::Everything };
        found.extend(entries(&endpoints.of(location.host(), mirror.endpoint), location.path(), serves));
    }
    let adds_registry = route.origin == Origin::Last;
    if let (true, Some(host)) = (adds_registry, rule.prefix.host()) {
        found.extend(entries(&endpoints.of(host, None), "", Serves::Everything));
    }
    let has_server = !adds_registry || rule.prefix.host().is_some();
    if !is_readable(&found, has_server) {
        return Err("containerd 1.x cannot read a file that has a host in brackets before another".to_owned());
    }
    let to: Vec<String> = told.iter().map(|mirror| fold(mirror.location.host())).collect();
    let purpose = format!("Images come from {}, which is told of the registry.", to.join(", then "));
    let planned = Planned {
        host: String::new(),
        why: Why::Ns,
        entries: found,
        has_server,
        purpose: vec![purpose],
        needs: Vec::new(),
    };
    Ok((hosts, planned))
}

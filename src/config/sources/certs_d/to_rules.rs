//! Makes a rule of a directory of `certs.d`.
//!
//! Holds: the candidates are the registries that containerd would ask for a manifest, in its order. The registry
//! itself is one of them exactly where containerd asks it.
//! Not here: a fallback for single requests. containerd tries the next host for each layer; here a pull has one host.

use crate::config::diagnostic::{Located, Problem, Severity, Span, Texts};
use crate::config::draft::{self, DraftRule, Imported, Own};
use crate::config::mistake;
use crate::config::sources::endpoint;
use crate::containerd::hosts::Transport;
use crate::policy::{Action, Location, LocationError, Mirror, Only, Origin, Prefix};

use super::directory::Directory;
use super::hosts_file::{Capabilities, Host, HostsFile};

/// The mirrors of a directory, and whether the registry itself is asked.
pub(super) struct RouteDraft {
    mirrors: Vec<(Located<Mirror>, Own)>,
    origin: Origin,
}

/// Adds the rule of a directory, and what its hosts need. `shadows` means that another directory would be
/// used for this registry if this one were not there.
pub(crate) fn add(
    directory: &Directory,
    file: &HostsFile,
    (at, shadows): (&Span, bool),
    texts: &Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    let route = RouteDraft::of(directory, file, texts, imported, out);
    let own = file.server.is_none().then_some(&file.top);
    for need in own.into_iter().flatten() {
        imported.transport.push(draft::need(&directory.registry, need.clone(), texts));
    }
    let (mut values, mut mirrors_at, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for (Located { value, at }, of_mirror) in route.mirrors {
        values.push(value);
        mirrors_at.push(at);
        own.push(of_mirror);
    }
    let action = match (values.is_empty(), route.origin) {
        (true, Origin::Last) if !shadows => return,
        (true, Origin::Last) => Action::Pass,
        (true, Origin::Never) => {
            Action::Deny { reason: format!("no registry in {} serves pulls", texts.name(at.text)) }
        }
        (false, origin) => draft::source_route(values, Vec::new(), origin),
    };
    let at = mirrors_at.first().unwrap_or(at).clone();
    let drafted = DraftRule::of_source(directory.prefix.clone(), action, &at, mirrors_at, texts);
    imported.rules.push(drafted.with_own(own));
}

/// The rule of a directory without a file: only the registry itself is asked.
pub(crate) fn pass(directory: &Directory, at: &Span, texts: &Texts) -> DraftRule {
    DraftRule::of_source(directory.prefix.clone(), Action::Pass, at, Vec::new(), texts)
}

// === impl RouteDraft ===

impl RouteDraft {
    fn of(
        directory: &Directory,
        file: &HostsFile,
        texts: &Texts,
        imported: &mut Imported,
        out: &mut Vec<Problem>,
    ) -> Self {
        let mut mirrors = Vec::new();
        for host in &file.hosts {
            mirrors.extend(mirror(directory, host, texts, out));
        }
        let Some(server) = &file.server else {
            return Self { mirrors, origin: Origin::Last };
        };
        let Some((last, own)) = mirror(directory, server, texts, out) else {
            return Self { mirrors, origin: Origin::Never };
        };
        let whole = last.value.only == Only::Any && server.address.path() == Some("");
        if whole && is_registry(directory, &last) {
            // The registry itself is asked under its own name.
            imported.transport.extend(own.needs);
            return Self { mirrors, origin: Origin::Last };
        }
        mirrors.push((last, own));
        Self { mirrors, origin: Origin::Never }
    }
}

/// Whether a mirror is the registry that the directory is for.
fn is_registry(directory: &Directory, mirror: &Located<Mirror>) -> bool {
    let host: Option<Prefix> = mirror.value.location.host().parse().ok();
    host.is_some_and(|host| host == directory.prefix)
}

/// A host as a mirror; `None` where containerd does not ask it for manifests.
fn mirror(
    directory: &Directory,
    host: &Host,
    texts: &Texts,
    out: &mut Vec<Problem>,
) -> Option<(Located<Mirror>, Own)> {
    let only = match host.capabilities {
        Capabilities { pull: true, resolve: true } => Only::Any,
        Capabilities { pull: true, resolve: false } => Only::Digests,
        Capabilities { pull: false, .. } => {
            let message = format!("{} is never asked: it lacks the capability `pull`", host.address.url());
            out.push(Problem::new(Severity::Note, message).at(&host.at));
            return None;
        }
    };
    let (location, api_root) = match location(host) {
        Ok(found) => found,
        Err(error) => {
            let message = format!("{} is never asked: {error}", host.address.url());
            let hint = mistake::hint(&host.address.url()).or_else(|| error.hint());
            out.push(Problem::warning(message).at(&host.at).maybe_hint(hint));
            return None;
        }
    };
    let need = |what| draft::need(location.host(), what, texts);
    let root = api_root.map(|root| Located { value: Transport::ApiRoot(root), at: host.at.clone() });
    let needs = root.into_iter().chain(host.transport.iter().cloned()).map(need).collect();
    // A table has everything that containerd takes for this host; without a scheme it means https.
    let mut own = Own { needs, https: !host.address.plain_http, verify: false, alone: true };
    if host.address.plain_http {
        own.say_http(need(Located { value: Transport::PlainHttp, at: host.at.clone() }));
    }
    let ns = endpoint::ns(&host.address.host, &directory.prefix);
    let mirror = Mirror { only, ns, ..Mirror::at(location) };
    Some((Located { value: mirror, at: host.at.clone() }, own))
}

/// The location of a mirror, and the API root where a reference cannot express it.
fn location(host: &Host) -> Result<(Location, Option<String>), LocationError> {
    let address = &host.address;
    let path = address.path().filter(|path| !path.contains(['{', '}']));
    if let Some(location) = path.and_then(|path| Location::of_endpoint(&address.host, path).ok()) {
        return Ok((location, None));
    }
    let root = if address.root.is_empty() { "/" } else { &address.root };
    Ok((Location::of_endpoint(&address.host, "")?, Some(root.to_owned())))
}

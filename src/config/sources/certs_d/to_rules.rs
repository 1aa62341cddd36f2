//! What a directory of `certs.d` means as a rule.
//!
//! Before: `hosts_file` has read the file.  After: `Imported` takes rule and transport needs.
//! Holds: the candidates are the registries that containerd would ask for a manifest, in its order; the
//! registry itself is among them exactly where containerd asks it.
//! Not here: falling back for single requests. containerd goes to the next host with each layer; here a pull
//! has one host.

use crate::config::assemble;
use crate::config::diagnostic::{Located, Problem, Severity, Span, Texts};
use crate::config::rules::DraftRule;
use crate::config::sources::Imported;
use crate::config::sources::endpoint::is_http_by_itself;
use crate::containerd::hosts::{Transport, TransportNeed};
use crate::policy::{Action, Checkpoint, Layer, Location, Mirror, Only, Origin, Prefix, Route, Rule};

use super::directory::Directory;
use super::hosts_file::{Abilities, Host, HostsFile};

/// What one directory comes to.
pub(super) struct Meaning {
    mirrors: Vec<Located<Mirror>>,
    origin: Origin,
}

/// Adds the rule of a directory, and what its hosts need. `shadows` says that another directory would be
/// used for this registry if this one were not there.
pub(super) fn add(
    directory: &Directory,
    file: &HostsFile,
    (at, shadows): (&Span, bool),
    texts: &Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    let meaning = Meaning::of(directory, file, texts, imported, out);
    let own = file.server.is_none().then_some(&file.top);
    for need in own.into_iter().flatten() {
        imported.transport.push(transport_need(&spelled(directory), need.clone(), texts));
    }
    let (values, mirrors_at): (Vec<Mirror>, Vec<Span>) =
        meaning.mirrors.into_iter().map(|mirror| (mirror.value, mirror.at)).unzip();
    let action = match (values.is_empty(), meaning.origin) {
        (true, Origin::Last) if !shadows => return,
        (true, Origin::Last) => Action::Pass,
        (true, Origin::Never) => {
            Action::Deny { reason: format!("no registry in {} serves pulls", texts.name(at.text)) }
        }
        (false, origin) => Action::Route(Route {
            mirrors: values,
            rewrites: Vec::new(),
            origin,
            collapse: true,
            node_credentials: None,
        }),
    };
    let at = mirrors_at.first().unwrap_or(at).clone();
    if let (Action::Route(_), None) = (&action, directory.prefix.host()) {
        let message = "these hosts are not told which registry an image is of";
        let hint = "containerd sends them the registry in `ns`; the shunt asks for the host's own name, without \
                    it. Where a host needs it, write a native rule with {host} in the mirror's path";
        out.push(Problem::warning(message).at(&at).hint(hint).left_behind());
    }
    imported.rules.push(draft(directory.prefix.clone(), action, at, mirrors_at, texts));
}

/// The rule of a directory without a file: the registry itself, and no other.
pub(super) fn pass(directory: &Directory, at: Span, texts: &Texts) -> DraftRule {
    draft(directory.prefix.clone(), Action::Pass, at, Vec::new(), texts)
}

fn draft(prefix: Prefix, action: Action, at: Span, mirrors_at: Vec<Span>, texts: &Texts) -> DraftRule {
    let source = assemble::source(&at, texts);
    let rule = Rule { prefix, action, checkpoint: Checkpoint::Refuse, source, layer: Layer::default() };
    DraftRule { rule, at, mirrors_at }
}

/// The registry of a directory as references spell it.
pub(super) fn spelled(directory: &Directory) -> String {
    directory.registry.clone()
}

pub(super) fn transport_need(host: &str, what: Located<Transport>, texts: &Texts) -> Located<TransportNeed> {
    assemble::need(host, what, texts)
}

// === impl Meaning ===

impl Meaning {
    fn of(
        directory: &Directory,
        file: &HostsFile,
        texts: &Texts,
        imported: &mut Imported,
        out: &mut Vec<Problem>,
    ) -> Self {
        let mut mirrors = Vec::new();
        for host in &file.hosts {
            mirrors.extend(mirror(host, texts, imported, out));
        }
        let Some(server) = &file.server else {
            return Self { mirrors, origin: Origin::Last };
        };
        let last = mirror(server, texts, imported, out);
        let is_origin = last.as_ref().is_some_and(|last| {
            last.value.only == Only::Any && server.endpoint.path() == Some("") && is_registry(directory, last)
        });
        if is_origin {
            return Self { mirrors, origin: Origin::Last };
        }
        mirrors.extend(last);
        Self { mirrors, origin: Origin::Never }
    }
}

/// Whether a mirror is the registry that the directory is for.
fn is_registry(directory: &Directory, mirror: &Located<Mirror>) -> bool {
    let host: Option<Prefix> = mirror.value.location.host().parse().ok();
    host.is_some_and(|host| host == directory.prefix)
}

/// The mirror that a host is; none where containerd asks it for no manifest.
fn mirror(
    host: &Host,
    texts: &Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) -> Option<Located<Mirror>> {
    let only = match host.abilities {
        Abilities { pull: true, resolve: true } => Only::Any,
        Abilities { pull: true, resolve: false } => Only::Digests,
        Abilities { pull: false, .. } => {
            let message = format!("{} is never asked: it lacks the capability `pull`", host.endpoint.url());
            out.push(Problem::new(Severity::Note, message).at(&host.at));
            return None;
        }
    };
    let (location, api_root) = match location(host) {
        Ok(found) => found,
        Err(problem) => {
            out.push(problem);
            return None;
        }
    };
    let at = || host.at.clone();
    let plain = host.endpoint.plain_http && !is_http_by_itself(&host.endpoint.host);
    let plain = plain.then(|| Located { value: Transport::PlainHttp, at: at() });
    let root = api_root.map(|root| Located { value: Transport::ApiRoot(root), at: at() });
    let needs = plain.into_iter().chain(root).chain(host.transport.iter().cloned());
    imported.transport.extend(needs.map(|need| transport_need(location.host(), need, texts)));
    Some(Located { value: Mirror { location, only, strip_prefix: false }, at: at() })
}

/// The place in front of repositories, and the API root where a reference cannot say it.
fn location(host: &Host) -> Result<(Location, Option<String>), Problem> {
    let endpoint = &host.endpoint;
    let mut name = endpoint.host.clone();
    // A reference takes a word for a host only where it has a dot or a port.
    if name != "localhost" && !name.contains(['.', ':']) {
        name.push_str(if endpoint.plain_http { ":80" } else { ":443" });
    }
    let whole = match endpoint.path() {
        Some("") => Some(name.clone()),
        Some(path) if !path.contains(['{', '}']) => Some(format!("{name}/{path}")),
        _ => None,
    };
    if let Some(location) = whole.and_then(|whole| whole.parse().ok()) {
        return Ok((location, None));
    }
    match name.parse::<Location>() {
        Ok(location) => {
            let root = if endpoint.root.is_empty() { "/" } else { &endpoint.root };
            Ok((location, Some(root.to_owned())))
        }
        Err(error) => {
            let hint = error.hint();
            Err(Problem::error(error.to_string()).at(&host.at).maybe_hint(hint))
        }
    }
}

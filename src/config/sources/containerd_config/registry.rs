//! One table `registry`.

use foldhash::HashMap;

use super::super::super::diagnostic::{Located, Problem, Severity, Span, Texts};
use super::super::super::draft::{self, DraftRule, Imported};
use super::super::super::section::{Field, Section};
use super::super::endpoint::{self, EndpointError, EndpointUrl, Scheme};
use super::super::endpoint_list::{self, ListFormat, ListRoute};
use super::super::host_config;
use crate::containerd::hosts::Transport;
use crate::files::secret::Secret;
use crate::policy::{Action, Origin, Prefix, PrefixKind};
use crate::registry::HeaderValue;

const LIST: ListFormat = ListFormat {
    severity: Severity::Warning,
    ignored: "containerd cannot use this endpoint, so it is ignored",
    logins: "they belong under `configs`",
    read: endpoint,
};

/// As `addDefaultScheme` and `registryHosts` read an endpoint: its path is the API root, and without one it is `/v2`.
fn endpoint(text: &str) -> Result<(EndpointUrl, String), EndpointError> {
    let mut endpoint = EndpointUrl::parse(text)?;
    if !endpoint.says_scheme {
        let is_local = endpoint::is_loopback(&endpoint.host);
        endpoint.scheme = if is_local { Scheme::Http } else { Scheme::Https };
    }
    let root = match endpoint.path.as_str() {
        // A slash at the end is a path.
        "" if text.ends_with('/') => "/".to_owned(),
        "" => "/v2".to_owned(),
        path => path.to_owned(),
    };
    Ok((endpoint, root))
}

/// Adds what the table says.
pub(super) fn add(mut table: Section<'_>, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    let path = table.string("config_path", out).filter(|set| !set.value.is_empty());
    let entries = table.section("mirrors", out);
    let hosts = table.section("configs", out);
    let auths = table.section("auths", out);
    let headers = table.section("headers", out);
    table.finish(out);
    let has_mirrors = entries.as_ref().is_some_and(|entries| entries.fields().next().is_some());
    if let Some(path) = path {
        out.push(config_path(&path, has_mirrors));
    }
    if let Some(entries) = entries {
        mirrors(&entries, texts, imported, out);
    }
    for entry in hosts.iter().flat_map(Section::fields) {
        host(&entry, texts, imported, out);
    }
    for entry in auths.iter().flat_map(Section::fields) {
        let Some(auth) = entry.section(out) else { continue };
        login(host_config::host_of(&entry.key.text), &entry, auth, texts, imported, out);
    }
    for entry in headers.iter().flat_map(Section::fields) {
        header(&entry, texts, imported, out);
    }
}

/// containerd does not start with both; with `config_path` alone the mirrors are elsewhere.
fn config_path(path: &Located<&str>, has_mirrors: bool) -> Problem {
    if has_mirrors {
        let message = "containerd does not start with `mirrors` beside `config_path`";
        return Problem::error(message).at(&path.at).hint("keep one of the two");
    }
    let message = format!("the mirrors are in {}, which `config_path` names", path.value);
    let hint = format!("name that directory as a source too: certs-d = \"{}\"", path.value);
    Problem::warning(message).at(&path.at).hint(hint).left_behind()
}

fn mirrors(entries: &Section<'_>, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    let any = entries.fields().any(|entry| entry.key.text == "*");
    let mut seen: HashMap<Prefix, Span> = HashMap::default();
    for entry in entries.fields() {
        let Some(prefix) = endpoint_list::registry(&entry, out) else { continue };
        if let Some(first) = seen.get(&prefix) {
            let message = format!("this second entry for `{prefix}` has no effect");
            let problem = Problem::warning(message).at(&entry.key.at).also(first, "this one is used");
            out.push(problem.hint("merge the two entries"));
            continue;
        }
        let Some(route) = mirror(&entry, &prefix, texts, out) else { continue };
        seen.insert(prefix.clone(), entry.key.at.clone());
        imported.transport.extend(route.iter().flat_map(ListRoute::needs_of_itself).cloned());
        match route {
            Some(route) => imported.rules.push(route.rule(&prefix, &entry.key.at, texts)),
            // An entry of its own hides `*`, whatever it says.
            None if any && prefix.kind() != PrefixKind::Any => {
                let at = &entry.key.at;
                imported.rules.push(DraftRule::of_source(prefix, Action::Pass, at, Vec::new(), texts));
            }
            None => {}
        }
    }
}

/// The route of an entry, if it has endpoints; nothing where it cannot be read.
fn mirror(
    entry: &Field<'_>,
    prefix: &Prefix,
    texts: &Texts,
    out: &mut Vec<Problem>,
) -> Option<Option<ListRoute>> {
    let mut table = entry.section(out)?;
    let endpoints = table.field("endpoint").map_or(Some(Vec::new()), |field| field.items(out))?;
    if let Some(rewrite) = table.refused("rewrite") {
        let message =
            "only the containerd of k3s and RKE2 knows `rewrite`, so it can't be carried over from here";
        let hint = "name their registries.yaml as the source";
        out.push(Problem::warning(message).at(rewrite.at).hint(hint).left_behind());
    }
    table.finish(out);
    let mut listed = endpoint_list::read(&endpoints, &LIST, out);
    for listed in listed.iter().filter(|listed| listed.root == "/") {
        let url = listed.endpoint.url();
        let message = format!("containerd asks {url}/ without /v2, because of the slash at its end");
        out.push(Problem::warning(message).at(listed.at).hint(format!("leave it out: {url}")));
    }
    if listed.is_empty() {
        return Some((!endpoints.is_empty()).then(|| ListRoute::refused(entry, texts, out)));
    }
    // The registry itself is added at the end, unless an endpoint has its host.
    let is_there = listed.iter().any(|listed| listed.endpoint.host == entry.key.text);
    let mut origin = if is_there { Origin::Never } else { Origin::Last };
    if listed.len() > 1 && listed.last().is_some_and(|last| last.is_default(prefix)) {
        listed.pop();
        origin = Origin::Last;
    }
    Some(Some(ListRoute::by(&listed, prefix, (Vec::new(), origin), texts)))
}

fn host(entry: &Field<'_>, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    let Some(mut config) = entry.section(out) else { return };
    let host = &entry.key.text;
    if host.contains("://") || host.contains('/') {
        let message = format!("`{host}` is no host, so containerd uses this entry for none");
        let hint = format!("write the host alone: {}", host_config::host_of(host));
        out.push(Problem::warning(message).at(&entry.key.at).hint(hint));
        return;
    }
    if let Some(auth) = config.section("auth", out) {
        login(host, entry, auth, texts, imported, out);
    }
    if let Some(tls) = config.section("tls", out) {
        let needs = host_config::tls(tls, out).into_iter();
        imported.transport.extend(needs.map(|what| draft::need(host, what, texts)));
    }
    config.finish(out);
}

fn login(
    host: &str,
    entry: &Field<'_>,
    mut auth: Section<'_>,
    texts: &Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    host_config::login(host, &entry.key.at, &mut auth, "identitytoken", texts, imported, out);
    auth.finish(out);
}

/// A header that containerd sends to every registry.
fn header(entry: &Field<'_>, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    for item in entry.items(out).unwrap_or_default() {
        let Some(value) = item.string(out) else { continue };
        let value = HeaderValue::Text(Secret::new(value.to_owned()));
        let value = Transport::Header { name: entry.key.text.clone(), value };
        let what = Located { value, at: entry.key.at.clone() };
        imported.transport.push(draft::need("*", what, texts));
    }
}

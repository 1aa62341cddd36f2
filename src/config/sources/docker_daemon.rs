//! Reads `registry-mirrors` and `insecure-registries` of Docker's `daemon.json`.
//!
//! Holds: the mirrors are for Docker Hub alone, in their order and with the registry itself last. What dockerd refuses
//! is an error. The other keys of the file are about other things, and are not looked at.
//! Not here: `/etc/docker/certs.d`, where Docker looks for certificates.
//! Source: moby `daemon/pkg/registry/config.go` and `service_v2.go`.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::Path;

use super::super::diagnostic::{Located, Problem, Severity, Span, TextId, Texts};
use super::super::draft::{self, Imported};
use super::super::mistake;
use super::super::parse_yaml;
use super::super::refusal::did_you_mean;
use super::super::section::{DOCKER, Field, Section};
use super::endpoint::{EndpointError, EndpointUrl};
use super::endpoint_list::{self, ListFormat, ListRoute};
use super::one_file;
use crate::containerd::hosts::{Transport, TransportNeed};
use crate::files::byte_order_mark;
use crate::policy::{Location, Origin, Prefix};

const MIRRORS: &str = "registry-mirrors";
const INSECURE: &str = "insecure-registries";

/// As `ValidateMirror` reads a mirror. The API is below its path.
const LIST: ListFormat = ListFormat {
    severity: Severity::Error,
    ignored: "dockerd does not start with this mirror",
    logins: "configure them as [[credentials]]",
    read: |text| {
        let endpoint = EndpointUrl::parse(text)?;
        if !endpoint.says_scheme {
            return Err(EndpointError::NoScheme);
        }
        if endpoint.has_login {
            return Err(EndpointError::Login);
        }
        let root = format!("{}/v2", endpoint.path);
        Ok((endpoint, root))
    },
};

/// Reads a source.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    one_file::read(path, texts, out, add)
}

fn add(text: TextId, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    let content = texts.content(text);
    // JSON is read as YAML, and what is neither is better called what it should be.
    if !byte_order_mark::without(content).trim().is_empty() && !parse_yaml::is_json(content) {
        let at = Span { text, range: 0..0 };
        out.push(Problem::error("this is not JSON: it does not begin with `{`").at(&at));
        return;
    }
    let Some(document) = parse_yaml::parse(text, content, out) else { return };
    let Some(mut root) = Section::root(&document, &DOCKER, out) else { return };
    misspelt(&root, out);
    let insecure = root.field(INSECURE).and_then(|field| field.items(out)).unwrap_or_default();
    for item in &insecure {
        imported.transport.extend(needs(item, texts, out));
    }
    let Some(mirrors) = root.field(MIRRORS) else {
        let message = format!("{} has no `{MIRRORS}`: no rule comes from it", texts.name(text));
        out.push(Problem::warning(message).hint("Docker has mirrors for Docker Hub alone"));
        return;
    };
    let items = mirrors.items(out).unwrap_or_default();
    let listed = endpoint_list::read(&items, &LIST, out);
    let Ok(hub) = "docker.io".parse::<Prefix>() else { return };
    if !listed.is_empty() {
        let route = ListRoute::by(&listed, &hub, (Vec::new(), Origin::Last), texts);
        imported.transport.extend(route.needs_of_itself().cloned());
        imported.rules.push(route.rule(&hub, &mirrors.key.at, texts));
    }
}

/// dockerd does not start with a key that it does not know.
fn misspelt(root: &Section<'_>, out: &mut Vec<Problem>) {
    for field in root.fields() {
        let key = field.key.text.as_str();
        if let Some(near) = did_you_mean(key, &[MIRRORS, INSECURE]).filter(|near| *near != key) {
            let problem = Problem::error(format!("dockerd does not start with the unknown key `{key}`"));
            out.push(problem.at(&field.key.at).hint(format!("did you mean `{near}`?")));
        }
    }
}

/// What an insecure registry needs: its certificate is not verified, and it is asked by http where https fails.
fn needs(item: &Field<'_>, texts: &Texts, out: &mut Vec<Problem>) -> Vec<Located<TransportNeed>> {
    let Some(text) = item.string(out) else { return Vec::new() };
    let host = ["http://", "https://"].iter().find_map(|scheme| {
        let start = text.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
    });
    let host = host.unwrap_or(text);
    if is_network(host) {
        if !matches!(host, "127.0.0.0/8" | "::1/128") {
            let message = format!("`{host}` is a network, which cannot be carried over");
            let hint = "name each registry in it, with its port: [[transport]] with `http-fallback` and `skip-verify`";
            out.push(Problem::warning(message).at(item.at).hint(hint).left_behind());
        }
        return Vec::new();
    }
    if let Err(error) = Location::of_endpoint(host, "") {
        let message = format!("dockerd does not start with this entry: {error}");
        let hint = mistake::hint(host).or_else(|| error.hint());
        out.push(Problem::error(message).at(item.at).maybe_hint(hint));
        return Vec::new();
    }
    let need = |what| draft::need(host, Located { value: what, at: item.at.clone() }, texts);
    [Transport::SkipVerify, Transport::HttpFallback].map(need).into()
}

/// Whether it is an address with the length of its prefix.
fn is_network(text: &str) -> bool {
    let parts = text.split_once('/');
    parts.is_some_and(|(ip, bits)| ip.parse::<IpAddr>().is_ok() && bits.parse::<u8>().is_ok())
}

//! The documents about registries, before they are put together.

use std::collections::{BTreeMap, HashMap};

use super::super::super::diagnostic::{Located, Problem, Span};
use super::super::super::mistake;
use super::super::super::node::Node;
use super::super::super::refusal::Refusal;
use super::super::super::section::{Field, Section, TALOS};
use super::super::certs_d::{Capabilities, Host, HostAddress};
use super::super::endpoint_list;
use crate::containerd::hosts::Transport;
use crate::policy::{Prefix, PrefixKind};

const MIRROR: &str = "RegistryMirrorConfig";
const AUTH: &str = "RegistryAuthConfig";
const TLS: &str = "RegistryTLSConfig";

/// Everything that was found.
#[derive(Default)]
pub(super) struct Found<'n> {
    pub(super) mirrors: Vec<MirrorDocument>,
    /// The place of the first mirrors of each registry.
    firsts: HashMap<Prefix, Span>,
    /// By host.
    pub(super) tls: BTreeMap<String, Vec<Located<Transport>>>,
    pub(super) logins: Vec<(String, Span, Section<'n>)>,
}

/// The mirrors of a registry.
pub(super) struct MirrorDocument {
    pub(super) registry: String,
    pub(super) prefix: Prefix,
    pub(super) at: Span,
    pub(super) hosts: Vec<Host>,
    pub(super) skip_fallback: bool,
}

// === impl Found ===

impl<'n> Found<'n> {
    /// Adds what a document says.
    pub(super) fn add(&mut self, document: &'n Node, out: &mut Vec<Problem>) {
        let Some(mut root) = Section::root(document, &TALOS, out) else { return };
        if let Some(mut registries) =
            root.section("machine", out).and_then(|mut it| it.section("registries", out))
        {
            self.machine(&mut registries, out);
            registries.finish(out);
        }
        let Some(kind) = root.string("kind", out) else { return };
        if ![MIRROR, AUTH, TLS].contains(&kind.value) {
            return;
        }
        let _ = root.field("apiVersion");
        let Some(name) = root.field("name") else {
            let message = format!("a {} needs a `name`", kind.value);
            out.push(
                Problem::error(message).at(&kind.at).hint("write the registry or the host that it is for"),
            );
            return;
        };
        let Some(host) = name.string(out) else { return };
        match kind.value {
            MIRROR => {
                let items = root.field("endpoints").and_then(|field| field.items(out)).unwrap_or_default();
                let hosts = items.iter().filter_map(|item| endpoint(item, out)).collect();
                let skip = root.boolean("skipFallback", out);
                self.mirror(Located { value: host, at: name.at.clone() }, hosts, skip, out);
                root.finish(out);
            }
            TLS => self.tls(host, root, out),
            _ => self.logins.push((host.to_owned(), name.at.clone(), root)),
        }
    }

    /// The older form, with everything in one document.
    fn machine(&mut self, registries: &mut Section<'n>, out: &mut Vec<Problem>) {
        for field in registries.section("mirrors", out).iter().flat_map(Section::fields) {
            let Some(mut section) = field.section(out) else { continue };
            let items = section.field("endpoints").and_then(|field| field.items(out)).unwrap_or_default();
            let overrides = section.boolean("overridePath", out).is_some_and(|set| set.value);
            let hosts = items.iter().filter_map(|item| host(item, overrides, false, out)).collect();
            let skip = section.boolean("skipFallback", out);
            section.finish(out);
            if endpoint_list::registry(&field, out).is_some() {
                let name = Located { value: field.key.text.as_str(), at: field.key.at.clone() };
                self.mirror(name, hosts, skip, out);
            }
        }
        for field in registries.section("config", out).iter().flat_map(Section::fields) {
            let Some(mut section) = field.section(out) else { continue };
            if let Some(auth) = section.section("auth", out) {
                self.logins.push((field.key.text.clone(), field.key.at.clone(), auth));
            }
            if let Some(tls) = section.section("tls", out) {
                self.tls(&field.key.text, tls, out);
            }
            section.finish(out);
        }
    }

    fn mirror(
        &mut self,
        name: Located<&str>,
        hosts: Vec<Host>,
        skip: Option<Located<bool>>,
        out: &mut Vec<Problem>,
    ) {
        let Located { value: registry, at } = name;
        let prefix = match registry.parse::<Prefix>() {
            Ok(prefix) if !matches!(prefix.kind(), PrefixKind::Host | PrefixKind::Any) => {
                let problem = Problem::error(format!("`{registry}` is not the host of a registry")).at(&at);
                out.push(problem.hint("mirrors are for whole registries: write the host alone, or \"*\""));
                return;
            }
            Ok(prefix) => prefix,
            Err(error) => {
                let hint = mistake::hint(registry).or_else(|| error.hint());
                out.push(Problem::error(error.to_string()).at(&at).maybe_hint(hint));
                return;
            }
        };
        if let Some(first) = self.firsts.get(&prefix) {
            let problem = Problem::error(format!("`{registry}` has mirrors twice")).at(&at);
            out.push(problem.also(first, "the first ones").hint("write all endpoints in one document"));
            return;
        }
        self.firsts.insert(prefix.clone(), at.clone());
        let skip = skip.filter(|set| set.value);
        if let Some(set) = skip.as_ref().filter(|_| hosts.is_empty()) {
            let message = "`skipFallback` has no effect without an endpoint: the registry itself is asked";
            out.push(Problem::warning(message).at(&set.at));
        }
        let skip_fallback = skip.is_some() && !hosts.is_empty();
        self.mirrors.push(MirrorDocument { registry: registry.to_owned(), prefix, at, hosts, skip_fallback });
    }

    fn tls(&mut self, host: &str, mut section: Section<'_>, out: &mut Vec<Problem>) {
        let of_host = self.tls.entry(host.to_owned()).or_default();
        if let Some(set) = section.boolean("insecureSkipVerify", out).filter(|set| set.value) {
            of_host.push(Located { value: Transport::SkipVerify, at: set.at });
        }
        // In the older form they are in base64.
        let decode = |text: &str| if text.contains("-----BEGIN") { "" } else { ", decoded with `base64 -d`" };
        for (key, what, files) in [
            ("ca", "the certificate authority", &[("ca", "crt")][..]),
            ("clientIdentity", "the client certificate", &[("client-cert", "crt"), ("client-key", "key")]),
        ] {
            if let Some(field) = section.field(key).filter(|field| field.text() != Some("")) {
                let message =
                    format!("{what} of {host} is in this file itself, and cannot be used from here");
                let stem = format!("/etc/cri-shunt/{}", host.replace(':', "_"));
                let keys: Vec<String> =
                    files.iter().map(|(key, end)| format!("{key} = \"{stem}.{end}\"")).collect();
                let encoded = field.text().map_or(", decoded if it is in base64", decode);
                let hint = format!(
                    "write it into a file of its own{encoded}, and name that: [[transport]] registry = \"{host}\", {}",
                    keys.join(", ")
                );
                out.push(Problem::warning(message).at(&field.key.at).hint(hint).left_behind());
            }
        }
        section.finish(out);
    }
}

/// An item of `endpoints` of a RegistryMirrorConfig.
fn endpoint(item: &Field<'_>, out: &mut Vec<Problem>) -> Option<Host> {
    let mut section = item.section(out)?;
    let overrides = section.boolean("overridePath", out).is_some_and(|set| set.value);
    let url = section.field("url");
    let at = section.at().clone();
    section.finish(out);
    let Some(url) = url else {
        let problem = Problem::error("an endpoint needs a `url`").at(&at);
        out.push(problem.hint("write `- url: https://mirror.dev.de:5000`"));
        return None;
    };
    host(&url, overrides, true, out)
}

fn host(field: &Field<'_>, overrides: bool, needs_scheme: bool, out: &mut Vec<Problem>) -> Option<Host> {
    let text = field.string(out)?;
    let found = match HostAddress::read(text, overrides) {
        Ok(_) if needs_scheme && !text.contains("://") => {
            Err(Refusal::new(format!("{text:?} has no scheme")).hint(format!("write https://{text}")))
        }
        found => found,
    };
    match found {
        Ok(address) => {
            let capabilities = Capabilities { pull: true, resolve: true };
            Some(Host { address, at: field.at.clone(), capabilities, transport: Vec::new() })
        }
        Err(Refusal { message, hint }) => {
            out.push(Problem::error(message).at(field.at).maybe_hint(hint));
            None
        }
    }
}

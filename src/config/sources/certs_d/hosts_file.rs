//! Reads one `hosts.toml`.
//!
//! Holds: hosts are in the order in which containerd tries them, which is the order of the table headers in the text.
//! Where containerd gives up on a file (and asks the public registry), it is an error.
//! Source: containerd `docs/hosts.md` and `core/remotes/docker/config/hosts.go`.

use std::path::{Path, PathBuf};

use crate::config::diagnostic::{Located, Problem, Severity, Span, TextId, Texts};
use crate::config::duration;
use crate::config::node::Value;
use crate::config::parse_toml;
use crate::config::refusal::Refusal;
use crate::config::section::{CONTAINERD, Field, Section};
use crate::containerd::hosts::Transport;
use crate::files::byte_order_mark;
use crate::files::secret::Secret;
use crate::registry::HeaderValue;

use super::host_address::HostAddress;

/// One file.
#[derive(Debug)]
pub(crate) struct HostsFile {
    pub(crate) hosts: Vec<Host>,
    /// The host that is tried last; `None` where that is the registry itself.
    pub(crate) server: Option<Host>,
    /// Settings at the top of the file, for connections to the registry itself.
    pub(crate) top: Vec<Located<Transport>>,
}

/// One registry that is tried.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) address: HostAddress,
    pub(crate) at: Span,
    pub(crate) capabilities: Capabilities,
    pub(crate) transport: Vec<Located<Transport>>,
}

/// What a registry is asked for in a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) pull: bool,
    pub(crate) resolve: bool,
}

/// The keys that a host and the top of the file have in common.
struct Common {
    capabilities: Capabilities,
    override_path: bool,
    transport: Vec<Located<Transport>>,
}

/// The text of a file, and the directory at which relative paths start.
#[derive(Clone, Copy)]
struct FileContext<'t> {
    content: &'t str,
    directory: &'t Path,
}

/// Reads a file; `None` where it has an error.
pub(super) fn read(
    text: TextId,
    directory: &Path,
    texts: &Texts,
    out: &mut Vec<Problem>,
) -> Option<HostsFile> {
    let context = FileContext { content: texts.content(text), directory };
    let mut found = Vec::new();
    let at = Span { text, range: 0..0 };
    if byte_order_mark::is_before(context.content.as_bytes()) {
        // From containerd 2.0 on; 1.x reads it.
        found.push(Problem::error(byte_order_mark::REFUSED).at(&at));
    }
    let file = parse_toml::parse_foreign(text, context.content, &mut found).and_then(|document| {
        read_root(Section::root(&document, &CONTAINERD, &mut found)?, context, &mut found)
    });
    let refused = found.iter().any(Problem::is_error);
    out.extend(found);
    if refused {
        let message = "containerd would ignore this file and ask the public registry: here that is an error";
        out.push(Problem::new(Severity::Note, message).at(&at));
    }
    file.filter(|_| !refused)
}

fn read_root(mut root: Section<'_>, context: FileContext<'_>, out: &mut Vec<Problem>) -> Option<HostsFile> {
    let common = Common::read(&mut root, context, out);
    let server = root.string("server", out).filter(|server| !server.value.is_empty());
    let mut hosts = Vec::new();
    if let Some(table) = root.field("host").and_then(|field| field.section(out)) {
        for field in table.fields() {
            hosts.extend(read_host(&field, context, out));
        }
    }
    root.finish(out);
    let common = common?;
    let server = match server {
        Some(server) => Some(host(server, &common, out)?),
        None => None,
    };
    Some(HostsFile { hosts, server, top: common.transport })
}

fn read_host(field: &Field<'_>, context: FileContext<'_>, out: &mut Vec<Problem>) -> Option<Host> {
    let name = Located { value: field.key.text.as_str(), at: field.key.at.clone() };
    let mut section = field.section(out)?;
    if !has_header(context.content, &name.at) {
        let message = format!("containerd reads the host \"{}\" and never uses it", name.value);
        let hint = format!("give it a header of its own: [host.\"{}\"]", name.value);
        out.push(Problem::error(message).at(&name.at).hint(hint));
        return None;
    }
    let common = Common::read(&mut section, context, out);
    if let Some(rewrite) = section.refused("rewrite") {
        let hint = "only the containerd of k3s and RKE2 knows it; name their registries.yaml as the source";
        out.push(Problem::error("`rewrite` can't be carried over from this file").at(rewrite.at).hint(hint));
    }
    section.finish(out);
    host(name, &common?, out)
}

fn host(text: Located<&str>, common: &Common, out: &mut Vec<Problem>) -> Option<Host> {
    match HostAddress::read(text.value, common.override_path) {
        Ok(address) => Some(Host {
            address,
            at: text.at,
            capabilities: common.capabilities,
            transport: common.transport.clone(),
        }),
        Err(Refusal { message, hint }) => {
            out.push(Problem::error(message).at(&text.at).maybe_hint(hint));
            None
        }
    }
}

/// Whether the name of a host is in a table header. containerd takes the hosts from the headers; those in an
/// inline table or a dotted key are ignored.
fn has_header(content: &str, name: &Span) -> bool {
    let before = content.get(..name.range.start).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default().trim_start().starts_with('[')
}

fn capabilities(field: Option<Field<'_>>, out: &mut Vec<Problem>) -> Option<Capabilities> {
    let all = Capabilities { pull: true, resolve: true };
    let Some(field) = field else { return Some(all) };
    let items = field.items(out)?;
    if items.is_empty() {
        return Some(all);
    }
    let mut found = Capabilities { pull: false, resolve: false };
    let mut sound = true;
    for item in items {
        let word = item.string(out).map(str::to_ascii_lowercase);
        match word.as_deref() {
            Some("pull") => found.pull = true,
            Some("resolve") => found.resolve = true,
            Some("push" | "referrers") => {}
            Some(word) => {
                let hint = "known: pull, resolve, push, referrers";
                out.push(Problem::error(format!("unknown capability \"{word}\"")).at(item.at).hint(hint));
                sound = false;
            }
            None => sound = false,
        }
    }
    sound.then_some(found)
}

/// A string, or an array of strings.
fn strings(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Vec<String>> {
    match field.value {
        Value::Text(text) => Some(vec![text.to_string()]),
        Value::List(_) => field.items(out)?.iter().map(|item| item.string(out).map(str::to_owned)).collect(),
        _ => field.wrong_type("a string or an array of strings", out),
    }
}

/// A string, or an array of strings and of pairs.
fn client(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Vec<(String, String)>> {
    let alone = |text: &str| (text.to_owned(), String::new());
    match field.value {
        Value::Text(text) => Some(vec![alone(text)]),
        Value::List(_) => {
            let items = field.items(out)?;
            let pair = |item: &Field<'_>, out: &mut Vec<Problem>| match item.value {
                Value::Text(text) => Some(alone(text)),
                _ => match strings(item, out)?.as_slice() {
                    [certificate, key] => Some((certificate.clone(), key.clone())),
                    _ => {
                        let message =
                            "a client certificate is a pair of two files, the certificate and the key";
                        out.push(Problem::error(message).at(item.at));
                        None
                    }
                },
            };
            items.iter().map(|item| pair(item, out)).collect()
        }
        _ => field.wrong_type("a string or an array", out),
    }
}

// === impl Common ===

impl Common {
    /// `None` where one of the values cannot be read; all of them are checked first.
    fn read(section: &mut Section<'_>, context: FileContext<'_>, out: &mut Vec<Problem>) -> Option<Self> {
        let before = out.len();
        let capabilities = capabilities(section.field("capabilities"), out);
        let override_path = section.boolean("override_path", out).is_some_and(|set| set.value);
        let transport = transport(section, context, out);
        let sound = !out[before..].iter().any(Problem::is_error);
        capabilities.filter(|_| sound).map(|capabilities| Self { capabilities, override_path, transport })
    }
}

/// The settings for connections to a host.
fn transport(
    section: &mut Section<'_>,
    context: FileContext<'_>,
    out: &mut Vec<Problem>,
) -> Vec<Located<Transport>> {
    let mut found = Vec::new();
    let file = |name: String| context.directory.join(name);
    if let Some(field) = section.field("ca") {
        let files = strings(&field, out).unwrap_or_default();
        let needs = files.into_iter().map(|name| Transport::CaFile(file(name)));
        found.extend(needs.map(|value| Located { value, at: field.at.clone() }));
    }
    if let Some(field) = section.field("client") {
        for (cert, key) in client(&field, out).unwrap_or_default() {
            let key: Option<PathBuf> = (!key.is_empty()).then(|| file(key));
            let value = Transport::ClientCert { cert: file(cert), key };
            found.push(Located { value, at: field.at.clone() });
        }
    }
    if let Some(set) = section.boolean("skip_verify", out).filter(|set| set.value) {
        found.push(Located { value: Transport::SkipVerify, at: set.at });
    }
    if let Some(headers) = section.section("header", out) {
        for field in headers.fields() {
            let values = strings(&field, out).unwrap_or_default();
            let header = |value| Transport::Header {
                name: field.key.text.clone(),
                value: HeaderValue::Text(Secret::new(value)),
            };
            found.extend(
                values.into_iter().map(|value| Located { value: header(value), at: field.key.at.clone() }),
            );
        }
    }
    let timeout = section.parse("dial_timeout", out, |text| {
        duration::check_go(text)?;
        Ok(Transport::DialTimeout(text.to_owned()))
    });
    found.extend(timeout);
    found
}

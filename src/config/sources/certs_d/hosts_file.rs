//! Reads one `hosts.toml`.
//!
//! Before: `directory` has found the file.  After: `to_rules` makes a rule of it.
//! Holds: hosts come in the order in which containerd tries them, which is that of the table headers in the
//! text; what makes containerd give the file up (and ask the public registry) is an error.
//! Not here: what the hosts mean for a name (`to_rules`). Source: containerd `docs/hosts.md` and
//! `core/remotes/docker/config/hosts.go`.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use crate::config::diagnostic::{Located, Problem, Severity, Span, TextId, Texts};
use crate::config::duration;
use crate::config::tree::{self, Entry, Refusal, Section};
use crate::containerd::hosts::Transport;
use crate::files::secret::Secret;
use crate::registry::HeaderValue;

use super::endpoint::Endpoint;

/// One file.
#[derive(Debug)]
pub(super) struct HostsFile {
    pub(super) hosts: Vec<Host>,
    /// The entry that is tried last; none where that is the registry itself.
    pub(super) server: Option<Host>,
    /// What the top of the file says of connections to the registry itself.
    pub(super) top: Vec<Located<Transport>>,
}

/// One registry that is tried.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) endpoint: Endpoint,
    pub(super) at: Span,
    pub(super) abilities: Abilities,
    pub(super) transport: Vec<Located<Transport>>,
}

/// What a registry is asked for, as far as pulls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) pull: bool,
    pub(super) resolve: bool,
}

/// The keys that a host and the top of the file have in common.
struct Common {
    abilities: Abilities,
    override_path: bool,
    transport: Vec<Located<Transport>>,
}

/// The text of a file, and the directory that its paths begin in.
#[derive(Clone, Copy)]
struct Frame<'t> {
    content: &'t str,
    directory: &'t Path,
}

/// Reads a file; nothing where it has an error.
pub(super) fn read(
    text: TextId,
    directory: &Path,
    texts: &Texts,
    out: &mut Vec<Problem>,
) -> Option<HostsFile> {
    let frame = Frame { content: texts.content(text), directory };
    let mut found = Vec::new();
    let file = tree::parse_foreign(text, frame.content, &mut found)
        .and_then(|document| read_root(Section::root(text, &document), frame, &mut found));
    let refused = found.iter().any(Problem::is_error);
    out.extend(found);
    if refused {
        let whole = Span { text, range: 0..0 };
        let message = "containerd would pass over this file and ask the public registry: it is refused here";
        out.push(Problem::new(Severity::Note, message).at(&whole));
    }
    file.filter(|_| !refused)
}

fn read_root(mut root: Section<'_>, frame: Frame<'_>, out: &mut Vec<Problem>) -> Option<HostsFile> {
    let common = Common::read(&mut root, frame, out);
    let server = root.string("server", out).filter(|server| !server.value.is_empty());
    let mut hosts = Vec::new();
    if let Some(mut table) = root.entry("host").and_then(|entry| entry.section(out)) {
        for (name, entry) in table.named() {
            hosts.extend(read_host(name, &entry, frame, out));
        }
    }
    root.finish_foreign("containerd", out);
    let common = common?;
    let server = match server {
        Some(server) => Some(host(server, &common, out)?),
        None => None,
    };
    Some(HostsFile { hosts, server, top: common.transport })
}

fn read_host(
    name: Located<&str>,
    entry: &Entry<'_>,
    frame: Frame<'_>,
    out: &mut Vec<Problem>,
) -> Option<Host> {
    let mut section = entry.section(out)?;
    if !has_header(frame.content, &name.at) {
        let message = format!("containerd reads the host \"{}\" and never uses it", name.value);
        let hint = format!("give it a header of its own: [host.\"{}\"]", name.value);
        out.push(Problem::error(message).at(&name.at).hint(hint));
        return None;
    }
    let common = Common::read(&mut section, frame, out);
    if let Some(rewrite) = section.entry("rewrite") {
        let hint = "only the containerd of k3s and RKE2 knows it; name their registries.yaml as the source";
        out.push(Problem::error("`rewrite` can't be carried over from this file").at(&rewrite.at).hint(hint));
    }
    section.finish_foreign("containerd", out);
    host(name, &common?, out)
}

fn host(text: Located<&str>, common: &Common, out: &mut Vec<Problem>) -> Option<Host> {
    match Endpoint::read(text.value, common.override_path) {
        Ok(endpoint) => Some(Host {
            endpoint,
            at: text.at,
            abilities: common.abilities,
            transport: common.transport.clone(),
        }),
        Err(Refusal { message, hint }) => {
            out.push(Problem::error(message).at(&text.at).maybe_hint(hint));
            None
        }
    }
}

/// Whether a host's name stands in a table header: containerd takes the hosts from the headers, and what an
/// inline table or a dotted key says is lost.
fn has_header(content: &str, name: &Span) -> bool {
    let before = content.get(..name.range.start).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default().trim_start().starts_with('[')
}

fn abilities(entry: Option<Entry<'_>>, out: &mut Vec<Problem>) -> Option<Abilities> {
    let all = Abilities { pull: true, resolve: true };
    let Some(entry) = entry else { return Some(all) };
    let elements = entry.elements(out)?;
    if elements.is_empty() {
        return Some(all);
    }
    let mut found = Abilities { pull: false, resolve: false };
    let mut sound = true;
    for element in elements {
        let word = element.string(out).map(str::to_ascii_lowercase);
        match word.as_deref() {
            Some("pull") => found.pull = true,
            Some("resolve") => found.resolve = true,
            Some("push" | "referrers") => {}
            Some(word) => {
                let hint = "known: pull, resolve, push, referrers";
                out.push(Problem::error(format!("unknown capability \"{word}\"")).at(&element.at).hint(hint));
                sound = false;
            }
            None => sound = false,
        }
    }
    sound.then_some(found)
}

/// A string, or an array of strings.
fn strings(entry: &Entry<'_>, out: &mut Vec<Problem>) -> Option<Vec<String>> {
    match entry.value {
        DeValue::String(text) => Some(vec![text.to_string()]),
        DeValue::Array(_) => {
            entry.elements(out)?.iter().map(|element| element.string(out).map(str::to_owned)).collect()
        }
        _ => entry.wrong_type("a string or an array of strings", out),
    }
}

/// A string, or an array of strings and of pairs.
fn client(entry: &Entry<'_>, out: &mut Vec<Problem>) -> Option<Vec<(String, String)>> {
    let alone = |text: &str| (text.to_owned(), String::new());
    match entry.value {
        DeValue::String(text) => Some(vec![alone(text)]),
        DeValue::Array(_) => {
            let elements = entry.elements(out)?;
            let pair = |element: &Entry<'_>, out: &mut Vec<Problem>| match element.value {
                DeValue::String(text) => Some(alone(text)),
                _ => match strings(element, out)?.as_slice() {
                    [certificate, key] => Some((certificate.clone(), key.clone())),
                    _ => {
                        let message = "a client pair is a certificate and a key";
                        out.push(Problem::error(message).at(&element.at));
                        None
                    }
                },
            };
            elements.iter().map(|element| pair(element, out)).collect()
        }
        _ => entry.wrong_type("a string or an array", out),
    }
}

// === impl Common ===

impl Common {
    /// Nothing where one of the values can't be read; all of them are looked at first.
    fn read(section: &mut Section<'_>, frame: Frame<'_>, out: &mut Vec<Problem>) -> Option<Self> {
        let before = out.len();
        let abilities = abilities(section.entry("capabilities"), out);
        let override_path = section.boolean("override_path", out).is_some_and(|set| set.value);
        let transport = transport(section, frame, out);
        let sound = !out[before..].iter().any(Problem::is_error);
        abilities.filter(|_| sound).map(|abilities| Self { abilities, override_path, transport })
    }
}

/// What the keys of a host say of connections to it.
fn transport(section: &mut Section<'_>, frame: Frame<'_>, out: &mut Vec<Problem>) -> Vec<Located<Transport>> {
    let mut found = Vec::new();
    let file = |name: String| frame.directory.join(name);
    if let Some(entry) = section.entry("ca") {
        let files = strings(&entry, out).unwrap_or_default();
        let needs = files.into_iter().map(|name| Transport::CaFile(file(name)));
        found.extend(needs.map(|value| Located { value, at: entry.at.clone() }));
    }
    if let Some(entry) = section.entry("client") {
        for (cert, key) in client(&entry, out).unwrap_or_default() {
            let key: Option<PathBuf> = (!key.is_empty()).then(|| file(key));
            let value = Transport::ClientCert { cert: file(cert), key };
            found.push(Located { value, at: entry.at.clone() });
        }
    }
    if let Some(set) = section.boolean("skip_verify", out).filter(|set| set.value) {
        found.push(Located { value: Transport::SkipVerify, at: set.at });
    }
    if let Some(mut headers) = section.section("header", out) {
        for (name, entry) in headers.named() {
            let values = strings(&entry, out).unwrap_or_default();
            let header = |value| Transport::Header {
                name: name.value.to_owned(),
                value: HeaderValue::Text(Secret::new(value)),
            };
            found.extend(
                values.into_iter().map(|value| Located { value: header(value), at: name.at.clone() }),
            );
        }
    }
    let timeout = section.parse("dial_timeout", out, |text| {
        duration::parse(text)?;
        Ok(Transport::DialTimeout(text.to_owned()))
    });
    found.extend(timeout);
    found
}

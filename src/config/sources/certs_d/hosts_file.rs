//! Reads one `hosts.toml`.
//!
//! Before: `directory` has found the file.  After: `meaning` makes a rule of it.
//! Holds: hosts come in the order in which containerd tries them, which is that of the table headers in the
//! text; what makes containerd give the file up (and ask the public registry) is an error.
//! Not here: what the hosts mean for a name (`meaning`). Source: containerd `docs/hosts.md` and
//! `core/remotes/docker/config/hosts.go`.

use toml::de::DeValue;

use crate::config::diagnostic::{Located, Problem, Span, TextId, Texts};
use crate::config::duration;
use crate::config::tree::{self, Entry, Refusal, Section};

use super::endpoint::Endpoint;

/// One file.
#[derive(Debug)]
pub(super) struct HostsFile {
    pub(super) hosts: Vec<Host>,
    /// The entry that is tried last; none where that is the registry itself.
    pub(super) server: Option<Host>,
    /// What the top of the file says of connections.
    pub(super) top: Transport,
}

/// One registry that is tried.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) endpoint: Endpoint,
    pub(super) at: Span,
    pub(super) abilities: Abilities,
    pub(super) transport: Transport,
}

/// What a registry is asked for, as far as pulls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) pull: bool,
    pub(super) resolve: bool,
}

/// What containerd does on a connection, beside its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transport {
    pub(super) ca: Vec<String>,
    /// Certificate and key; the key is empty where it is in the certificate's file.
    pub(super) client: Vec<(String, String)>,
    pub(super) skip_verify: Option<bool>,
    /// Names only: values may be secrets.
    pub(super) headers: Vec<String>,
    pub(super) dial_timeout: Option<String>,
}

/// The keys that a host and the top of the file have in common.
struct Common {
    abilities: Abilities,
    override_path: bool,
    transport: Transport,
}

/// Reads a file; nothing where it has an error.
pub(super) fn read(text: TextId, texts: &Texts, out: &mut Vec<Problem>) -> Option<HostsFile> {
    let content = texts.content(text);
    let before = out.len();
    let mut errors = Vec::new();
    let file = tree::parse(text, content, &mut errors)
        .and_then(|document| read_root(Section::root(text, &document), content, &mut errors));
    let refused = errors.iter().any(Problem::is_error);
    let hint = "containerd would log this and ask the public registry";
    out.extend(errors.into_iter().map(|problem| if problem.is_error() { problem.hint(hint) } else { problem }));
    debug_assert!(out.len() >= before, "problems are only added");
    file.filter(|_| !refused)
}

fn read_root(mut root: Section<'_>, content: &str, out: &mut Vec<Problem>) -> Option<HostsFile> {
    let common = Common::read(&mut root, out)?;
    let server = root.string("server", out).filter(|server| !server.value.is_empty());
    let server = match server {
        Some(server) => Some(host(server, &common, out)?),
        None => None,
    };
    let mut hosts = Vec::new();
    if let Some(entry) = root.entry("host") {
        let mut table = entry.section(out)?;
        for (name, entry) in table.named() {
            hosts.extend(read_host(name, &entry, content, out));
        }
    }
    root.finish_foreign("containerd", out);
    Some(HostsFile { hosts, server, top: common.transport })
}

fn read_host(name: Located<&str>, entry: &Entry<'_>, content: &str, out: &mut Vec<Problem>) -> Option<Host> {
    let mut section = entry.section(out)?;
    if !has_header(content, &name.at) {
        let message = format!("containerd reads the host \"{}\" and never uses it", name.value);
        let hint = format!("give it a header of its own: [host.\"{}\"]", name.value);
        out.push(Problem::error(message).at(&name.at).hint(hint));
        return None;
    }
    let common = Common::read(&mut section, out);
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

fn headers(entry: Option<Entry<'_>>, out: &mut Vec<Problem>) -> Option<Vec<String>> {
    let Some(entry) = entry else { return Some(Vec::new()) };
    let mut names = Vec::new();
    for (name, value) in entry.section(out)?.named() {
        strings(&value, out)?;
        names.push(name.value.to_owned());
    }
    Some(names)
}

// === impl Common ===

impl Common {
    /// Nothing where one of the values can't be read; all of them are looked at first.
    fn read(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<Self> {
        let before = out.len();
        let abilities = abilities(section.entry("capabilities"), out);
        let ca = section.entry("ca").map(|entry| strings(&entry, out)).unwrap_or_default();
        let client = section.entry("client").map(|entry| client(&entry, out)).unwrap_or_default();
        let skip_verify = section.boolean("skip_verify", out).map(|set| set.value);
        let headers = headers(section.entry("header"), out);
        let override_path = section.boolean("override_path", out).is_some_and(|set| set.value);
        let dial_timeout = section.parse("dial_timeout", out, |text| {
            duration::parse(text)?;
            Ok(text.to_owned())
        });
        if out[before..].iter().any(Problem::is_error) {
            return None;
        }
        let transport = Transport {
            ca: ca.unwrap_or_default(),
            client: client.unwrap_or_default(),
            skip_verify,
            headers: headers?,
            dial_timeout: dial_timeout.map(|set| set.value),
        };
        Some(Self { abilities: abilities?, override_path, transport })
    }
}

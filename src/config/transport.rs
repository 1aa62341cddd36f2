//! Reads `[[transport]]`, and reports what each host needs.
//!
//! Holds: a contradiction is an error. A file that cannot be used is a warning: it belongs to the state of the node, may be
//! there a moment later, and concerns one registry, where a refusal to start concerns all.
//! Not here: how containerd is configured for it (`containerd::hosts`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use crate::containerd::hosts::{self, HostFile, Transport, TransportNeed};
use crate::files::secret::Secret;
use crate::registry::HeaderValue;
use crate::state::NeededFile;

use super::diagnostic::{Located, Problem, Severity, Span, Texts};
use super::draft::{self, Imported, PolicyDraft};
use super::duration;
use super::node::Value;
use super::path::absolute;
use super::references;
use super::refusal::Refusal;
use super::section::{Field, Section};

/// Headers that are credentials, or may be.
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// The tables of all files.
#[derive(Default)]
pub(super) struct TransportDraft {
    pub(super) needs: Vec<Located<TransportNeed>>,
    registries: Vec<Located<String>>,
}

/// What one table says.
#[derive(Default)]
pub(super) struct Statements {
    pub(super) needs: Vec<Located<Transport>>,
    /// The place of `plain-http = false`.
    pub(super) https: Option<Span>,
    /// The place of `skip-verify = false`.
    pub(super) verify: Option<Span>,
}

// === impl TransportDraft ===

impl TransportDraft {
    /// Adds the tables of one file.
    pub(super) fn read(&mut self, root: &mut Section<'_>, texts: &Texts, out: &mut Vec<Problem>) {
        for table in root.sections("transport", out) {
            self.read_table(table, texts, out);
        }
    }

    fn read_table(&mut self, mut table: Section<'_>, texts: &Texts, out: &mut Vec<Problem>) {
        let before = out.len();
        let registry = table.parse("registry", out, registry);
        let Statements { needs, https, verify } = Statements::read(&mut table, out);
        for (key, at) in [("plain-http", https), ("skip-verify", verify)] {
            let Some(at) = at else { continue };
            let message = format!("`transport.{key}`: only `true` has an effect here");
            let hint = format!("remove it, or write `{key} = false` at the mirror that it is for");
            out.push(Problem::error(message).at(&at).hint(hint));
        }
        if out.len() == before && !table.has_unknown() {
            if registry.is_none() {
                table.missing("registry", "say which host it is for: registry = \"mirror.dev.de:5000\"", out);
            } else if needs.is_empty() && texts.copies().is_none() {
                let hint = "remove the table, or write what the registry needs";
                out.push(Problem::error("this table has no effect").at(table.at()).hint(hint));
            }
        }
        contradictions(&needs, out);
        let default = Transport::ApiRoot("/v2".to_owned());
        if let Some(root) = needs.iter().find(|need| need.value == default) {
            let problem = Problem::error("`transport.api-root`: this is the default").at(&root.at);
            out.push(problem.hint("remove it"));
        }
        table.finish(out);
        let Some(registry) = registry else { return };
        // Problems with a file are shown at the name of the file; decisions name the line of the registry.
        let source = draft::file_line(&registry.at, texts);
        self.needs.extend(needs.into_iter().map(|what| {
            let mut need = draft::need(&registry.value, what, texts);
            need.value.source = source.clone();
            need
        }));
        self.registries.push(registry);
    }

    /// The needs, once every file is read.
    pub(super) fn finish(self, out: &mut Vec<Problem>) -> Vec<Located<TransportNeed>> {
        let mut tables: HashMap<&str, &Span> = HashMap::new();
        let mut hosts: HashMap<String, &Span> = HashMap::new();
        for registry in &self.registries {
            let host = hosts::fold(&registry.value);
            if let Some(first) = tables.get(registry.value.as_str()) {
                let message = format!("there are two tables for the registry {}", registry.value);
                let problem = Problem::error(message).at(&registry.at).also(first, "first here");
                out.push(problem.hint("put everything into one table"));
            } else if let Some(first) = hosts.get(&host) {
                let message =
                    format!("this table is only for mirrors that are written as `{}`", registry.value);
                let problem = Problem::new(Severity::Note, message).at(&registry.at);
                out.push(problem.also(first, "for every other spelling of this registry"));
            }
            tables.entry(&registry.value).or_insert(&registry.at);
            hosts.entry(host).or_insert(&registry.at);
        }
        self.needs
    }
}

// === impl Statements ===

impl Statements {
    /// Reads the keys that a `[[transport]]` and the table of a mirror have in common.
    pub(super) fn read(table: &mut Section<'_>, out: &mut Vec<Problem>) -> Self {
        let mut needs = Vec::new();
        let https = flag(table, "plain-http", Transport::PlainHttp, &mut needs, out);
        flag(table, "http-fallback", Transport::HttpFallback, &mut needs, out);
        tls(table, &mut needs, out);
        let verify = flag(table, "skip-verify", Transport::SkipVerify, &mut needs, out);
        headers(table, &mut needs, out);
        let root = table.parse("api-root", out, api_root);
        needs.extend(root.map(|set| set.map(Transport::ApiRoot)));
        let timeout = table.parse("dial-timeout", out, |text| {
            duration::parse_positive(text)?;
            Ok(Transport::DialTimeout(text.to_owned()))
        });
        needs.extend(timeout);
        Self { needs, https, verify }
    }
}

fn registry(text: &str) -> Result<String, Refusal> {
    let location = references::location(text).map_err(|Refusal { message, hint }| Refusal {
        message: of_registry(message),
        hint: match text.contains("://") {
            true => Some("leave the scheme out; for http write plain-http = true".to_owned()),
            false => hint,
        },
    })?;
    match location.path() {
        "" => Ok(location.host().to_owned()),
        _ => Err(Refusal::new(format!("\"{text}\" has a path")).hint(format!(
            "write the host alone, \"{}\"; the settings apply to all of its images",
            location.host()
        ))),
    }
}

/// A message about a mirror as one about a registry. What it quotes stays as it is.
fn of_registry(message: String) -> String {
    let written =
        ["mirror ", "a mirror "].into_iter().find_map(|start| Some((start, message.strip_prefix(start)?)));
    match written {
        Some((start, rest)) => format!("{}{rest}", start.replace("mirror", "registry")),
        None => message,
    }
}

/// Takes a flag; where it is false, its place is the answer.
fn flag(
    table: &mut Section<'_>,
    key: &'static str,
    what: Transport,
    needs: &mut Vec<Located<Transport>>,
    out: &mut Vec<Problem>,
) -> Option<Span> {
    let set = table.boolean(key, out)?;
    if !set.value {
        return Some(set.at);
    }
    needs.push(Located { value: what, at: set.at });
    None
}

fn headers(table: &mut Section<'_>, needs: &mut Vec<Located<Transport>>, out: &mut Vec<Problem>) {
    let Some(headers) = table.section("headers", out) else { return };
    for field in headers.fields() {
        let name = &field.key.text;
        if !is_header_name(name) {
            let message = format!("\"{name}\" is not the name of a header");
            out.push(Problem::error(message).at(&field.key.at));
            continue;
        }
        let value = header(name, &field, out);
        needs.extend(value.map(|value| Located {
            value: Transport::Header { name: name.clone(), value },
            at: field.at.clone(),
        }));
    }
}

fn tls(table: &mut Section<'_>, needs: &mut Vec<Located<Transport>>, out: &mut Vec<Problem>) {
    if let Some(field) = table.field("ca") {
        let files = match field.value {
            Value::List(_) => field.items(out).unwrap_or_default(),
            _ => vec![field],
        };
        for file in files {
            let path = file.parse(out, absolute);
            needs.extend(path.map(|path| Located { value: Transport::CaFile(path), at: file.at.clone() }));
        }
    }
    let cert = table.parse("client-cert", out, absolute);
    let key = table.parse("client-key", out, absolute);
    match (cert, key) {
        (Some(cert), key) => {
            let key = key.map(|set| set.value);
            needs.push(cert.map(|cert| Transport::ClientCert { cert, key }));
        }
        (None, Some(key)) => {
            let message = "`client-key` has no meaning without `client-cert`";
            out.push(Problem::error(message).at(&key.at));
        }
        (None, None) => {}
    }
}

/// RFC 9110, 5.6.2.
fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}

fn is_credential(header: &str) -> bool {
    CREDENTIALS.iter().any(|name| name.eq_ignore_ascii_case(header))
}

/// A text, or `{ file = "/path" }`.
fn header(name: &str, field: &Field<'_>, out: &mut Vec<Problem>) -> Option<HeaderValue> {
    if let Value::Map(_) = field.value {
        let mut section = field.section(out)?;
        let file = section.parse("file", out, absolute);
        if file.is_none() && !section.has_unknown() {
            section.missing("file", "name the file that holds the value", out);
        }
        section.finish(out);
        return Some(HeaderValue::File(file?.value));
    }
    let text = field.string(out)?;
    if is_credential(name) {
        let message = format!("the header {name} is a credential and must not be in this file");
        let hint =
            format!("put its value into a file that only root can read: {name} = {{ file = \"/path\" }}");
        out.push(Problem::error(message).at(field.at).hint(hint));
        return None;
    }
    if text.chars().any(char::is_control) {
        out.push(
            Problem::error(format!("the value of the header {name} must be a single line")).at(field.at),
        );
        return None;
    }
    Some(HeaderValue::Text(Secret::new(text.to_owned())))
}

pub(super) fn api_root(text: &str) -> Result<String, Refusal> {
    let path = text.trim_end_matches('/');
    let odd = |c: char| c.is_whitespace() || c.is_control() || "?#{}\"\\".contains(c);
    if !text.starts_with('/') || text.contains(odd) || path.split('/').any(|part| part == "..") {
        return Err(Refusal::new(format!("\"{text}\" is not a path")).hint("write it as \"/proxy/v2\""));
    }
    Ok(if path.is_empty() { "/".to_owned() } else { path.to_owned() })
}

/// With TLS settings beside plain http, containerd tries TLS first.
pub(super) fn contradictions(needs: &[Located<Transport>], out: &mut Vec<Problem>) {
    let Some(plain) = needs.iter().find(|need| need.value == Transport::PlainHttp) else { return };
    let tls = |need: &&Located<Transport>| {
        matches!(
            need.value,
            Transport::CaFile(_)
                | Transport::ClientCert { .. }
                | Transport::SkipVerify
                | Transport::HttpFallback
        )
    };
    if let Some(need) = needs.iter().find(tls) {
        let message = "this has no meaning with `plain-http`, which does not use TLS";
        out.push(Problem::error(message).at(&need.at).also(&plain.at, "plain http"));
    }
}

/// The files that hosts and mirrors need.
pub(super) fn needed_files<'n>(
    needs: impl Iterator<Item = &'n Located<TransportNeed>>,
) -> Vec<Located<NeededFile>> {
    let of_need = |Located { value: need, at }: &'n Located<TransportNeed>| {
        let files = HostFile::of(&need.what).into_iter();
        files.map(move |file| {
            let value = NeededFile::of_host(file, need.host.clone(), need.source.clone());
            Located { value, at: at.clone() }
        })
    };
    needs.flat_map(of_need).collect()
}

/// Other programs' files in which logins are written out, or headers that are credentials. In the program's own files
/// neither may stand.
pub(super) fn files_with_secrets(imported: &Imported, draft: &PolicyDraft) -> BTreeSet<PathBuf> {
    let needs = imported.transport.iter().chain(draft.own_needs());
    let headers = needs.filter_map(|Located { value: need, .. }| match &need.what {
        Transport::Header { name, value: HeaderValue::Text(_) } if is_credential(name) => Some(&need.source),
        _ => None,
    });
    let logins = imported.logins.iter().map(|login| &login.source);
    headers.chain(logins).map(|source| PathBuf::from(&*source.file)).collect()
}

/// Notes for each host what containerd will be configured to do, for all mirrors there and for single ones.
pub(super) fn lint<'n>(
    of_mirrors: impl Iterator<Item = &'n [Located<TransportNeed>]> + Clone,
    of_hosts: &'n [Located<TransportNeed>],
    out: &mut Vec<Problem>,
) {
    let mut hosts: BTreeMap<&str, Vec<&Located<TransportNeed>>> = BTreeMap::new();
    for need in of_mirrors.clone().flatten().chain(of_hosts) {
        hosts.entry(&need.value.host).or_default().push(need);
    }
    for (host, needs) in &hosts {
        let Some(first) = needs.first() else { continue };
        let mut what: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for text in needs.iter().map(|need| need.value.what.to_string()) {
            if seen.insert(text.clone()) {
                what.push(text);
            }
        }
        let who = if *host == "*" { "every other mirror" } else { host };
        let message = format!("{who} needs {}, which an image reference cannot express", what.join(", "));
        let hint = "the daemon writes a hosts.toml for it below containerd's config_path";
        out.push(Problem::new(Severity::Note, message).at(&first.at).hint(hint));
    }
    let mut by_host: BTreeMap<&str, Vec<&Located<TransportNeed>>> = BTreeMap::new();
    for need in of_hosts {
        by_host.entry(&need.value.host).or_default().push(need);
    }
    out.extend(by_host.iter().filter_map(|(host, needs)| idle_authority(host, needs)));
    out.extend(of_mirrors.filter_map(|needs| {
        let host = &needs.first()?.value.host;
        idle_authority(host, &needs.iter().collect::<Vec<_>>())
    }));
}

/// Warns of a CA that has no effect.
fn idle_authority(host: &str, needs: &[&Located<TransportNeed>]) -> Option<Problem> {
    let skips = needs.iter().find(|need| need.value.what == Transport::SkipVerify)?;
    let ca = needs.iter().find(|need| matches!(need.value.what, Transport::CaFile(_)))?;
    let message = format!("the certificate authority of {host} has no effect with skip-verify");
    Some(Problem::warning(message).at(&skips.at).also(&ca.at, "this one").hint("remove one of the two"))
}

impl<T> Located<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), at: self.at }
    }
}

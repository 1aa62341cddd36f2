//! Reads `[[transport]]`, and says what becomes of every host's needs.
//!
//! Before: `tree` gives the tables, sources their own needs.  After: `Config` holds them all.
//! Holds: what contradicts itself is refused. A file that is no good is a warning: it is the node's state and not
//! the configuration, it may come a moment later, and it costs one registry where a refusal to start costs all.
//! Not here: telling containerd (`transport`, outside this folder).

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use toml::de::DeValue;

use crate::containerd::hosts::{self, Transport, TransportNeed};
use crate::files::secret::Secret;
use crate::policy::Location;
use crate::registry::HeaderValue;

use super::diagnostic::{Located, Problem, Severity, Span, Texts};
use super::settings::absolute;
use super::tree::{Entry, Refusal, Section};
use super::{assemble, duration};

/// Headers that are credentials, or may well be.
const CREDENTIALS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// The tables of all files.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) needs: Vec<Located<TransportNeed>>,
    registries: Vec<Located<String>>,
    /// Values that may be secrets, and are not shown.
    hidden: Vec<Span>,
}

// === impl Draft ===

impl Draft {
    /// Adds what one file says.
    pub(super) fn read(&mut self, root: &mut Section<'_>, texts: &Texts, out: &mut Vec<Problem>) {
        for table in root.sections("transport", out) {
            self.read_table(table, texts, out);
        }
    }

    fn read_table(&mut self, mut table: Section<'_>, texts: &Texts, out: &mut Vec<Problem>) {
        let before = out.len();
        let registry = table.parse("registry", out, registry);
        let needs = self.needs_of(&mut table, out);
        if out.len() == before && !table.has_unknown() {
            if registry.is_none() {
                table.missing("registry", "say which host it is for: registry = \"mirror.dev.de:5000\"", out);
            } else if needs.is_empty() {
                let hint = "leave the table out, or say what the registry needs";
                out.push(Problem::error("this table says nothing").at(table.at()).hint(hint));
            }
        }
        contradictions(&needs, out);
        table.finish(out);
        let Some(registry) = registry else { return };
        // A problem with a file is shown at the file's name, and what becomes of it names the registry's line.
        let source = assemble::source(&registry.at, texts);
        self.needs.extend(needs.into_iter().map(|what| {
            let mut need = assemble::need(&registry.value, what, texts);
            need.value.source = source.clone();
            need
        }));
        self.registries.push(registry);
    }

    fn needs_of(&mut self, table: &mut Section<'_>, out: &mut Vec<Problem>) -> Vec<Located<Transport>> {
        let mut needs = Vec::new();
        flag(table, "plain-http", Transport::PlainHttp, &mut needs, out);
        flag(table, "http-fallback", Transport::HttpFallback, &mut needs, out);
        tls(table, &mut needs, out);
        self.headers(table, &mut needs, out);
        let root = table.parse("api-root", out, api_root);
        needs.extend(root.map(|set| set.map(Transport::ApiRoot)));
        let timeout = table.parse("dial-timeout", out, |text| {
            duration::parse_positive(text)?;
            Ok(Transport::DialTimeout(text.to_owned()))
        });
        needs.extend(timeout);
        needs
    }

    fn headers(
        &mut self,
        table: &mut Section<'_>,
        needs: &mut Vec<Located<Transport>>,
        out: &mut Vec<Problem>,
    ) {
        let Some(mut headers) = table.section("headers", out) else { return };
        for (name, entry) in headers.named() {
            self.hidden.extend(entry.text().map(|_| entry.at.clone()));
            if !is_header_name(name.value) {
                out.push(Problem::error(format!("\"{}\" is no name of a header", name.value)).at(&name.at));
                continue;
            }
            let value = header(name.value, &entry, out);
            needs.extend(value.map(|value| Located {
                value: Transport::Header { name: name.value.to_owned(), value },
                at: entry.at.clone(),
            }));
        }
    }

    /// The needs, once every file is read.
    pub(super) fn finish(self, texts: &mut Texts, out: &mut Vec<Problem>) -> Vec<Located<TransportNeed>> {
        self.hidden.iter().for_each(|span| texts.hide(span));
        let mut tables: HashMap<&str, &Span> = HashMap::new();
        let mut hosts: HashMap<String, &Span> = HashMap::new();
        for registry in &self.registries {
            let host = hosts::fold(&registry.value);
            if let Some(first) = tables.get(registry.value.as_str()) {
                let message = format!("there are two tables for the registry {}", registry.value);
                let problem = Problem::error(message).at(&registry.at).also(first, "first here");
                out.push(problem.hint("put all that it needs into one"));
            } else if let Some(first) = hosts.get(&host) {
                let message = format!("this table is for mirrors that are spelled `{}`", registry.value);
                let problem = Problem::new(Severity::Note, message).at(&registry.at);
                out.push(problem.also(first, "for every other spelling of this registry"));
            }
            tables.entry(&registry.value).or_insert(&registry.at);
            hosts.entry(host).or_insert(&registry.at);
        }
        self.needs
    }
}

fn registry(text: &str) -> Result<String, Refusal> {
    let location: Location = text.parse().map_err(|error: crate::policy::LocationError| {
        let refusal = Refusal::new(error.to_string().replacen("mirror", "registry", 1));
        if text.contains("://") {
            refusal.hint("leave the scheme out; for http write plain-http = true")
        } else {
            refusal
        }
    })?;
    match location.path() {
        "" => Ok(location.host().to_owned()),
        _ => Err(Refusal::new(format!("\"{text}\" has a path")).hint(format!(
            "write the host alone, \"{}\"; all of its images are reached in one way",
            location.host()
        ))),
    }
}

fn flag(
    table: &mut Section<'_>,
    key: &'static str,
    what: Transport,
    needs: &mut Vec<Located<Transport>>,
    out: &mut Vec<Problem>,
) {
    let set = table.boolean(key, out).filter(|set| set.value);
    needs.extend(set.map(|set| Located { value: what, at: set.at }));
}

fn tls(table: &mut Section<'_>, needs: &mut Vec<Located<Transport>>, out: &mut Vec<Problem>) {
    if let Some(entry) = table.entry("ca") {
        let files = match entry.value {
            DeValue::Array(_) => entry.elements(out).unwrap_or_default(),
            _ => vec![entry],
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
    flag(table, "skip-verify", Transport::SkipVerify, needs, out);
}

/// RFC 9110, 5.6.2.
fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}

/// A text, or `{ file = "/path" }`.
fn header(name: &str, entry: &Entry<'_>, out: &mut Vec<Problem>) -> Option<HeaderValue> {
    if let DeValue::Table(_) = entry.value {
        let mut section = entry.section(out)?;
        let file = section.parse("file", out, absolute);
        if file.is_none() && !section.has_unknown() {
            section.missing("file", "name the file that holds the value", out);
        }
        section.finish(out);
        return Some(HeaderValue::File(file?.value));
    }
    let text = entry.string(out)?;
    if CREDENTIALS.contains(&name.to_ascii_lowercase().as_str()) {
        let message = format!("the header {name} is a credential, and does not belong in this file");
        let hint =
            format!("put its value into a file that root alone can read: {name} = {{ file = \"/path\" }}");
        out.push(Problem::error(message).at(&entry.at).hint(hint));
        return None;
    }
    if text.chars().any(char::is_control) {
        out.push(Problem::error(format!("the value of the header {name} is not one line")).at(&entry.at));
        return None;
    }
    Some(HeaderValue::Text(Secret::new(text.to_owned())))
}

pub(super) fn api_root(text: &str) -> Result<String, Refusal> {
    let path = text.trim_end_matches('/');
    let odd = |c: char| c.is_whitespace() || c.is_control() || "?#{}\"\\".contains(c);
    if !text.starts_with('/') || text.contains(odd) || path.split('/').any(|part| part == "..") {
        return Err(Refusal::new(format!("\"{text}\" is no path")).hint("write it as \"/proxy/v2\""));
    }
    if path == "/v2" {
        return Err(Refusal::new("this is the usual one").hint("leave it out"));
    }
    Ok(if path.is_empty() { "/".to_owned() } else { path.to_owned() })
}

/// With TLS settings beside plain http, containerd tries TLS first.
fn contradictions(needs: &[Located<Transport>], out: &mut Vec<Problem>) {
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
        let message = "this has no meaning beside `plain-http`, which has no TLS";
        out.push(Problem::error(message).at(&need.at).also(&plain.at, "plain http"));
    }
}

/// What the files that are named hold.
pub(super) fn check_files(needs: &[Located<TransportNeed>], out: &mut Vec<Problem>) {
    let now = SystemTime::now();
    for need in needs {
        for fault in hosts::faults([&need.value], now) {
            let hint = "until that is mended, no image comes from there";
            out.push(Problem::warning(fault.to_string()).at(&need.at).hint(hint));
        }
    }
}

/// Says for each host what containerd will be told.
pub(super) fn lint(needs: &[Located<TransportNeed>], out: &mut Vec<Problem>) {
    let mut hosts: BTreeMap<&str, Vec<&Located<TransportNeed>>> = BTreeMap::new();
    for need in needs {
        hosts.entry(&need.value.host).or_default().push(need);
    }
    for (host, needs) in hosts {
        let Some(first) = needs.first() else { continue };
        let mut what: Vec<String> = needs.iter().map(|need| need.value.what.to_string()).collect();
        what.dedup();
        let who = if host == "*" { "every other mirror" } else { host };
        let message = format!("{who} needs {}, which no image reference can say", what.join(", "));
        let hint = "the daemon tells containerd, by a hosts.toml below its config_path";
        out.push(Problem::new(Severity::Note, message).at(&first.at).hint(hint));
        out.extend(unsafe_host(host, &needs));
    }
}

/// A registry that anyone on the way can stand in for.
fn unsafe_host(host: &str, needs: &[&Located<TransportNeed>]) -> Option<Problem> {
    let skips = needs.iter().find(|need| need.value.what == Transport::SkipVerify)?;
    let ca = needs.iter().find(|need| matches!(need.value.what, Transport::CaFile(_)))?;
    let message = format!("the certificate authority of {host} has no effect beside skip-verify");
    Some(Problem::warning(message).at(&skips.at).also(&ca.at, "this one").hint("leave one of the two out"))
}

impl<T> Located<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), at: self.at }
    }
}

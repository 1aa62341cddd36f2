//! The text of a `hosts.toml`.
//!
//! Holds: containerd 1.6, 1.7 and 2.1 read the same from it. The last registry host stands as `server`, so that
//! containerd adds no host of its own, and no host is asked twice. 1.x refuses a file without a `[host]` table,
//! which may be empty.
//!
//! Source: containerd `docs/hosts.md`, `core/remotes/docker/config/hosts.go`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::place::MARK;
use crate::registry::{Endpoint, HeaderValue};

/// The second line of each file.
const RIDDANCE: &str =
    "# Without the daemon: `cri-shunt eject` removes all such files; or remove this directory.";

/// One registry host in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Scheme, host and, where it is not `/v2`, the root of the API.
    pub(super) url: String,
    /// Whether the path in `url` is the whole root.
    pub(super) whole_root: bool,
    /// What it is asked for.
    pub(super) serves: Serves,
    endpoint: Endpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serves {
    /// Tags and digests.
    Everything,
    /// Only images whose digest is known.
    Digests,
}

/// A text, and whether only root may read it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) secret: bool,
}

/// A header whose value can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the header {name} of {url}: {file}: {error}")]
pub struct HeaderError {
    name: String,
    url: String,
    file: String,
    error: std::io::Error,
}

/// The entries for an endpoint, one for each scheme, in the order in which they are tried. `path` is what its API has
/// before the repository, `p/q` where a reference would be `host/p/q/repository`.
pub(super) fn entries(endpoint: &Endpoint, path: &str, serves: Serves) -> Vec<Entry> {
    let root = match (&endpoint.api_root, path) {
        (Some(root), "") => Some(root.clone()),
        (Some(root), path) => Some(format!("{root}/{path}")),
        (None, "") => None,
        (None, path) => Some(format!("/v2/{path}")),
    };
    let entry = |scheme: &&str| Entry {
        url: format!("{scheme}://{}{}", endpoint.host, root.as_deref().unwrap_or("")),
        whole_root: root.is_some(),
        serves,
        endpoint: endpoint.clone(),
    };
    endpoint.schemes.iter().map(entry).collect()
}

/// An entry that leads nowhere, without a question to any resolver. `word` is in containerd's error.
pub(super) fn nowhere(word: &str) -> Entry {
    Entry {
        url: format!("http://127.0.0.1:1/{word}"),
        whole_root: true,
        serves: Serves::Everything,
        endpoint: Endpoint::default(),
    }
}

/// The text; `purpose` says to a reader what the file is for, one line each. Without a server containerd adds the
/// registry itself.
pub(super) fn render(purpose: &[String], entries: &[Entry], has_server: bool) -> Result<Text, HeaderError> {
    let mut text =
        format!("{MARK}, which will change and remove it: put nothing here by hand.\n{RIDDANCE}\n");
    for line in purpose {
        let _ = writeln!(text, "# {}", line.replace(char::is_control, " "));
    }
    let (server, hosts) = split(entries, has_server);
    if let Some(server) = server {
        let _ =
            writeln!(text, "\nserver = {}\ncapabilities = {}", quoted(&server.url), server.capabilities());
        server.write_keys(&mut text, "header")?;
    }
    for host in hosts {
        let table = format!("host.{}", quoted(&host.url));
        let _ = writeln!(text, "\n[{table}]\ncapabilities = {}", host.capabilities());
        host.write_keys(&mut text, &format!("{table}.header"))?;
    }
    if hosts.is_empty() {
        text.push_str("\n[host]\n");
    }
    Ok(Text { text, secret: entries.iter().any(|entry| !entry.endpoint.headers.is_empty()) })
}

/// The entry that stands as the server, and those before it.
fn split(entries: &[Entry], has_server: bool) -> (Option<&Entry>, &[Entry]) {
    let split = entries.split_last().filter(|_| has_server);
    split.map_or((None, entries), |(server, hosts)| (Some(server), hosts))
}

/// Whether containerd 1.x can read a file with these entries: its parser ends the key of a table at the first bracket.
pub(super) fn is_readable(entries: &[Entry], has_server: bool) -> bool {
    let (_, hosts) = split(entries, has_server);
    hosts.iter().all(|host| !host.url.contains(['[', ']']))
}

// === impl Entry ===

impl Entry {
    fn capabilities(&self) -> &'static str {
        match self.serves {
            Serves::Everything => "[\"pull\", \"resolve\"]",
            Serves::Digests => "[\"pull\"]",
        }
    }

    fn write_keys(&self, text: &mut String, header_table: &str) -> Result<(), HeaderError> {
        if self.whole_root {
            text.push_str("override_path = true\n");
        }
        let Endpoint { dial_timeout, headers, .. } = &self.endpoint;
        // With any of these, containerd 1.7 and later try TLS first with a host that is to be asked by http, on each
        // port but 80. So these keys are left out.
        if self.url.starts_with("https:") {
            self.write_tls(text);
        }
        if let Some(timeout) = dial_timeout {
            let _ = writeln!(text, "dial_timeout = {}", quoted(timeout));
        }
        if headers.is_empty() {
            return Ok(());
        }
        let _ = writeln!(text, "[{header_table}]");
        let mut by_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (name, value) in headers {
            let read = value.read().map_err(|error| self.header_error(name, value, error))?;
            by_name.entry(name).or_default().push(quoted(read.expose()));
        }
        for (name, values) in by_name {
            let _ = writeln!(text, "{} = [{}]", quoted(name), values.join(", "));
        }
        Ok(())
    }

    fn write_tls(&self, text: &mut String) {
        let Endpoint { ca, client, skip_verify, .. } = &self.endpoint;
        let path = |path: &PathBuf| quoted(&path.to_string_lossy());
        if !ca.is_empty() {
            let files: Vec<String> = ca.iter().map(path).collect();
            let _ = writeln!(text, "ca = [{}]", files.join(", "));
        }
        if !client.is_empty() {
            let pair = |(cert, key): &(PathBuf, Option<PathBuf>)| {
                format!("[{}, {}]", path(cert), path(key.as_ref().unwrap_or(cert)))
            };
            let pairs: Vec<String> = client.iter().map(pair).collect();
            let _ = writeln!(text, "client = [{}]", pairs.join(", "));
        }
        if *skip_verify {
            text.push_str("skip_verify = true\n");
        }
    }

    fn header_error(&self, name: &str, value: &HeaderValue, error: std::io::Error) -> HeaderError {
        let file = match value {
            HeaderValue::File(path) => path.display().to_string(),
            HeaderValue::Text(_) => String::new(),
        };
        HeaderError { name: name.to_owned(), url: self.url.clone(), file, error }
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = if self.secret { "(not shown)" } else { self.text.as_str() };
        f.debug_struct("Text").field("text", &shown).finish()
    }
}

//! Which lines of a file may be shown: those on which nothing can be a secret.
//!
//! A diagnostic may end in a log. So it is not enough that a line does not look like a secret. Each text is
//! parsed here once more, and a line is shown only if each of its keys is in a list below. A line under another key
//! is not shown. Of a text that does not parse, no line is shown.

use std::ops::Range;

use granit_parser::{Event, Parser};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::login;

#[cfg(test)]
mod tests;

/// Keys of all formats whose values are public. They are compared in lower case, with `-` for `_`. A key that is
/// missing here costs a line in a diagnostic; and of another program's file it is not in the copy that is kept for a
/// start with a mistake (`config::kept`).
#[rustfmt::skip]
const PUBLIC: &[&str] = &[
    // config.toml and conf.d
    "listen", "containerd", "policy", "pull", "state", "log", "audit", "metrics", "transport", "rule", "source", "mirrors",
    "socket", "mode", "group", "native-api", "pause-image", "config-path", "fetch-by", "fence", "default-registry", "default", "present",
    "names", "checkpoint", "watch", "prefix", "order", "origin", "deny", "collapse", "strip-prefix", "only", "location",
    "node-credentials", "foreign-urls", "namespaces", "match", "replace", "registry", "plain-http", "http-fallback", "skip-verify", "ca-file",
    "client-cert", "client-key", "api-root", "dial-timeout", "dir", "bypass-file", "level", "format", "file", "max-size", "journal", "stall-after",
    "adopt-timeout", "sweep-after", "retry-down-after", "registries-yaml", "certs-d", "registries-conf",
    "image-cri-shim", "containerd-config", "docker-daemon", "openshift", "talos", "disable-default-registry-endpoint", "docker-config", "helper-dir", "timeout", "username",
    "username-file", "password-file", "image-credential-provider-config", "image-credential-provider-bin-dir",
    // Names of environment variables and of systemd's credentials.
    "password-env", "password-credential", "identity-token-file", "identity-token-env", "identity-token-credential",
    "verify", "policy-json", "signature", "signatures-from", "when-away", "away-max-age", "identities", "issuer", "issuer-pattern",
    "subject", "subject-pattern", "trusted-root", "identity", "repository", "signed-prefix", "without-name",
    "ns", "warm-by-tag", "end-mark", "on-outage", "outage-max-age", "locked", "unlisted",
    // locks
    "digest", "asked", "platforms",
    // expectations
    "expect", "image", "name", "description", "decision", "reference", "candidates",
    // registries.yaml
    "configs", "rewrite", "endpoint", "tls", "cert-file", "key-file", "insecure-skip-verify", "spec", "rkeconfig", "registries",
    // hosts.toml
    "host", "server", "capabilities", "ca", "client", "override-path",
    // registries.conf
    "unqualified-search-registries", "short-name-mode", "insecure", "blocked", "mirror-by-digest-only",
    "pull-from-mirror", "mirror", "search", "block", "aliases", "credential-helpers",
    // containerd's config.toml
    "plugins", "cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "imports", "root",
    // daemon.json
    "registry-mirrors", "insecure-registries",
    // OpenShift
    "imagedigestmirrors", "imagetagmirrors", "repositorydigestmirrors", "mirrorsourcepolicy", "items",
    // Talos
    "machine", "endpoints", "url", "overridepath", "skipfallback", "insecureskipverify",
    // image-cri-shim
    "address", "priority", "offlinepriority", "sealos", "shim", "cri", "debug", "reloadinterval", "cache",
    "version", "sync", "force", "authconfigsecretname", "tlssecretname", "kind", "apiversion", "data", "metadata", "namespace",
];

/// What is public below a key.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Whether a text right below is.
    text: bool,
    keys: Keys,
}

/// Which keys are public at a place.
#[derive(Clone, Copy)]
enum Keys {
    /// Those of the list.
    Listed,
    /// All: they are the names of registries, with tables below.
    Names,
    /// All: they are patterns, with texts below.
    Patterns,
    /// Those of the list, and what else a `[[signature]]` has: the names of files of public keys.
    OfSignature,
}

/// The top of a document.
pub(crate) const TABLE: Place = Place { text: false, keys: Keys::Listed };
const VALUE: Place = Place { text: true, keys: Keys::Listed };

/// What is public in a text, in order; nothing where it cannot be parsed.
pub(super) fn stretches(content: &str) -> Option<Vec<Range<usize>>> {
    let mut found = toml(content).or_else(|| yaml(content))?;
    found.sort_by_key(|range| range.start);
    Some(found)
}

/// The part of a line that may be shown: it ends at a comment. Nothing where there may be a secret on the line.
pub(super) fn line(content: &str, line: Range<usize>, stretches: &[Range<usize>]) -> Option<Range<usize>> {
    let first = stretches.partition_point(|range| range.end <= line.start);
    let on_it = stretches.get(first..)?.iter().take_while(|range| range.start < line.end);
    let mut at = line.start;
    for range in on_it.cloned().chain(std::iter::once(line.end..line.end)) {
        for (offset, c) in content.get(at..range.start).unwrap_or_default().char_indices() {
            match c {
                '#' => return Some(line.start..at + offset),
                '[' | ']' | '{' | '}' | '"' | '\'' | ',' | ':' | '=' | '-' | '.' | '|' | '>' | '\u{feff}' => {
                }
                c if c.is_whitespace() => {}
                _ => return None,
            }
        }
        at = at.max(range.end);
    }
    Some(line)
}

// === impl Place ===

impl Place {
    /// What is public below a key; nothing where its value may be a secret.
    pub(crate) fn below(self, key: &str) -> Option<Place> {
        match self.keys {
            _ if login::is_in(key) => None,
            Keys::Names => Some(TABLE),
            Keys::Patterns => Some(VALUE),
            Keys::OfSignature if ["keys", "need"].contains(&key) => Some(VALUE),
            Keys::OfSignature if key == "annotations" => Some(Place { text: true, keys: Keys::Patterns }),
            Keys::Listed | Keys::OfSignature => match key.to_lowercase().replace('_', "-").as_str() {
                "mirrors" => Some(Place { text: true, keys: Keys::Names }),
                // `config` is that of Talos.
                "configs" | "config" | "host" => Some(Place { text: false, keys: Keys::Names }),
                "rewrite" | "aliases" | "platforms" => Some(Place { text: true, keys: Keys::Patterns }),
                // A boolean and a table; a text would be a password.
                "pass" | "credentials" => Some(TABLE),
                "signature" => Some(Place { text: false, keys: Keys::OfSignature }),
                "<<" => Some(self),
                key => is_public(key).then_some(VALUE),
            },
        }
    }

    /// What is public of an item of a list.
    pub(crate) fn item(self) -> Place {
        match self.keys {
            Keys::OfSignature => self,
            _ => Place { keys: Keys::Listed, ..self },
        }
    }

    /// Whether a text that is right here is no secret.
    pub(crate) fn may_hold(self, text: &str) -> bool {
        self.text && is_harmless(text)
    }
}

/// A text of several lines may be a file of its own.
fn is_harmless(text: &str) -> bool {
    !text.contains('\n') && !login::is_in(text)
}

/// A key of the list, or one with a typing mistake in it.
fn is_public(key: &str) -> bool {
    PUBLIC.contains(&key)
        || key.len() > 3 && PUBLIC.iter().any(|public| strsim::osa_distance(key, public) == 1)
}

// === TOML ===

/// Whether the rest of the document is still what its author meant, after this message of the parser.
pub(crate) fn is_local(message: &str) -> bool {
    message == "duplicate key" || message.starts_with("unexpected leading zero")
}

fn toml(content: &str) -> Option<Vec<Range<usize>>> {
    let (document, errors) = DeTable::parse_recoverable(content);
    // What is set twice is left out, and so not shown. After other errors the rest is the parser's guess.
    if !errors.iter().all(|error| is_local(error.message())) {
        return None;
    }
    let mut found = Vec::new();
    table(content, document.get_ref(), Some(TABLE), &mut found);
    Some(found)
}

fn table(content: &str, table: &DeTable<'_>, place: Option<Place>, found: &mut Vec<Range<usize>>) {
    for (key, set) in table {
        let place = place.and_then(|place| place.below(key.get_ref()));
        found.extend(place.map(|_| with_dotted(content, key.span())));
        value(content, set, place, found);
    }
}

/// A key with those in front of it on its line, which the parser tells only of the first such line.
fn with_dotted(content: &str, key: Range<usize>) -> Range<usize> {
    let before = content.get(..key.start).unwrap_or_default();
    if !before.ends_with('.') {
        return key;
    }
    let part_of_keys = |c: char| c.is_alphanumeric() || "._-".contains(c);
    before.trim_end_matches(part_of_keys).len()..key.end
}

fn value(content: &str, set: &Spanned<DeValue<'_>>, place: Option<Place>, found: &mut Vec<Range<usize>>) {
    let Some(place) = place else { return };
    match set.get_ref() {
        DeValue::Table(inner) => {
            // Of a table that is written as [name], this is that line; a further [[name]] has no other place.
            let is_head = content.get(set.span()).is_some_and(|text| text.starts_with('['));
            found.extend(is_head.then(|| set.span()));
            table(content, inner, Some(place), found);
        }
        DeValue::Array(items) => {
            items.iter().for_each(|item| value(content, item, Some(place.item()), found))
        }
        DeValue::String(text) => found.extend((place.text && is_harmless(text)).then(|| set.span())),
        DeValue::Boolean(_) => found.push(set.span()),
        _ => found.extend(place.text.then(|| set.span())),
    }
}

// === YAML ===

/// A list or a mapping that has begun.
struct Open {
    place: Option<Place>,
    is_list: bool,
    /// What is public below the key that was read last.
    key: Option<Option<Place>>,
}

fn yaml(content: &str) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for next in Parser::new_from_str(content) {
        let (event, span) = next.ok()?;
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                let place = place_of_next(&mut open, None);
                let is_list = matches!(event, Event::SequenceStart(..));
                open.push(Open { place, is_list, key: None });
            }
            Event::MappingEnd | Event::SequenceEnd => drop(open.pop()),
            Event::Scalar(text, ..) => {
                let is_key = open.last().is_some_and(|open| !open.is_list && open.key.is_none());
                let place = place_of_next(&mut open, Some(&text));
                let public = place.is_some_and(|place| is_key || place.text && is_harmless(&text));
                found.extend(public.then_some(range));
            }
            Event::Alias(_) => {
                place_of_next(&mut open, None);
                found.push(range);
            }
            _ => {}
        }
    }
    Some(found)
}

/// Where the next node stands. In a key's place only a text can be public, and what is below it is the answer.
fn place_of_next(open: &mut [Open], text: Option<&str>) -> Option<Place> {
    let Some(open) = open.last_mut() else { return Some(TABLE) };
    if open.is_list {
        return open.place.map(Place::item);
    }
    if let Some(place) = open.key.take() {
        return place;
    }
    let below = text.and_then(|text| open.place?.below(text));
    open.key = Some(below);
    below
}

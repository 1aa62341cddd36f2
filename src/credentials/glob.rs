//! kubelet's patterns for registries: `*.dkr.ecr.*.amazonaws.com`, `registry.io:8080/path`.
//!
//! Holds: patterns match as in kubelet (`URLsMatch` in `pkg/credentialprovider/keyring.go`): the host has the
//! same number of parts, and each part matches by Go's `filepath.Match`; the port is the same text, so a
//! missing port is not 443; the path is a prefix of the text, so `/pong` matches `/pongz` too.

use super::key::Specificity;
use crate::policy::Name;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    parts: Vec<String>,
    port: String,
    path: String,
}

/// The key that is used for Docker Hub if nothing else matches.
const HUB_KEY: &str = "index.docker.io";

impl Glob {
    /// Reads a pattern, which has no scheme. What Go's `url.Parse` refuses is refused.
    pub(super) fn parse(text: &str) -> Result<Glob, String> {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let whole = &text[..end];
        let (authority, path) = match whole.find('/') {
            Some(slash) => whole.split_at(slash),
            None => (whole, ""),
        };
        if text.chars().any(char::is_control) {
            return Err("it has a control character".to_owned());
        }
        if authority.contains(['%', ' ', '\\', '^', '`', '{', '}', '|']) {
            return Err(format!("{authority:?} is not a host"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, ""),
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{port:?} is not a port"));
        }
        // Go takes the brackets off an IPv6 address only where a port follows.
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = if authority.len() > host.len() { bare.unwrap_or(host) } else { host };
        let parts = host.split('.').map(str::to_owned).collect();
        Ok(Glob { parts, port: port.to_owned(), path: path.to_owned() })
    }

    /// Whether it matches an image's name without tag and digest.
    pub(super) fn matches(&self, image: &str) -> bool {
        let Ok(target) = Glob::parse(image) else { return false };
        self.port == target.port
            && self.parts.len() == target.parts.len()
            && target.path.starts_with(&self.path)
            && self.parts.iter().zip(&target.parts).all(|(pattern, part)| part_matches(pattern, part))
    }

    /// How specific it is, if it matches this name in its own spelling or in the folded one.
    pub(super) fn covers(&self, target: &Name) -> Option<Specificity> {
        let key = target.key();
        let matched = self.matches(target.repository()) || self.matches(key.repository());
        let components = self.path.split('/').filter(|part| !part.is_empty()).count();
        let wildcard = self.parts.iter().any(|part| part.contains(['*', '?', '[']));
        matched.then_some((components, !wildcard))
    }
}

/// The first of several keys that matches an image, in kubelet's order: the later in the alphabet first, so
/// the longer path of one host comes first.
pub(super) fn choose<'k, T>(keys: &'k [(String, T)], image: &str) -> Option<&'k (String, T)> {
    let mut sorted: Vec<(String, &(String, T))> =
        keys.iter().filter_map(|entry| Some((normalised(&entry.0)?, entry))).collect();
    sorted.sort_by(|(one, _), (other, _)| other.cmp(one));
    let matches = |key: &str| Glob::parse(key).is_ok_and(|glob| glob.matches(image));
    let found = sorted.iter().find(|(key, _)| matches(key));
    let hub = || sorted.iter().find(|(key, _)| key == HUB_KEY).filter(|_| is_hub(image));
    found.or_else(hub).map(|(_, entry)| *entry)
}

/// Without a scheme, and without the API's version.
fn normalised(key: &str) -> Option<String> {
    let bare = ["https://", "http://"].iter().find_map(|scheme| key.strip_prefix(scheme)).unwrap_or(key);
    Glob::parse(bare).ok()?;
    let (host, path) = match bare.find('/') {
        Some(slash) => bare.split_at(slash),
        None => (bare, ""),
    };
    let versioned = path.starts_with("/v1/") || path.starts_with("/v2/");
    let path = if versioned { &path[3..] } else { path };
    Some(if path == "/" { host.to_owned() } else { format!("{host}{path}") })
}

/// Whether a name is without a registry or on Docker Hub.
pub(super) fn is_hub(image: &str) -> bool {
    match image.split_once('/') {
        None => !image.is_empty(),
        Some((host, _)) => {
            !host.is_empty() && (matches!(host, "docker.io" | HUB_KEY) || !host.contains(['.', ':']))
        }
    }
}

/// Go's `filepath.Match` on a text without slashes. A malformed pattern matches nothing.
///
/// Everything but a star matches one character. So if the text does not match any more, it is enough that the
/// last star takes one character more. Trying all stars again would take exponential time.
fn part_matches(mut pattern: &str, mut text: &str) -> bool {
    // The pattern behind its last star, and the text behind what that star has taken.
    let mut star: Option<(&str, &str)> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix('*') {
            pattern = rest;
            star = Some((pattern, text));
        } else if pattern.is_empty() && text.is_empty() {
            return true;
        } else if let Some(after) = one_matches(pattern, text) {
            (pattern, text) = after;
        } else {
            let Some((rest, taken)) = star else { return false };
            let mut longer = taken.chars();
            if longer.next().is_none() {
                return false;
            }
            (pattern, text) = (rest, longer.as_str());
            star = Some((pattern, text));
        }
    }
}

/// The rest of both, if the pattern begins with what matches the first character of the text.
fn one_matches<'p, 't>(pattern: &'p str, text: &'t str) -> Option<(&'p str, &'t str)> {
    let head = text.chars().next()?;
    let first = pattern.chars().next()?;
    let rest = &pattern[first.len_utf8()..];
    let rest = match first {
        '[' => class(rest, head).filter(|(hit, _)| *hit).map(|(_, rest)| rest)?,
        '\\' => rest.strip_prefix(head)?,
        _ => rest,
    };
    (matches!(first, '[' | '\\') || first == head).then(|| (rest, &text[head.len_utf8()..]))
}

/// Whether a character is in a class whose `[` has been read, and what follows the class.
fn class(pattern: &str, wanted: char) -> Option<(bool, &str)> {
    let (negated, mut rest) = match pattern.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut hit = false;
    let mut count = 0;
    loop {
        if count > 0
            && let Some(rest) = rest.strip_prefix(']')
        {
            return Some((hit != negated, rest));
        }
        let (low, after) = class_char(rest)?;
        let (high, after) = match after.strip_prefix('-') {
            Some(after) => class_char(after)?,
            None => (low, after),
        };
        hit |= (low..=high).contains(&wanted);
        rest = after;
        count += 1;
    }
}

/// One character of a class.
fn class_char(text: &str) -> Option<(char, &str)> {
    let text = match text.chars().next()? {
        '-' | ']' => return None,
        '\\' => &text[1..],
        _ => text,
    };
    let found = text.chars().next()?;
    let rest = &text[found.len_utf8()..];
    // A class without an end is malformed.
    (!rest.is_empty()).then_some((found, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_matched_as_go_matches_a_file_name() {
        let rows = [
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c*e", "abcde", true),
            ("*b", "abc", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]a]", "a", false),
            ("[a", "a", false),
            ("[-x]", "x", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("", "", true),
            ("", "a", false),
            ("ä*", "äö", true),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(part_matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_with_many_stars_ends() {
        assert!(!part_matches(&"*a".repeat(8), &"aaaab".repeat(5)));
        // Each star once had a search of its own below that of the one before, on the stack.
        assert!(!part_matches(&"*a".repeat(60), &"a".repeat(59)));
        assert!(part_matches(&"*a".repeat(60), &"ab".repeat(59).replace('b', "ba")));
        assert!(part_matches(&"*".repeat(1 << 20), "a"));
    }

    #[test]
    fn another_spelling_of_the_port_of_https_is_no_other_registry() {
        let glob = Glob::parse("*.dev.de").unwrap();
        assert_eq!(glob.covers(&"m.dev.de:443/a/b:1".parse().unwrap()), Some((0, false)));
        assert_eq!(glob.covers(&"m.dev.de:5000/a/b:1".parse().unwrap()), None);
        let exact = Glob::parse("m.dev.de/a").unwrap();
        assert_eq!(exact.covers(&"m.dev.de/a/b:1".parse().unwrap()), Some((1, true)));
    }
}

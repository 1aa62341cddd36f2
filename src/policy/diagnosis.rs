//! Finds out why a string is not an image reference, so that a message can say it.
//!
//! Not here: whether it is one (`grammar`), which is asked first.

use super::grammar;
use super::name::error::{NameError, Part};

/// The first mistake, from the left.
pub(super) fn diagnose(s: &str) -> NameError {
    if s.is_empty() {
        return NameError::Empty;
    }
    if ["/", "./", "../"].iter().any(|start| s.starts_with(start)) {
        return NameError::Path;
    }
    if let Some((scheme, _)) = s.split_once("://")
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return NameError::Scheme { scheme: scheme.to_owned() };
    }
    let (name, tag, digest) = grammar::cut(s);
    let (host, path) = grammar::split_host(name);
    let mistakes = host
        .and_then(in_host)
        .or_else(|| in_path(path))
        .or_else(|| tag.and_then(in_tag))
        .or_else(|| digest.and_then(in_digest))
        .or_else(|| grammar::check_length(path).err());
    match mistakes {
        // What stands before an `@` without a digest may be a login; then nothing of it is repeated.
        Some(NameError::Host { .. } | NameError::RepositoryPart { .. }) => {
            digest.and_then(in_digest).or(mistakes)
        }
        _ => mistakes,
    }
    .unwrap_or(NameError::Format)
}

fn in_host(host: &str) -> Option<NameError> {
    let known = |c: char| c.is_ascii_alphanumeric() || "._-:[]".contains(c);
    let odd = odd_character(host, Part::Host, known);
    let is_one = grammar::is_domain(host) || grammar::is_path(host);
    odd.or_else(|| (!is_one).then(|| NameError::Host { host: host.to_owned() }))
}

fn in_path(path: &str) -> Option<NameError> {
    if path.is_empty() {
        return Some(NameError::NoRepository);
    }
    let known = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if let Some(odd) = odd_character(path, Part::Repository, known) {
        return Some(odd);
    }
    if path.split('/').any(str::is_empty) {
        return Some(NameError::EmptyPart);
    }
    if grammar::has_upper_case(path) {
        return Some(NameError::UpperCase);
    }
    let wrong = path.split('/').find(|part| !grammar::is_path(part));
    wrong.map(|part| NameError::RepositoryPart { text: part.to_owned() })
}

fn in_tag(tag: &str) -> Option<NameError> {
    let Some(first) = tag.chars().next() else { return Some(NameError::NoTag) };
    let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if let Some(odd) = odd_character(tag, Part::Tag, known) {
        return Some(odd);
    }
    if matches!(first, '.' | '-') {
        return Some(NameError::TagStart { first });
    }
    (tag.len() > grammar::TAG_MAX).then_some(NameError::TagLength { length: tag.len() })
}

fn in_digest(digest: &str) -> Option<NameError> {
    if digest.contains('@') {
        return Some(NameError::TwoDigests);
    }
    let visible = |c: char| !c.is_whitespace() && !c.is_control();
    odd_character(digest, Part::Digest, visible).or_else(|| grammar::check_digest(digest).err())
}

/// The first character that is not a known one.
fn odd_character(text: &str, part: Part, known: impl Fn(char) -> bool) -> Option<NameError> {
    text.chars().find(|&c| !known(c)).map(|found| NameError::Character { found, part })
}

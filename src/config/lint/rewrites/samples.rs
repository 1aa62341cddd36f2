//! Repositories to try rewrites on: common ones, and some that match the patterns.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::policy::{Prefix, PrefixKind, Rewrite};

/// Common forms of repositories.
const COMMON: [&str; 4] = ["library/nginx", "nginx", "team/app", "team/group/app-1.x"];

/// No sample is longer.
const LONGEST: usize = 255;

/// How many branches of an alternative are tried.
const BRANCHES: usize = 4;

/// Names at a host below a prefix.
pub(super) fn of(prefix: &Prefix, host: &str, rewrites: &[Rewrite]) -> Vec<String> {
    let path = prefix.path();
    if prefix.kind() == PrefixKind::Exact {
        return vec![prefix.as_str().to_owned()];
    }
    let matching = rewrites.iter().flat_map(|rewrite| matching(rewrite.pattern.as_str()));
    let wanted = COMMON.iter().map(|common| (*common).to_owned()).chain(matching);
    let below = wanted.map(|sample| match sample.strip_prefix(path) {
        Some(rest) if path.is_empty() || rest.is_empty() || rest.starts_with('/') => sample,
        _ => format!("{path}/{sample}"),
    });
    // The prefix itself is a repository too.
    let whole = (!path.is_empty()).then(|| path.to_owned());
    whole.into_iter().chain(below).map(|path| format!("{host}/{path}:1")).collect()
}

/// Texts that match a pattern, as far as it needs no looking around.
fn matching(pattern: &str) -> Vec<String> {
    let Ok(hir) = regex_syntax::parse(pattern) else { return Vec::new() };
    let choices = (0..BRANCHES).flat_map(|branch| [0, 1, 2].map(|times| (branch, times)));
    let mut found: Vec<String> = Vec::new();
    for (branch, times) in choices {
        let mut text = String::new();
        if write(&hir, branch, times, &mut text).is_some() && !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// Writes a text that matches: of alternatives this branch, of repetitions this many more than needed.
fn write(hir: &Hir, branch: usize, times: u32, text: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => text.push(member(class)?),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            for _ in 0..repetition.min.saturating_add(times).min(most) {
                write(&repetition.sub, branch, times, text)?;
                (text.len() <= LONGEST).then_some(())?;
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, branch, times, text)?,
        HirKind::Concat(parts) => {
            for part in parts {
                write(part, branch, times, text)?;
            }
        }
        HirKind::Alternation(branches) => write(branches.get(branch % branches.len())?, branch, times, text)?,
    }
    Some(())
}

/// A character of a class that may stand in a repository.
fn member(class: &Class) -> Option<char> {
    let is_in = |c: &char| match class {
        Class::Unicode(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(c)),
        Class::Bytes(class) => u8::try_from(*c).is_ok_and(|byte| {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte))
        }),
    };
    ('a'..='z').chain('0'..='9').chain(['/', '-', '.', '_']).find(is_in)
}

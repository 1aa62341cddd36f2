//! Reads `rewrite`: how a rule makes a mirror's repository of an image's own.

use super::diagnostic::Problem;
use super::refusal::Refusal;
use super::section::{Field, Section};
use super::sources;
use crate::policy::Rewrite;

/// Reads the list of a rule.
pub(super) fn read(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Vec<Rewrite>> {
    let items = field.items(out)?;
    let mut rewrites = Vec::new();
    for item in items {
        let Some(mut section) = item.section(out) else { continue };
        rewrites.extend(rewrite(&mut section, out));
        section.finish(out);
    }
    Some(rewrites)
}

fn rewrite(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<Rewrite> {
    let before = out.len();
    let pattern = section.parse("match", out, pattern);
    let replacement = section.string("replace", out);
    if out.len() == before {
        if pattern.is_none() {
            section.missing("match", "a regular expression, tried on the repository without its host", out);
        }
        if replacement.is_none() {
            section.missing("replace", "what to put in its place; $1 is the first group", out);
        }
    }
    Some(Rewrite { pattern: pattern?.value, replacement: replacement?.value.to_owned() })
}

fn pattern(text: &str) -> Result<regex::Regex, Refusal> {
    sources::pattern::compile_own(text).map_err(|error| {
        let refusal = Refusal::new(format!("bad regular expression: {error}"));
        match error.to_string().contains("look-around") {
            true => refusal.hint(
                "for repositories that a rewrite must not change write a rule with a longer prefix; what has to \
                 stay goes into a group: match = \"^(a|b)/(.*)\", replace = \"$1/x/$2\"",
            ),
            false => refusal,
        }
    })
}

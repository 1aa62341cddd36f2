//! The names of signatures.

use super::super::refusal::Refusal;

/// What a rule says that asks for nothing.
pub(in crate::config) const NOTHING: &str = "none";

/// The name of what a rule asks for.
pub(crate) fn asked(text: &str) -> Result<String, Refusal> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || text.len() > 63 || !text.chars().all(is_plain) {
        return Err(Refusal::new(format!("\"{text}\" is not a name for a signature"))
            .hint("a name has up to 63 letters, digits, `-`, `_` and `.`"));
    }
    Ok(text.to_owned())
}

/// The name of a signature.
pub(super) fn name(text: &str) -> Result<String, Refusal> {
    match text {
        NOTHING => Err(Refusal::new("\"none\" stands for no signature at all").hint("choose another name")),
        _ => asked(text),
    }
}

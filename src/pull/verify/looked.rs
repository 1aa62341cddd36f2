//! Where signatures were looked for, and why what was found is not enough, in words.

use crate::signature::{Signed, Unsigned};

/// Why an image does not count as signed.
pub enum Lacking {
    /// It is not signed as it has to be.
    Unsigned(String),
    /// Not every place tells.
    Away(String),
}

/// Where was looked, for a message.
#[derive(Default)]
pub(super) struct Looked {
    /// The repositories that have told all.
    pub(super) places: Vec<String>,
    /// The others, each with the reason.
    pub(super) away: Vec<String>,
}

impl Looked {
    /// Why an image is not accepted that was looked for there.
    pub(super) fn lacking(&self, signed: &Signed, digest: &str, unsigned: &Unsigned) -> Lacking {
        let (who, digest) = (&signed.by, short(digest));
        let at = match self.places.is_empty() {
            true => String::new(),
            false => format!(" (looked at {})", self.places.join(", ")),
        };
        if self.away.is_empty() {
            return Lacking::Unsigned(format!("{digest} is not signed as \"{who}\" demands{at}: {unsigned}"));
        }
        let found = if self.places.is_empty() { String::new() } else { format!("{unsigned}; ") };
        let away = self.away.join("; ");
        Lacking::Away(format!(
            "whether {digest} is signed as \"{who}\" demands is not known{at}: {found}{away}"
        ))
    }
}

/// The first digits of a digest, by which people know it.
fn short(digest: &str) -> String {
    const DIGITS: usize = 12;
    match digest.split_once(':') {
        Some((algorithm, hex)) if hex.len() > DIGITS => {
            format!("{algorithm}:{}…", hex.get(..DIGITS).unwrap_or(hex))
        }
        _ => digest.to_owned(),
    }
}

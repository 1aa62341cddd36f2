//! What a verified signature says, and why one does not count.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a signature says. It is only made of bytes that a key has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is signed.
    pub subjects: Vec<Subject>,
    /// The name that the image was signed under. Bundles have none.
    pub reference: Option<String>,
}

/// One thing that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its digests, each by another algorithm, `sha256:` before them.
    pub digests: Vec<String>,
    /// What the signer has noted of it, as far as that is text.
    pub annotations: BTreeMap<String, String>,
}

impl Subject {
    pub(super) fn new(digests: Vec<String>, notes: Option<BTreeMap<String, Value>>) -> Self {
        // What is not text cannot be asked for.
        let text = |(name, value)| match value {
            Value::String(value) => Some((name, value)),
            _ => None,
        };
        Subject { digests, annotations: notes.into_iter().flatten().filter_map(text).collect() }
    }
}

/// Why a signature does not count. The texts hold words of others only where they are short and without control
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It cannot be read.
    #[error("it is no {what}: {problem}")]
    Malformed {
        /// What it should have been.
        what: &'static str,
        /// Why it is not.
        problem: String,
    },
    /// Of a kind that is not looked at.
    #[error("{0}")]
    Unknown(String),
    /// Nobody who is asked for has signed it.
    #[error("it is by none of the keys that are asked for")]
    OtherKey,
    /// The same, where that may be for want of an algorithm.
    #[error(
        "it is by none of the keys that are asked for, or in the form Ed25519ph, which is not known here (cosign 3 signs \
         so with Ed25519 keys: take one of ECDSA)"
    )]
    OtherKeyOrForm,
    /// Its certificate, time or log entry do not hold.
    #[error("it does not hold: {0}")]
    Untrusted(String),
    /// Nobody who is asked for has signed it.
    #[error("it is by {subject} ({issuer}), who is not asked for")]
    OtherSigner {
        /// Who has signed it.
        subject: String,
        /// Who knows the subject.
        issuer: String,
    },
    /// It is for another image.
    #[error("it is for another image ({0})")]
    OtherDigest(String),
    /// It is for another name.
    #[error("it is for the name {signed}, which does not stand for {asked} here")]
    OtherName {
        /// The name that was signed.
        signed: String,
        /// The name that was asked for.
        asked: String,
    },
    /// A bundle, where a name is asked for.
    #[error("it says no name (bundles of cosign 3 have none), so it could be another image's")]
    NoName,
    /// An annotation that is asked for.
    #[error("its annotation \"{0}\" is not the one that is asked for")]
    OtherAnnotation(String),
}

/// A few words of others as they may stand in a message.
pub(super) fn shown(words: &str) -> String {
    const LONGEST: usize = 200;
    let mut shown: String = words.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if words.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

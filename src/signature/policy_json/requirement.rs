//! What policy.json demands of an image.

use super::super::demand::Demand;

/// What an image has to meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// `insecureAcceptAnything`.
    Accept,
    /// `reject`.
    Reject,
    /// `sigstoreSigned`, but for `pki`.
    Signed(Box<Demand>),
    /// What cannot be verified here, and why: it refuses.
    Unmet(String),
}

/// Reads a file of a key, or says why that cannot be done.
pub(super) type ReadFile<'f> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'f;

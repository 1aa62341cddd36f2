//! What every part of the reader of `registries.yaml` needs.

use crate::config::diagnostic::{TextId, Texts};

/// The other program that reads the file, in messages.
pub(super) const PROGRAM: &str = "k3s";

/// The text, and how it is read.
pub(super) struct Reader<'t> {
    pub(super) text: TextId,
    pub(super) texts: &'t Texts,
    pub(super) disable_default_endpoint: bool,
}

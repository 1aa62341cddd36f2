//! How much a problem matters.

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, and probably does not do what its author wants.
    Warning,
    /// Worth knowing; nothing has to change.
    Note,
}

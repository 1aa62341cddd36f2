//! How a command ends.

/// The exit statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// All is well.
    Ok = 0,
    /// The answer is bad: what was asked about is not valid or denied (`check`, `explain`), differs (`test`), is not
    /// complete (`import`), or needs attention (`status`).
    Bad = 1,
    /// Wrong usage, or a configuration that cannot be used.
    Usage = 2,
    /// The daemon or containerd cannot be reached, or the program cannot run.
    Runtime = 3,
}

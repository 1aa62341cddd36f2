//! What lines are written to: the file, or the journal.

/// Where lines are written.
pub(super) trait Sink: Send {
    /// What a message calls it.
    fn name(&self) -> String;
    /// Sees to it that lines can be written.
    fn prepare(&mut self) -> Result<(), String>;
    /// Looks anew at what it writes to.
    fn reopen(&mut self);
    /// Writes a whole line, or nothing.
    fn write(&mut self, line: &str) -> Result<(), String>;
}

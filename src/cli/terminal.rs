//! Writes to stdout and stderr.
//!
//! Before: a command has something to say.  After: people, pipes, the journal.
//! Holds: a reader that has gone away ends the output and is no error; colours go to terminals only.

use std::io::{self, ErrorKind, IsTerminal, Write};

use super::Exit;
use crate::config::Style;

/// Data, for stdout.
pub(super) fn print(text: &str) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Exit::Ok),
        Err(error) => {
            say(&format!("error: cannot write to stdout: {error}\n"));
            Err(Exit::Runtime)
        }
    }
}

/// Talk, for stderr. Where stderr is closed there is nobody to tell, so a failure is dropped.
pub(super) fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// How stderr wants its diagnostics.
pub(super) fn style() -> Style {
    let off = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    if io::stderr().is_terminal() && !off && !dumb { Style::Coloured } else { Style::Plain }
}

//! Writes to stdout and stderr.
//!
//! Before: a command has something to say.  After: people, pipes, the journal.
//! Holds: a reader that has gone away ends the output and is no error; colours go to terminals only.

use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, IsTerminal, Write};

use super::Exit;
use crate::config::{Style, visible};

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

/// An error and what caused it, for stderr.
pub(super) fn complain(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // Some errors of others say their cause in their own words already.
        if !text.ends_with(&words) {
            text.push_str(&format!(": {words}"));
        }
        source = cause.source();
    }
    say(&format!("{}\n", visible(&text)));
}

/// How stderr wants its diagnostics.
pub(super) fn style() -> Style {
    style_on(&io::stderr())
}

/// How stdout wants its data.
pub(super) fn style_of_stdout() -> Style {
    style_on(&io::stdout())
}

fn style_on(stream: &impl IsTerminal) -> Style {
    let variable = |name| std::env::var_os(name).unwrap_or_default();
    style_of(stream.is_terminal(), &variable("NO_COLOR"), &variable("TERM"))
}

/// See no-color.org: the variable counts where it is not empty.
fn style_of(is_terminal: bool, no_color: &OsStr, term: &OsStr) -> Style {
    if is_terminal && no_color.is_empty() && term != "dumb" { Style::Coloured } else { Style::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let rows = [
            (true, "", "xterm", Style::Coloured),
            (true, "", "", Style::Coloured),
            (false, "", "xterm", Style::Plain),
            (true, "1", "xterm", Style::Plain),
            (true, "", "dumb", Style::Plain),
        ];
        for (is_terminal, no_color, term, expected) in rows {
            let style = style_of(is_terminal, OsStr::new(no_color), OsStr::new(term));
            assert_eq!(style, expected, "{is_terminal} {no_color:?} {term:?}");
        }
    }
}

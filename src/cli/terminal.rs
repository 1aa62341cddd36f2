//! Writes to stdout and stderr. Colours go to terminals only.
//!
//! Holds: a reader that has gone away is not an error. What a command does, and its exit status, are as if it was there.

use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::ops::ControlFlow;

use serde::Serialize;

use super::exit::Exit;
use crate::config::{Diagnostics, Style, visible};

/// Data, for stdout. Where its reader has gone away, the command goes on.
pub(super) fn print(text: &str) -> Result<(), Exit> {
    print_on(text).map(|_| ())
}

/// The same, for a command that writes for as long as somebody reads: whether there is still a reader.
pub(super) fn print_on(text: &str) -> Result<ControlFlow<()>, Exit> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) => unwritten(&error).map_or(Ok(ControlFlow::Break(())), Err),
    }
}

/// What comes of not being able to write to stdout; nothing where its reader has gone away.
pub(super) fn unwritten(error: &io::Error) -> Option<Exit> {
    if error.kind() == ErrorKind::BrokenPipe {
        return None;
    }
    Some(fail(&format!("cannot write to stdout: {error}"), Exit::Runtime))
}

/// An object as one line of JSON, for stdout.
pub(super) fn json(data: &impl Serialize) -> String {
    // A struct of texts, numbers and lists has no value that JSON lacks, so this does not fail. If it did, an empty
    // line would be seen.
    let mut line = serde_json::to_string(data).unwrap_or_default();
    line.push('\n');
    line
}

/// Messages, for stderr. Where stderr is closed, the failure cannot be reported, so it is ignored.
pub(super) fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Why a command ends, for stderr, and how it ends.
pub(super) fn fail(why: &str, exit: Exit) -> Exit {
    say(&format!("error: {}\n", visible(why)));
    exit
}

/// What is wrong with files, for stderr.
pub(super) fn refuse(problems: &Diagnostics) -> Exit {
    say(&problems.render(style(), false));
    Exit::Usage
}

/// An error and what caused it, for stderr.
pub(super) fn complain(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // The texts of some errors of libraries end with their cause.
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

/// Whether stderr is a terminal on which lines can be drawn again.
pub(super) fn draws() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
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

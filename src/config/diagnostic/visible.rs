//! Text without control characters, which a terminal could take for commands. Line breaks stay.

use std::borrow::Cow;

/// Text with its control characters spelled out, so that a configuration or the name of an image cannot send commands
/// to the terminal of a reader. Line breaks stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| c.is_control() && c != '\n';
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let spelled = |c: char| if hidden(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(spelled).collect())
}

/// The same for lines that spans point into: their length stays. The renderer replaces the control characters of ASCII;
/// some of the others begin an escape sequence alone.
pub(super) fn as_wide(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| c.is_control() && !c.is_ascii();
    match text.contains(hidden) {
        false => Cow::Borrowed(text),
        // Two bytes for two bytes.
        true => Cow::Owned(text.replace(hidden, "\u{bf}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Diagnostics, Problem, Span, Style, Texts};

    #[test]
    fn an_escape_of_one_character_does_not_reach_the_terminal_from_a_line_that_is_shown() {
        let mut texts = Texts::default();
        let text = texts.add("--f", "\u{9b}2J = \u{90}\n".to_owned());
        let shown = Diagnostics::new(texts, vec![Problem::error("bad").at(&Span { text, range: 7..9 })]);
        insta::assert_snapshot!(shown.render(Style::Plain, false), @r"
        error: bad
         --> --f:1:7
          |
        1 | ¿2J = ¿
          |       ^
        ");
    }
}

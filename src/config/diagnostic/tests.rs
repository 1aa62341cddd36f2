//! How problems look.
#![allow(clippy::unwrap_used, reason = "tests")]

mod secrets;

use std::ops::Range;

use super::*;

fn span(text: TextId, range: Range<usize>) -> Span {
    Span { text, range }
}

#[test]
fn a_problem_shows_place_line_caret_second_place_and_hint() {
    let mut texts = Texts::default();
    let first = texts.add("config.toml", "mode = 1\nca = 2\n".to_owned());
    let second = texts.add("conf.d/x.toml", "\n\nca = 3\n".to_owned());
    let problem = Problem::error("`ca` is set twice")
        .at(&span(second, 2..4))
        .also(&span(first, 9..11), "first set here")
        .hint("remove one of the two");
    let shown = Diagnostics::new(texts, vec![problem]);
    assert_eq!(
        shown.lines(),
        [(Severity::Error, "conf.d/x.toml:3:1: `ca` is set twice (remove one of the two)".to_owned())]
    );
    insta::assert_snapshot!(shown.render(Style::Plain, false), @r"
error: `ca` is set twice
 --> conf.d/x.toml:3:1
  |
3 | ca = 3
  | ^^
  |
 ::: config.toml:2:1
  |
2 | ca = 2
  | -- first set here
  |
  = help: remove one of the two
");
}

#[test]
fn problems_come_in_the_order_of_files_and_lines_and_whole_file_problems_first() {
    let mut texts = Texts::default();
    let first = texts.add("1", "ca=1\ncri=2\n".to_owned());
    let second = texts.add("2", "dir=3\n".to_owned());
    let problems = vec![
        Problem::error("third").at(&span(second, 0..5)),
        Problem::warning("second").at(&span(first, 5..10)),
        Problem::error("zeroth"),
        Problem::error("first").at(&span(first, 0..10)),
        Problem::new(Severity::Note, "unseen"),
    ];
    let shown = Diagnostics::new(texts, problems);
    assert_eq!((shown.count(Severity::Error), shown.count(Severity::Warning)), (3, 1));
    insta::assert_snapshot!(shown.render(Style::Plain, false), @r"
    error: zeroth

    error: first
     --> 1:1:1
      |
    1 | ca=1
      | ^^^^

    warning: second
     --> 1:2:1
      |
    2 | cri=2
      | ^^^^^

    error: third
     --> 2:1:1
      |
    1 | dir=3
      | ^^^^^
    ");
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let mut texts = Texts::default();
    let id = texts.add("f\u{1b}[31m", "mode: \u{1b}[2J\n".to_owned());
    let problem = Problem::error("bad \u{1b}[2J").at(&span(id, 6..10)).hint("\u{1b}[2J");
    let shown = Diagnostics::new(texts, vec![problem]).render(Style::Plain, false);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn a_span_beyond_its_text_is_cut() {
    let mut texts = Texts::default();
    let id = texts.add("f", "ca:".to_owned());
    let shown = Diagnostics::new(texts, vec![Problem::error("x").at(&span(id, 7..99))]);
    assert!(shown.render(Style::Plain, false).contains("f:1:4"), "{shown:?}");
}

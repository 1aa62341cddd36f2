//! Problems found in configuration, and how they are shown to people.
//!
//! Before: the readers of this folder, which record problems as they go.  After: `cli` prints them,
//! `serve` refuses to start on them.
//! Holds: a problem that is about text in a file carries its span; rendering never fails and shows
//! problems in the order of the files.
//! Not here: what counts as a problem (`tree`, `rules`, `validate`, `lint`).

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::files::fingerprint::Snapshot;

mod left_behind;
mod mask;
mod texts;
mod visible;

pub(crate) use self::texts::{Located, Span, TextId, Texts};
pub(crate) use self::visible::visible;

use self::visible::as_wide;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, and probably does not do what its author wants.
    Warning,
    /// Worth knowing; nothing has to change.
    Note,
}

/// With or without terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only: pipes, files, `NO_COLOR`.
    Plain,
    /// ANSI colours.
    Coloured,
}

/// One thing that is wrong, or worth saying.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    message: String,
    at: Option<Span>,
    also: Vec<(Span, String)>,
    hints: Vec<String>,
    left_behind: bool,
}

/// Every problem of one load, with the texts that they point into.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    texts: Texts,
    problems: Vec<Problem>,
}

// === impl Problem ===

impl Problem {
    pub(crate) fn new(severity: Severity, message: impl Into<String>) -> Self {
        let message = message.into();
        Problem { severity, message, at: None, also: Vec::new(), hints: Vec::new(), left_behind: false }
    }

    pub(crate) fn error(message: impl Into<String>) -> Self {
        Problem::new(Severity::Error, message)
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Problem::new(Severity::Warning, message)
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub(crate) fn at(mut self, span: &Span) -> Self {
        self.at = Some(span.clone());
        self
    }

    /// A second place that the problem involves, with what it has to do with it.
    pub(crate) fn also(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.also.push((span.clone(), label.into()));
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn maybe_hint(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Problems without a place come first: they are about whole files.
    fn order(&self) -> (Option<TextId>, usize) {
        (self.at.as_ref().map(|at| at.text), self.at.as_ref().map_or(0, |at| at.range.start))
    }

    fn line(&self, texts: &Texts) -> String {
        let mut line = String::new();
        if let Some(at) = &self.at {
            line.push_str(&format!("{}:{}:{}: ", texts.name(at.text), texts.line(at), texts.column(at)));
        }
        line.push_str(&mask::message(&self.message));
        for hint in &self.hints {
            line.push_str(&format!(" ({})", mask::message(hint)));
        }
        visible(&line).replace('\n', " ")
    }

    fn group<'a>(&'a self, texts: &'a Texts) -> Group<'a> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group = Group::with_title(level.primary_title(said(&self.message)));
        for snippet in self.snippets(texts) {
            group = group.element(snippet);
        }
        for hint in &self.hints {
            group = group.element(Level::HELP.message(said(hint)));
        }
        group
    }

    /// One snippet a text; a text that two spans lie in is shown once, with both marked.
    fn snippets<'a>(&'a self, texts: &'a Texts) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
        let mut parts: Vec<(TextId, Vec<Mark<'_>>)> = Vec::new();
        let primary = self.at.iter().map(|at| (at, AnnotationKind::Primary, None));
        let also = self.also.iter().map(|(at, label)| (at, AnnotationKind::Context, Some(label.as_str())));
        for (at, kind, label) in primary.chain(also) {
            let mark = (within(texts.content(at.text), &at.range), kind, label);
            match parts.iter_mut().find(|(text, _)| *text == at.text) {
                Some((_, marks)) => marks.push(mark),
                None => parts.push((at.text, vec![mark])),
            }
        }
        parts.into_iter().map(|(text, marks)| snippet(texts, text, marks)).collect()
    }
}

/// A stretch of a text that is pointed at, and how.
type Mark<'a> = (Range<usize>, AnnotationKind, Option<&'a str>);

/// The renderer gets the lines between the first mark and the last and no others: it looks at all that
/// it is given, which takes seconds where a long file has thousands of warnings.
fn snippet<'a>(
    texts: &'a Texts,
    text: TextId,
    marks: Vec<Mark<'a>>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let content = texts.content(text);
    let first = marks.iter().map(|(range, ..)| range.start).min().unwrap_or(0);
    let last = marks.iter().map(|(range, ..)| range.end).max().unwrap_or(0);
    let start = content.get(..first).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let end = content.get(last..).and_then(|after| after.find('\n')).map_or(content.len(), |len| last + len);
    let line = texts.line(&Span { text, range: start..start });
    let annotations = marks
        .into_iter()
        .map(|(range, kind, label)| kind.span(range.start - start..range.end - start).label(label));
    let shown = texts.excerpt(text, start..end);
    Snippet::source(as_wide(shown).into_owned())
        .line_start(usize::try_from(line).unwrap_or(usize::MAX))
        .path(visible(&texts.name(text)).into_owned())
        .annotations(annotations)
}

/// What a problem says, as people may see it.
fn said(text: &str) -> String {
    visible(&mask::message(text)).into_owned()
}

/// A span cut to its first line and to the text: a caret under a whole table helps nobody.
fn within(content: &str, range: &Range<usize>) -> Range<usize> {
    let start = range.start.min(content.len());
    let end = range.end.clamp(start, content.len());
    let line = content.get(start..end).and_then(|text| text.find('\n'));
    start..line.map_or(end, |newline| start + newline)
}

// === impl Diagnostics ===

impl Diagnostics {
    pub(crate) fn new(texts: Texts, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(Problem::order);
        Diagnostics { texts, problems }
    }

    /// Every file and directory that was looked at, as it was then.
    #[must_use]
    pub fn seen(&self) -> &Snapshot {
        self.texts.snapshot()
    }

    /// How many problems there are of one severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    /// Each problem on one line, `file:line:column: message (hint)`: for logs.
    #[must_use]
    pub fn lines(&self) -> Vec<(Severity, String)> {
        self.problems.iter().map(|problem| (problem.severity, problem.line(&self.texts))).collect()
    }

    /// The problems as text, a blank line between two, for people to read. A note is shown where
    /// `notes` asks for it.
    #[must_use]
    pub fn render(&self, style: Style, notes: bool) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let mut out = String::new();
        for problem in self.problems.iter().filter(|problem| notes || problem.severity != Severity::Note) {
            out.push_str(&renderer.render(&[problem.group(&self.texts)]));
            out.push_str("\n\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: TextId, range: Range<usize>) -> Span {
        Span { text, range }
    }

    #[test]
    fn a_problem_shows_place_line_caret_second_place_and_hint() {
        let mut texts = Texts::default();
        let first = texts.add("config.toml", "a = 1\nb = 2\n".to_owned());
        let second = texts.add("conf.d/x.toml", "\n\nb = 3\n".to_owned());
        let problem = Problem::error("`b` is set twice")
            .at(&span(second, 2..3))
            .also(&span(first, 6..7), "first set here")
            .hint("remove one of the two");
        let shown = Diagnostics::new(texts, vec![problem]);
        assert_eq!(
            shown.lines(),
            [(Severity::Error, "conf.d/x.toml:3:1: `b` is set twice (remove one of the two)".to_owned())]
        );
        insta::assert_snapshot!(shown.render(Style::Plain, false), @r"
    error: `b` is set twice
     --> conf.d/x.toml:3:1
      |
    3 | b = 3
      | ^
      |
     ::: config.toml:2:1
      |
    2 | b = 2
      | - first set here
      |
      = help: remove one of the two
    ");
    }

    #[test]
    fn problems_come_in_the_order_of_files_and_lines_and_whole_file_problems_first() {
        let mut texts = Texts::default();
        let first = texts.add("1", "aa\nbb\n".to_owned());
        let second = texts.add("2", "cc\n".to_owned());
        let problems = vec![
            Problem::error("third").at(&span(second, 0..2)),
            Problem::warning("second").at(&span(first, 3..5)),
            Problem::error("zeroth"),
            Problem::error("first").at(&span(first, 0..5)),
            Problem::new(Severity::Note, "unseen"),
        ];
        let shown = Diagnostics::new(texts, problems);
        assert_eq!((shown.count(Severity::Error), shown.count(Severity::Warning)), (3, 1));
        insta::assert_snapshot!(shown.render(Style::Plain, false), @r"
        error: zeroth

        error: first
         --> 1:1:1
          |
        1 | aa
          | ^^

        warning: second
         --> 1:2:1
          |
        2 | bb
          | ^^

        error: third
         --> 2:1:1
          |
        1 | cc
          | ^^
        ");
    }

    #[test]
    fn control_characters_of_a_file_do_not_reach_the_terminal() {
        let mut texts = Texts::default();
        let id = texts.add("f\u{1b}[31m", "a = \"\u{1b}[2J\"\n".to_owned());
        let problem = Problem::error("bad \u{1b}[2J").at(&span(id, 4..10)).hint("\u{1b}[2J");
        let shown = Diagnostics::new(texts, vec![problem]).render(Style::Plain, false);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn a_span_beyond_its_text_is_cut() {
        let mut texts = Texts::default();
        let id = texts.add("f", "ab".to_owned());
        let shown = Diagnostics::new(texts, vec![Problem::error("x").at(&span(id, 7..99))]);
        assert!(shown.render(Style::Plain, false).contains("f:1:3"), "{shown:?}");
    }
}

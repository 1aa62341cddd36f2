//! Problems found in configuration, and how they are shown to people.
//!
//! The readers of `config` record problems as they find them; `cli` prints them, `serve` logs them.
//! Holds: a problem about a place in a file has its span. Rendering never fails, shows problems in the order of
//! the files, and shows no secret: `public` says which lines are shown, `login` goes over messages.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::files::fingerprint::Snapshot;

mod alike;
mod left_behind;
mod listed;
mod login;
pub(crate) mod public;
mod severity;
#[cfg(test)]
mod tests;
mod texts;
mod visible;

pub use self::listed::Listed;
pub(crate) use self::public::is_local;
pub use self::severity::Severity;
pub(crate) use self::texts::{Located, Span, TextId, Texts};
pub(crate) use self::visible::visible;

use self::visible::as_wide;

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
    /// Whether it keeps the configuration from being used.
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
    /// A problem without a place; the message says what is wrong.
    pub(crate) fn new(severity: Severity, message: impl Into<String>) -> Self {
        let message = message.into();
        Problem { severity, message, at: None, also: Vec::new(), hints: Vec::new(), left_behind: false }
    }

    /// A problem that keeps the configuration from being used.
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Problem::new(Severity::Error, message)
    }

    /// The same without the hints that speak of a flag which the command does not have.
    pub(crate) fn without_flag(mut self, flag: &str) -> Self {
        self.hints.retain(|hint| !hint.contains(flag));
        self
    }

    /// A problem with which the configuration can be used.
    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Problem::new(Severity::Warning, message)
    }

    /// Whether it keeps the configuration from being used.
    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Gives the problem its place.
    pub(crate) fn at(mut self, span: &Span) -> Self {
        self.at = Some(span.clone());
        self
    }

    /// A second place that the problem involves, with what it has to do with it.
    pub(crate) fn also(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.also.push((span.clone(), label.into()));
        self
    }

    /// Adds what the author of the file can do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// As [`Problem::hint`], where there is advice.
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
        line.push_str(&message(&self.message));
        for hint in &self.hints {
            line.push_str(&format!(" ({})", hidden(hint)));
        }
        visible(&line).replace('\n', " ")
    }

    fn group<'a>(&'a self, texts: &'a Texts) -> Group<'a> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group = Group::with_title(level.primary_title(message(&self.message)));
        let mut all_shown = true;
        for part in self.parts(texts) {
            group = match part {
                Part::Lines(text, marks) => group.element(snippet(texts, text, marks)),
                Part::Place(at) => {
                    all_shown = false;
                    group.element(origin(texts, at))
                }
            };
        }
        if !all_shown {
            group = group.element(Level::NOTE.message(NOT_SHOWN));
        }
        for hint in &self.hints {
            group = group.element(Level::HELP.message(hidden(hint)));
        }
        group
    }

    /// What is shown of the texts: the primary place first, and all marks of one text together.
    fn parts(&self, texts: &Texts) -> Vec<Part<'_>> {
        let mut parts: Vec<Part<'_>> = Vec::new();
        let primary = self.at.iter().map(|at| (at, AnnotationKind::Primary, None));
        let also = self.also.iter().map(|(at, label)| (at, AnnotationKind::Context, Some(label.as_str())));
        for (at, kind, label) in primary.chain(also) {
            let Some(line) = texts.shown(at) else {
                parts.push(Part::Place(at));
                continue;
            };
            let mark = (within(texts.content(at.text), &at.range, line.end), kind, label);
            let shown = parts.iter_mut().find_map(|part| match part {
                Part::Lines(text, marks) if *text == at.text => Some(marks),
                _ => None,
            });
            match shown {
                Some(marks) => marks.push(mark),
                None => parts.push(Part::Lines(at.text, vec![mark])),
            }
        }
        parts
    }
}

/// What a diagnostic shows of a text.
enum Part<'a> {
    /// Lines, with marks on them.
    Lines(TextId, Vec<Mark<'a>>),
    /// A place alone: its line may hold a secret.
    Place(&'a Span),
}

/// Said in place of a line.
const NOT_SHOWN: &str = "line not shown: it may hold a secret";

/// A stretch of a text that is pointed at, and how.
type Mark<'a> = (Range<usize>, AnnotationKind, Option<&'a str>);

/// One snippet for all marks of a text, with the lines from the first mark to the last and no others: the renderer
/// looks at all that it is given, which takes seconds where a long file has thousands of warnings.
fn snippet<'a>(
    texts: &'a Texts,
    text: TextId,
    marks: Vec<Mark<'a>>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let first = marks.iter().map(|(range, ..)| range.start).min().unwrap_or(0);
    let last = marks.iter().map(|(range, ..)| range.end).max().unwrap_or(0);
    let (start, shown) = texts.excerpt(text, first..last);
    let annotations = marks
        .into_iter()
        .map(|(range, kind, label)| kind.span(range.start - start..range.end - start).label(label));
    Snippet::source(as_wide(&shown).into_owned())
        .line_start(usize::try_from(texts.line(&Span { text, range: start..start })).unwrap_or(usize::MAX))
        .path(visible(&texts.name(text)).into_owned())
        .annotations(annotations)
}

/// A place without its line.
fn origin<'a>(texts: &Texts, at: &Span) -> Origin<'a> {
    let line = usize::try_from(texts.line(at)).unwrap_or(usize::MAX);
    let name = visible(&texts.name(at.text)).into_owned();
    Origin::path(name).line(line).char_column(texts.column(at))
}

/// A message as people may see it. It may quote a key of a file in backquotes. Where a quote is left open or a colon
/// is in the wrong place, the parser takes more of the file for that key: a key is only shown up to its first blank.
fn message(text: &str) -> String {
    // First, because a login may be cut off in front of its `@` otherwise.
    let text = hidden(text);
    let mut shown = String::with_capacity(text.len());
    for (index, part) in text.split('`').enumerate() {
        let ends_key = |c: char| c.is_whitespace() || c == ':' && shown.ends_with("unknown key `");
        let key = part.find(ends_key).filter(|_| index % 2 == 1).and_then(|end| part.get(..end));
        match key {
            Some(key) => shown.extend([key, "..."]),
            None => shown.push_str(part),
        }
        shown.push('`');
    }
    shown.pop();
    // And the same for other quotes that are left open.
    let line_end = ["\n", "\\n"].iter().filter_map(|end| shown.find(end)).min();
    match line_end.and_then(|end| shown.get(..end)) {
        Some(line) => line.to_owned() + "...",
        None => shown,
    }
}

fn hidden(text: &str) -> String {
    visible(&login::hidden(text)).into_owned()
}

/// A span cut to its first line: carets under a whole table do not help.
fn within(content: &str, range: &Range<usize>, line_end: usize) -> Range<usize> {
    let start = range.start.min(content.len());
    start..range.end.min(line_end).max(start)
}

// === impl Diagnostics ===

impl Diagnostics {
    /// The problems in the order of their places.
    pub(crate) fn new(texts: Texts, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(Problem::order);
        Diagnostics { texts, problems }
    }

    /// Adds problems, in the order of their places.
    pub(crate) fn add(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
        self.problems.sort_by_key(Problem::order);
    }

    /// The texts that the problems point into.
    pub(crate) fn texts(&self) -> &Texts {
        &self.texts
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

    /// Each problem on one line, `file:line:column: message (hint)`: for logs. Of many that say the same, the first
    /// are there.
    #[must_use]
    pub fn lines(&self) -> Vec<(Severity, String)> {
        let line = |(problem, more): (&Problem, usize)| {
            let more = if more == 0 { String::new() } else { format!(" (and {more} more like this)") };
            (problem.severity, problem.line(&self.texts) + &more)
        };
        capped(self.problems.iter().collect()).map(line).collect()
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
        let shown = self.problems.iter().filter(|problem| notes || problem.severity != Severity::Note);
        for (problem, more) in capped(shown.collect()) {
            out.push_str(&renderer.render(&[problem.group(&self.texts)]));
            out.push_str("\n\n");
            if more > 0 {
                out.push_str(&format!("... and {more} more like this\n\n"));
            }
        }
        out
    }
}

/// The problems that are shown, each with how many like it are left out after it.
fn capped(problems: Vec<&Problem>) -> impl Iterator<Item = (&Problem, usize)> {
    let cap = alike::cap(problems.iter().map(|problem| (problem.severity, problem.message.as_str())));
    problems.into_iter().zip(cap).filter_map(|(problem, more)| Some((problem, more?)))
}

//! The texts that problems point into.
//!
//! The readers of `config` add each file that they read; `diagnostic` shows from it the lines that a problem is about.
//! Not here: how a file is read (`config::text`), which lines may be shown (`public`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::files::fingerprint::{FileState, Snapshot};
use crate::policy::Source;

use super::{login, public};

/// Which of the texts in [`Texts`] a span lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TextId(usize);

/// A stretch of bytes in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The text that it lies in.
    pub(crate) text: TextId,
    /// From the first byte to the one after the last.
    pub(crate) range: Range<usize>,
}

/// A value together with the place that it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) at: Span,
}

/// The texts that configuration was read from: files, and command-line flags that stand for one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    texts: Vec<Text>,
    /// Every path that was looked at.
    seen: Snapshot,
    /// What is read instead of files, by their paths.
    copies: Option<Arc<BTreeMap<PathBuf, String>>>,
    /// Files without secrets that belong to the configuration, and that no problem points into.
    kept: BTreeMap<PathBuf, String>,
    /// A file that is to be written, with its text.
    future: Option<Arc<(PathBuf, String)>>,
}

#[derive(Clone, Debug)]
struct Text {
    name: Arc<str>,
    content: String,
    /// What is public in it. The whole text is parsed for that, so only once, and only where a line is shown.
    public: OnceLock<Option<Vec<Range<usize>>>>,
    /// Where each line but the first begins: every rule asks for its line.
    lines: Vec<usize>,
}

// === impl Texts ===

impl Texts {
    /// Takes a text in, under the name that problems show.
    pub(crate) fn add(&mut self, name: &str, content: String) -> TextId {
        let lines = content.match_indices('\n').map(|(newline, _)| newline + 1).collect();
        self.texts.push(Text { name: Arc::from(name), content, public: OnceLock::new(), lines });
        TextId(self.texts.len() - 1)
    }

    /// No texts, but what was looked at.
    pub(crate) fn looked_at(seen: Snapshot) -> Self {
        Texts { seen, ..Texts::default() }
    }

    /// No texts yet. They are taken from these copies, and no file is read.
    pub(crate) fn of_copies(copies: BTreeMap<PathBuf, String>) -> Self {
        Texts { copies: Some(Arc::new(copies)), ..Texts::default() }
    }

    /// What is read instead of files.
    pub(crate) fn copies(&self) -> Option<&BTreeMap<PathBuf, String>> {
        self.copies.as_deref()
    }

    /// No texts yet. The files are read, with one as it is to become.
    pub(crate) fn with_future(path: PathBuf, text: String) -> Self {
        Texts { future: Some(Arc::new((path, text))), ..Texts::default() }
    }

    /// The file that is to be written, with its text.
    pub(crate) fn future(&self) -> Option<(&Path, &str)> {
        self.future.as_deref().map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// All texts, with their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = (TextId, &str, &str)> {
        let texts = self.texts.iter().enumerate();
        texts.map(|(id, text)| (TextId(id), &*text.name, text.content.as_str()))
    }

    /// Keeps a file without secrets as it is.
    pub(crate) fn keep(&mut self, path: &Path, content: &str) {
        self.kept.insert(path.to_path_buf(), content.to_owned());
    }

    /// The files that are kept as they are.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.kept.iter().map(|(path, content)| (path.as_path(), content.as_str()))
    }

    /// Notes what a path was like when it was looked at.
    pub(crate) fn saw(&mut self, path: &Path, state: FileState) {
        self.seen.note(path, state);
    }

    /// Every path that was looked at, as it was then.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.seen
    }

    /// The name that problems show; empty for a text of another set.
    pub(crate) fn name(&self, id: TextId) -> Arc<str> {
        self.texts.get(id.0).map_or_else(|| Arc::from(""), |text| Arc::clone(&text.name))
    }

    /// The directory of its file, where relative paths start that it names.
    pub(crate) fn directory(&self, id: TextId) -> PathBuf {
        Path::new(&*self.name(id)).parent().map(Path::to_path_buf).unwrap_or_default()
    }

    /// The text itself; empty for a text of another set.
    pub(crate) fn content(&self, id: TextId) -> &str {
        self.texts.get(id.0).map_or("", |text| text.content.as_str())
    }

    /// The part that may be shown of the line on which a span begins; nothing where it may hold a secret, or where the
    /// span is in a comment.
    pub(super) fn shown(&self, at: &Span) -> Option<Range<usize>> {
        let text = self.texts.get(at.text.0)?;
        let start = at.range.start.min(text.content.len());
        let line = text.line_at(start);
        text.shown(line.clone()).filter(|shown| start < shown.end || *shown == line)
    }

    /// The lines that a stretch of a text lies on, and where they begin. What may not be shown is blank, so that
    /// everything else keeps its place.
    pub(super) fn excerpt(&self, id: TextId, stretch: Range<usize>) -> (usize, String) {
        let Some(text) = self.texts.get(id.0) else { return (0, String::new()) };
        let start = text.line_at(stretch.start).start;
        let end = text.line_at(stretch.end).end;
        let mut out = String::with_capacity(end - start);
        for line in text.content.get(start..end).unwrap_or_default().split_inclusive('\n') {
            let at = start + out.len();
            let shown = text.shown(at..at + line.trim_end_matches('\n').len()).map_or(0, |shown| shown.len());
            let blank = |byte: u8| if byte == b'\n' { '\n' } else { ' ' };
            out.push_str(&line[..shown]);
            out.extend(line[shown..].bytes().map(blank));
        }
        (start, out)
    }

    /// The line (from 1) on which a span begins.
    pub(crate) fn line(&self, span: &Span) -> u32 {
        let lines = self.texts.get(span.text.0).map_or(&[][..], |text| text.lines.as_slice());
        let before = lines.partition_point(|&line| line <= span.range.start);
        u32::try_from(before).unwrap_or(u32::MAX - 1) + 1
    }

    /// The character (from 1) of its line at which a span begins.
    pub(super) fn column(&self, span: &Span) -> usize {
        let before = self.content(span.text).get(..span.range.start).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
    }

    /// The line that a source names, without the blanks around it.
    pub(super) fn span_of(&self, source: &Source) -> Option<Span> {
        let text = self.texts.iter().position(|text| text.name == source.file)?;
        let Text { content, lines, .. } = self.texts.get(text)?;
        let behind = usize::try_from(source.line).ok()?;
        let start = if behind < 2 { 0 } else { *lines.get(behind - 2)? };
        let line = content.get(start..)?.lines().next().unwrap_or_default();
        let start = start + line.len() - line.trim_start().len();
        Some(Span { text: TextId(text), range: start..start + line.trim().len() })
    }
}

// === impl Text ===

impl Text {
    /// The line that a byte lies on, without its end.
    fn line_at(&self, at: usize) -> Range<usize> {
        let behind = self.lines.partition_point(|&line| line <= at);
        let start = behind.checked_sub(1).and_then(|line| self.lines.get(line)).map_or(0, |&start| start);
        start..self.lines.get(behind).map_or(self.content.len(), |next| next - 1)
    }

    fn shown(&self, line: Range<usize>) -> Option<Range<usize>> {
        let public = self.public.get_or_init(|| match self.name.starts_with("--") {
            // A flag of the command line.
            true => (!login::is_in(&self.content)).then(|| vec![Range { start: 0, end: self.content.len() }]),
            false => public::stretches(&self.content),
        });
        public::line(&self.content, line, public.as_ref()?)
    }
}

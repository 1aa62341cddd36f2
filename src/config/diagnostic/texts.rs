//! The texts that problems point into, and how much of them is shown.
//!
//! Before: the readers of `config` add what they have read.  After: `diagnostic` shows the lines of a problem.
//! Holds: no line is shown with what looks like a secret, nor with what a reader knows to be one.
//! Not here: how a file is read (`config::text`), what is wrong with it (`diagnostic`).

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::files::fingerprint::{Snapshot, State};
use crate::policy::Source;

use super::mask;

/// Which of the texts in [`Texts`] a span lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TextId(usize);

/// A stretch of bytes in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: TextId,
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
}

#[derive(Clone, Debug)]
struct Text {
    name: Arc<str>,
    content: String,
    /// What is not to be shown of it, beyond what looks like a secret.
    hidden: Vec<Range<usize>>,
    /// The content with stars. A secret may lie lines below its key, so it is made of the whole, and once, for
    /// there may be thousands of problems.
    masked: OnceLock<String>,
    /// Where each line but the first begins: every rule asks for its line.
    lines: Vec<usize>,
}

// === impl Texts ===

impl Texts {
    pub(crate) fn add(&mut self, name: &str, content: String) -> TextId {
        let lines = content.match_indices('\n').map(|(newline, _)| newline + 1).collect();
        let (hidden, masked) = (Vec::new(), OnceLock::new());
        self.texts.push(Text { name: Arc::from(name), content, hidden, masked, lines });
        TextId(self.texts.len() - 1)
    }

    /// No texts, but what was looked at.
    pub(crate) fn looked_at(seen: Snapshot) -> Self {
        Texts { texts: Vec::new(), seen }
    }

    /// Notes what a path was like when it was looked at.
    pub(crate) fn saw(&mut self, path: &Path, state: State) {
        self.seen.note(path, state);
    }

    /// Every path that was looked at, as it was then.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.seen
    }

    pub(crate) fn name(&self, id: TextId) -> Arc<str> {
        self.texts.get(id.0).map_or_else(|| Arc::from(""), |text| Arc::clone(&text.name))
    }

    pub(crate) fn content(&self, id: TextId) -> &str {
        self.texts.get(id.0).map_or("", |text| text.content.as_str())
    }

    /// Shows stars in place of this stretch.
    pub(crate) fn hide(&mut self, span: &Span) {
        if let Some(text) = self.texts.get_mut(span.text.0) {
            text.hidden.push(span.range.clone());
            text.masked.take();
        }
    }

    /// Whole lines of a text as they may be shown: with stars for secrets, so that spans go on pointing where
    /// they did.
    pub(super) fn excerpt(&self, id: TextId, lines: Range<usize>) -> &str {
        let Some(text) = self.texts.get(id.0) else { return "" };
        let masked = text.masked.get_or_init(|| {
            let mut hidden = mask::secrets(&text.content);
            hidden.extend(text.hidden.iter().cloned());
            mask::starred(&text.content, &hidden)
        });
        masked.get(lines).unwrap_or_default()
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

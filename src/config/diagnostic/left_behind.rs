//! What a file of another program says and no rule can: the part of a report that an import is about.
//!
//! Before: a reader of a source marks such a problem, `import` adds those that it finds by itself.
//! After: the imported configuration lists them in comments, and the exit status says that there are some.
//! Holds: a marked problem is shown as any other.
//! Not here: how problems look (`diagnostic`).

use crate::policy::Source;

use super::{Diagnostics, Problem};

impl Problem {
    /// Marks what an import has to do without.
    pub(crate) fn left_behind(mut self) -> Self {
        self.left_behind = true;
        self
    }
}

impl Diagnostics {
    /// Adds problems, each with what stands on the line of its source.
    pub(crate) fn extend<'s>(&mut self, found: impl Iterator<Item = (Problem, &'s Source)>) {
        for (problem, source) in found {
            self.problems.push(match self.texts.span_of(source) {
                Some(at) => problem.at(&at),
                None => problem,
            });
        }
        self.problems.sort_by_key(Problem::order);
    }

    /// What an import has to do without, each on one line.
    pub(crate) fn left_behind(&self) -> impl Iterator<Item = String> {
        let left = self.problems.iter().filter(|problem| problem.left_behind);
        left.map(|problem| problem.line(&self.texts))
    }
}

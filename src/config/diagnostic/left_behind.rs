//! Problems about what an import cannot carry over.
//!
//! The readers of sources mark such a problem, and `import` adds others. The imported configuration lists them in
//! comments, and the exit status tells that there are some.

use crate::policy::Source;

use super::{Diagnostics, Problem};

impl Problem {
    /// Marks a problem about something that an import cannot carry over.
    pub(crate) fn left_behind(mut self) -> Self {
        self.left_behind = true;
        self
    }
}

impl Diagnostics {
    /// Adds problems, each at the line of its source.
    pub(crate) fn extend<'s>(&mut self, found: impl Iterator<Item = (Problem, &'s Source)>) {
        for (problem, source) in found {
            self.problems.push(match self.texts.span_of(source) {
                Some(at) => problem.at(&at),
                None => problem,
            });
        }
        self.problems.sort_by_key(Problem::order);
    }

    /// What an import cannot carry over, each on one line.
    pub(crate) fn left_behind(&self) -> impl Iterator<Item = String> {
        let left = self.problems.iter().filter(|problem| problem.left_behind);
        left.map(|problem| problem.line(&self.texts))
    }
}

//! Problems as data, for programs.

use serde::Serialize;

use super::{Diagnostics, Problem, Severity, Texts, hidden, message};

/// One problem. The order of the fields is the order of the JSON keys.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// `error`, `warning` or `note`.
    pub severity: &'static str,
    /// What is wrong.
    pub message: String,
    /// The file, or the flag of the command line; nothing where the problem is about none.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<u32>,
    /// The character of the line, from 1.
    pub column: Option<usize>,
    /// What to do.
    pub hints: Vec<String>,
}

impl Diagnostics {
    /// Every problem in the order of the files; no secret is in it.
    #[must_use]
    pub fn listed(&self) -> Vec<Listed> {
        self.problems.iter().map(|problem| problem.listed(&self.texts)).collect()
    }
}

impl Problem {
    fn listed(&self, texts: &Texts) -> Listed {
        let at = self.at.as_ref();
        Listed {
            severity: match self.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            },
            message: message(&self.message),
            file: at.map(|at| texts.name(at.text).to_string()),
            line: at.map(|at| texts.line(at)),
            column: at.map(|at| texts.column(at)),
            hints: self.hints.iter().map(|hint| hidden(hint)).collect(),
        }
    }
}

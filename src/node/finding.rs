//! One thing that is found on a node, as a value: programs read it, and people are shown it.

use serde::Serialize;

use super::place::Place;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy has no effect, or no full effect, or pods cannot start.
    Problem,
    /// It may become a problem, or something that people do by hand is not covered.
    Warning,
    /// Worth knowing; nothing needs a change.
    Note,
}

/// What is found. The order of the fields is the order of the JSON keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A fixed word for each kind of finding.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub what: String,
    /// Where it is written.
    pub place: Option<Place>,
    /// The setting as it is.
    pub is: Option<String>,
    /// The setting as it should be.
    pub should_be: Option<String>,
    /// What to do.
    pub advice: Option<String>,
    /// The command for that, or the one that makes the change take effect.
    pub command: Option<String>,
}

// === impl Finding ===

impl Finding {
    fn new(severity: Severity, id: &'static str, what: impl Into<String>) -> Self {
        let what = what.into();
        let (place, is, should_be, advice, command) = (None, None, None, None, None);
        Finding { id, severity, what, place, is, should_be, advice, command }
    }

    /// Something that keeps the policy from its effect.
    pub fn problem(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Problem, id, what)
    }

    /// Something that may become a problem.
    pub fn warning(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, id, what)
    }

    /// Something that is worth knowing.
    pub fn note(id: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Note, id, what)
    }

    /// With its place.
    pub fn at(mut self, place: &Place) -> Self {
        self.place = Some(place.clone());
        self
    }

    /// With the setting as it is.
    pub fn is(mut self, value: impl Into<String>) -> Self {
        self.is = Some(value.into());
        self
    }

    /// With the setting as it should be.
    pub fn should_be(mut self, value: impl Into<String>) -> Self {
        self.should_be = Some(value.into());
        self
    }

    /// With what to do.
    pub fn advice(mut self, text: impl Into<String>) -> Self {
        self.advice = Some(text.into());
        self
    }

    /// With a command.
    pub fn command(mut self, text: impl Into<String>) -> Self {
        self.command = Some(text.into());
        self
    }
}

//! How an answer of `explain` differs from an expectation. Only what the expectation names is compared.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::explain::Answer;
use crate::cli::table::on_one_line;
use crate::config::{Candidates, Expectation};

/// An expectation that is not met.
pub(super) struct Difference<'e> {
    expectation: &'e Expectation,
    aspects: Vec<Aspect>,
    /// The whole decision, as `explain` puts it.
    decision: String,
}

/// One thing that was compared and differs.
#[derive(Serialize)]
struct Aspect {
    #[serde(rename = "what")]
    label: &'static str,
    expected: Vec<String>,
    actual: Vec<String>,
}

impl<'e> Difference<'e> {
    /// The difference; nothing where the expectation is met.
    pub(super) fn find(expectation: &'e Expectation, answer: &Answer) -> Option<Self> {
        let one = |text: &str| vec![text.to_owned()];
        let references: Vec<String> = answer.references().map(str::to_owned).collect();
        let decision = expectation.decision.map(|outcome| Aspect {
            label: "decision",
            expected: one(outcome.word()),
            actual: one(answer.decision.word()),
        });
        let rule = expectation.rule.as_ref().map(|rule| Aspect {
            label: "rule",
            expected: one(rule),
            actual: answer.rule().map(one).unwrap_or_default(),
        });
        let candidates = expectation.candidates.as_ref().map(|candidates| match candidates {
            Candidates::First(first) => Aspect {
                label: "reference",
                expected: one(first),
                actual: references.first().cloned().into_iter().collect(),
            },
            Candidates::All(all) => {
                Aspect { label: "candidates", expected: all.clone(), actual: references.clone() }
            }
        });
        let signatures = expectation.signatures.as_ref().map(|demands| Aspect {
            label: "signatures",
            expected: demands.clone(),
            actual: answer.signatures().iter().map(|signatures| signatures.by.clone()).collect(),
        });
        let aspects = [decision, rule, candidates, signatures].into_iter().flatten();
        let aspects: Vec<Aspect> = aspects.filter(|aspect| aspect.expected != aspect.actual).collect();
        let differs = !aspects.is_empty();
        let decision = match &answer.reason {
            Some(reason) => format!("{}: {reason}", answer.decision_text()),
            None => answer.decision_text(),
        };
        differs.then_some(Difference { expectation, aspects, decision })
    }

    /// The case with its place, each difference, and what was decided.
    pub(super) fn text(&self) -> String {
        let Difference { expectation, aspects, decision } = self;
        let place = expectation.source.to_string();
        let mut text = format!("{} at {}\n", title(expectation), on_one_line(&place));
        // Writing to a String does not fail.
        if let Some(description) = &expectation.description {
            let _ = writeln!(text, "  {}", on_one_line(description));
        }
        for Aspect { label, expected, actual } in aspects {
            let _ = writeln!(text, "  {label}");
            for (side, values) in [("expected", expected), ("actual", actual)] {
                list(side, values, &mut text);
            }
        }
        let _ = writeln!(text, "  decided: {}", on_one_line(decision));
        text
    }
}

fn list(side: &str, values: &[String], text: &mut String) {
    let none = ["none".to_owned()];
    let values = if values.is_empty() { &none[..] } else { values };
    for (i, value) in values.iter().enumerate() {
        let label = if i == 0 { side } else { "" };
        let _ = writeln!(text, "    {label:8}  {}", on_one_line(value));
    }
}

/// One case as JSON. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct Case<'e> {
    image: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'e str,
    name: Option<&'e str>,
    source: String,
    met: bool,
    decision: &'static str,
    reason: Option<&'e str>,
    differences: &'e [Aspect],
}

/// A case and its result.
pub(super) fn case<'e>(
    expectation: &'e Expectation,
    answer: &'e Answer,
    found: Option<&'e Difference<'e>>,
) -> Case<'e> {
    Case {
        image: &expectation.image,
        namespace: &expectation.namespace,
        name: expectation.name.as_deref(),
        source: expectation.source.to_string(),
        met: found.is_none(),
        decision: answer.decision.word(),
        reason: answer.reason.as_deref(),
        differences: found.map_or(&[], |found| &found.aspects),
    }
}

/// The image and the name of the case, on one line, whatever is in its texts.
pub(super) fn title(expectation: &Expectation) -> String {
    let Expectation { image, namespace, name, .. } = expectation;
    let of = if namespace.is_empty() { "" } else { " in " };
    let name = name.iter().map(|name| format!(" ({name})")).collect::<String>();
    on_one_line(&format!("{image}{of}{namespace}{name}"))
}

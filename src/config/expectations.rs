//! Reads files of expectations: what a policy that is kept in git has to decide.
//!
//! Before: `cli` has read the files.  After: `cli` compares each expectation with what the policy decides.
//! Holds: an expectation expects something, and something that a decision can be; every problem of every file
//! is reported, with its place.
//! Not here: the comparison (`cli`), the decision (`policy`).

use std::io;
use std::path::Path;

use crate::policy::{Name, Prefix, Source};

use super::assemble;
use super::diagnostic::{Diagnostics, Located, Problem, Span, Texts};
use super::text::{self, TextError};
use super::tree::{self, Entry, Refusal, Section};

/// What one image has to be decided as. What is none is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Where it is written.
    pub source: Source,
    /// A reference, as a client would write it.
    pub image: String,
    /// What the case is called.
    pub name: Option<String>,
    /// Why it is expected: shown where it is not met.
    pub description: Option<String>,
    /// What is decided.
    pub decision: Option<Outcome>,
    /// The prefix of the deciding rule, `default-registry`, or `default`.
    pub rule: Option<String>,
    /// Where the image would come from.
    pub candidates: Option<Candidates>,
}

/// What can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is pulled from mirrors.
    Route,
    /// It is left alone.
    Pass,
    /// It is refused.
    Deny,
    /// It is no image reference.
    Invalid,
}

/// Where an image is expected to come from, in full references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// What is tried first; the others are not compared.
    First(String),
    /// All, in order.
    All(Vec<String>),
}

const OUTCOMES: [(&str, Outcome); 4] = [
    ("route", Outcome::Route),
    ("pass", Outcome::Pass),
    ("deny", Outcome::Deny),
    ("invalid", Outcome::Invalid),
];

/// Reads the expectations of files, each with its name and what came of reading it.
///
/// # Errors
/// Every problem of every file.
pub fn expectations(files: Vec<(String, io::Result<Vec<u8>>)>) -> Result<Vec<Expectation>, Diagnostics> {
    let mut texts = Texts::default();
    let mut problems = Vec::new();
    let mut all = Vec::new();
    for (name, bytes) in files {
        let bytes = bytes.map_err(TextError::from);
        let Some(text) = text::take(Path::new(&name), bytes, &mut texts, &mut problems) else { continue };
        let Some(document) = tree::parse_foreign(text, texts.content(text), &mut problems) else { continue };
        let before = problems.len();
        let mut root = Section::root(text, &document);
        let found = root.sections("expect", &mut problems);
        root.finish(&mut problems);
        if found.is_empty() && problems.len() == before {
            let problem = Problem::error(format!("there is no expectation in {name}"));
            let hint = "write an [[expect]] for each image, for example:\n\
                        [[expect]]\nimage = \"nginx:1.25\"\ndecision = \"route\"";
            problems.push(problem.at(&Span { text, range: 0..0 }).hint(hint));
        }
        all.extend(found.into_iter().filter_map(|section| expectation(section, &texts, &mut problems)));
    }
    if problems.is_empty() { Ok(all) } else { Err(Diagnostics::new(texts, problems)) }
}

fn expectation(mut section: Section<'_>, texts: &Texts, out: &mut Vec<Problem>) -> Option<Expectation> {
    let before = out.len();
    let source = assemble::source(section.at(), texts);
    let owned = |set: Located<&str>| set.value.to_owned();
    let image = section.string("image", out).map(owned);
    let name = section.string("name", out).map(owned);
    let description = section.string("description", out).map(owned);
    let decision = section.choice("decision", out, &OUTCOMES);
    let rule = section.parse("rule", out, rule);
    let candidates = candidates(&mut section, out);
    if image.is_none() && out.len() == before && !section.has_unknown() {
        let problem = Problem::error("an expectation needs an `image`").at(section.at());
        out.push(problem.hint("say which image it is about, for example image = \"nginx:1.25\""));
    }
    let expects = decision.is_some() || rule.is_some() || candidates.is_some();
    if !expects && out.len() == before && !section.has_unknown() {
        let problem = Problem::error("nothing is expected of this image").at(section.at());
        out.push(problem.hint("add one of `decision`, `rule`, `reference` and `candidates`"));
    }
    if let (Some(decision), Some(candidates)) = (&decision, &candidates) {
        out.extend(contradiction(decision, candidates));
    }
    section.finish(out);
    let expectation = Expectation {
        source,
        image: image?,
        name,
        description,
        decision: decision.map(|set| set.value),
        rule: rule.map(|set| set.value),
        candidates: candidates.map(|set| set.value),
    };
    (out.len() == before).then_some(expectation)
}

fn candidates(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<Located<Candidates>> {
    let first = section.entry("reference");
    let all = section.entry("candidates");
    if let (Some(first), Some(all)) = (&first, &all) {
        let problem = Problem::error("`reference` and `candidates` say one thing twice").at(&all.at);
        out.push(problem.also(&first.at, "the first of them").hint("leave `reference` out"));
        return None;
    }
    if let Some(entry) = first {
        let value = Candidates::First(entry.parse(out, reference)?);
        return Some(Located { value, at: entry.at });
    }
    let entry = all?;
    let elements = entry.elements(out)?;
    let read = |element: &Entry<'_>| element.parse(out, reference);
    let references: Option<Vec<String>> = elements.iter().map(read).collect();
    Some(Located { value: Candidates::All(references?), at: entry.at })
}

/// A reference in full: any other could never be met.
fn reference(text: &str) -> Result<String, Refusal> {
    match text.parse::<Name>() {
        Ok(name) if name.as_str() == text => Ok(text.to_owned()),
        Ok(name) => {
            Err(Refusal::new(format!("{text:?} is not written in full")).hint(format!("write {name}")))
        }
        Err(error) => Err(Refusal::new(error.to_string())),
    }
}

/// A prefix as decisions show it: another spelling could never be met.
fn rule(text: &str) -> Result<String, Refusal> {
    match text.parse::<Prefix>() {
        Ok(prefix) if prefix.as_str() != text => {
            let refusal = Refusal::new(format!("a rule for {text:?} is shown in another spelling"));
            Err(refusal.hint(format!("write {prefix}")))
        }
        _ if text.is_empty() => Err(Refusal::new("the rule's prefix is empty")),
        // `default-registry` and `default` are no prefixes, and neither is `mirror`, as `mirror:443` is shown.
        _ => Ok(text.to_owned()),
    }
}

/// What is refused comes from nowhere.
fn contradiction(decision: &Located<Outcome>, candidates: &Located<Candidates>) -> Option<Problem> {
    let nowhere = matches!(decision.value, Outcome::Deny | Outcome::Invalid);
    let some = !matches!(&candidates.value, Candidates::All(all) if all.is_empty());
    if nowhere != some {
        return None;
    }
    let message = match nowhere {
        true => "an image that is refused comes from nowhere",
        false => "an image that is not refused comes from somewhere",
    };
    Some(Problem::error(message).at(&candidates.at).also(&decision.at, "the decision"))
}

// === impl Outcome ===

impl Outcome {
    /// The word for it, in files and in answers.
    #[must_use]
    pub fn word(self) -> &'static str {
        OUTCOMES.iter().find(|(_, outcome)| *outcome == self).map_or("", |(word, _)| word)
    }
}

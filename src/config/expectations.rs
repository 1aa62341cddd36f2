//! Reads files of expectations: how the policy has to decide about given images.
//!
//! Holds: each expectation expects something, and something that can be met.
//! Not here: the comparison with what the policy decides (`cli`).

use std::io;
use std::path::Path;

use crate::policy::{Prefix, Source};

use super::diagnostic::{Diagnostics, Located, Problem, Span, Texts};
use super::draft;
use super::parse_toml;
use super::references;
use super::refusal::Refusal;
use super::section::{Field, NATIVE, Section};
use super::text::{self, TextError};

/// How the policy has to decide about one image. A field that is `None` is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Where it is written.
    pub source: Source,
    /// A reference, as a client would write it.
    pub image: String,
    /// The namespace of the pod that asks for it; empty for a client without a pod.
    pub namespace: String,
    /// The name of the case.
    pub name: Option<String>,
    /// Why it is expected; shown where it is not met.
    pub description: Option<String>,
    /// The kind of the decision.
    pub decision: Option<ExpectedDecision>,
    /// The prefix of the deciding rule, `default-registry`, or `default`.
    pub rule: Option<String>,
    /// Where the image would be pulled from.
    pub candidates: Option<Candidates>,
    /// What has to be signed: the names of the demands, as `explain` shows them.
    pub signatures: Option<Vec<String>>,
}

/// The kinds of decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedDecision {
    /// It is pulled from mirrors.
    Route,
    /// It is left alone.
    Pass,
    /// It is refused.
    Deny,
    /// It is not an image reference.
    Invalid,
}

/// Where an image is expected to come from, in full references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// The first candidate; the others are not compared.
    First(String),
    /// All, in order.
    All(Vec<String>),
}

const DECISIONS: [(&str, ExpectedDecision); 4] = [
    ("route", ExpectedDecision::Route),
    ("pass", ExpectedDecision::Pass),
    ("deny", ExpectedDecision::Deny),
    ("invalid", ExpectedDecision::Invalid),
];

/// Reads the expectations of files, each given by its name and its content or the error of reading it.
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
        let Some(document) = parse_toml::parse_foreign(text, texts.content(text), &mut problems) else {
            continue;
        };
        let before = problems.len();
        let Some(mut root) = Section::root(&document, &NATIVE, &mut problems) else { continue };
        let found = root.sections("expect", &mut problems);
        root.finish(&mut problems);
        if found.is_empty() && problems.len() == before {
            let problem = Problem::error(format!("{name} contains no [[expect]]"));
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
    let source = draft::file_line(section.at(), texts);
    let owned = |set: Located<&str>| set.value.to_owned();
    let image = section.string("image", out).map(owned);
    let namespace = section.parse("namespace", out, namespace).map(|set| set.value);
    let name = section.string("name", out).map(owned);
    let description = section.string("description", out).map(owned);
    let decision = section.choice("decision", out, &DECISIONS);
    let rule = section.parse("rule", out, rule);
    let candidates = candidates(&mut section, out);
    let signatures = signatures(&mut section, out);
    if image.is_none() && out.len() == before && !section.has_unknown() {
        let problem = Problem::error("an expectation needs an `image`").at(section.at());
        out.push(problem.hint("say which image it is about, for example image = \"nginx:1.25\""));
    }
    let expects = decision.is_some() || rule.is_some() || candidates.is_some() || signatures.is_some();
    if !expects && out.len() == before && !section.has_unknown() {
        let problem = Problem::error("nothing is expected of this image").at(section.at());
        out.push(problem.hint("add one of `decision`, `rule`, `reference`, `candidates` and `signatures`"));
    }
    if let (Some(decision), Some(candidates)) = (&decision, &candidates) {
        out.extend(contradiction(decision, candidates));
    }
    section.finish(out);
    let expectation = Expectation {
        source,
        image: image?,
        namespace: namespace.unwrap_or_default(),
        name,
        description,
        decision: decision.map(|set| set.value),
        rule: rule.map(|set| set.value),
        candidates: candidates.map(|set| set.value),
        signatures,
    };
    (out.len() == before).then_some(expectation)
}

fn namespace(text: &str) -> Result<String, Refusal> {
    let refusal = "leave the key out for a client without a pod";
    if text.is_empty() { Err(Refusal::new("it is empty").hint(refusal)) } else { Ok(text.to_owned()) }
}

fn candidates(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<Located<Candidates>> {
    let first = section.field("reference");
    let all = section.field("candidates");
    if let (Some(first), Some(all)) = (&first, &all) {
        let problem =
            Problem::error("`reference` and `candidates` are two ways to write the same thing").at(all.at);
        out.push(problem.also(first.at, "the first of them").hint("remove `reference`"));
        return None;
    }
    if let Some(field) = first {
        let value = Candidates::First(field.parse(out, reference)?);
        return Some(Located { value, at: field.at.clone() });
    }
    let field = all?;
    let items = field.items(out)?;
    let read = |item: &Field<'_>| item.parse(out, reference);
    let references: Option<Vec<String>> = items.iter().map(read).collect();
    Some(Located { value: Candidates::All(references?), at: field.at.clone() })
}

fn signatures(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<Vec<String>> {
    let field = section.field("signatures")?;
    let items = field.items(out)?;
    items.iter().map(|item| item.parse(out, demand)).collect()
}

fn demand(text: &str) -> Result<String, Refusal> {
    let hint = "write `signatures = []` if nothing has to be signed";
    if text.is_empty() { Err(Refusal::new("it is empty").hint(hint)) } else { Ok(text.to_owned()) }
}

/// A full reference: any other could never be met.
fn reference(text: &str) -> Result<String, Refusal> {
    let name = references::image(text)?;
    match name.as_str() == text {
        true => Ok(text.to_owned()),
        false => Err(Refusal::new(format!("{text:?} is not written in full")).hint(format!("write {name}"))),
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
        // `default-registry` and `default` are not prefixes. `mirror` is not one either: it stands for `mirror:443`.
        _ => Ok(text.to_owned()),
    }
}

/// An image that is refused has no candidates.
fn contradiction(decision: &Located<ExpectedDecision>, candidates: &Located<Candidates>) -> Option<Problem> {
    let nowhere = matches!(decision.value, ExpectedDecision::Deny | ExpectedDecision::Invalid);
    let some = !matches!(&candidates.value, Candidates::All(all) if all.is_empty());
    if nowhere != some {
        return None;
    }
    let message = match nowhere {
        true => "an image that is refused has no candidates",
        false => "an image that is not refused has candidates",
    };
    Some(Problem::error(message).at(&candidates.at).also(&decision.at, "the decision"))
}

// === impl ExpectedDecision ===

impl ExpectedDecision {
    /// The word for it in files and in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        DECISIONS.iter().find(|(_, decision)| *decision == self).map_or("", |(word, _)| word)
    }
}

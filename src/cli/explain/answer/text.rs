//! An answer for people.

use std::fmt::Write;

use super::{Answer, Kind, Locked, UnusableTarget, Verdict};
use crate::cli::explain::decided::decision_text;
use crate::cli::explain::target::Target;
use crate::config::visible;

/// A label, which is empty where it is that of the line before, and what it says.
type Line = (&'static str, String);

impl Answer {
    /// A few aligned lines.
    pub(in crate::cli::explain) fn text(&self) -> String {
        let mut lines = vec![("", self.input.clone())];
        if let Some(note) = self.kind_note() {
            lines.push(("kind", note.to_owned()));
        }
        if let Some(name) = &self.name {
            lines.push(("name", name.clone()));
        }
        if let Some(namespace) = &self.namespace {
            lines.push(("namespace", namespace.clone()));
        }
        lines.push(("decision", self.decision_text()));
        if let Some(in_force) = &self.in_force {
            lines.push(("mode", "observe: the rule is not in force, and nothing of this is done".to_owned()));
            lines.push(("in force", in_force.text()));
        }
        if let Some(reason) = &self.reason {
            lines.push(("reason", reason.clone()));
        }
        if let Some(Locked { digest, file }) = &self.locked {
            lines.push(("locked", format!("to {digest} by {file}")));
        }
        if let Some(order) = self.order {
            lines.push(("order", format!("{order}: the mirror that answered fastest lately is tried first")));
        }
        lines.extend(self.candidate_lines());
        if let Some(from_node) = &self.on_outage {
            lines.push(("on outage", from_node.text()));
        }
        let signatures = self.signatures.iter().enumerate();
        let label = |index| if index == 0 { "signatures" } else { "" };
        lines.extend(signatures.map(|(index, signatures)| (label(index), signatures.text())));
        // Of an image that is denied for it, the reason has it all.
        let unusable = self.unusable.iter().filter(|_| self.decision == Verdict::Route);
        for (index, UnusableTarget { reference, reason }) in unusable.enumerate() {
            lines.push((if index == 0 { "not usable" } else { "" }, format!("{reference}: {reason}")));
        }
        let warnings = self.warnings.iter().flatten();
        lines.extend(warnings.map(|warning| ("warning", warning.clone())));
        let mut text = String::new();
        for (index, (label, value)) in lines.iter().enumerate() {
            // Writing to a String does not fail.
            let _ = match index {
                0 => writeln!(text, "{}", visible(value)),
                _ => writeln!(text, "  {label:10}  {}", visible(value)),
            };
        }
        text
    }

    /// The candidates, each with what is to be said of it.
    fn candidate_lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let width = self.candidates.iter().map(|target| target.reference.len()).max().unwrap_or(0);
        for (index, target) in self.candidates.iter().enumerate() {
            let Target { reference, ns, role, transport, live, .. } = target;
            let label = if index == 0 { "candidates" } else { "" };
            let credentials = target.credentials_text();
            lines.push((label, format!("{}. {reference:width$}  {role:6}  {credentials}", index + 1)));
            if let Some(ns) = ns.as_ref().filter(|_| target.needs_ns) {
                lines.push(("", format!("   told of the registry: ?ns={ns}")));
            }
            if let Some(tag) = &target.warm_tag {
                lines.push(("", format!("   asked by the tag {tag} if it does not find the digest")));
            }
            if let Some(transport) = transport {
                lines.push(("", format!("   by {transport}")));
            }
            let problems = target.transport_problems().iter();
            lines.extend(problems.map(|problem| ("", format!("   cannot use {problem}"))));
            if let Some(outcome) = live {
                lines.push(("", format!("   {}", outcome.text())));
            }
        }
        lines
    }

    fn kind_note(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Name | Kind::Invalid => None,
            Kind::Id if self.name.is_some() => Some("an image id, but a pull reads it as a name"),
            Kind::Id => Some("an image id; it cannot be pulled"),
            Kind::Path => Some("a path; it cannot be pulled"),
        }
    }

    /// The decision, by which rule, and whether it is only observed.
    pub(crate) fn decision_text(&self) -> String {
        let verdict = match self.decision {
            Verdict::Invalid => "invalid: not a valid image reference",
            other => other.word(),
        };
        let would = if self.is_observed() { "would be: " } else { "" };
        format!("{would}{}", decision_text(verdict, self.rule.as_ref()))
    }
}

//! What `preflight` shows: a row or an object for each image, and a summary.

use serde::Serialize;

use crate::cli::detail::Detail;
use crate::cli::explain::{Answer, DIFFER, Found, Verdict};
use crate::cli::{table, terminal};
use crate::config::visible;

/// All answers.
pub(super) struct Report<'a> {
    pub(super) answers: &'a [Answer],
    /// Whether registries were asked.
    pub(super) live: bool,
    pub(super) detail: Detail,
}

/// One image as JSON: the keys of `explain`, and first whether it can be had.
#[derive(Serialize)]
struct Line<'a> {
    /// What `--live` has found, else what the policy says.
    available: bool,
    #[serde(flatten)]
    answer: &'a Answer,
}

impl Report<'_> {
    /// Whether an image cannot be had.
    pub(super) fn is_bad(&self) -> bool {
        self.answers.iter().any(|answer| !self.is_available(answer))
    }

    fn is_available(&self, answer: &Answer) -> bool {
        !answer.says_no() && (!self.live || answer.found().iter().any(|found| found.digest.is_some()))
    }

    fn shown(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| !self.detail.quiet || !self.is_available(answer))
    }

    /// An object for each image.
    pub(super) fn json(&self) -> String {
        let line = |answer| terminal::json(&Line { available: self.is_available(answer), answer });
        self.shown().map(line).collect()
    }

    /// A table, below it what is wrong with single candidates, and the counts.
    pub(super) fn text(&self) -> String {
        if self.detail.quiet && !self.is_bad() {
            return String::new();
        }
        let mut rows = vec![self.row("IMAGE", "DECISION", "RULE", "HAS IT", "FROM")];
        rows.extend(self.shown().map(|answer| self.row_of(answer)));
        let table = if rows.len() > 1 { table::columns(&rows) } else { String::new() };
        self.with_remarks(&table) + &self.summary()
    }

    fn row(&self, image: &str, decision: &str, rule: &str, has: &str, from: &str) -> Vec<String> {
        let cells = [Some(image), Some(decision), Some(rule), Some(has).filter(|_| self.live), Some(from)];
        cells.into_iter().flatten().map(str::to_owned).collect()
    }

    fn row_of(&self, answer: &Answer) -> Vec<String> {
        let found = answer.found();
        let has = match (answer.says_no(), found.iter().filter(|found| found.digest.is_some()).count()) {
            (true, _) => String::new(),
            (false, count) => format!("{count} of {}", found.len()),
        };
        let from = match answer.decision {
            Verdict::Route => answer.references().collect::<Vec<_>>().join(", "),
            Verdict::Pass => String::new(),
            Verdict::Deny | Verdict::Invalid => answer.reason.clone().unwrap_or_default(),
        };
        let rule = answer.rule().unwrap_or_default();
        let observed = if answer.is_observed() { " (observed)" } else { "" };
        self.row(answer.input(), &format!("{}{observed}", answer.decision.word()), rule, &has, &from)
    }

    /// The table, with what registries have refused below its rows.
    fn with_remarks(&self, table: &str) -> String {
        let mut text = String::new();
        let remarks = std::iter::once(Vec::new()).chain(self.shown().map(|answer| self.remarks(answer)));
        for (row, remarks) in table.lines().zip(remarks) {
            text.push_str(&format!("{row}\n"));
            text.extend(remarks.iter().map(|remark| format!("  {}\n", visible(remark))));
        }
        text
    }

    fn remarks(&self, answer: &Answer) -> Vec<String> {
        let verbose = self.detail.verbose;
        let of_candidate = |Found { reference, digest, error, .. }: &Found<'_>| match (digest, error) {
            (Some(digest), _) => verbose.then(|| format!("{reference}: {digest}")),
            (None, error) => Some(format!("{reference}: {}", error.unwrap_or_default())),
        };
        let mut remarks: Vec<String> = answer.found().iter().filter_map(of_candidate).collect();
        remarks.extend(answer.warnings().filter(|warning| *warning == DIFFER).map(str::to_owned));
        remarks
    }

    fn summary(&self) -> String {
        let of = |verdict| self.answers.iter().filter(|answer| answer.decision == verdict).count();
        let kinds = [Verdict::Route, Verdict::Pass, Verdict::Deny, Verdict::Invalid];
        let missing = self.answers.iter().filter(|answer| !answer.says_no() && !self.is_available(answer));
        let (mut nowhere, mut private) = (0, 0);
        for answer in missing {
            match answer.found().iter().any(|found| found.wants_client) {
                true => private += 1,
                false => nowhere += 1,
            }
        }
        let mut text = table::sum(&kinds.map(|verdict| (of(verdict), verdict.word())));
        if nowhere > 0 {
            text.push_str(&format!("; no candidate has {nowhere}"));
        }
        if private > 0 {
            text.push_str(&format!("; not known without the login of a pod: {private}"));
        }
        text.push('\n');
        text
    }
}

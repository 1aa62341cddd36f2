//! One image on the node, with what its signatures have to be and what they are.

use serde::Serialize;

use crate::cli::detail::Detail;
use crate::cli::explain::{Answer, Checked, Signatures};
use crate::cli::names::Kept;
use crate::cli::table;
use crate::pull::Verified;
use crate::serve::admin::time;

/// How an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// It is signed as it has to be.
    Verified,
    /// It does not have to be signed.
    NotDemanded,
    /// It is not signed as it has to be, or the policy denies it, or it is no reference.
    Refused,
    /// A registry does not say it, and what was found before does not count.
    NotAnswered,
    /// There is no such image here.
    NotOnNode,
}

/// One image. The order of the fields is the order of the JSON keys.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    name: &'a str,
    verdict: Verdict,
    digest: Option<&'a str>,
    rule: Option<&'a str>,
    /// Where the rule is.
    source: Option<&'a str>,
    /// Whether the rule is only observed.
    observed: bool,
    /// What has to be signed.
    signatures: &'a [Signatures],
    verified: Vec<By<'a>>,
    /// Why it is not verified.
    reason: Option<&'a str>,
}

/// Who has signed it. The keys are those of the audit.
#[derive(Serialize)]
struct By<'a> {
    signature: &'a str,
    by: &'a [String],
    registry: &'a str,
    /// When that was found.
    time: String,
    /// Whether the daemon has found it before, and no registry has said it now.
    known: bool,
    #[serde(skip)]
    text: String,
}

impl<'a> By<'a> {
    fn of(verified: &'a Verified) -> Self {
        let Verified { signature, seal, was_known } = verified;
        let (time, known) = (time(seal.found()), *was_known);
        let text = if known { format!("{verified}, found {time}") } else { verified.to_string() };
        By { signature, by: &seal.by, registry: &seal.found_at, time, known, text }
    }
}

impl<'a> Row<'a> {
    /// Of an image that is on the node as `kept`; `checked` is what was found of one that has to be signed.
    pub(super) fn of(answer: &'a Answer, kept: Option<&'a Kept>, checked: Option<&'a Checked>) -> Self {
        let (mut verified, mut reason) = (Vec::new(), answer.reason.as_deref());
        let verdict = match (answer.says_no(), kept, checked) {
            (true, ..) => Verdict::Refused,
            (_, None, _) => Verdict::NotOnNode,
            (_, _, None) => Verdict::NotDemanded,
            (_, _, Some(Checked::Signed(by))) => {
                verified = by.iter().map(By::of).collect();
                Verdict::Verified
            }
            (_, _, Some(Checked::Unsigned(why))) => {
                reason = Some(why);
                Verdict::Refused
            }
            (_, _, Some(Checked::Unknown(why))) => {
                reason = Some(why);
                Verdict::NotAnswered
            }
        };
        Row {
            name: answer.input(),
            verdict,
            digest: kept.map(|kept| kept.digest.as_str()),
            rule: answer.rule(),
            source: answer.place(),
            observed: answer.is_observed(),
            signatures: answer.signatures(),
            verified,
            reason,
        }
    }

    /// Whether something is to be done about it.
    pub(super) fn is_bad(&self) -> bool {
        !matches!(self.verdict, Verdict::Verified | Verdict::NotDemanded)
    }

    fn cells(&self, verbose: bool) -> Vec<String> {
        let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let digest = self.digest.map(|digest| if verbose { digest } else { table::digits(digest) });
        let demand = |signatures: &Signatures| match verbose {
            true => signatures.text(),
            false => signatures.by.clone(),
        };
        let demands: Vec<String> = self.signatures.iter().map(demand).collect();
        let found: Vec<&str> = self.verified.iter().map(|by| by.text.as_str()).chain(self.reason).collect();
        let observed = if self.observed { " (observed)" } else { "" };
        vec![
            format!("{}{observed}", self.verdict.word()),
            self.name.to_owned(),
            or_none(digest.unwrap_or_default().to_owned()),
            or_none(self.source.or(self.rule).unwrap_or_default().to_owned()),
            or_none(demands.join("; ")),
            found.join("; "),
        ]
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Verified => "verified",
            Verdict::NotDemanded => "not demanded",
            Verdict::Refused => "refused",
            Verdict::NotAnswered => "not answered",
            Verdict::NotOnNode => "not on the node",
        }
    }
}

/// A row for each image that is shown, and how many of all there are of each kind.
pub(super) fn table(shown: &[&Row<'_>], all: &[Row<'_>], detail: Detail) -> String {
    let of = |verdict: Verdict| all.iter().filter(|row| row.verdict == verdict).count();
    let verdicts =
        [Verdict::Verified, Verdict::NotDemanded, Verdict::Refused, Verdict::NotAnswered, Verdict::NotOnNode];
    let sum = table::sum(&verdicts.map(|verdict| (of(verdict), verdict.word())));
    let rows = shown.iter().map(|row| row.cells(detail.verbose)).collect();
    table::with_sum(["VERDICT", "IMAGE", "DIGEST", "RULE", "DEMANDED", "FOUND"], rows, &sum, detail.quiet)
}

//! What `diff` shows: each rule, setting and image that differs, with the old line and the new one.

use serde::Serialize;

use crate::cli::explain::{Answer, Signatures, Verdict};
use crate::cli::terminal;
use crate::config::{Change, Config, Kind, Said, visible};
use crate::credentials::Credentials;
use crate::files::reader::Reader;
use crate::state::Question;

/// All differences.
pub(super) struct Report {
    pub(super) changes: Vec<Change>,
    pub(super) images: Images,
    pub(super) quiet: bool,
}

/// The images about which the two decide differently.
pub(super) struct Images {
    asked: usize,
    differ: Vec<Image>,
}

/// One of them. The order of the fields is the order of the JSON keys.
#[derive(Serialize)]
struct Image {
    kind: &'static str,
    name: String,
    old: Decided,
    new: Decided,
}

/// What one policy decides.
#[derive(Serialize)]
struct Decided {
    decision: Verdict,
    rule: Option<String>,
    reason: Option<String>,
    candidates: Vec<String>,
    /// What has to be signed, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<String>,
    /// Whether it is told only, and not done.
    observed: bool,
    #[serde(skip)]
    text: String,
}

// === impl Images ===

impl Images {
    /// Decides about each by both.
    pub(super) fn of(names: &[String], old: &Config, new: &Config) -> Self {
        let image = |name: &String| {
            let (old, new) = (Decided::of(name, old), Decided::of(name, new));
            old.differs(&new).then(|| Image { kind: "image", name: name.clone(), old, new })
        };
        Images { asked: names.len(), differ: names.iter().filter_map(image).collect() }
    }
}

// === impl Decided ===

impl Decided {
    fn of(name: &str, config: &Config) -> Self {
        // Logins are not compared, so they are not looked up.
        let (question, nobodys) = (Question::without_pod(name), Credentials::default());
        let mut answer = Answer::new(&question, &config.policy, &nobodys, &Reader::This);
        answer.add_signatures(&config.policy, &config.demands);
        let candidates: Vec<String> = match answer.decision {
            Verdict::Route => answer.asked_as(),
            Verdict::Pass | Verdict::Deny | Verdict::Invalid => Vec::new(),
        };
        let reason = answer.reason.clone();
        let more = reason.clone().unwrap_or_else(|| candidates.join(", "));
        let colon = if more.is_empty() { "" } else { ": " };
        let signatures: Vec<String> = answer.signatures().iter().map(Signatures::text).collect();
        let signed = signatures.iter().map(|text| format!("; {text}")).collect::<String>();
        let text = format!("{}{colon}{more}{signed}", answer.decision_text());
        let (decision, rule) = (answer.decision, answer.rule().map(str::to_owned));
        Decided { decision, rule, reason, candidates, signatures, observed: answer.is_observed(), text }
    }

    /// Whether a pull is another one. By which rule does not count.
    fn differs(&self, other: &Self) -> bool {
        let parts = |of: &Self| {
            let Decided { decision, reason, candidates, signatures, observed, .. } = of;
            (*decision, reason.clone(), candidates.clone(), signatures.clone(), *observed)
        };
        parts(self) != parts(other)
    }
}

// === impl Report ===

impl Report {
    /// Whether nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.images.differ.is_empty()
    }

    /// An object for each difference.
    pub(super) fn json(&self) -> String {
        let images = self.images.differ.iter().map(terminal::json);
        self.changes.iter().map(terminal::json).chain(images).collect()
    }

    /// A few lines for each difference, and the counts.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for kind in [Kind::Setting, Kind::Rule, Kind::Lock, Kind::Transport, Kind::Signature] {
            self.changes
                .iter()
                .filter(|change| change.kind == kind)
                .for_each(|change| say(change, &mut text));
        }
        for Image { name, old, new, .. } in &self.images.differ {
            text.push_str(&format!("~ image {name}\n  - {}\n  + {}\n", old.text, new.text));
        }
        if !(self.quiet && self.is_empty()) {
            text.push_str(&self.summary());
        }
        visible(&text).into_owned()
    }

    fn summary(&self) -> String {
        let count = |kind| self.changes.iter().filter(|change| change.kind == kind).count();
        let of_changes = [
            (count(Kind::Setting), "setting", "settings"),
            (count(Kind::Rule), "rule", "rules"),
            (count(Kind::Lock), "locked tag", "locked tags"),
            (count(Kind::Transport), "registry's transport", "registries' transport"),
            (count(Kind::Signature), "signature", "signatures"),
        ];
        let Images { asked, differ } = &self.images;
        let of_changes = of_changes.into_iter().filter(|(count, ..)| *count > 0);
        let of_changes =
            of_changes.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }));
        let of_images = (*asked > 0).then(|| format!("{} of {asked} images", differ.len()));
        match of_changes.chain(of_images).collect::<Vec<_>>() {
            counts if self.is_empty() => match counts.as_slice() {
                [] => "nothing differs\n".to_owned(),
                [images, ..] => format!("nothing differs; {images}\n"),
            },
            counts => format!("different: {}\n", counts.join(", ")),
        }
    }
}

/// What is added, removed or changed. Of a change only the lines are shown that are not in both.
fn say(change: &Change, text: &mut String) {
    let Change { kind, name, old, new } = change;
    let word = match kind {
        Kind::Setting => "setting",
        Kind::Rule => "rule",
        Kind::Lock => "locked tag",
        Kind::Transport => "transport",
        Kind::Signature => "signature",
    };
    let place = |said: &Option<Said>| said.as_ref().and_then(|said| said.place.clone());
    let (sign, places) = match (old, new) {
        (None, _) => ("+", place(new)),
        (Some(_), None) => ("-", place(old)),
        (Some(_), Some(_)) => {
            let places: Vec<String> = [place(old), place(new)].into_iter().flatten().collect();
            ("~", (!places.is_empty()).then(|| places.join(" -> ")))
        }
    };
    let places = places.map(|places| format!(" ({places})")).unwrap_or_default();
    text.push_str(&format!("{sign} {word} {name}{places}\n"));
    let lines = |said: &Option<Said>| said.as_ref().map(|said| said.lines.clone()).unwrap_or_default();
    let (before, after) = (lines(old), lines(new));
    // Where only the order differs, each line is in both.
    let moved = before.len() == after.len() && before.iter().all(|line| after.contains(line));
    for (sign, these, others) in [("-", &before, &after), ("+", &after, &before)] {
        let only = these.iter().filter(|line| moved || !others.contains(line));
        text.extend(only.map(|line| format!("  {sign} {line}\n")));
    }
}

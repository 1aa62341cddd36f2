//! Reads `[[signature]]` and `policy-json`: what signatures have to be, and under which names rules ask for it.
//!
//! Holds: the files of keys are read when the configuration is, and are part of it. One that cannot be used is an error:
//! what is not known cannot be verified.
//! Not here: how signatures are verified (the room `signature`).

mod files;
mod name;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::diagnostic::{Located, Problem, Severity, Span, Texts};
use super::draft::{PolicyDraft, PolicyJsonAt};
use super::path::{from, path};
use super::refusal::did_you_mean;
use super::section::{Field, Section};
use crate::policy::{Action, DemandRef, Names, Policy, Verify};
use crate::signature::{Demands, WhenAway};

pub(super) use self::name::{NOTHING, asked};

use self::table::Table;

/// The word for it in a file.
pub(super) fn word(verify: &Verify) -> &str {
    verify.demand().map_or(NOTHING, |demand| &demand.name)
}

/// The tables of all files.
#[derive(Default)]
pub(super) struct SignaturesDraft {
    tables: Vec<Table>,
}

/// What is asked for by all files.
pub(super) struct Settled {
    pub(super) demands: Demands,
    /// What holds where a rule does not say.
    pub(super) verify: Verify,
}

// === impl SignaturesDraft ===

impl SignaturesDraft {
    /// Adds the tables of one file. Relative paths start at its directory.
    pub(super) fn read(&mut self, sections: Vec<Section<'_>>, texts: &Texts, out: &mut Vec<Problem>) {
        for section in sections {
            let directory = texts.directory(section.at().text);
            self.tables.extend(Table::read(section, &directory, out));
        }
    }

    /// Reads the keys, and gives rules and the policy the numbers of what they ask for.
    pub(super) fn finish(
        self,
        draft: &mut PolicyDraft,
        texts: &mut Texts,
        out: &mut Vec<Problem>,
    ) -> Settled {
        let mut names: BTreeMap<String, (Span, DemandRef)> = BTreeMap::new();
        let mut all = Vec::new();
        for table in self.tables {
            let Located { value: name, at } = &table.name.clone();
            if let Some((first, _)) = names.get(name) {
                let problem = Problem::error(format!("there are two signatures \"{name}\""));
                out.push(problem.at(at).also(first, "the other one").hint("give each a name of its own"));
                continue;
            }
            let signed = table.signed(texts, out);
            let demand = DemandRef {
                name: name.as_str().into(),
                number: u32::try_from(all.len()).unwrap_or(u32::MAX),
                fingerprint: signed.fingerprint().into(),
            };
            names.insert(name.clone(), (at.clone(), demand));
            all.push(signed);
        }
        let mut used = BTreeSet::new();
        for drafted in &mut draft.rules {
            let asked = drafted.verify.as_ref();
            drafted.rule.verify = asked.and_then(|asked| find(asked, &names, &mut used, out));
        }
        let whole = draft.verify.as_ref().and_then(|asked| find(asked, &names, &mut used, out));
        for (name, (at, _)) in names.iter().filter(|(name, _)| !used.contains(*name)) {
            let message = format!("no rule asks for the signature \"{name}\"");
            let hint = format!("write verify = \"{name}\" in a rule or in [policy], or remove the table");
            out.push(Problem::warning(message).at(at).hint(hint));
        }
        let mut demands = Demands::new(all);
        if let Some(Located { value: PolicyJsonAt { path, from, when_away }, at }) = draft.policy_json.clone()
            && let Some(json) = files::policy_json(&path, &at, texts, out)
        {
            demands = demands.with_policy_json(path, json, from, when_away);
        }
        contradicts_names(draft, &demands, out);
        Settled { demands, verify: whole.unwrap_or_default() }
    }
}

/// What a rule asks for.
fn find(
    asked: &Located<String>,
    names: &BTreeMap<String, (Span, DemandRef)>,
    used: &mut BTreeSet<String>,
    out: &mut Vec<Problem>,
) -> Option<Verify> {
    if asked.value == NOTHING {
        return Some(Verify::Nothing);
    }
    used.insert(asked.value.clone());
    let found = names.get(&asked.value).map(|(_, demand)| Verify::Demand(demand.clone()));
    if found.is_none() {
        let known: Vec<&str> = names.keys().map(String::as_str).collect();
        let message = format!("there is no [[signature]] with the name \"{}\"", asked.value);
        let hint = match did_you_mean(&asked.value, &known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write a [[signature]] with name = \"{}\" and its keys", asked.value),
        };
        out.push(Problem::error(message).at(&asked.at).hint(hint));
    }
    found
}

/// With the mirror's name an image is pulled by a tag of the mirror, and what it leads to then nobody has verified.
fn contradicts_names(draft: &PolicyDraft, demands: &Demands, out: &mut Vec<Problem>) {
    let Some(names) = draft.names.as_ref().filter(|set| set.value == Names::Both) else { return };
    let routes = draft.rules.iter().filter(|drafted| matches!(drafted.rule.action, Action::Route(_)));
    let of_rule = routes.filter_map(|drafted| drafted.verify.as_ref()).chain(&draft.verify);
    let of_rule = of_rule.filter(|asked| asked.value != NOTHING).map(|asked| &asked.at);
    let of_file = draft.policy_json.iter().filter(|_| demands.has_policy_json()).map(|set| &set.at);
    if let Some(at) = of_rule.chain(of_file).next() {
        let message = "signatures cannot be verified with names = \"both\"";
        let hint = "remove `names`: an image is then pulled by the digest that was verified";
        out.push(Problem::error(message).at(at).also(&names.at, "the other one").hint(hint));
    }
}

/// Says what goes round the signatures that are asked for.
pub(super) fn lint(
    draft: &PolicyDraft,
    policy: &Policy,
    settled: &Demands,
    fence: bool,
    out: &mut Vec<Problem>,
) {
    let of_rules = draft.rules.iter().filter_map(|drafted| drafted.verify.as_ref());
    let asked = of_rules.chain(&draft.verify).filter(|asked| asked.value != NOTHING).map(|asked| &asked.at);
    let Some(at) = asked.chain(draft.policy_json.iter().map(|set| &set.at)).next() else { return };
    if fence {
        let message = "the fence verifies no signatures";
        let hint = "what is pulled past the shunt (ctr, nerdctl, containerd's own sandbox image) is held to the mirrors \
                    of the rules, and is not verified";
        out.push(Problem::new(Severity::Note, message).at(at).hint(hint));
    }
    let Some(set) = draft.policy_json.as_ref().filter(|_| policy.settings().beside.is_some()) else { return };
    for (scope, why) in settled.unmet() {
        let scope = scope.map_or_else(|| "its default".to_owned(), |scope| format!("\"{scope}\""));
        let message = format!("{} refuses the images of {scope}: {why}", set.value.path.display());
        out.push(Problem::warning(message).at(&set.at));
    }
}

/// Reads `policy-json`: a path, or a table with `file` and how signatures are found.
pub(super) fn policy_json(
    field: &Field<'_>,
    directory: &Path,
    out: &mut Vec<Problem>,
) -> Option<Located<PolicyJsonAt>> {
    if let Some(text) = field.text() {
        let path = field.parse(out, path).map(|_| from(directory, Path::new(text)))?;
        let value = PolicyJsonAt { path, from: Vec::new(), when_away: WhenAway::Closed };
        return Some(Located { value, at: field.at.clone() });
    }
    let before = out.len();
    let mut section = field.section(out)?;
    let file = section.parse("file", out, path);
    let (from_field, when_away) = table::way(&mut section, out);
    if file.is_none() && out.len() == before && !section.has_unknown() {
        section.missing("file", "name the file: file = \"/etc/containers/policy.json\"", out);
    }
    section.finish(out);
    let Located { value: file, at } = file?;
    Some(Located { value: PolicyJsonAt { path: from(directory, &file), from: from_field, when_away }, at })
}

//! Reads `[policy]` and its rules.
//!
//! Before: `tree` gives the `policy` table of each file.  After: `assemble` makes a `Policy` of the
//! drafts of all files.
//! Holds: a rule that is drafted is whole in itself; what is wrong with a rule is recorded, and the
//! rule left out.
//! Not here: whether rules contradict each other (`policy` decides that, `assemble` shows it).

use std::path::Path;
use std::time::Duration;

use crate::policy::{
    Action, Checkpoint, DefaultAction, Layer, Location, Mirror, Names, NodeCredentials, Only, Origin, Policy,
    Prefix, Present, Rewrite, Route, Rule,
};

use super::diagnostic::{Located, Problem, Span, Texts};
use super::sources::{self, SourceFile};
use super::tree::{Entry, Refusal, Section};
use super::{assemble, duration};

/// The policy tables of all files, before they are made into one.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) default: Option<Located<DefaultAction>>,
    pub(super) default_registry: Option<Located<Location>>,
    pub(super) present: Option<Located<Present>>,
    pub(super) names: Option<Located<Names>>,
    pub(super) node_credentials: Option<Located<NodeCredentials>>,
    /// How often the files are looked at; nothing in it is never.
    pub(super) watch: Option<Located<Option<Duration>>>,
    pub(super) rules: Vec<DraftRule>,
    pub(super) sources: Vec<Located<SourceFile>>,
}

/// A rule and where its text stands. Rules of any format come in this form.
#[derive(Debug)]
pub(super) struct DraftRule {
    pub(super) rule: Rule,
    /// The prefix.
    pub(super) at: Span,
    /// Each mirror of a route, in order.
    pub(super) mirrors_at: Vec<Span>,
}

/// When mirrors on another registry are given what the node has for them.
const NODE_CREDENTIALS: [(&str, NodeCredentials); 3] = [
    ("always", NodeCredentials::Always),
    ("with-client", NodeCredentials::WithClient),
    ("never", NodeCredentials::Never),
];

/// Adds what one file says.
pub(super) fn read(section: Option<Section<'_>>, texts: &Texts, draft: &mut Draft, out: &mut Vec<Problem>) {
    let Some(mut section) = section else { return };
    let file = texts.name(section.at().text);
    let words = [("pass", DefaultAction::Pass), ("deny", DefaultAction::Deny)];
    let set = section.choice("default", out, &words);
    once("policy.default", &mut draft.default, set, texts, out);
    let set = section.parse("default-registry", out, location);
    once("policy.default-registry", &mut draft.default_registry, set, texts, out);
    let words = [("leave", Present::Leave), ("hide", Present::Hide)];
    let set = section.choice("present", out, &words);
    once("policy.present", &mut draft.present, set, texts, out);
    let words = [("original", Names::Original), ("both", Names::Both)];
    let set = section.choice("names", out, &words);
    once("policy.names", &mut draft.names, set, texts, out);
    let set = section.choice("node-credentials", out, &NODE_CREDENTIALS);
    once("policy.node-credentials", &mut draft.node_credentials, set, texts, out);
    let set = section.parse("watch", out, watch);
    once("policy.watch", &mut draft.watch, set, texts, out);
    for rule in section.sections("rule", out) {
        draft.rules.extend(read_rule(rule, texts, out));
    }
    let directory = Path::new(&*file).parent().unwrap_or(Path::new(""));
    for source in section.sections("source", out) {
        draft.sources.extend(sources::request::read(source, directory, out));
    }
    section.finish(out);
}

/// Takes over a value, unless an earlier file has set it already.
pub(super) fn once<T>(
    key: &str,
    slot: &mut Option<Located<T>>,
    set: Option<Located<T>>,
    texts: &Texts,
    out: &mut Vec<Problem>,
) {
    let Some(set) = set else { return };
    let Some(first) = slot else {
        *slot = Some(set);
        return;
    };
    let message =
        format!("`{key}` is set in {} and in {}", texts.name(first.at.text), texts.name(set.at.text));
    let problem = Problem::error(message).at(&set.at).also(&first.at, "first set here");
    out.push(problem.hint("no place overrides another: remove one of the two"));
}

fn watch(text: &str) -> Result<Option<Duration>, Refusal> {
    Ok(Some(duration::parse(text)?).filter(|every| !every.is_zero()))
}

/// A registry, with a path if need be.
pub(super) fn location(text: &str) -> Result<Location, Refusal> {
    text.parse().map_err(|error: crate::policy::LocationError| Refusal {
        message: error.to_string(),
        hint: error.hint(),
    })
}

fn read_rule(mut section: Section<'_>, texts: &Texts, out: &mut Vec<Problem>) -> Option<DraftRule> {
    let before = out.len();
    let prefix = section.parse("prefix", out, prefix);
    let prefix_missing = prefix.is_none() && out.len() == before;
    let (action, mirrors_at, checkpoint) = read_action(&mut section, out);
    if prefix_missing && !section.has_unknown() {
        section.missing(
            "prefix",
            "say which images the rule is for, for example prefix = \"docker.io\"",
            out,
        );
    }
    section.finish(out);
    let Located { value: prefix, at } = prefix?;
    let source = assemble::source(&at, texts);
    let rule = Rule { prefix, action: action?, checkpoint, source, layer: Layer::Native };
    (out.len() == before).then_some(DraftRule { rule, at, mirrors_at })
}

/// What the rule does, the places of its mirrors, and what it says of checkpoints.
fn read_action(section: &mut Section<'_>, out: &mut Vec<Problem>) -> (Option<Action>, Vec<Span>, Checkpoint) {
    let mirrors = section.entry("mirrors");
    let deny = section.entry("deny");
    let pass = section.entry("pass");
    let options = Options::read(section, out);
    let checkpoint = options.checkpoint.as_ref().map_or(Checkpoint::Refuse, |set| set.value);
    check_one_action(section, [&mirrors, &deny, &pass], out);
    if let Some(entry) = mirrors {
        let (mirrors, spans) = read_mirrors(&entry, out).unzip();
        let action = mirrors.map(|mirrors| Action::Route(options.route(mirrors)));
        return (action, spans.unwrap_or_default(), checkpoint);
    }
    if deny.is_some() || pass.is_some() {
        options.refuse_routing(out);
    }
    let denied = deny.and_then(|entry| read_deny(&entry, options.checkpoint.as_ref(), out));
    (denied.or_else(|| read_pass(&pass?, out)), Vec::new(), checkpoint)
}

fn prefix(text: &str) -> Result<Prefix, Refusal> {
    text.parse().map_err(|error: crate::policy::PrefixError| Refusal {
        message: error.to_string(),
        hint: error.hint(),
    })
}

fn check_one_action(section: &Section<'_>, actions: [&Option<Entry<'_>>; 3], out: &mut Vec<Problem>) {
    let mut set = actions.into_iter().flatten();
    let Some(first) = set.next() else {
        // A misspelt key is reported as such, and is most likely the one that is missing here.
        if section.has_unknown() {
            return;
        }
        let message = "a rule needs one of `mirrors`, `deny` and `pass`";
        out.push(Problem::error(message).at(section.at()));
        return;
    };
    for more in set {
        let problem = Problem::error("a rule has one of `mirrors`, `deny` and `pass`, not two")
            .at(&more.at)
            .also(&first.at, "the other one");
        out.push(problem);
    }
}

fn read_mirrors(entry: &Entry<'_>, out: &mut Vec<Problem>) -> Option<(Vec<Mirror>, Vec<Span>)> {
    if let toml::de::DeValue::String(text) = entry.value {
        let message = format!("`{}` must be an array, not a string", entry.name);
        out.push(Problem::error(message).at(&entry.at).hint(format!("write mirrors = [\"{text}\"]")));
        return None;
    }
    let elements = entry.elements(out)?;
    if elements.is_empty() {
        let hint = "name at least one registry; to refuse the images write deny = \"reason\"";
        out.push(Problem::error("the rule has no mirror").at(&entry.at).hint(hint));
        return None;
    }
    let mut mirrors = Vec::new();
    let mut spans = Vec::new();
    for element in &elements {
        if let Some(mirror) = read_mirror(element, out) {
            mirrors.push(mirror);
            spans.push(element.at.clone());
        }
    }
    Some((mirrors, spans))
}

/// `"host/path"`, or `{ location = "host/path", only = "digests" }`.
fn read_mirror(element: &Entry<'_>, out: &mut Vec<Problem>) -> Option<Mirror> {
    match element.value {
        toml::de::DeValue::String(_) => {
            Some(Mirror { location: element.parse(out, location)?, only: Only::Any, strip_prefix: false })
        }
        toml::de::DeValue::Table(_) => {
            let mut section = element.section(out)?;
            let before = out.len();
            let set = section.parse("location", out, location);
            if set.is_none() && out.len() == before {
                section.missing("location", "name the registry, with a path if need be", out);
            }
            let only = section.choice("only", out, &[("digests", Only::Digests), ("tags", Only::Tags)]);
            let strip = section.boolean("strip-prefix", out);
            section.finish(out);
            Some(Mirror {
                location: set?.value,
                only: only.map_or(Only::Any, |set| set.value),
                strip_prefix: strip.is_some_and(|set| set.value),
            })
        }
        _ => element.wrong_type("a registry or a table with `location`", out),
    }
}

fn read_deny(
    entry: &Entry<'_>,
    checkpoint: Option<&Located<Checkpoint>>,
    out: &mut Vec<Problem>,
) -> Option<Action> {
    if let toml::de::DeValue::Boolean(_) = entry.value {
        let message = format!("`{}` must be a string, not a boolean", entry.name);
        out.push(Problem::error(message).at(&entry.at).hint("say why: deny = \"not from this registry\""));
        return None;
    }
    if let Some(set) = checkpoint {
        out.push(Problem::error("`checkpoint` has no meaning in a rule that denies").at(&set.at));
    }
    let reason = entry.parse(out, |text| {
        if text.trim().is_empty() {
            return Err(Refusal::new("the reason is empty").hint("it is what users read; say whom to ask"));
        }
        Ok(text.to_owned())
    })?;
    Some(Action::Deny { reason })
}

fn read_pass(entry: &Entry<'_>, out: &mut Vec<Problem>) -> Option<Action> {
    if entry.boolean(out)? {
        return Some(Action::Pass);
    }
    let problem = Problem::error("`pass` can only be true")
        .at(&entry.at)
        .hint("leave it out and write `mirrors` or `deny`");
    out.push(problem);
    None
}

/// The keys of a rule beside its action.
struct Options {
    rewrites: Option<Located<Vec<Rewrite>>>,
    origin: Option<Located<Origin>>,
    collapse: Option<Located<bool>>,
    node_credentials: Option<Located<NodeCredentials>>,
    checkpoint: Option<Located<Checkpoint>>,
}

// === impl Draft ===

impl Draft {
    /// The rules in force in the policy that was made of this draft.
    pub(super) fn in_force(&self, policy: &Policy) -> impl Iterator<Item = &DraftRule> {
        let rules = self.rules.iter().zip(policy.in_force());
        rules.filter(|(_, counts)| **counts).map(|(drafted, _)| drafted)
    }
}

// === impl Options ===

impl Options {
    fn read(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Self {
        Options {
            rewrites: section
                .entry("rewrite")
                .and_then(|entry| Some(Located { value: read_rewrites(&entry, out)?, at: entry.at })),
            origin: section.choice("origin", out, &[("never", Origin::Never), ("last", Origin::Last)]),
            collapse: section.boolean("collapse", out),
            node_credentials: section.choice("node-credentials", out, &NODE_CREDENTIALS),
            checkpoint: section.choice(
                "checkpoint",
                out,
                &[("refuse", Checkpoint::Refuse), ("allow", Checkpoint::Allow)],
            ),
        }
    }

    fn route(&self, mirrors: Vec<Mirror>) -> Route {
        Route {
            mirrors,
            rewrites: self.rewrites.as_ref().map(|set| set.value.clone()).unwrap_or_default(),
            origin: self.origin.as_ref().map_or(Origin::Never, |set| set.value),
            collapse: self.collapse.as_ref().is_some_and(|set| set.value),
            node_credentials: self.node_credentials.as_ref().map(|set| set.value),
        }
    }

    /// Records what only a rule with mirrors can have.
    fn refuse_routing(&self, out: &mut Vec<Problem>) {
        let set = [
            ("rewrite", self.rewrites.as_ref().map(|set| &set.at)),
            ("origin", self.origin.as_ref().map(|set| &set.at)),
            ("collapse", self.collapse.as_ref().map(|set| &set.at)),
            ("node-credentials", self.node_credentials.as_ref().map(|set| &set.at)),
        ];
        for (key, at) in set {
            if let Some(at) = at {
                out.push(Problem::error(format!("`{key}` has no meaning without `mirrors`")).at(at));
            }
        }
    }
}

fn read_rewrites(entry: &Entry<'_>, out: &mut Vec<Problem>) -> Option<Vec<Rewrite>> {
    let elements = entry.elements(out)?;
    let mut rewrites = Vec::new();
    for element in elements {
        let Some(mut section) = element.section(out) else { continue };
        rewrites.extend(read_rewrite(&mut section, out));
        section.finish(out);
    }
    Some(rewrites)
}

fn read_rewrite(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<Rewrite> {
    let before = out.len();
    let pattern = section.parse("match", out, pattern);
    let replacement = section.string("replace", out);
    if out.len() == before {
        if pattern.is_none() {
            section.missing("match", "a regular expression, tried on the repository without its host", out);
        }
        if replacement.is_none() {
            section.missing("replace", "what to put in its place; $1 is the first group", out);
        }
    }
    Some(Rewrite { pattern: pattern?.value, replacement: replacement?.value.to_owned() })
}

fn pattern(text: &str) -> Result<regex::Regex, Refusal> {
    sources::pattern::compile_own(text)
        .map_err(|error| Refusal::new(format!("bad regular expression: {error}")))
}

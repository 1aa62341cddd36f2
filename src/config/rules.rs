//! Reads `[policy]` and its rules.
//!
//! Holds: a rule with a mistake is reported and left out.
//! Not here: whether rules contradict each other (`policy` decides that, `assemble` shows it).

use std::time::Duration;

use crate::policy::{
    Action, Checkpoint, DefaultAction, Held, Layer, Mirror, Mode, Names, Namespaces, NodeCredentials, Ns,
    OnOutage, Order, Origin, Outage, Present, Rewrite, Route, Rule,
};

use super::diagnostic::{Located, Problem, Span, Texts};
use super::draft::{self, DraftRule, LockDraft, PolicyDraft};
use super::locks;
use super::mirrors::{self, Mirrors};
use super::node::Value;
use super::references::{location, prefix};
use super::refusal::Refusal;
use super::section::{self, Field, Section};
use super::{duration, rewrites, signatures, sources};

/// When mirrors on another registry get the node's credentials.
const NODE_CREDENTIALS: [(&str, NodeCredentials); 3] = [
    ("always", NodeCredentials::Always),
    ("with-client", NodeCredentials::WithClient),
    ("never", NodeCredentials::Never),
];

/// Whether what is said is done.
const MODE: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];

/// How a pull is answered that no registry can serve.
const ON_OUTAGE: [(&str, OnOutage); 2] = [("fail", OnOutage::Fail), ("present", OnOutage::Present)];

/// The word for it in a file.
pub(super) fn node_credentials(of: NodeCredentials) -> &'static str {
    word(&NODE_CREDENTIALS, of)
}

/// The word for it in a file.
pub(super) fn on_outage(of: OnOutage) -> &'static str {
    word(&ON_OUTAGE, of)
}

fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], of: T) -> &'static str {
    words.iter().find(|(_, value)| *value == of).map_or("", |(word, _)| word)
}

/// Adds the tables of one file.
pub(super) fn read(
    section: Option<Section<'_>>,
    texts: &Texts,
    draft: &mut PolicyDraft,
    out: &mut Vec<Problem>,
) {
    let Some(mut section) = section else { return };
    let set = section.choice("mode", out, &MODE);
    once("policy.mode", &mut draft.mode, set, texts, out);
    let words = [("pass", DefaultAction::Pass), ("deny", DefaultAction::Deny)];
    let set = section.parse("default", out, |word| {
        section::choose(word, &words).map_err(|refusal| match word {
            "allow" | "accept" | "permit" => refusal.hint("write default = \"pass\""),
            "block" | "reject" | "refuse" => refusal.hint("write default = \"deny\""),
            _ => refusal,
        })
    });
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
    let set = section.choice("on-outage", out, &ON_OUTAGE);
    once("policy.on-outage", &mut draft.on_outage, set, texts, out);
    let set = section.parse("outage-max-age", out, duration::parse_positive);
    once("policy.outage-max-age", &mut draft.outage_max_age, set, texts, out);
    let set = section.parse("verify", out, signatures::asked);
    once("policy.verify", &mut draft.verify, set, texts, out);
    let directory = &texts.directory(section.at().text);
    let field = section.field("policy-json");
    let set = field.and_then(|field| signatures::policy_json(&field, directory, out));
    once("policy.policy-json", &mut draft.policy_json, set, texts, out);
    let set = section.parse("watch", out, watch);
    once("policy.watch", &mut draft.watch, set, texts, out);
    let LockDraft { file: locked, unlisted } = locks::read(&mut section, texts, out);
    once("policy.locked", &mut draft.lock.file, locked, texts, out);
    once("policy.unlisted", &mut draft.lock.unlisted, unlisted, texts, out);
    for rule in section.sections("rule", out) {
        draft.rules.extend(read_rule(rule, texts, out));
    }
    for source in section.sections("source", out) {
        draft.sources.extend(sources::request::read(source, directory, out));
    }
    section.finish_with(&[("end-mark", "it above all tables")], out);
}

/// Takes over a value, unless an earlier file has set it: that is an error.
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
    out.push(problem.hint("files do not override each other: remove one of the two"));
}

fn watch(text: &str) -> Result<Option<Duration>, Refusal> {
    Ok(Some(duration::parse(text)?).filter(|every| !every.is_zero()))
}

fn read_rule(mut section: Section<'_>, texts: &Texts, out: &mut Vec<Problem>) -> Option<DraftRule> {
    let before = out.len();
    let prefix = section.parse("prefix", out, prefix);
    let prefix_missing = prefix.is_none() && out.len() == before;
    let (action, mirrors, checkpoint) = read_action(&mut section, texts, out);
    let mode = section.choice("mode", out, &MODE).map(|set| set.value);
    let namespaces = section.field("namespaces").and_then(|field| read_namespaces(&field, out));
    let verify = section.parse("verify", out, signatures::asked);
    let foreign_urls = section.boolean("foreign-urls", out);
    let lock = locks::read(&mut section, texts, out);
    if let Some(Action::Deny { .. }) = &action {
        let set = [
            ("verify", verify.as_ref().map(|set| &set.at)),
            ("foreign-urls", foreign_urls.as_ref().map(|set| &set.at)),
            ("locked", lock.file.as_ref().map(|set| &set.at)),
            ("unlisted", lock.unlisted.as_ref().map(|set| &set.at)),
        ];
        refuse_set(set, "in a rule that denies", out);
    }
    let foreign_urls = foreign_urls.is_some_and(|set| set.value);
    if prefix_missing && !section.has_unknown() {
        section.missing(
            "prefix",
            "say which images the rule is for, for example prefix = \"docker.io\"",
            out,
        );
    }
    section.finish(out);
    let Located { value: prefix, at } = prefix?;
    let source = draft::file_line(&at, texts);
    let (action, layer) = (action?, Layer::Native);
    // Its list comes from a file, which is read once all rules are known.
    let held = Held::default();
    let rule = Rule {
        prefix,
        namespaces,
        mode,
        action,
        checkpoint,
        foreign_urls,
        verify: None,
        lock: held,
        source,
        layer,
    };
    let (mirrors_at, own) = (mirrors.at, mirrors.own);
    (out.len() == before).then_some(DraftRule { rule, at, mirrors_at, lock, own, verify })
}

/// Reports the keys that are set where they have no meaning.
fn refuse_set<'a>(
    keys: impl IntoIterator<Item = (&'a str, Option<&'a Span>)>,
    place: &str,
    out: &mut Vec<Problem>,
) {
    for (key, at) in keys {
        if let Some(at) = at {
            out.push(Problem::error(format!("`{key}` has no meaning {place}")).at(at));
        }
    }
}

fn read_namespaces(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Namespaces> {
    let items = field.items(out)?;
    // Each is checked by itself, so that the place of a mistake is that of its pattern.
    let read = |item: &Field<'_>| item.parse(out, |text| namespaces([text]).map(|_| text.to_owned()));
    let patterns: Vec<Option<String>> = items.iter().map(read).collect();
    let patterns: Vec<String> = patterns.into_iter().collect::<Option<_>>()?;
    match namespaces(patterns.iter().map(String::as_str)) {
        Ok(namespaces) => Some(namespaces),
        Err(Refusal { message, hint }) => {
            let message = format!("`{}`: {message}", field.name);
            out.push(Problem::error(message).at(field.at).maybe_hint(hint));
            None
        }
    }
}

fn namespaces<'t>(patterns: impl IntoIterator<Item = &'t str>) -> Result<Namespaces, Refusal> {
    Namespaces::new(patterns).map_err(|error| Refusal::new(error.to_string()).hint(error.hint()))
}

/// The action, the mirrors (which are in the action too), and the setting for checkpoints.
fn read_action(
    section: &mut Section<'_>,
    texts: &Texts,
    out: &mut Vec<Problem>,
) -> (Option<Action>, Mirrors, Checkpoint) {
    let mirrors = section.field("mirrors");
    let deny = section.field("deny");
    let pass = section.field("pass");
    let options = Options::read(section, out);
    let checkpoint = options.checkpoint.as_ref().map_or(Checkpoint::Refuse, |set| set.value);
    check_one_action(section, [&mirrors, &deny, &pass], out);
    if let Some(field) = mirrors {
        let mirrors = mirrors::read(&field, texts, out);
        if let (Some(found), Some(rewrites)) = (&mirrors, &options.rewrites) {
            refuse_ns(found, &rewrites.at, out);
        }
        let action = mirrors.as_ref().map(|found| Action::Route(options.route(found.mirrors.clone())));
        return (action, mirrors.unwrap_or_default(), checkpoint);
    }
    if deny.is_some() || pass.is_some() {
        options.refuse_routing(out);
    }
    let denied = deny.and_then(|field| read_deny(&field, options.checkpoint.as_ref(), out));
    (denied.or_else(|| read_pass(&pass?, out)), Mirrors::default(), checkpoint)
}

/// A mirror that is told of the registry is asked for the repository as the name has it.
fn refuse_ns(mirrors: &Mirrors, rewrites: &Span, out: &mut Vec<Problem>) {
    let told = mirrors.mirrors.iter().position(|mirror| mirror.ns != Ns::Off);
    if let Some(at) = told.and_then(|told| mirrors.at.get(told)) {
        let message =
            "`rewrite` has no meaning for a mirror with `ns`, which is asked for the repository as it is";
        out.push(Problem::error(message).at(rewrites).also(at, "the mirror"));
    }
}

fn check_one_action(section: &Section<'_>, actions: [&Option<Field<'_>>; 3], out: &mut Vec<Problem>) {
    let mut set = actions.into_iter().flatten();
    let Some(first) = set.next() else {
        // A misspelt key is reported as such, and is most likely the missing one.
        if section.has_unknown() {
            return;
        }
        let message = "a rule needs one of `mirrors`, `deny` and `pass`";
        out.push(Problem::error(message).at(section.at()));
        return;
    };
    for more in set {
        let problem = Problem::error("a rule has one of `mirrors`, `deny` and `pass`, not two")
            .at(more.at)
            .also(first.at, "the other one");
        out.push(problem);
    }
}

fn read_deny(
    field: &Field<'_>,
    checkpoint: Option<&Located<Checkpoint>>,
    out: &mut Vec<Problem>,
) -> Option<Action> {
    if let Value::Bool(..) = field.value {
        let message = format!("`{}` must be a string, not a boolean", field.name);
        out.push(Problem::error(message).at(field.at).hint("say why: deny = \"not from this registry\""));
        return None;
    }
    if let Some(set) = checkpoint {
        out.push(Problem::error("`checkpoint` has no meaning in a rule that denies").at(&set.at));
    }
    let reason = field.parse(out, |text| {
        if text.trim().is_empty() {
            return Err(
                Refusal::new("the reason is empty").hint("users see this text: write who can help them")
            );
        }
        Ok(text.to_owned())
    })?;
    Some(Action::Deny { reason })
}

fn read_pass(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Action> {
    if field.boolean(out)? {
        return Some(Action::Pass);
    }
    let problem = Problem::error("`pass` can only be true")
        .at(field.at)
        .hint("remove it and write `mirrors` or `deny`");
    out.push(problem);
    None
}

/// The keys of a rule besides its action.
struct Options {
    order: Option<Located<Order>>,
    rewrites: Option<Located<Vec<Rewrite>>>,
    origin: Option<Located<Origin>>,
    collapse: Option<Located<bool>>,
    node_credentials: Option<Located<NodeCredentials>>,
    on_outage: Option<Located<OnOutage>>,
    outage_max_age: Option<Located<Duration>>,
    checkpoint: Option<Located<Checkpoint>>,
}

// === impl Options ===

impl Options {
    fn read(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Self {
        Options {
            order: section.choice("order", out, &[("fixed", Order::Fixed), ("fastest", Order::Fastest)]),
            rewrites: section.field("rewrite").and_then(|field| {
                Some(Located { value: rewrites::read(&field, out)?, at: field.at.clone() })
            }),
            origin: read_origin(section, out),
            collapse: section.boolean("collapse", out),
            node_credentials: section.choice("node-credentials", out, &NODE_CREDENTIALS),
            on_outage: section.choice("on-outage", out, &ON_OUTAGE),
            outage_max_age: section.parse("outage-max-age", out, duration::parse_positive),
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
            order: self.order.as_ref().map_or(Order::Fixed, |set| set.value),
            rewrites: self.rewrites.as_ref().map(|set| set.value.clone()).unwrap_or_default(),
            origin: self.origin.as_ref().map_or(Origin::Never, |set| set.value),
            collapse: self.collapse.as_ref().is_some_and(|set| set.value),
            node_credentials: self.node_credentials.as_ref().map(|set| set.value),
            outage: Outage {
                answer: self.on_outage.as_ref().map(|set| set.value),
                max_age: self.outage_max_age.as_ref().map(|set| set.value),
            },
        }
    }

    /// Reports keys that only a rule with mirrors can have.
    fn refuse_routing(&self, out: &mut Vec<Problem>) {
        let set = [
            ("order", self.order.as_ref().map(|set| &set.at)),
            ("rewrite", self.rewrites.as_ref().map(|set| &set.at)),
            ("origin", self.origin.as_ref().map(|set| &set.at)),
            ("collapse", self.collapse.as_ref().map(|set| &set.at)),
            ("node-credentials", self.node_credentials.as_ref().map(|set| &set.at)),
            ("on-outage", self.on_outage.as_ref().map(|set| &set.at)),
            ("outage-max-age", self.outage_max_age.as_ref().map(|set| &set.at)),
        ];
        refuse_set(set, "without `mirrors`", out);
    }
}

fn read_origin(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<Located<Origin>> {
    const WORDS: [(&str, Origin); 2] = [("never", Origin::Never), ("last", Origin::Last)];
    if let Some(field) = section.field("origin")
        && let Value::Bool(asked, _) = field.value
    {
        let hint = match asked {
            true => "to ask the registry itself after the mirrors write origin = \"last\"",
            false => "never to ask the registry itself write origin = \"never\"",
        };
        out.push(field.type_problem("\"never\" or \"last\"").hint(hint));
        return None;
    }
    section.choice("origin", out, &WORDS)
}

//! Warns of settings that are valid and probably not meant.
//!
//! Holds: each warning says what will happen and what to write instead. Nothing is refused here.
//! Not here: errors (`rules`, `settings`, `assemble`).

mod exposed;
mod imported;
mod locked;
mod mirrored;
mod namespaces;
mod observed;
mod own_mirrors;
mod rewrites;
mod targets;

use std::collections::HashMap;
use std::path::Path;

use crate::policy::{
    Action, DefaultAction, Layer, Location, Mode, Only, Origin, Policy, Prefix, PrefixKind, Present, Route,
};

use super::diagnostic::{Problem, Severity, Span};
use super::draft::{DraftRule, PolicyDraft};
use super::prefix_map::PrefixMap;
use super::settings::MainTables;
use super::signatures;

pub(super) use self::exposed::{lint as exposed, lint_contents as exposed_contents};
pub(super) use self::imported::lint as imported;

/// The containerd socket of k3s and RKE2.
const K3S_SOCKET: &str = "/run/k3s/containerd/containerd.sock";

/// Checks every rule, and rules compared with each other.
pub(super) fn policy(
    draft: &PolicyDraft,
    policy: &Policy,
    settings: &MainTables,
    main: Option<&Span>,
    out: &mut Vec<Problem>,
) {
    out.extend(no_rules(draft, main));
    out.extend(observed::lint(draft, policy));
    out.extend(namespaces::lint(draft, settings.containerd.socket.as_path() == Path::new(K3S_SOCKET)));
    let wider = PrefixMap::of(draft.rules.iter().map(|drafted| (&drafted.rule.prefix, ())));
    let others = draft.rules.iter().filter(|drafted| !matches!(drafted.rule.action, Action::Pass));
    let others = PrefixMap::of(others.map(|drafted| (&drafted.rule.prefix, ())));
    for drafted in draft.rules.iter().filter(|drafted| drafted.rule.layer == Layer::Native) {
        match &drafted.rule.action {
            Action::Route(route) => lint_route(drafted, route, out),
            Action::Deny { .. } => out.extend(tag_deny(drafted)),
            Action::Pass => out.extend(idle_pass(drafted, (&wider, &others), draft)),
        }
        out.extend(unofficial(drafted));
    }
    out.extend(idle_default_registry(draft, policy));
    let targets = targets::of(draft, policy);
    targets::nested(&targets, out);
    targets::meeting(&targets, out);
    mirrored::lint(draft, out);
    rewrites::lint(draft, policy, out);
    own_mirrors::lint(draft, policy, out);
    locked::lint(draft, policy, out);
    k3s(draft, settings, out);
}

/// A file that is empty, or has nothing but settings, does nothing. `main` is the place of the main file; without it, other
/// programs' files are all that there is.
fn no_rules(draft: &PolicyDraft, main: Option<&Span>) -> Option<Problem> {
    let verifies = draft.verify.as_ref().is_some_and(|set| set.value != signatures::NOTHING);
    let asks = verifies || draft.policy_json.is_some() || draft.lock.file.is_some();
    if !draft.rules.is_empty() || draft.default_registry.is_some() || asks {
        return None;
    }
    let (message, at) = match &draft.default {
        Some(set) if set.value == DefaultAction::Deny => ("0 rules: every image is denied", Some(&set.at)),
        _ => ("0 rules: every image is pulled as without cri-shunt", main),
    };
    let hint = match main {
        Some(_) => "write a [[policy.rule]] or a [[policy.source]]",
        None => "look whether this is the file that was meant",
    };
    let problem = Problem::warning(message).hint(hint);
    Some(match at {
        Some(at) => problem.at(at),
        None => problem,
    })
}

fn lint_route(drafted: &DraftRule, route: &Route, out: &mut Vec<Problem>) {
    let prefix = &drafted.rule.prefix;
    let mut first_at: HashMap<(String, Only, bool, Option<u32>), &Span> = HashMap::new();
    for (at, mirror) in drafted.mirrors_at.iter().zip(&route.mirrors) {
        if route.rewrites.is_empty() && is_own_source(prefix, &mirror.location) {
            let message = format!("this mirror is the registry that the rule is for: `{prefix}`");
            let hint = "remove it; for the registry itself, after the mirrors, write origin = \"last\"";
            out.push(Problem::warning(message).at(at).hint(hint));
        }
        let same = (mirror.location.to_string(), mirror.only, mirror.strip_prefix, mirror.endpoint);
        let first = *first_at.entry(same).or_insert(at);
        if first != at {
            let message = format!("the mirror `{}` is already in this list", mirror.location);
            let hint = "remove one of them; a mirror that failed is not tried again in the same pull";
            out.push(Problem::warning(message).at(at).also(first, "first here").hint(hint));
        }
    }
    out.extend(one_sided(drafted, route));
    if !route.rewrites.is_empty() && matches!(prefix.kind(), PrefixKind::Domain | PrefixKind::Any) {
        let message = format!("the rewrites act on the images of every registry under `{prefix}`");
        let hint = "they see the repository without its host; give each registry a rule of its own";
        out.push(Problem::warning(message).at(&drafted.at).hint(hint));
    }
    if route.origin == Origin::Last {
        let message = format!("when all mirrors fail, `{prefix}` itself is asked");
        out.push(Problem::new(Severity::Note, message).at(&drafted.at));
    }
}

/// The target is the mirror plus the whole repository. So a mirror without a path on the same host
/// gives back the original name.
fn is_own_source(prefix: &Prefix, location: &Location) -> bool {
    let host = prefix.as_str().split('/').next().unwrap_or_default();
    location.path().is_empty() && location.folded_host() == host
}

fn one_sided(drafted: &DraftRule, route: &Route) -> Option<Problem> {
    let only = route.mirrors.first()?.only;
    let (unserved, served) = match only {
        Only::Any => return None,
        Only::Digests => ("tag", "digests"),
        Only::Tags => ("digest", "tags"),
    };
    if route.origin == Origin::Last || route.mirrors.iter().any(|mirror| mirror.only != only) {
        return None;
    }
    let message =
        format!("every mirror of `{}` is for {served} only: a pull by {unserved} fails", drafted.rule.prefix);
    let hint = format!("add a mirror for the {unserved}s, or remove `only`");
    Some(Problem::warning(message).at(&drafted.at).hint(hint))
}

fn tag_deny(drafted: &DraftRule) -> Option<Problem> {
    let prefix = &drafted.rule.prefix;
    if prefix.kind() != PrefixKind::Exact {
        return None;
    }
    let (repository, what) = match prefix.as_str().split_once('@') {
        Some((repository, _)) => (repository, "another digest, or by a tag,"),
        None => (prefix.as_str().rsplit_once(':')?.0, "the digest"),
    };
    let message = format!("a pull of the same image by {what} is not denied");
    let hint = format!(
        "deny the repository `{repository}`; only an allow-list (default = \"deny\" and rules for what may \
         be pulled) has no gaps"
    );
    Some(Problem::warning(message).at(&drafted.at).hint(hint))
}

/// People write `docker.io/nginx` and mean `docker.io/library/nginx`.
fn unofficial(drafted: &DraftRule) -> Option<Problem> {
    let path = drafted.rule.prefix.as_str().strip_prefix("docker.io/")?;
    if drafted.rule.prefix.kind() != PrefixKind::Path || path.contains('/') || path == "library" {
        return None;
    }
    let message = format!("this does not match the official image `{path}`");
    let hint = format!(
        "for the official image write \"docker.io/library/{path}\"; if `{path}` is an organisation, the rule is right"
    );
    Some(Problem::new(Severity::Note, message).at(&drafted.at).hint(hint))
}

/// `wider` are the prefixes of all rules, `others` of those that do not pass.
fn idle_pass(
    drafted: &DraftRule,
    (wider, others): (&PrefixMap<'_, ()>, &PrefixMap<'_, ()>),
    draft: &PolicyDraft,
) -> Option<Problem> {
    let prefix = &drafted.rule.prefix;
    let denies = draft.default.as_ref().is_some_and(|set| set.value == DefaultAction::Deny);
    let hub = prefix.as_str() == "docker.io" || prefix.as_str().starts_with("docker.io/");
    // One for some namespaces can be inside one for all or for others, with the same prefix.
    let inside = others.get(prefix.as_str()).is_some();
    let hub = hub && draft.default_registry.is_some();
    // It says more than that it passes.
    let verifies = drafted.verify.is_some();
    if verifies || denies || hub || inside || wider.covering(prefix).next().is_some() {
        return None;
    }
    let message = format!("`{prefix}` would pass without this rule");
    let hint = "`pass` is only useful inside a wider rule or with default = \"deny\"; remove this rule";
    Some(Problem::warning(message).at(&drafted.at).hint(hint))
}

fn idle_default_registry(draft: &PolicyDraft, policy: &Policy) -> Option<Problem> {
    let set = draft.default_registry.as_ref()?;
    // What is only observed comes before nothing, in a policy that enforces.
    let policy = if policy.settings().mode == Mode::Enforce { policy.acting() } else { policy };
    let first = &policy.rules().get(policy.default_registry_shadowed_by()?)?.source;
    let wider = draft.rules.iter().find(|drafted| drafted.rule.source == *first)?;
    let message =
        format!("`default-registry` has no effect: the rule for `{}` comes first", wider.rule.prefix);
    let hint = "it is used only for images of Docker Hub that no rule is for; remove one of the two";
    Some(Problem::warning(message).at(&set.at).also(&wider.at, "this rule applies to all of it").hint(hint))
}

/// On k3s and RKE2 the runtime endpoint cannot be the shunt: their flag for it turns the embedded
/// containerd off.
fn k3s(draft: &PolicyDraft, settings: &MainTables, out: &mut Vec<Problem>) {
    if settings.containerd.socket.as_path() != Path::new(K3S_SOCKET) {
        return;
    }
    let message = "on k3s and RKE2 only the image endpoint can be the shunt";
    let hint = format!(
        "give the kubelet image-service-endpoint=unix://{} and leave --container-runtime-endpoint alone; what \
         the shunt does when containers are created has no effect there",
        settings.listen.socket
    );
    out.push(Problem::new(Severity::Note, message).hint(hint));
    if let Some(set) = draft.present.as_ref().filter(|set| set.value == Present::Hide) {
        let message = "on k3s and RKE2 `present` has an effect on the image endpoint only";
        let hint = "a container of a denied image that is already on the node can still be created by its id";
        out.push(Problem::warning(message).at(&set.at).hint(hint));
    }
}

//! Short names: aliases and search registries, as far as containerd lets anyone choose.
//!
//! Before: `merge` has all files.  After: `Imported` takes a rule for each alias.
//! Holds: containerd reads every short name as Docker Hub's before anything sees it. An alias is a rule for
//! that full name; search registries other than Docker Hub are refused, for an image of one registry would
//! come from another.
//! Not here: the grammar of names (`policy`).

use crate::config::diagnostic::{Located, Problem, Severity, Texts};
use crate::config::sources::Imported;
use crate::policy::{self, Action, Name, Only, Origin, Route};

use super::file::Registry;
use super::merge::{Merged, match_len};
use super::to_rules;

const HUB: &str = "docker.io";

/// Adds the rules of the aliases.
pub(super) fn add(merged: &Merged, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    if let Some(search) = &merged.search {
        out.extend(check_search(search));
    }
    let mut renamed: Vec<&Located<String>> = Vec::new();
    for (name, target) in merged.aliases.values() {
        let Ok(full) = name.value.parse::<Name>() else { continue };
        if full.repository() == target.value {
            continue;
        }
        if let Some(entry) = merged.entry(full.repository()) {
            let message = format!("`{}` is the alias `{}` and has an entry", full.repository(), name.value);
            let problem = Problem::error(message).at(&name.at).also(&entry.at, "the entry");
            out.push(problem.hint("to containerd the two are one name: keep one of the two"));
            continue;
        }
        let Some(action) = action(target, merged, texts, out) else { continue };
        let Ok(prefix) = full.repository().parse() else { continue };
        let mirrors_at = match &action {
            Action::Route(route) => vec![target.at.clone(); route.mirrors.len()],
            Action::Deny { .. } | Action::Pass => Vec::new(),
        };
        imported.rules.push(to_rules::draft(prefix, action, &name.at, mirrors_at, texts));
        renamed.push(name);
    }
    if let Some(first) = renamed.first() {
        out.push(full_names_too(first, renamed.len()));
    }
}

fn full_names_too(first: &Located<String>, count: usize) -> Problem {
    let what =
        if count == 1 { "this alias".to_owned() } else { format!("this alias and {} more", count - 1) };
    let full = if first.value.contains('/') { String::new() } else { "library/".to_owned() };
    let message = format!("{what} stand for the full names of Docker Hub too: `{HUB}/{full}{}`", first.value);
    let message = if count == 1 { message.replace("stand for", "stands for") } else { message };
    let hint = "containerd makes one of the two before the shunt can see a difference";
    Problem::new(Severity::Warning, message).at(&first.at).hint(hint)
}

fn check_search(search: &Located<Vec<String>>) -> Option<Problem> {
    let Located { value: hosts, at } = search;
    if hosts.is_empty() {
        let message = "short names are Docker Hub's, and cannot be switched off";
        let hint = "containerd reads `nginx` as `docker.io/library/nginx`; deny docker.io to refuse both";
        return Some(Problem::warning(message).at(at).hint(hint).left_behind());
    }
    let foreign = hosts.iter().find(|host| *host != HUB)?;
    let message = format!("short names cannot be looked for in `{foreign}`");
    let hint = "containerd reads `nginx` as `docker.io/library/nginx` before any choice: write \
                unqualified-search-registries = [\"docker.io\"], in a drop-in if need be, and full names for \
                the images of other registries";
    Some(Problem::error(message).at(at).hint(hint))
}

/// The places of an alias's target: those of its entry, written out, or the target itself.
fn action(
    target: &Located<String>,
    merged: &Merged,
    texts: &Texts,
    out: &mut Vec<Problem>,
) -> Option<Action> {
    let Some(entry) = merged.find(&target.value) else {
        return Some(route(vec![mirror(target, &target.value, Only::Any, out)?]));
    };
    let mut mirrors = Vec::new();
    for (location, only, own_blocked) in places(entry) {
        let place = physical(entry, location, &target.value);
        let blocked = match own_blocked {
            Some(blocked) => blocked,
            None => merged.find(&place).is_some_and(|entry| entry.blocked),
        };
        if !blocked {
            mirrors.push(mirror(target, &place, only, out)?);
        }
    }
    if mirrors.is_empty() {
        return Some(Action::Deny { reason: format!("blocked in {}", texts.name(entry.at.text)) });
    }
    Some(route(mirrors))
}

/// The places of an entry, in order; for the entry's own names it is known whether they are blocked.
fn places(entry: &Registry) -> Vec<(&str, Only, Option<bool>)> {
    let mirrors = entry.mirrors.iter().map(|mirror| (mirror.location.value.as_str(), mirror.only, None));
    let location = entry.location.value.as_str();
    let in_place = location.is_empty() || location == entry.prefix;
    mirrors.chain([(location, Only::Any, in_place.then_some(entry.blocked))]).collect()
}

/// The repository that is asked for at a place.
fn physical(entry: &Registry, location: &str, repository: &str) -> String {
    let len = match_len(&entry.prefix, repository).unwrap_or(repository.len());
    if location.is_empty() { repository.to_owned() } else { format!("{location}{}", &repository[len..]) }
}

fn mirror(
    target: &Located<String>,
    place: &str,
    only: Only,
    out: &mut Vec<Problem>,
) -> Option<policy::Mirror> {
    match place.parse::<policy::Location>() {
        Ok(location) => Some(policy::Mirror { location, only, strip_prefix: true }),
        Err(error) => {
            out.push(Problem::error(error.to_string()).at(&target.at).maybe_hint(error.hint()));
            None
        }
    }
}

fn route(mirrors: Vec<policy::Mirror>) -> Action {
    Action::Route(Route {
        mirrors,
        rewrites: Vec::new(),
        origin: Origin::Never,
        collapse: true,
        node_credentials: None,
    })
}

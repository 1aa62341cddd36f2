//! Short names: aliases and search registries, as far as containerd allows a choice.
//!
//! containerd makes a full name of Docker Hub of every short name before the shunt sees it. So an alias is a rule for
//! that full name. Search registries other than Docker Hub have no effect, which is a warning: most distributions ship
//! a list of them.

use crate::config::diagnostic::{Located, Problem, Severity, Span, Texts};
use crate::config::draft::{self, DraftRule, Imported, Own};
use crate::policy::{self, Action, Name, Only, Origin};

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
            out.push(problem.hint("for containerd both are the same name: keep one of the two"));
            continue;
        }
        let Some((action, own)) = action(target, merged, texts, out) else { continue };
        let Ok(prefix) = full.repository().parse() else { continue };
        let mirrors_at = vec![target.at.clone(); own.len()];
        let drafted = DraftRule::of_source(prefix, action, &name.at, mirrors_at, texts);
        imported.rules.push(drafted.with_own(own));
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
    let hint = "containerd makes a full name of a short one before the shunt sees it";
    Problem::new(Severity::Warning, message).at(&first.at).hint(hint)
}

fn check_search(search: &Located<Vec<String>>) -> Option<Problem> {
    let Located { value: hosts, at } = search;
    if hosts.is_empty() {
        let message = "short names always mean Docker Hub, and cannot be switched off";
        let hint = "containerd reads `nginx` as `docker.io/library/nginx`; deny docker.io to refuse both";
        return Some(Problem::warning(message).at(at).hint(hint).left_behind());
    }
    let foreign = hosts.iter().find(|host| *host != HUB)?;
    let message = format!("short names are not looked for in `{foreign}`: they always mean Docker Hub");
    let hint = "containerd reads `nginx` as `docker.io/library/nginx` before the shunt sees it; write full names for \
                the images of other registries";
    Some(Problem::warning(message).at(at).hint(hint).left_behind())
}

/// The places of an alias's target: those of its entry, in full, or the target itself.
fn action(
    target: &Located<String>,
    merged: &Merged,
    texts: &Texts,
    out: &mut Vec<Problem>,
) -> Option<(Action, Vec<Own>)> {
    let Some(entry) = merged.find(&target.value) else {
        let mirrors = vec![mirror(target, &target.value, Only::Any, out)?];
        let own = vec![Own { alone: true, ..Own::default() }];
        return Some((draft::source_route(mirrors, Vec::new(), Origin::Never), own));
    };
    let (mut mirrors, mut own) = (Vec::new(), Vec::new());
    for Place { location, only, insecure, blocked } in places(entry) {
        let place = physical(entry, location, &target.value);
        let blocked = match blocked {
            Some(blocked) => blocked,
            None => merged.find(&place).is_some_and(|entry| entry.blocked),
        };
        if !blocked {
            mirrors.push(mirror(target, &place, only, out)?);
            let needs = to_rules::insecure(&place, insecure, texts);
            own.push(Own { needs, alone: true, ..Own::default() });
        }
    }
    if mirrors.is_empty() {
        let reason = format!("blocked in {}", texts.name(entry.at.text));
        return Some((Action::Deny { reason }, own));
    }
    Some((draft::source_route(mirrors, Vec::new(), Origin::Never), own))
}

/// One of the places of an entry.
struct Place<'e> {
    location: &'e str,
    only: Only,
    /// Where `insecure` is set.
    insecure: Option<&'e Span>,
    /// Whether it is blocked, where that is known: for the entry's own names.
    blocked: Option<bool>,
}

/// The places of an entry, in order.
fn places(entry: &Registry) -> impl Iterator<Item = Place<'_>> {
    let mirrors = entry.mirrors.iter().map(|mirror| Place {
        location: &mirror.location.value,
        only: mirror.only,
        insecure: mirror.insecure.as_ref(),
        blocked: None,
    });
    let location = entry.location.value.as_str();
    let in_place = location.is_empty() || location == entry.prefix;
    let last = Place {
        location,
        only: Only::Any,
        insecure: entry.insecure.as_ref(),
        blocked: in_place.then_some(entry.blocked),
    };
    mirrors.chain([last])
}

/// The repository at a place.
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
        Ok(location) => Some(policy::Mirror { only, strip_prefix: true, ..policy::Mirror::at(location) }),
        Err(error) => {
            out.push(Problem::error(error.to_string()).at(&target.at).maybe_hint(error.hint()));
            None
        }
    }
}

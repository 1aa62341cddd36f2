//! Warns of locks that hold less than they seem to.

use std::sync::Arc;

use super::super::diagnostic::{Problem, Span};
use super::super::draft::PolicyDraft;
use crate::policy::{LockList, Policy};

/// How many tags a warning names.
const MOST: usize = 3;

/// A warning for each lock that is empty, or has tags that it holds for nobody.
pub(super) fn lint(draft: &PolicyDraft, policy: &Policy, out: &mut Vec<Problem>) {
    for list in policy.locks() {
        let Some(at) = place(draft, list) else { continue };
        if list.tags().len() == 0 {
            let hint = format!("to add one: cri-shunt lock --update -o {} NAME", list.file());
            out.push(Problem::warning(format!("{} has no image", list.file())).at(at).hint(hint));
        }
        let is_idle = |tag: &&str| tag.parse().is_ok_and(|name| !policy.uses(list, &name));
        let idle: Vec<&str> = list.tags().map(|(tag, _)| tag).filter(is_idle).collect();
        if idle.is_empty() {
            continue;
        }
        let shown = idle.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
        let more = idle.len().saturating_sub(MOST);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!(
            "{} of {} images in {} are not held to it: {shown}{more}",
            idle.len(),
            list.tags().len(),
            list.file()
        );
        let hint = "they are denied, or the rule that is for them does not name this lock; `cri-shunt explain NAME` \
                    shows the rule";
        out.push(Problem::warning(message).at(at).hint(hint));
    }
}

/// The first place that names the lock.
fn place<'d>(draft: &'d PolicyDraft, list: &Arc<LockList>) -> Option<&'d Span> {
    let is_it = |held: &Option<Arc<LockList>>| held.as_ref().is_some_and(|held| Arc::ptr_eq(held, list));
    let of_policy = draft.lock.file.as_ref().filter(|_| is_it(&draft.lock_list));
    let of_rules = draft.rules.iter().filter(|drafted| is_it(&drafted.rule.lock.list));
    of_policy.or(of_rules.filter_map(|drafted| drafted.lock.file.as_ref()).next()).map(|set| &set.at)
}

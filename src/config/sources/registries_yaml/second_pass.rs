//! What k3s does with the same file for a mirror's own name.
//!
//! k3s has configured containerd from the same file, so containerd applies the file's entry for that name as well. A
//! pull from a mirror goes by a private host, for which there is no entry. A lazy snapshotter or an image verifier may
//! ask by the mirror's own name. Nothing is changed by that here; there are only notes.

use foldhash::{HashMap, HashSet};

use super::super::super::diagnostic::{Problem, Severity};
use super::mirrors::MirrorEntry;
use super::reader::PROGRAM;
use crate::policy::{Location, Prefix, PrefixKind};

/// One note for each mirror's host. `*` does not apply to a host that has an entry in `configs` only.
pub(super) fn lint(entries: &[MirrorEntry], configured: &HashSet<Prefix>, out: &mut Vec<Problem>) {
    let by_prefix: HashMap<&Prefix, &MirrorEntry> =
        entries.iter().map(|entry| (&entry.prefix, entry)).collect();
    let any = entries.iter().find(|entry| entry.prefix.kind() == PrefixKind::Any);
    let mut seen = HashSet::default();
    let all = entries.iter().flat_map(|entry| entry.route.hosts());
    for (location, at) in all {
        let Ok(host) = location.host().parse::<Prefix>() else { continue };
        let own = by_prefix.get(&host).copied();
        let found = if configured.contains(&host) { own } else { own.or(any) };
        let Some(entry) = found else { continue };
        let Some(what) = effect(entry, &host) else { continue };
        if !seen.insert(host.as_str().to_owned()) {
            continue;
        }
        let message = format!(
            "where containerd pulls by the mirror's own name, {host}, {PROGRAM}'s entry for `{}` is applied as well: {what}",
            entry.prefix
        );
        let hint = "only a lazy snapshotter or an image verifier does so; for these, move the mirrors to the configuration of cri-shunt (cri-shunt import), and keep only `configs` in this file";
        out.push(Problem::new(Severity::Note, message).at(at).also(&entry.at, "this entry").hint(hint));
    }
}

/// What the entry does to images of a host beyond asking that host for them.
fn effect(entry: &MirrorEntry, host: &Prefix) -> Option<String> {
    if !entry.route.rewrites.is_empty() {
        return Some("their paths are rewritten a second time".to_owned());
    }
    let elsewhere = |location: &&Location| {
        location.host().parse::<Prefix>().ok().as_ref() != Some(host) || !location.path().is_empty()
    };
    let other = entry.route.hosts().map(|(location, _)| location).find(elsewhere)?;
    Some(format!("{other} is asked for them as well"))
}

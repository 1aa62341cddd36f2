//! Finds out where containerd would apply the same tree a second time.
//!
//! containerd looks for a directory by the host of the name it gets. A pull from a mirror goes by a private host, which
//! has no directory there. A lazy snapshotter or an image verifier may ask by the mirror's own name.
//! Holds: nothing here is more than a note. Only what is certain from the tree alone is reported.
//! Not here: whether containerd reads this tree at all (its `config_path`).

use std::collections::{HashMap, HashSet};

use crate::config::diagnostic::{Problem, Severity, Span};
use crate::config::draft::Imported;
use crate::policy::{Action, Mirror, Origin, Prefix, Route};

use super::directory::Directory;
use super::hosts_file::HostsFile;

/// The directories, and their files, by registry.
type ByRegistry<'f> = HashMap<&'f Prefix, (&'f Directory, Option<&'f HostsFile>)>;

/// Checks every mirror once, and origins.
pub(super) fn note<'f>(
    files: impl Iterator<Item = (&'f Directory, Option<&'f HostsFile>)>,
    imported: &Imported,
    out: &mut Vec<Problem>,
) {
    let files: ByRegistry<'_> = files.map(|entry| (&entry.0.prefix, entry)).collect();
    let mut seen: HashSet<String> = HashSet::new();
    let mut origin: Option<&Span> = None;
    for drafted in &imported.rules {
        let Action::Route(Route { mirrors, origin: falls_back, .. }) = &drafted.rule.action else { continue };
        if *falls_back == Origin::Last {
            origin = origin.or(Some(&drafted.at));
        }
        for (mirror, at) in mirrors.iter().zip(&drafted.mirrors_at) {
            let host = mirror.location.host();
            if seen.insert(host.to_owned()) {
                out.extend(once_more(&files, mirror, at));
            }
        }
    }
    if let Some(at) = origin {
        let message =
            "if containerd reads this tree too, it tries the mirrors again before the registry itself";
        let hint = "a pull that falls back to its registry reaches containerd under its own name; to avoid \
                    the second round, remove the hosts from containerd's tree";
        out.push(Problem::new(Severity::Note, message).at(at).hint(hint));
    }
}

fn once_more(files: &ByRegistry<'_>, mirror: &Mirror, at: &Span) -> Option<Problem> {
    let host: Prefix = mirror.location.host().parse().ok()?;
    let any: Prefix = "*".parse().ok()?;
    let own = files.get(&host);
    let (directory, file) = own.or_else(|| files.get(&any))?;
    let file = (*file)?;
    let elsewhere = |text: &str| text.parse::<Prefix>().ok().as_ref() != Some(&host);
    let mut entries = file.hosts.iter().chain(&file.server);
    let other = entries.find(|entry| elsewhere(&entry.address.host))?;
    let message = format!(
        "where containerd pulls by the mirror's own name, `{}`, it applies {} as well and asks {}",
        mirror.location.host(),
        directory.path.display(),
        other.address.url()
    );
    let change = match own {
        Some(_) => {
            "in that directory, name only the mirror itself, with what its connection needs".to_owned()
        }
        None => format!(
            "give the mirror a directory of its own: {}/hosts.toml with `server = \"https://{}\"`",
            mirror.location.host(),
            mirror.location.host()
        ),
    };
    let hint = format!("only a lazy snapshotter or an image verifier does so; for these, {change}");
    Some(Problem::new(Severity::Note, message).at(at).also(&other.at, "by this host").hint(hint))
}

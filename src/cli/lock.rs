//! `cri-shunt lock`: notes which digest each tag has, and whether it has another one later.

mod entry;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::entry::{Entry, State};
use super::asking::{self, Asking};
use super::detail::Detail;
use super::exit::Exit;
use super::explain::Depth;
use super::format::Format;
use super::inputs::of_stdin;
use super::names::Names;
use super::{output, terminal};
use crate::config::{self, Config, LOCK_HEAD, Lock, visible};
use crate::policy::Name;

/// Note the digest of each tag, or see whether a tag has moved.
///
/// Asks the registries for each image as a pull would: the candidates of its rule in their order, with the node's
/// credentials. The first that has the image counts. The lock is a file of TOML with the digest of each tag, the digests
/// of its platforms, and the reference that was asked. It is sorted, so it can be kept in git.
///
/// Without --update and --check a new lock is written for the given images. A file that lock has not written is left
/// alone. If an image cannot be had, nothing is written. Images with a digest need no lock and are left out.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt lock -o images.lock nginx:1.25 quay.io/prometheus/prometheus:v3.0.0\n  \
    cri-shunt lock --from deployment.yaml --from values.yaml\n  \
    cri-shunt lock --node\n  \
    cri-shunt lock --check\n  \
    cri-shunt lock --update nginx:1.25\n\n\
    Exit status:\n  \
    0  the lock is written; with --check: no tag has moved\n  \
    1  an image is denied or cannot be had; with --check also: a tag has moved, or is not in the lock\n  \
    2  wrong usage, or a file or a configuration that cannot be used\n  \
    3  containerd cannot be reached, or the program cannot run")]
pub(super) struct Arguments {
    /// The lock
    #[arg(long, short, value_name = "FILE", default_value = "images.lock")]
    output: PathBuf,

    /// Say which tags have another digest now, and write nothing; without names it looks at all in the lock
    #[arg(long, conflicts_with = "update")]
    check: bool,

    /// Look again, and write what has moved; without names it looks at all in the lock. A new name is added
    #[arg(long)]
    update: bool,

    /// Also take the images in this YAML or JSON: each `image`, and each `repository` with its `tag`; `-` is stdin
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,

    /// Replace a file that lock has not written
    #[arg(long, conflicts_with_all = ["check", "update"])]
    force: bool,

    #[command(flatten)]
    asking: Asking,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    lock(arguments).unwrap_or_else(|exit| exit)
}

fn lock(arguments: &Arguments) -> Result<Exit, Exit> {
    let Arguments { output, check, update, from, force, asking } = arguments;
    let Asking { names, detail, .. } = asking;
    let config = asking.load_unlocked(of_stdin(from))?;
    let before = match *check || *update {
        true => Lock::read(output).map_err(|problems| terminal::refuse(&problems))?,
        false => Lock::default(),
    };
    let wanted = match wanted(names, from, &config, *detail)? {
        _ if (*check || *update) && !names.is_given() && !names.node && from.is_empty() => {
            before.images.keys().cloned().collect()
        }
        wanted if wanted.is_empty() => {
            terminal::say("error: no image is given that needs a lock: name tags, or use --from or --node\n");
            return Err(Exit::Usage);
        }
        wanted => wanted,
    };
    if !check {
        // Many questions later it would be too late: a registry may count them.
        output::target(output, LOCK_HEAD, *force).map_err(|error| terminal::fail(&error, Exit::Usage))?;
    }
    let depth = if *check { Depth::Digest } else { Depth::Platforms };
    let answers = asking::ask(&wanted, &config, asking.questions(depth, false))?;
    let entries: Vec<Entry> = answers.iter().map(|answer| Entry::of(answer, &before)).collect();
    let written = if *check { Ok(()) } else { write(&entries, &before, output, *force) };
    let shown = entries.iter().filter(|entry| !detail.quiet || entry.is_bad(*check));
    let mut text: String = match asking.format {
        Format::Json => shown.map(terminal::json).collect(),
        Format::Text => entry::table(shown),
    };
    if asking.format == Format::Text && !(detail.quiet && text.is_empty()) {
        text.push_str(&entry::summary(&entries));
    }
    terminal::print(&text)?;
    written?;
    Ok(if entries.iter().any(|entry| entry.is_bad(*check)) { Exit::Bad } else { Exit::Ok })
}

/// The tags that are asked for: in full, each once. What is no reference is kept as it is, so that it is reported.
fn wanted(names: &Names, from: &[PathBuf], config: &Config, detail: Detail) -> Result<Vec<String>, Exit> {
    let mut found = names.read(config.containerd.socket.as_path())?;
    for path in from {
        let mentioned = config::mentioned(path).map_err(|problems| terminal::refuse(&problems))?;
        for repository in &mentioned.untagged {
            let (path, repository) = (path.display().to_string(), visible(repository));
            terminal::say(&format!(
                "warning: {}: {repository} has no tag, so it is left out\n",
                visible(&path)
            ));
        }
        found.extend(mentioned.images);
    }
    let mut all = BTreeSet::new();
    for image in found {
        match image.parse::<Name>() {
            Ok(name) if name.digest().is_some() => {
                if detail.verbose {
                    terminal::say(&format!("note: {} has a digest, and needs no lock\n", visible(&image)));
                }
            }
            Ok(name) => drop(all.insert(name.as_str().to_owned())),
            Err(_) => drop(all.insert(image)),
        }
    }
    Ok(all.into_iter().collect())
}

/// Writes the lock with what was found, if all of it was found.
fn write(entries: &[Entry], before: &Lock, path: &Path, force: bool) -> Result<(), Exit> {
    if entries.iter().any(|entry| entry.state == State::Failed) {
        terminal::say("error: nothing has been written, because not every image could be had\n");
        return Ok(());
    }
    let mut images: BTreeMap<_, _> = before.images.clone();
    images.extend(entries.iter().filter_map(|entry| Some((entry.name.clone(), entry.found.clone()?))));
    let text = Lock { images }.text();
    output::write(path, &text, LOCK_HEAD, force).map_err(|error| terminal::fail(&error, Exit::Usage))
}

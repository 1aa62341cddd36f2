//! `cri-shunt drift`: is a tag the same image at the mirrors, at its registry, in the lock and on the node?

mod row;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::row::{Row, State};
use super::asking::{self, Asking};
use super::exit::Exit;
use super::explain::Depth;
use super::format::Format;
use super::names::{self, Kept, Names};
use super::terminal;
use crate::config::{Config, Lock, Locked, visible};
use crate::policy::{Asked, Name, Policy};

/// Show where a tag is not the same image: at the mirrors, at its registry, in a lock, and on the node.
///
/// Asks each candidate of an image for its digest, by HEAD and with the node's credentials, and compares it with the lock
/// and with what containerd has. The registry in the name is asked if the policy asks it, or with --origin. Without names
/// and without --lock, the images are those on the node. With them, containerd is asked too, and does not have to
/// answer. A registry that does not answer three times in a row, or has a rate limit, is not asked for the rest.
///
/// Compared are the digests of indexes. Where a place has only the manifest of one platform of the locked index, that is
/// the same image, and is shown as (child). An image that is not on the node is no difference. Without --lock, the locks count
/// that the policy names (`locked`).
///
/// cri-shunt-drift.timer runs this once a day if it is enabled.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt drift\n  \
    cri-shunt drift --lock images.lock\n  \
    cri-shunt drift --origin --quiet nginx:1.25\n  \
    cri-shunt drift --quiet --write\n\n\
    Exit status:\n  \
    0  every image is the same everywhere\n  \
    1  an image differs, is missing at a candidate, is denied, or could not be looked at\n  \
    2  wrong usage, or a file or a configuration that cannot be used\n  \
    3  containerd cannot be reached, or the program cannot run")]
pub(super) struct Arguments {
    /// Compare with this lock, and look at the images in it
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,

    /// Also write the counts into the state directory, for the daemon's metrics
    #[arg(long)]
    write: bool,

    /// Also ask the registry in the name itself where the policy does not ask it
    #[arg(long)]
    origin: bool,

    #[command(flatten)]
    asking: Asking,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    drift(arguments).unwrap_or_else(|exit| exit)
}

fn drift(arguments: &Arguments) -> Result<Exit, Exit> {
    let Arguments { lock, write, origin, asking } = arguments;
    let Asking { names, detail, .. } = asking;
    // What the policy has locked would be asked by its digest, which never differs.
    let load = if lock.is_some() { Asking::load_unlocked } else { Asking::load };
    let mut config = load(asking, 0)?;
    let lock = lock.as_deref().map(read).transpose()?;
    let by_policy = if lock.is_none() { PolicyLocks::of(&mut config)? } else { PolicyLocks::default() };
    let only_lock = lock.as_ref().filter(|_| !names.is_given() && !names.node);
    let names = &if lock.is_none() { names.or_those_on_the_node() } else { names.clone() };
    let node = node(names, &config, detail.quiet)?;
    let images = match only_lock {
        Some(lock) => lock.images.keys().cloned().collect(),
        None => names.in_full(node.as_ref())?,
    };
    let answers = asking::ask(&images, &config, asking.questions(Depth::Digest, *origin))?;
    let locked = |name: &str| match &lock {
        Some(lock) => lock.images.get(name),
        None => by_policy.locked(name),
    };
    let on_node = |name: &str| node.as_ref().and_then(|node| node.get(name)).map(|kept| kept.digest.as_str());
    let rows: Vec<Row<'_>> = answers
        .iter()
        .map(|answer| Row::of(answer, locked(answer.input()), on_node(answer.input())))
        .collect();
    if *write {
        let written = row::counted(&rows).write(&config.state.dir);
        written.map_err(|error| {
            let dir = config.state.dir.display();
            terminal::fail(&format!("cannot write into {dir}: {error}"), Exit::Usage)
        })?;
    }
    let shown = rows.iter().filter(|row| !detail.quiet || row.state != State::Same);
    let text = match asking.format {
        Format::Json => shown.map(terminal::json).collect(),
        Format::Text => row::table(&shown.collect::<Vec<_>>(), &rows, detail.quiet),
    };
    terminal::print(&text)?;
    Ok(if rows.iter().any(|row| row.state != State::Same) { Exit::Bad } else { Exit::Ok })
}

fn read(path: &Path) -> Result<Lock, Exit> {
    Lock::read(path).map_err(|problems| terminal::refuse(&problems))
}

/// The locks that the policy names.
#[derive(Default)]
struct PolicyLocks {
    policy: Option<Policy>,
    files: BTreeMap<String, Lock>,
}

impl PolicyLocks {
    /// Takes them out of the policy, so that what the tags are now is asked.
    fn of(config: &mut Config) -> Result<Self, Exit> {
        let Some(unlocked) = config.policy.without_locks() else { return Ok(Self::default()) };
        let policy = std::mem::replace(&mut config.policy, unlocked);
        let files = policy.locks().into_iter().map(|list| list.file().to_owned());
        let files =
            files.map(|file| Ok((file.clone(), read(Path::new(&file))?))).collect::<Result<_, _>>()?;
        Ok(Self { policy: Some(policy), files })
    }

    /// What the lock has for an image by which the rule of that image is held.
    fn locked(&self, name: &str) -> Option<&Locked> {
        let image = name.parse::<Name>().ok()?;
        let pin = self.policy.as_ref()?.decide(&Asked::of(&image)).locked()?;
        self.files.get(pin.file())?.images.get(name)
    }
}

/// What is on the node. Where names are given, containerd need not answer.
fn node(names: &Names, config: &Config, quiet: bool) -> Result<Option<BTreeMap<String, Kept>>, Exit> {
    match names::images_of(config.containerd.socket.as_path())? {
        Ok(node) => Ok(Some(node)),
        Err(reason) if names.node => Err(terminal::fail(&reason, Exit::Runtime)),
        Err(reason) => {
            if !quiet {
                terminal::say(&format!("warning: what is on the node is not known: {}\n", visible(&reason)));
            }
            Ok(None)
        }
    }
}

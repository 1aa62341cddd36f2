//! `cri-shunt uninstall`: puts back what `install` has changed, by its record.
//!
//! Holds: the clients come first, and the daemon goes only if none of them needs it any more. What somebody has changed since is
//! named and stays.

use std::path::Path;
use std::time::Duration;

use super::detail::Detail;
use super::doctor::look::Look;
use super::eject::node::Done;
use super::exit::Exit;
use super::install::left::Left;
use super::install::place::{At, Place};
use super::install::proof;
use super::terminal;
use crate::config::{self, visible};
use crate::install::{self, CONFIG, Part, Pending, Record, Restored, SERVICE, SOCKET};
use crate::node::Tree;

/// Put back what `cri-shunt install` has changed on this node.
///
/// Without --apply it says what it would put back. With --apply each file has the content, the permissions and the owner
/// that it had, and what was not there is removed: first the files of kubelet, k3s, RKE2 and crictl, which are started
/// again, then cri-shunt with what it has left on the node. A file that somebody has changed since is named and stays. It
/// can be run again at any time, also after it was killed.
///
/// --check only asks whether the daemon can be taken away: not as long as kubelet, k3s or RKE2 is given its socket. The
/// packages ask it before they are removed.
///
/// What a package has installed stays: remove the package.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt uninstall\n  \
    cri-shunt uninstall --apply\n  \
    cri-shunt uninstall --check\n  \
    cri-shunt uninstall --root /mnt/node --apply\n\n\
    Exit status:\n  \
    0  all is as it was before, or would be\n  \
    1  something stays; with --check: kubelet, k3s or RKE2 needs the daemon\n  \
    2  wrong usage\n  \
    3  it cannot work here: not root, another one runs, or the disk refuses")]
pub(super) struct Arguments {
    /// Make the changes
    #[arg(long)]
    apply: bool,

    /// Put back files too that somebody has changed since
    #[arg(long)]
    force: bool,

    /// Only say whether kubelet, k3s or RKE2 needs the daemon
    #[arg(long, conflicts_with_all = ["apply", "force"])]
    check: bool,

    #[command(flatten)]
    at: At,

    /// How long kubelet, k3s or RKE2 may take to run again
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = config::positive_duration)]
    timeout: Duration,

    #[command(flatten)]
    detail: Detail,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    uninstall(arguments).unwrap_or_else(|exit| exit)
}

fn uninstall(arguments: &Arguments) -> Result<Exit, Exit> {
    let place = Place::of(&arguments.at)?;
    let record = place.record()?;
    if arguments.check {
        return Ok(check(&place, &record));
    }
    let tell = |text: &str| match arguments.detail.quiet {
        true => Ok(()),
        false => terminal::print(&visible(text)),
    };
    if record.is_empty() {
        tell("cri-shunt install has changed nothing here\n")?;
        return Ok(Exit::Ok);
    }
    if !arguments.apply {
        let mut text = String::new();
        record.shown().iter().for_each(|line| text.push_str(&format!("would {line}\n")));
        text.push_str("nothing was changed: --apply makes these changes\n");
        tell(&text)?;
        return Ok(Exit::Ok);
    }
    let _lock = place.lock()?;
    let mut record = place.record()?;
    let mut way = Way { arguments, place: &place, done: Vec::new(), stays: Vec::new() };
    let is_whole = way.back(&mut record);
    // What still stays then, no other run could take back.
    if is_whole || record.is_empty() {
        way.end(record);
    } else if let Err(error) = record.save(&place.tree) {
        way.stays.push(format!("cannot write the record: {error}"));
    }
    // What stays is said also where the rest cannot be.
    way.stays.iter().for_each(|stays| terminal::say(&format!("stays: {}\n", visible(stays))));
    tell(&format!("{}{}", way.done.concat(), place.machine.said()))?;
    Ok(if way.stays.is_empty() { Exit::Ok } else { Exit::Bad })
}

/// Whether a kubelet is led to the daemon, and what has to be done first.
fn check(place: &Place, record: &Record) -> Exit {
    let look = Look::at(place.tree.clone(), Path::new(CONFIG));
    let Some(at) = look.led_here() else { return Exit::Ok };
    let first = match record.is_empty() {
        true => "write containerd's own socket there and start kubelet, k3s or RKE2 again",
        false => "run cri-shunt uninstall --apply, which puts back what cri-shunt install has changed",
    };
    let text = format!(
        "{at} leads kubelet to {}: without the daemon no image is pulled here\nfirst {first}\n",
        look.own.socket.display()
    );
    terminal::say(&visible(&text));
    Exit::Bad
}

/// The way back.
struct Way<'w> {
    arguments: &'w Arguments,
    place: &'w Place,
    done: Vec<String>,
    stays: Vec<String>,
}

impl Way<'_> {
    /// Whether nothing stays.
    fn back(&mut self, record: &mut Record) -> bool {
        let (tree, machine) = (&self.place.tree, &self.place.machine);
        let look = |tree: &Tree| Look::at(tree.clone(), Path::new(CONFIG));
        let socket = look(tree).own.socket;
        let files = self.restore(record, Part::Client);
        if files.needs(tree, &socket) {
            self.stays.push(format!("the daemon, because a client is still given {}", socket.display()));
            return false;
        }
        if let Some(at) = look(tree).led_here() {
            self.stays.push(format!("the daemon, because a client is given its socket by {at}"));
            return false;
        }
        self.run(machine.systemctl(&["daemon-reload"]));
        let mut clients: Vec<Pending> = std::mem::take(&mut record.pending);
        for unit in std::mem::take(&mut record.clients) {
            if !clients.iter().any(|client| client.unit == unit) {
                clients.push(proof::client_to_start(&unit, machine));
            }
        }
        for client in clients {
            if machine.is_own() && !client.was_active {
                self.done.push(format!("{} does not run, so it was not started again\n", client.unit));
            }
            if let Err(why) = proof::run_again(&client, machine, self.arguments.timeout) {
                self.stays.push(why);
                // The next run tries it again.
                record.pending.push(client);
            }
        }
        let is_ours = install::has_units(record);
        if record.has_started || is_ours {
            self.run(machine.systemctl(&["stop", SOCKET, SERVICE]));
        }
        record.has_started = false;
        if is_ours && machine.is_own() {
            let Done { removed, problems, .. } = Left::look().remove(&record.missing);
            self.done.extend(removed.iter().map(|what| format!("removed {what}\n")));
            // Without containerd its store cannot be cleaned, and that is no reason to stay.
            self.done.extend(problems.iter().map(|what| format!("note: stays: {what}\n")));
        } else if is_ours {
            self.done.push(
                "what the daemon has left in containerd stays: cri-shunt eject, there, removes it\n"
                    .to_owned(),
            );
        }
        self.restore(record, Part::Own);
        self.run(machine.systemctl(&["daemon-reload"]));
        self.stays.is_empty()
    }

    fn restore(&mut self, record: &mut Record, part: Part) -> Restored {
        let mut done = install::restore(&self.place.tree, record, part, false, self.arguments.force);
        self.done.extend(done.restored.iter().map(|path| format!("put back {}\n", path.display())));
        self.stays.append(&mut done.stays);
        done
    }

    fn run(&mut self, result: Result<(), String>) {
        self.stays.extend(result.err());
    }

    /// Removes the record.
    fn end(&mut self, record: Record) {
        if let Err(error) = record.remove(&self.place.tree) {
            self.stays.push(format!("{}: {error}", install::DIRECTORY));
        }
    }
}

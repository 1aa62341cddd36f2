//! The steps: own files, daemon, proof, files of the clients, clients, proof. If one fails, all are taken back.

use std::path::Path;
use std::time::Duration;

use super::left::{self, Left};
use super::place::Place;
use super::proof;
use crate::cli::doctor::look::Look;
use crate::cli::exit::Exit;
use crate::cli::{pull, runtime, terminal};
use crate::config::visible;
use crate::files::go_duration;
use crate::install::{self, Content, Part, Pending, Plan, Record, SERVICE, SOCKET};

/// What is done, and on which node.
pub(super) struct Steps<'s> {
    pub(super) place: &'s mut Place,
    pub(super) record: &'s mut Record,
    pub(super) look: &'s Look,
    pub(super) timeout: Duration,
    /// The image to pull.
    pub(super) image: Option<&'s str>,
    pub(super) is_quiet: bool,
    /// Whether this run, or one that was killed, may have started the clients again.
    pub(super) has_reached_clients: bool,
}

impl Steps<'_> {
    pub(super) fn run(mut self, plan: &Plan) -> Result<Exit, Exit> {
        let disk = |why: String| terminal::fail(&why, Exit::Runtime);
        if self.place.machine.is_own() && self.record.is_empty() {
            self.record.missing = left::missing();
        }
        self.has_reached_clients = !self.record.pending.is_empty();
        for unit in &plan.clients {
            // What a run that was killed has noted down is how it was before.
            if !self.record.pending.iter().any(|pending| pending.unit == *unit) {
                self.record.pending.push(proof::client(unit, &self.place.machine));
            }
        }
        let machine = &self.place.machine;
        let clients = self.record.pending.clone();
        // A socket that is held starts the daemon for whoever calls.
        let was_active = [SERVICE, SOCKET].iter().any(|unit| machine.is_active(unit));
        self.record.has_started |= !was_active;
        install::note_down(&self.place.tree, self.record, &plan.changes, &mut self.place.program)
            .map_err(disk)?;
        match self.forward(plan, &clients, was_active) {
            Ok(()) => {
                self.record
                    .prove(&self.place.tree)
                    .map_err(|error| disk(format!("cannot write the record: {error}")))?;
                self.tell(&self.place.machine.said());
                self.labels(plan);
                Ok(Exit::Ok)
            }
            Err(why) => {
                terminal::say(&format!("error: {}\n", visible(&why)));
                let is_back = self.back(&clients, was_active);
                terminal::say(match is_back {
                    true => "all was put back as it was before\n",
                    false => "not all could be put back: see above, and run cri-shunt uninstall --apply\n",
                });
                Ok(Exit::Bad)
            }
        }
    }

    fn forward(&mut self, plan: &Plan, clients: &[Pending], was_active: bool) -> Result<(), String> {
        let changes = |this: &mut Self, part| {
            install::apply(&this.place.tree, this.record, &plan.changes, part, &mut this.place.program)
        };
        changes(self, Part::Own)?;
        let machine = &self.place.machine;
        machine.systemctl(&["daemon-reload"])?;
        let is_other = plan
            .changes
            .iter()
            .any(|change| change.part == Part::Own && !matches!(change.content, Content::Link(_)));
        machine.systemctl(&["--no-block", "start", SOCKET, SERVICE])?;
        if was_active && is_other {
            machine.systemctl(&["--no-block", "restart", SERVICE])?;
        }
        self.prove_daemon()?;
        self.has_reached_clients = true;
        changes(self, Part::Client)?;
        let machine = &self.place.machine;
        if !clients.is_empty() {
            machine.systemctl(&["daemon-reload"])?;
        }
        for client in clients {
            // After a run that was killed it may have failed.
            let word = if machine.is_own() && client.was_active { "restart" } else { "try-restart" };
            machine.systemctl(&["--no-block", word, &client.unit])?;
        }
        self.prove_clients(clients)
    }

    fn prove_daemon(&self) -> Result<(), String> {
        if !self.place.machine.is_own() {
            return Ok(());
        }
        let own = &self.look.own;
        let containerd_runs =
            self.look.sockets.as_ref().is_some_and(|sockets| sockets.has(&self.containerd()));
        let socket = &own.socket;
        let proven = runtime::block_on(async {
            proof::daemon_answers(socket, containerd_runs, self.timeout).await?;
            let Some(image) = self.image else { return Ok(None) };
            if !containerd_runs {
                let containerd = self.containerd();
                return Err(format!(
                    "{image} cannot be pulled: no containerd runs at {}",
                    containerd.display()
                ));
            }
            let pull = tokio::time::timeout(self.timeout, pull::pull_one(socket, image)).await;
            let within = go_duration::text(self.timeout);
            pull.map_err(|_| format!("{image} was not pulled within {within}"))?.map(Some)
        });
        let pulled = proven.map_err(|_| "the system does not let it wait".to_owned())?;
        let pulled = pulled.map_err(|why| format!("the proof has failed: {why}{}", self.hint(&why)))?;
        self.tell(&format!("cri-shunt answers on {}\n", socket.display()));
        if !containerd_runs {
            self.tell("containerd does not run yet, so no call was tried\n");
        }
        pulled.iter().for_each(|line| self.tell(line));
        Ok(())
    }

    /// What can be done about it.
    fn hint(&self, why: &str) -> &'static str {
        match why.contains("denied") && self.image.is_some() {
            true => " (if the policy is right, name another image with --prove-with)",
            false => " (see journalctl -u cri-shunt)",
        }
    }

    /// By the configuration as it is now.
    fn containerd(&self) -> std::path::PathBuf {
        Look::at(self.place.tree.clone(), Path::new(install::CONFIG)).own.containerd
    }

    fn prove_clients(&self, clients: &[Pending]) -> Result<(), String> {
        if !self.place.machine.is_own() {
            return Ok(());
        }
        let socket = &self.look.own.socket;
        for client in clients {
            if !client.was_active {
                self.tell(&format!("{} does not run, so it was not proven\n", client.unit));
                continue;
            }
            proof::client_uses(client, Some(socket), &self.place.machine, self.timeout)
                .map_err(|why| format!("the proof has failed: {why}"))?;
            self.tell(&format!("{} runs and asks {}\n", client.unit, socket.display()));
        }
        Ok(())
    }

    /// Takes back what was not proven; whether all of it is back.
    fn back(&mut self, clients: &[Pending], was_active: bool) -> bool {
        let tree = &self.place.tree;
        let machine = &self.place.machine;
        let done = install::restore(tree, self.record, Part::Client, true, false);
        let needs = done.needs(tree, &self.look.own.socket);
        let mut problems = done.stays;
        let mut said: Vec<Result<(), String>> = vec![machine.systemctl(&["daemon-reload"])];
        if self.has_reached_clients {
            said.extend(clients.iter().map(|client| proof::run_again(client, machine, self.timeout)));
        }
        match needs {
            true => said.push(Err("the daemon, because a client is still given its socket".to_owned())),
            false => problems.extend(self.own_back(was_active)),
        }
        problems.extend(said.into_iter().filter_map(Result::err));
        problems.iter().for_each(|problem| terminal::say(&format!("stays: {}\n", visible(problem))));
        if problems.is_empty() {
            self.record.pending.clear();
        }
        if problems.is_empty() && self.record.is_empty() {
            let record = std::mem::replace(self.record, Record::none());
            return record.remove(&self.place.tree).is_ok();
        }
        self.record.save(&self.place.tree).is_ok() && problems.is_empty()
    }

    /// Takes the own part back; what went wrong with it.
    fn own_back(&mut self, was_active: bool) -> Vec<String> {
        let tree = &self.place.tree;
        let machine = &self.place.machine;
        let mut said = Vec::new();
        // An earlier run that was killed may have started it. Once it was proven, clients need it.
        let stops = !self.record.is_proven() && (!was_active || self.record.has_started);
        if stops {
            said.push(machine.systemctl(&["stop", SOCKET, SERVICE]));
            if install::has_units(self.record) && machine.is_own() {
                let done = Left::look().remove(&self.record.missing);
                done.problems
                    .iter()
                    .for_each(|what| terminal::say(&format!("note: stays: {}\n", visible(what))));
            }
        }
        let done = install::restore(tree, self.record, Part::Own, true, false);
        said.push(machine.systemctl(&["daemon-reload"]));
        if !stops {
            said.push(machine.systemctl(&["--no-block", "restart", SERVICE]));
        }
        self.record.has_started &= !stops;
        done.stays.into_iter().chain(said.into_iter().filter_map(Result::err)).collect()
    }

    fn labels(&self, plan: &Plan) {
        if install::has_selinux(&self.place.tree) && !plan.changes.is_empty() {
            let paths: Vec<String> =
                plan.changes.iter().map(|change| change.path.display().to_string()).collect();
            self.tell(&format!("this node has SELinux: run restorecon -F {}\n", paths.join(" ")));
        }
    }

    fn tell(&self, text: &str) {
        if !self.is_quiet {
            // Where it cannot be written, that is said, and the work goes on all the same.
            let _ = terminal::print(&visible(text));
        }
    }
}

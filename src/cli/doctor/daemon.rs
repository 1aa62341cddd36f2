//! The daemon: does it run, is it this program, and has it this configuration?

use std::time::{Duration, SystemTime};

use tokio::runtime::Runtime;

use super::look::Look;
use crate::cli::daemon;
use crate::config::defaults;
use crate::install::{SERVICE, SOCKET};
use crate::node::{Finding, Place};
use crate::serve::admin::proto::StatusResponse;

/// How long after a change of the files the daemon may need to see it.
const SEES: Duration = Duration::from_secs(10);

/// What files alone can tell.
pub(super) fn of_files(look: &Look) -> Vec<Finding> {
    bypass(look).into_iter().collect()
}

pub(super) fn findings(look: &Look, runtime: &Runtime) -> Vec<Finding> {
    let mut found = of_files(look);
    if !rustix::process::geteuid().is_root() {
        found.push(
            Finding::warning("not-root", "this command does not run as root, so it does not see everything")
                .command("sudo cri-shunt doctor"),
        );
    }
    let socket = &look.own.socket;
    let listeners = look.sockets.as_ref().and_then(|sockets| sockets.at(socket));
    let Some(pids) = listeners else {
        let what = format!("nobody listens on {}: cri-shunt does not run", socket.display());
        found.push(
            Finding::problem("daemon-not-running", what)
                .at(&Place::file(socket))
                .command(format!("systemctl enable --now {SOCKET} {SERVICE}")),
        );
        return found;
    };
    found.extend(program(look, pids));
    if !daemon::may_be_asked(socket) {
        let what = "cri-shunt does not run yet: systemd holds its socket, and the first connection starts it";
        found.push(Finding::note("daemon-not-started", what).command(format!("systemctl start {SERVICE}")));
        return found;
    }
    match runtime.block_on(daemon::ask(socket, daemon::PATIENCE)) {
        Ok(status) => found.extend(of_status(look, &status)),
        Err(reason) => found.push(
            Finding::problem("daemon-does-not-answer", reason)
                .at(&Place::file(socket))
                .command(format!("systemctl status {SERVICE}")),
        ),
    }
    found
}

fn bypass(look: &Look) -> Option<Finding> {
    let file = &look.own.bypass;
    look.tree.has(file).then(|| {
        let what = format!(
            "the policy is switched off: {} exists, so every call goes to containerd as it is",
            file.display()
        );
        Finding::problem("bypass", what).at(&Place::file(file)).command(format!("rm {}", file.display()))
    })
}

/// A program that was replaced under the running daemon.
fn program(look: &Look, pids: &[u32]) -> Option<Finding> {
    let is_it =
        |pid: &u32| look.processes.iter().find(|process| process.pid == *pid && process.name == "cri-shunt");
    let process = pids.iter().find_map(is_it).filter(|process| process.is_replaced)?;
    let file = process.program.clone().unwrap_or_default();
    let what = format!(
        "the daemon (process {}) runs a program that is no longer at {}",
        process.pid,
        file.display()
    );
    Some(
        Finding::warning("daemon-older-than-program", what)
            .at(&Place::file(file))
            .advice("a new version takes effect at a restart; calls wait meanwhile")
            .command(format!("systemctl restart {SERVICE}")),
    )
}

fn of_status(look: &Look, status: &StatusResponse) -> Vec<Finding> {
    let mut found = Vec::new();
    let own = env!("CARGO_PKG_VERSION");
    if status.version != own {
        let what = format!("the daemon is version {}, and this command is version {own}", status.version);
        found.push(
            Finding::warning("version-differs", what)
                .is(&status.version)
                .should_be(own)
                .command(format!("systemctl restart {SERVICE}")),
        );
    }
    if let Some(first) = status.reload_error.lines().next() {
        let what = format!("the configuration was refused, and an older one is in force: {first}");
        found.push(
            Finding::problem("reload-refused", what)
                .at(&Place::file(&look.own.config))
                .advice("correct it; cri-shunt check shows all of it")
                .command("cri-shunt check"),
        );
    } else {
        found.extend(older(look, status));
    }
    if status.bypass && !look.tree.has(&look.own.bypass) {
        let what = format!("the policy is switched off: {} exists", status.bypass_file);
        found.push(Finding::problem("bypass", what).command(format!("rm {}", status.bypass_file)));
    }
    let faults = status.needed_files.iter().filter(|file| !file.line.is_empty());
    found.extend(faults.map(|file| Finding::problem("file-cannot-be-used", &file.line)));
    found.extend(status.hosts_problems.iter().map(|problem| Finding::warning("hosts-toml", problem)));
    let told = [("audit", &status.audit_problem), ("metrics", &status.metrics_problem)];
    for (id, problem) in told.into_iter().filter(|(_, problem)| !problem.is_empty()) {
        found.push(Finding::warning(id, format!("{id}: {problem}")));
    }
    found.extend(status.mirrors_down.iter().map(|host| {
        Finding::warning("mirror-down", format!("the daemon finds that {host} fails, and asks it last"))
    }));
    found
}

/// A file that was changed after the policy in force was read.
fn older(look: &Look, status: &StatusResponse) -> Option<Finding> {
    let seconds = u64::try_from(status.policy_loaded_at).ok()?;
    // What changes while the daemon looks is not late.
    let loaded =
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?.checked_add(defaults::WATCH)?;
    let changed = |file: &&std::path::PathBuf| {
        let at = look.tree.metadata(file).and_then(|is| is.modified().ok());
        at.is_some_and(|at| at > loaded && at.elapsed().is_ok_and(|age| age > SEES))
    };
    let file = look.own.files.iter().find(changed)?;
    let what = format!("{} was changed after the daemon has read its policy", file.display());
    Some(
        Finding::warning("policy-older-than-files", what)
            .at(&Place::file(file))
            .advice("let the daemon read it; where watch is off, it does not see changes by itself")
            .command(format!("systemctl reload {SERVICE}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Tree;
    use std::path::Path;

    #[test]
    fn an_answer_with_an_impossible_time_ends_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), "").unwrap();
        let look = Look::at(Tree::at(dir.path()).unwrap(), Path::new("/config.toml"));
        for policy_loaded_at in [i64::MIN, i64::MAX] {
            let status = StatusResponse { policy_loaded_at, ..StatusResponse::default() };
            assert!(older(&look, &status).is_none());
        }
    }
}

//! Whose view of files counts for `check`, `explain` and `doctor`: the daemon's.
//!
//! Holds: where the daemon runs, it is asked, and it is never started by that. Else its unit says what it may read.

use std::collections::HashMap;
use std::path::Path;

use super::unit::Unit;
use super::{daemon, runtime};
use crate::config::Config;
use crate::files::reader::{Daemon, Fault, Reader};
use crate::serve::admin::proto::NeededFile;

/// The view of the daemon, for a configuration that it may have.
pub(super) fn of_the_daemon(config: &Config) -> Reader {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // systemd runs this command for the unit, with the rights of the daemon. The daemon may wait for its end.
    if is_of_the_unit(&groups) {
        return Reader::This;
    }
    let unit = Unit::installed();
    let socket = config.listen.socket.as_path();
    let asks = !config.needed.is_empty() && daemon::may_be_asked(socket);
    let said = if asks { said(socket) } else { Vec::new() };
    Reader::Daemon(Box::new(Daemon {
        rights: unit.rights(),
        is_here: unit.is_installed(),
        hidden: unit.hidden(),
        credentials: unit.credentials(),
        said: by_file(said),
    }))
}

/// Whether this process belongs to the daemon's unit, by cgroups(7).
fn is_of_the_unit(groups: &str) -> bool {
    groups.lines().any(|line| line.split('/').any(|part| part == "cri-shunt.service"))
}

/// What the daemon says of its files; nothing where it does not answer.
fn said(socket: &Path) -> Vec<NeededFile> {
    let status = runtime::block_on(daemon::ask(socket, daemon::PATIENCE)).ok().and_then(Result::ok);
    status.map(|status| status.needed_files).unwrap_or_default()
}

fn by_file(said: Vec<NeededFile>) -> HashMap<(String, String), Option<Fault>> {
    let fault = |file: NeededFile| {
        let advice = Some(file.advice).filter(|advice| !advice.is_empty());
        let fault = Fault { what: file.fault, advice, is_closed: file.is_closed };
        ((file.purpose, file.subject), Some(fault).filter(|fault| !fault.what.is_empty()))
    };
    said.into_iter().map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_runs_the_command_for_the_unit_with_the_same_rights() {
        assert!(is_of_the_unit("0::/system.slice/cri-shunt.service\n"));
        assert!(is_of_the_unit("1:name=systemd:/system.slice/cri-shunt.service\n0::/\n"));
        assert!(!is_of_the_unit("0::/user.slice/user-0.slice/session-2.scope\n"));
    }
}

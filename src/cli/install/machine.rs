//! systemd's commands: run on this machine, or said where only files are changed.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::node::Tree;

/// Whether systemd runs here.
const BOOTED: &str = "/run/systemd/system";

/// The machine to which the files belong.
pub(crate) enum Machine {
    /// This one.
    Own,
    /// Another one: what has to be run there.
    Other(RefCell<Vec<String>>),
}

// === impl Machine ===

impl Machine {
    pub(crate) fn of(tree: &Tree) -> Self {
        match tree.is_own() && Path::new(BOOTED).is_dir() {
            true => Machine::Own,
            false => Machine::Other(RefCell::default()),
        }
    }

    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Machine::Own)
    }

    /// Runs it, or notes it down.
    ///
    /// # Errors
    /// What it says.
    pub(crate) fn systemctl(&self, words: &[&str]) -> Result<(), String> {
        if let Machine::Other(said) = self {
            let words: Vec<&str> = words.iter().copied().filter(|word| *word != "--no-block").collect();
            said.borrow_mut().push(format!("systemctl {}", words.join(" ")));
            return Ok(());
        }
        let output = Command::new("systemctl").args(words).output();
        let output = output.map_err(|error| format!("cannot run systemctl: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(format!("systemctl {}: {said}", words.join(" ")))
    }

    /// What systemd calls the state of a unit; of another machine nothing is known.
    pub(crate) fn state(&self, unit: &str) -> String {
        if !self.is_own() {
            return String::new();
        }
        let output = Command::new("systemctl").args(["is-active", unit]).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }

    pub(crate) fn is_active(&self, unit: &str) -> bool {
        self.state(unit) == "active"
    }

    /// What has to be run on the other machine, one command a line.
    pub(crate) fn said(&self) -> String {
        let Machine::Other(said) = self else { return String::new() };
        let mut text = String::new();
        let mut said = said.borrow().clone();
        said.dedup();
        if !said.is_empty() {
            text.push_str("only files were changed: run there\n");
        }
        said.iter().for_each(|command| text.push_str(&format!("  {command}\n")));
        text
    }
}

/// Whether a process belongs to a unit.
pub(super) fn is_of_unit(pid: u32, unit: &str) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    groups.lines().any(|line| line.split('/').any(|part| part == unit))
}

//! The processes of this machine.
//!
//! Holds: a process that ends while it is looked at is left out, or what was not seen of it is. Command lines may hold
//! passwords: only single flags are taken out of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::place::Place;
use super::words::{MAX_LINE, Word};

/// In which the kernel counts; `USER_HZ` is this on every platform that Rust runs Linux on.
const TICKS: u64 = 100;

/// A process.
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// By what name it was started, without directories: `kubelet`.
    pub name: String,
    /// The program that it runs, where that can be seen.
    pub program: Option<PathBuf>,
    /// Whether the file of the program has been removed or replaced since.
    pub is_replaced: bool,
    /// When it was started.
    pub started: Option<SystemTime>,
    words: Vec<String>,
}

/// All processes that share this one's numbers: those of containers are left out.
pub fn processes() -> Vec<Process> {
    below(Path::new("/proc"))
}

fn below(proc: &Path) -> Vec<Process> {
    let booted = fs::read_to_string(proc.join("stat")).ok().and_then(|text| booted(&text));
    let numbers = |directory: &Path| fs::read_link(directory.join("ns/pid")).ok();
    let own = numbers(&proc.join("self"));
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all = pids.filter_map(|pid: u32| {
        let directory = proc.join(pid.to_string());
        // It may not be seen, or it may be gone; the next line finds out.
        let other = numbers(&directory).filter(|numbers| own.as_ref().is_some_and(|own| own != numbers));
        if other.is_some() { None } else { Process::read(pid, &directory, booted) }
    });
    let mut all: Vec<Process> = all.collect();
    all.sort_by_key(|process| process.pid);
    all
}

/// When the machine was started, in seconds, by proc(5).
fn booted(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

// === impl Process ===

impl Process {
    fn read(pid: u32, directory: &Path, booted: Option<u64>) -> Option<Self> {
        let mut line = fs::read(directory.join("cmdline")).ok()?;
        line.truncate(MAX_LINE);
        let words: Vec<String> = line
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .filter(|word| !word.is_empty())
            .collect();
        // k3s and RKE2 write the command behind the name: `/usr/local/bin/k3s server`.
        let first = words.first()?.split_whitespace().next()?;
        let name = Path::new(first).file_name()?.to_string_lossy().into_owned();
        let exe = fs::read_link(directory.join("exe")).ok();
        let shown = exe.as_ref().map(|path| path.to_string_lossy().into_owned());
        let program = shown.as_deref().map(|path| PathBuf::from(path.trim_end_matches(" (deleted)")));
        let is_replaced = shown.is_some_and(|path| path.ends_with(" (deleted)"));
        let started = booted.and_then(|booted| started(directory, booted));
        Some(Process { pid, name, program, is_replaced, started, words })
    }

    /// Its command line, with itself as the place.
    pub(super) fn command(&self) -> Vec<Word> {
        let at = Place::file(format!("/proc/{}/cmdline", self.pid));
        self.words.iter().map(|text| Word { text: text.clone(), at: at.clone() }).collect()
    }

    /// Whether it was started before a file was changed.
    pub fn is_older_than(&self, file: &Path) -> bool {
        let Ok(changed) = fs::metadata(file).and_then(|found| found.modified()) else { return false };
        // Its own start is known to a second.
        self.started.is_some_and(|started| started + Duration::from_secs(2) < changed)
    }
}

/// The 22nd field of `/proc/PID/stat`; the second one is a name in parentheses that may have anything in it.
fn started(directory: &Path, booted: u64) -> Option<SystemTime> {
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(booted.checked_add(ticks / TICKS)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn this_process_is_found_with_its_start() {
        let own = processes().into_iter().find(|process| process.pid == std::process::id()).unwrap();
        assert_eq!(own.program, std::env::current_exe().ok());
        assert!(!own.is_replaced && own.started.unwrap() <= SystemTime::now() + Duration::from_secs(2));
        assert!(!own.is_older_than(Path::new("/none")));
    }

    #[test]
    fn a_process_that_is_gone_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for pid in ["1", "2", "3", "4", "5", "self", "sys"] {
            fs::create_dir(at(pid)).unwrap();
        }
        fs::write(at("stat"), "cpu 1\nbtime 1000\n").unwrap();
        fs::write(at("1/cmdline"), "/usr/bin/kubelet\0--a=b\0").unwrap();
        symlink("/usr/bin/kubelet (deleted)", at("1/exe")).unwrap();
        fs::write(at("1/stat"), format!("1 (ku) be) S {} 500 0\n", "0 ".repeat(18).trim())).unwrap();
        // Gone between the list and the look; gone in the middle of it; no words; rubbish; a directory.
        fs::write(at("3/cmdline"), "").unwrap();
        fs::write(at("4/cmdline"), [0xff, 0, 0xfe]).unwrap();
        fs::write(at("4/stat"), "4 (").unwrap();
        fs::create_dir(at("5/cmdline")).unwrap();
        let found = below(dir.path());
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [1, 4]);
        assert_eq!((found[0].name.as_str(), found[0].is_replaced), ("kubelet", true));
        assert_eq!(found[0].started, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1005)));
        assert_eq!((found[1].started, found[1].program.is_none()), (None, true));
        assert!(below(&at("none")).is_empty());
    }
}

//! Whether a process may read or run a file, by the owner and the mode of the file and of its directories.
//!
//! Holds: the rules of path_resolution(7) and capabilities(7). Access control lists are not looked at.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a process wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Run it as a program.
    Run,
}

/// Who a process is, and what it may do beyond that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Its user.
    pub uid: u32,
    /// Its groups.
    pub gids: Vec<u32>,
    /// Whether it has one of the capabilities by which root reads the files of all users.
    pub reads_all: bool,
}

/// The file or directory that a process may not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    path: PathBuf,
    is_dir: bool,
    owner: Owner,
    /// The bit that is missing.
    wanted: u32,
    /// The process that is refused.
    uid: u32,
}

/// Owner, group and permissions of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

/// Bits of a mode, as they are for others.
const READ: u32 = 0o4;
const EXECUTE: u32 = 0o1;
/// For anybody.
const ANY_EXECUTE: u32 = 0o111;

/// The bits of `CapEff` in proc_pid_status(5).
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;

// === impl Rights ===

impl Rights {
    /// Those of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let mut gids = vec![rustix::process::getegid().as_raw()];
        gids.extend(rustix::process::getgroups().unwrap_or_default().iter().map(|gid| gid.as_raw()));
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
        let reads_all = effective & (DAC_OVERRIDE | DAC_READ_SEARCH) != 0;
        Self { uid: rustix::process::geteuid().as_raw(), gids, reads_all }
    }

    /// Where a path is refused: the first directory that may not be entered, or the file itself.
    ///
    /// # Errors
    /// What keeps this process from looking, for example that there is no such file.
    pub fn refusal(&self, path: &Path, access: Access) -> io::Result<Option<Refusal>> {
        // The way to a symbolic link, and the way to where it leads.
        let real = std::fs::canonicalize(path)?;
        for way in [path, &real] {
            let mut directories: Vec<&Path> = way.ancestors().skip(1).collect();
            directories.retain(|directory| !directory.as_os_str().is_empty());
            for directory in directories.into_iter().rev() {
                let found = std::fs::metadata(directory)?;
                if let Some(refusal) = self.refuses(directory, &found, EXECUTE) {
                    return Ok(Some(refusal));
                }
            }
        }
        let found = std::fs::metadata(&real)?;
        Ok(match access {
            Access::Read => self.refuses(&real, &found, READ),
            // What nobody may run has another fault.
            Access::Run if found.mode() & ANY_EXECUTE == 0 => None,
            Access::Run => self.refuses(&real, &found, EXECUTE),
        })
    }

    fn refuses(&self, path: &Path, found: &Metadata, wanted: u32) -> Option<Refusal> {
        let (owner, is_dir) =
            (Owner { uid: found.uid(), gid: found.gid(), mode: found.mode() }, found.is_dir());
        let refusal = || Refusal { path: path.to_owned(), is_dir, owner, wanted, uid: self.uid };
        (!self.may(owner, is_dir, wanted)).then(refusal)
    }

    /// One class of a mode counts: that of the owner, else that of the group, else that of others.
    fn may(&self, Owner { uid, gid, mode }: Owner, is_dir: bool, wanted: u32) -> bool {
        if self.reads_all {
            // Not even root runs what nobody may run.
            return wanted == READ || is_dir || mode & ANY_EXECUTE != 0;
        }
        let class = match () {
            () if self.uid == uid => mode >> 6,
            () if self.gids.contains(&gid) => mode >> 3,
            () => mode,
        };
        class & wanted != 0
    }
}

impl fmt::Display for Refusal {
    /// Why, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, is_dir, owner: Owner { uid, mode, .. }, wanted, uid: own } = self;
        let (path, mode) = (path.display(), mode & 0o7777);
        write!(f, "{path} belongs to user {uid} and has mode {mode:04o}")?;
        let needs = if *wanted == READ { "r" } else { "x" };
        match () {
            () if uid == own => write!(f, ": chmod u+{needs} {path}"),
            () if *is_dir => {
                f.write_str(", so the daemon may not enter it: move the file, for example to /etc/cri-shunt")
            }
            () => write!(f, ", so the daemon may not use it: chown {own} {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Rights = Rights { uid: 0, gids: Vec::new(), reads_all: false };

    fn owned(uid: u32, gid: u32, mode: u32) -> Owner {
        Owner { uid, gid, mode }
    }

    #[test]
    fn root_without_its_capabilities_is_a_user_like_others() {
        let root = Rights { gids: vec![0], ..UNIT };
        let all = Rights { reads_all: true, ..root.clone() };
        let user = Rights { uid: 1000, gids: vec![1000, 7], reads_all: false };
        let rows = [
            // Owner, group, mode, what is wanted; then root in the unit, root, a user.
            (1000, 1000, 0o600, READ, [false, true, true]),
            (1000, 0, 0o640, READ, [true, true, true]),
            (1000, 0, 0o604, READ, [false, true, true]),
            (0, 0, 0o600, READ, [true, true, false]),
            (0, 7, 0o640, READ, [true, true, true]),
            (0, 0, 0o044, READ, [false, true, true]),
            (1000, 1000, 0o700, EXECUTE, [false, true, true]),
            (0, 0, 0o644, EXECUTE, [false, false, false]),
            (1000, 1000, 0o755, EXECUTE, [true, true, true]),
        ];
        for (uid, gid, mode, wanted, expected) in rows {
            let found = [&root, &all, &user].map(|rights| rights.may(owned(uid, gid, mode), false, wanted));
            assert_eq!(found, expected, "{uid}:{gid} {mode:o} {wanted}");
        }
        assert!(all.may(owned(1000, 1000, 0o600), true, EXECUTE), "root enters each directory");
    }

    #[test]
    fn a_refusal_names_the_place_and_what_to_do() {
        let told = |path: &str, is_dir, owner| {
            Refusal { path: path.into(), is_dir, owner, wanted: READ, uid: 0 }.to_string()
        };
        insta::assert_snapshot!(told("/home/joe/config.json", false, owned(1000, 1000, 0o100_600)), @"/home/joe/config.json belongs to user 1000 and has mode 0600, so the daemon may not use it: chown 0 /home/joe/config.json");
        insta::assert_snapshot!(told("/home/joe", true, owned(1000, 1000, 0o040_700)), @"/home/joe belongs to user 1000 and has mode 0700, so the daemon may not enter it: move the file, for example to /etc/cri-shunt");
        insta::assert_snapshot!(told("/etc/password", false, owned(0, 0, 0o100_040)), @"/etc/password belongs to user 0 and has mode 0040: chmod u+r /etc/password");
    }

    #[test]
    fn every_directory_on_the_way_counts() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (closed, link) = (dir.path().join("closed"), dir.path().join("link"));
        std::fs::create_dir(&closed).unwrap();
        std::fs::write(closed.join("f"), "x").unwrap();
        symlink(closed.join("f"), &link).unwrap();
        let stranger = Rights { uid: 4_000_000, gids: Vec::new(), reads_all: false };
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let refused = |path: &Path, access| stranger.refusal(path, access).unwrap().map(|found| found.path);
        open(dir.path(), 0o755);
        open(&closed, 0o700);
        let closed = std::fs::canonicalize(closed).unwrap();
        assert_eq!(refused(&link, Access::Read), Some(closed.clone()));
        open(&closed, 0o711);
        assert_eq!(refused(&link, Access::Read), None);
        assert_eq!(refused(&link, Access::Run), None, "nobody may run it");
        open(&closed.join("f"), 0o744);
        assert_eq!(refused(&link, Access::Run), Some(closed.join("f")));
        open(&closed.join("f"), 0o600);
        assert_eq!(refused(&link, Access::Read), Some(closed.join("f")));
        let missing = stranger.refusal(&dir.path().join("none"), Access::Read).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}

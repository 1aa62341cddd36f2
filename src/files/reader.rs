//! The process whose view of files counts: this one, or the daemon, for which a command speaks.
//!
//! Holds: what the daemon itself has said of a file counts over everything that a command finds out.
//! Not here: which files are needed, and what must be in them (`credentials`, `containerd::hosts`).

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::Access as Mode;
use rustix::io::Errno;

use super::access::{Access, Rights};
use super::regular_file::{self, OpenError};

/// Something outside the configuration that pulls need.
pub trait Need {
    /// What it is for: `password file`.
    fn purpose(&self) -> String;

    /// Its path, or another name.
    fn subject(&self) -> String;

    /// Its path, where it is a file.
    fn file(&self) -> Option<(&Path, Access)>;

    /// Looks at it with the rights of this process. What only the daemon can see has no fault here.
    ///
    /// # Errors
    /// The fault, in words.
    fn examine(&self, reader: &Reader) -> Result<(), String>;

    /// The fault of a file that cannot be used, with the system's words.
    fn unusable(&self, error: &io::Error) -> String;
}

/// Why something that pulls need cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The fault, in words.
    pub what: String,
    /// What to do about it, where that is known.
    pub advice: Option<String>,
    /// Whether it is a file that is there and cannot be opened, so that nobody knows what is in it.
    pub is_closed: bool,
}

/// Whose view counts.
#[derive(Clone, Debug, Default)]
pub enum Reader {
    /// That of this process.
    #[default]
    This,
    /// That of the daemon, which is another process.
    Daemon(Box<Daemon>),
}

/// What a command knows of the daemon.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Its user and what it may do.
    pub rights: Rights,
    /// Whether its unit is installed here, so that the files here are for it.
    pub is_here: bool,
    /// Directories in which it does not see what others see.
    pub hidden: Vec<PathBuf>,
    /// The names of the systemd credentials that it gets, where that is known.
    pub credentials: Option<Vec<String>>,
    /// What it has said, by purpose and subject; nothing for what it can use.
    pub said: HashMap<(String, String), Option<Fault>>,
}

// === impl Reader ===

impl Reader {
    /// The fault of something that pulls need.
    pub fn fault(&self, need: &impl Need) -> Option<Fault> {
        match self {
            Reader::This => {
                let fault = found(need, self)?;
                let denied = need.file().filter(|(path, access)| is_denied(path, *access));
                let refusal = denied.map(|(path, access)| Rights::of_this_process().refusal(path, access));
                let refusal = refusal.and_then(Result::ok).flatten();
                Some(Fault { advice: refusal.map(|refusal| refusal.to_string()), ..fault })
            }
            Reader::Daemon(daemon) => match daemon.said.get(&(need.purpose(), need.subject())) {
                Some(said) => said.clone(),
                None => daemon.judge(need, self),
            },
        }
    }

    /// Why the daemon of this machine cannot read a file that this process has read, and what to do.
    #[must_use]
    pub fn closed(&self, path: &Path) -> Option<String> {
        let Reader::Daemon(daemon) = self else { return None };
        if !daemon.is_here {
            return None;
        }
        let refusal = || daemon.rights.refusal(path, Access::Read).ok().flatten();
        daemon.hides(path).or_else(|| refusal().map(|refusal| refusal.to_string()))
    }
}

// === impl Daemon ===

impl Daemon {
    /// What to do about a file in a directory that it does not see.
    fn hides(&self, path: &Path) -> Option<String> {
        let hidden = self.hidden.iter().find(|hidden| path.starts_with(hidden))?.display();
        Some(format!("the daemon does not see the files in {hidden}: move it, for example to /etc/cri-shunt"))
    }

    /// The fault, by owner and mode, and by what this process sees.
    fn judge(&self, need: &impl Need, reader: &Reader) -> Option<Fault> {
        let Some((path, access)) = need.file() else { return found(need, reader) };
        if let Some(advice) = self.hides(path) {
            let what = need.unusable(&system(Errno::NOENT));
            return Some(Fault { what, advice: Some(advice), is_closed: false });
        }
        match self.rights.refusal(path, access) {
            Ok(Some(refusal)) => {
                let what = need.unusable(&system(Errno::ACCESS));
                Some(Fault { what, advice: Some(refusal.to_string()), is_closed: true })
            }
            // The daemon may, and this process may not.
            Ok(None) if is_denied(path, access) => None,
            Ok(None) => found(need, reader),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let advice = Some("this command may not look at it: run it as root".to_owned());
                Some(Fault { what: need.unusable(&error), advice, is_closed: true })
            }
            Err(_) => found(need, reader),
        }
    }
}

/// The fault in the eyes of this process.
fn found(need: &impl Need, reader: &Reader) -> Option<Fault> {
    let what = need.examine(reader).err()?;
    let is_open = |path| match regular_file::open(path) {
        Ok(_) => true,
        Err(OpenError::Io(error)) => error.kind() == ErrorKind::NotFound,
        Err(OpenError::Directory | OpenError::Special) => false,
    };
    let is_closed = need.file().is_some_and(|(path, _)| !is_open(path));
    Some(Fault { what, advice: None, is_closed })
}

/// An error in the words that the daemon has for it.
fn system(error: Errno) -> io::Error {
    io::Error::from_raw_os_error(error.raw_os_error())
}

/// Whether this process may not use it.
fn is_denied(path: &Path, access: Access) -> bool {
    match access {
        Access::Read => {
            let opened = regular_file::open(path);
            matches!(opened, Err(OpenError::Io(error)) if error.kind() == ErrorKind::PermissionDenied)
        }
        Access::Run => rustix::fs::access(path, Mode::EXEC_OK).is_err_and(|error| error == Errno::ACCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one word.
    struct Word(PathBuf);

    impl Need for Word {
        fn purpose(&self) -> String {
            "word".to_owned()
        }

        fn subject(&self) -> String {
            self.0.display().to_string()
        }

        fn file(&self) -> Option<(&Path, Access)> {
            Some((&self.0, Access::Read))
        }

        fn examine(&self, _: &Reader) -> Result<(), String> {
            let text = std::fs::read_to_string(&self.0).map_err(|error| self.unusable(&error))?;
            if text.contains(' ') { Err("it is not one word".to_owned()) } else { Ok(()) }
        }

        fn unusable(&self, error: &io::Error) -> String {
            format!("unread: {error}")
        }
    }

    fn daemon(change: impl FnOnce(&mut Daemon)) -> Reader {
        let rights = Rights { uid: 4_000_000, gids: Vec::new(), reads_all: false };
        let mut daemon =
            Daemon { rights, is_here: true, hidden: Vec::new(), credentials: None, said: HashMap::new() };
        change(&mut daemon);
        Reader::Daemon(Box::new(daemon))
    }

    #[test]
    fn the_daemons_view_counts() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        open(dir.path(), 0o755);
        let word = Word(dir.path().join("f"));
        let told = |reader: &Reader| reader.fault(&word).map(|fault| (fault.what, fault.is_closed));
        let fault = |what: &str, is_closed| Some((what.to_owned(), is_closed));
        let missing = fault("unread: No such file or directory (os error 2)", false);
        let stranger = daemon(|_| {});
        assert_eq!((told(&Reader::This), told(&stranger)), (missing.clone(), missing.clone()));
        std::fs::write(&word.0, "two words").unwrap();
        open(&word.0, 0o644);
        let wrong = fault("it is not one word", false);
        assert_eq!((told(&Reader::This), told(&stranger)), (wrong.clone(), wrong.clone()));
        std::fs::write(&word.0, "word").unwrap();
        assert_eq!((told(&Reader::This), told(&stranger)), (None, None));
        open(&word.0, 0o600);
        assert_eq!(told(&Reader::This), None);
        assert_eq!(told(&stranger), fault("unread: Permission denied (os error 13)", true));
        assert!(stranger.fault(&word).unwrap().advice.unwrap().ends_with(&word.subject()));
        assert_eq!(told(&daemon(|daemon| daemon.hidden = vec![dir.path().to_owned()])), missing);
        let said = |said: Option<Fault>| {
            daemon(|daemon| drop(daemon.said.insert((word.purpose(), word.subject()), said)))
        };
        assert_eq!(told(&said(None)), None, "it can, whatever it looks like from here");
        let own = Fault { what: "no".to_owned(), advice: None, is_closed: false };
        assert_eq!(told(&said(Some(own))), fault("no", false));

        let closed = |reader: &Reader| reader.closed(&word.0);
        assert!(closed(&stranger).unwrap().ends_with(&word.subject()));
        assert!(
            closed(&daemon(|daemon| daemon.hidden = vec![dir.path().to_owned()]))
                .unwrap()
                .contains("move it")
        );
        assert_eq!(closed(&daemon(|daemon| daemon.is_here = false)), None, "it may be for another machine");
        assert_eq!(closed(&Reader::This), None);
        open(&word.0, 0o644);
        assert_eq!(closed(&stranger), None);
    }
}

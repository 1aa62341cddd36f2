//! The directories in which containerd looks for `hosts.toml` when CRI pulls, by version, pull mode and config.
//!
//! Source: containerd `internal/cri/server/images/image_pull.go` and `plugins/cri/images/plugin.go` (v2.1.9, v2.3.4),
//! `pkg/cri/server/image_pull.go` (v1.6.20, v1.7.24). Local pulls split `config_path` at colons. The transfer
//! service takes it as the name of one directory (containerd/containerd#12808).

use std::path::{Path, PathBuf};

/// What an empty `config_path` means from containerd 2.2 on. No `config dump` shows it.
const DEFAULT: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";

/// How CRI pulls images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullMode {
    /// The CRI plugin pulls by itself.
    Local,
    /// The transfer service pulls for it, from containerd 2.1 on.
    Transfer,
}

/// Where containerd looks for `hosts.toml` when CRI pulls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// It was not asked, or its config could not be read.
    #[default]
    Unknown,
    /// It reads no `hosts.toml`.
    None,
    /// It reads them here.
    Known(Directories),
}

/// Directories, never none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories {
    read: Vec<PathBuf>,
    written: Vec<PathBuf>,
    spare: Vec<PathBuf>,
}

/// Major and minor version: `v2.1.9+unknown` is (2, 1).
#[must_use]
pub fn line(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split(['.', '~', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

// === impl Roots ===

impl Roots {
    /// One directory, whatever containerd says.
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        let directory = vec![directory.into()];
        Self::Known(Directories { read: directory.clone(), written: directory, spare: Vec::new() })
    }

    /// What `config_path` means to a containerd of this version. Where the pull mode is not known, a list of directories
    /// stands for both of its meanings. `has_mirrors` is whether the deprecated `registry.mirrors` is set.
    #[must_use]
    pub fn of(version: &str, mode: Option<PullMode>, config_path: &str, has_mirrors: bool) -> Self {
        let line = line(version);
        let text = match config_path {
            "" if line >= Some((2, 2)) && !has_mirrors => DEFAULT,
            text => text,
        };
        let split: Vec<PathBuf> =
            text.split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect();
        let joined = vec![PathBuf::from(text)];
        let Some(first) = split.first().map(|first| vec![first.clone()]) else { return Self::None };
        if !text.contains(':') {
            return Self::at(text);
        }
        let always_local = line.is_some_and(|line| line < (2, 1));
        let (read, written, mut spare) = match mode {
            _ if always_local => (split, first, Vec::new()),
            Some(PullMode::Local) => (split, first, joined),
            Some(PullMode::Transfer) => (joined.clone(), joined, first),
            None => ([joined.clone(), split].concat(), [joined, first].concat(), Vec::new()),
        };
        // What is relative would be made below the directory that this program was started in.
        spare.retain(|root| root.is_absolute());
        Self::Known(Directories { read, written, spare })
    }

    /// Where containerd looks, in order.
    #[must_use]
    pub fn read(&self) -> &[PathBuf] {
        self.known().map_or(&[], |known| &known.read)
    }

    /// Where a file must be to take effect: in each of these.
    #[must_use]
    pub fn written(&self) -> &[PathBuf] {
        self.known().map_or(&[], |known| &known.written)
    }

    /// Where it should be as well, in case containerd pulls in its other mode after its next start.
    #[must_use]
    pub fn spare(&self) -> &[PathBuf] {
        self.known().map_or(&[], |known| &known.spare)
    }

    /// All of them, each once.
    #[must_use]
    pub fn all(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> = Vec::new();
        for root in self.read().iter().chain(self.written()).chain(self.spare()) {
            if !all.contains(&root.as_path()) {
                all.push(root);
            }
        }
        all
    }

    fn known(&self) -> Option<&Directories> {
        match self {
            Self::Known(known) => Some(known),
            Self::Unknown | Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_far_as_its_second_number() {
        let rows = [
            ("1.6.20~ds1", Some((1, 6))),
            ("v2.1.9+unknown", Some((2, 1))),
            ("v2.0.5-k3s1", Some((2, 0))),
            ("2.4-beta", Some((2, 4))),
            ("", None),
            ("devel", None),
        ];
        for (text, expected) in rows {
            assert_eq!(line(text), expected, "{text}");
        }
    }

    #[test]
    fn directories_follow_from_version_mode_and_text() {
        use PullMode::{Local, Transfer};
        // Version, mode, text; the directories that are read, written, and written as a spare.
        let (two, joined) = ("/a:/b", &["/a:/b"][..]);
        let default = [DEFAULT];
        type Row<'r> = (&'r str, Option<PullMode>, &'r str, &'r [&'r str], &'r [&'r str], &'r [&'r str]);
        let rows: [Row<'_>; 16] = [
            ("1.6.20", Some(Local), "/a", &["/a"], &["/a"], &[]),
            ("1.6.20", Some(Local), two, &["/a", "/b"], &["/a"], &[]),
            ("1.7.24", Some(Local), "", &[], &[], &[]),
            ("v2.0.11", Some(Local), two, &["/a", "/b"], &["/a"], &[]),
            ("v2.1.9", Some(Local), two, &["/a", "/b"], &["/a"], joined),
            ("v2.1.9", Some(Local), "", &[], &[], &[]),
            ("v2.1.9", Some(Transfer), "", &[], &[], &[]),
            ("v2.1.9", Some(Transfer), "/a", &["/a"], &["/a"], &[]),
            ("v2.1.9", Some(Transfer), two, joined, joined, &["/a"]),
            ("v2.1.9", None, two, &["/a:/b", "/a", "/b"], &["/a:/b", "/a"], &[]),
            ("", None, two, &["/a:/b", "/a", "/b"], &["/a:/b", "/a"], &[]),
            ("v2.2.0", Some(Transfer), "", &default, &default, &["/etc/containerd/certs.d"]),
            (
                "v2.3.4",
                Some(Local),
                "",
                &["/etc/containerd/certs.d", "/etc/docker/certs.d"],
                &["/etc/containerd/certs.d"],
                &default,
            ),
            ("v2.3.4", Some(Transfer), "/a", &["/a"], &["/a"], &[]),
            ("v2.1.9", Some(Local), "/a:", &["/a"], &["/a"], &["/a:"]),
            ("v2.1.9", Some(Local), ":/a:", &["/a"], &["/a"], &[]),
        ];
        let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect::<Vec<_>>();
        for (version, mode, text, read, written, spare) in rows {
            let roots = Roots::of(version, mode, text, false);
            assert_eq!(roots.read(), paths(read), "{version} {mode:?} {text}");
            assert_eq!(roots.written(), paths(written), "{version} {mode:?} {text}");
            assert_eq!(roots.spare(), paths(spare), "{version} {mode:?} {text}");
            assert_eq!(roots == Roots::None, read.is_empty(), "{version} {mode:?} {text}");
        }
        assert_eq!(Roots::of("v2.3.4", Some(Local), "", true), Roots::None, "mirrors take the default away");
        assert_ne!(Roots::Unknown, Roots::None);
    }
}

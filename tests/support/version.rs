//! The containerd lines that the tests run on, and where their programs are.
//!
//! `tests/setup` unpacks them, `containerd` starts them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One line of containerd releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    V1_6,
    V1_7,
    V2_1,
}

impl Version {
    pub const ALL: [Version; 3] = [Version::V1_6, Version::V1_7, Version::V2_1];

    /// The line as in a version number, `1.6`.
    pub fn line(self) -> &'static str {
        match self {
            Version::V1_6 => "1.6",
            Version::V1_7 => "1.7",
            Version::V2_1 => "2.1",
        }
    }

    /// Whether this line still serves `runtime.v1alpha2`.
    pub fn has_v1alpha2(self) -> bool {
        self < Version::V2_1
    }

    /// The folder with `containerd`, `ctr` and the shim of this line; an error that says why there is none.
    pub fn programs(self) -> Result<PathBuf, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a real containerd needs root".to_owned());
        }
        let unpacked = super::testbed_dir().join(format!("containerd-{}/usr/bin", self.line()));
        [unpacked, PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")]
            .into_iter()
            .find(|dir| line_of(&dir.join("containerd")).as_deref() == Some(self.line()))
            .ok_or_else(|| format!("no containerd {} here (tests/setup fetches it)", self.line()))
    }
}

fn line_of(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(2)?.trim_start_matches('v').to_owned();
    let mut parts = version.split('.');
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}

//! Removes all of the shunt's files below containerd's `config_path`, those of the fence and of private hosts too.
//!
//! Holds: nothing is touched that does not carry the mark. Private hosts of another daemon on the machine stay.

use std::io;
use std::path::Path;

use super::place::HOSTS_TOML;
use super::private::{PrivateHosts, is_private};
use super::tree;

/// What has been removed, and what could not be, in words.
#[derive(Debug, Default)]
pub struct Ejected {
    /// The files.
    pub removed: Vec<String>,
    /// The problems.
    pub problems: Vec<String>,
}

/// Removes them, or only looks for them.
#[must_use]
pub fn eject(private: &PrivateHosts, roots: &[&Path], changing: bool) -> Ejected {
    let _alone = tree::changes();
    let mut ejected = Ejected::default();
    for root in roots.iter().filter(|root| root.is_absolute()) {
        if let Err(error) = ejected.root(private, root, changing) {
            ejected.problems.push(format!("{}: {error}", root.display()));
        }
    }
    ejected
}

impl Ejected {
    fn root(&mut self, private: &PrivateHosts, root: &Path, changing: bool) -> io::Result<()> {
        let mut left = if changing { tree::tidy(root)? } else { Vec::new() };
        for name in tree::list(root)?.into_iter().filter(|name| !is_private(name) || private.owns(name)) {
            let path = root.join(&name).join(HOSTS_TOML);
            let removed = if changing { tree::remove(root, &name) } else { Ok(None) };
            match removed {
                Ok(more) => left.extend(more),
                Err(error) => {
                    self.problems.push(format!("cannot remove {}: {error}", path.display()));
                    continue;
                }
            }
            self.removed.push(path.display().to_string());
        }
        let stays = |directory: &std::path::PathBuf| {
            format!("{} holds files that are not cri-shunt's, so the directory stays", directory.display())
        };
        self.problems.extend(left.iter().map(stays));
        if changing { tree::remove_joined(root) } else { Ok(()) }
    }
}

//! The node that is changed: its files, its systemd, and the lock that keeps others out.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::machine::Machine;
use crate::cli::exit::Exit;
use crate::cli::{chroot, terminal};
use crate::install::{DIRECTORY, Record};
use crate::node::Tree;
use crate::state::{DirLock, NoLock};

/// Which node.
#[derive(Debug, clap::Args)]
pub(crate) struct At {
    /// The directory of the node's files. If it is not /, only files are changed, and the command says what to run there
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,

    /// Make DIR of --root the root of this process, and do there all that is done on this machine: in a container that
    /// has the node's /, processes and network
    #[arg(long, requires = "root")]
    chroot: bool,
}

/// A node that is changed.
pub(crate) struct Place {
    pub(crate) tree: Tree,
    pub(crate) machine: Machine,
    /// The file of this program. It was opened before the root was changed.
    pub(crate) program: File,
}

// === impl Place ===

impl Place {
    /// Where it is.
    pub(crate) fn of(at: &At) -> Result<Self, Exit> {
        let failed =
            |what: String| move |error: io::Error| terminal::fail(&format!("{what}: {error}"), Exit::Runtime);
        let program = File::open("/proc/self/exe").map_err(failed("cannot read this program".to_owned()))?;
        let mut root = at.root.as_path();
        if at.chroot {
            chroot::enter(root).map_err(failed(format!("cannot make {} the root", root.display())))?;
            root = Path::new("/");
        }
        let tree = Tree::at(root).map_err(failed(format!("cannot look at {}", root.display())))?;
        let machine = Machine::of(&tree);
        Ok(Place { tree, machine, program })
    }

    /// Keeps all others out. Its directory is made.
    pub(crate) fn lock(&self) -> Result<DirLock, Exit> {
        if self.tree.is_own() && !rustix::process::geteuid().is_root() {
            return Err(terminal::fail("only root can do this: run it with sudo", Exit::Runtime));
        }
        let directory = self.tree.way(Path::new(DIRECTORY));
        let directory =
            directory.map_err(|error| terminal::fail(&format!("{DIRECTORY}: {error}"), Exit::Runtime))?;
        DirLock::take(&directory).map_err(|error| match error {
            NoLock::Taken { pid: Some(pid), .. } => terminal::fail(
                &format!(
                    "another cri-shunt install or uninstall (process {pid}) works on this node: wait for it"
                ),
                Exit::Runtime,
            ),
            other => terminal::fail(&other.to_string(), Exit::Runtime),
        })
    }

    /// What earlier runs have done.
    pub(crate) fn record(&self) -> Result<Record, Exit> {
        Record::read(&self.tree).map_err(|error| terminal::fail(&error.to_string(), Exit::Runtime))
    }
}

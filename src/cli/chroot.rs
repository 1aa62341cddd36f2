//! The root of another machine's files, for what reads paths as that machine has them.

use std::io;
use std::path::Path;

/// Makes a directory the root of this process. There is no way back.
///
/// # Errors
/// `root` is not a directory, or this process may not change its root.
pub(super) fn enter(root: &Path) -> io::Result<()> {
    rustix::process::chroot(root)?;
    std::env::set_current_dir("/")
}

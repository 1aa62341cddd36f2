//! The program as a user runs it in a directory of files.
//!
//! A test gives the files and gets all that came of it.
//! Not here: the daemon (`shunt`). Tests that need no more than this take this file alone.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Writes files into a new directory; a name that ends with a slash is a directory.
pub fn lay_out(files: &[(&str, &str)]) -> tempfile::TempDir {
    // Nobody else can enter it. So `check` has nothing to say of who can read a file in it.
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    let dir = tempfile::Builder::new().permissions(closed).tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        if name.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

/// Runs the program there.
pub fn run(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    command.current_dir(dir).args(arguments).stdin(Stdio::null()).output().unwrap()
}

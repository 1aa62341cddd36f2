//! The program as a user runs it in a directory of files.
//!
//! A test gives the files and gets all that came of it.
//! Not here: the daemon (`shunt`). Tests that need no more than this take this file alone.
#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::io::Write as _;
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

/// The program there, without a stdin.
pub fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    command.current_dir(dir).args(arguments).stdin(Stdio::null());
    command
}

/// Runs the program there.
pub fn run(dir: &Path, arguments: &[&str]) -> Output {
    command(dir, arguments).output().unwrap()
}

/// As [`run`], with a text for its stdin.
pub fn run_with(dir: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = command(dir, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that does not read it may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// All that came of it: stdout, stderr where there is any, and the exit status.
pub fn shown(output: &Output) -> String {
    let mut text = String::from_utf8(output.stdout.clone()).unwrap();
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    if !errors.is_empty() {
        text.push_str(&format!("--- stderr\n{errors}"));
    }
    format!("{text}--- exit {}", output.status.code().unwrap())
}

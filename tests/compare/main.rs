//! The commands that compare many images with something: `preflight`, `diff`, `lock`, `drift`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

mod diff;
mod drift;
mod lock;
mod locked;
mod preflight;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What came of a run: stdout, stderr and the exit status.
fn shown(output: &Output) -> String {
    let mut text = String::from_utf8(output.stdout.clone()).unwrap();
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    if !errors.is_empty() {
        text.push_str(&format!("--- stderr\n{errors}"));
    }
    format!("{text}--- exit {}", output.status.code().unwrap())
}

/// Runs the program beside a `config.toml`.
fn run(config: &str, arguments: &[&str]) -> String {
    let dir = program::lay_out(&[("config.toml", config)]);
    shown(&program::run(dir.path(), arguments))
}

/// Runs the program with a text for its stdin.
fn run_with(dir: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    let pipes = command.current_dir(dir).args(arguments).stdin(Stdio::piped());
    let mut child = pipes.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A port where no program listens.
fn unused_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

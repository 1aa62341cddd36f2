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

use program::{run_with, shown};

/// Runs the program beside a `config.toml`.
fn run(config: &str, arguments: &[&str]) -> String {
    let dir = program::lay_out(&[("config.toml", config)]);
    shown(&program::run(dir.path(), arguments))
}

/// A port where no program listens.
fn unused_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
